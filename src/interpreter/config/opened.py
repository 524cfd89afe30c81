"""What the grants of a run mean, in words, for whoever shows them."""

from __future__ import annotations

from typing import NamedTuple

from ..sandbox.grants import TOOLS
from ..text.i18n import _
from .settings import Settings


class Meaning(NamedTuple):
    name: str
    text: str
    """One sentence in the person's language."""
    strong: bool
    """As strong as no sandbox at all."""


def meanings(settings: Settings) -> list[Meaning]:
    """Each grant that was set, in order; none where there are no walls anyway."""
    if settings.walls.backend == "host":
        return []
    found: list[Meaning] = []
    for name in dict.fromkeys((*settings.walls.grants, *settings.walls.granted)):
        tool = TOOLS.get(name)
        text = _(tool.meaning) if tool is not None else _("The code may read {path}.", path=name)
        found.append(Meaning(name, text, tool is not None and tool.strong))
    return found
