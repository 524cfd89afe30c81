"""What a person may set about links. Apart from `links`, because every start reads it."""

from __future__ import annotations

from ..types.base import Value

DAY = 86_400.0


class LinkOptions(Value):
    """What a person may set about questions that leave this machine."""

    url: str = ""
    """The address under which they reach `interpreter approvals serve`; empty: no links are made."""
    notify: tuple[str, ...] = ()
    """Targets of the tool `notify` that are told of questions; empty: nobody is told."""
    lifetime: float = DAY
    """Seconds that a link counts; never beyond the question's deadline."""
