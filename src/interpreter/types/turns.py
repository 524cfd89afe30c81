"""A turn that has no end."""

from __future__ import annotations

from .base import Value


class OpenLeft(Value):
    """A turn that the process before left without an end, for whoever shows the session."""

    turn: str
    text: str
    """What it was asked."""
    goes_on: bool
    """An empty SubmitInput goes on with it; False: the person had interrupted it."""
