"""What the agent needs of the rooms beside and above it, as contracts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..types.events import Event


class Emitter(Protocol):
    """The one way out. `session/hub.py` is one; the log comes before the watchers."""

    async def emit(self, event: Event) -> None:
        """Store the event as durably as its kind asks, then show it. Raises StoreError: nothing was shown."""
        ...

    def show(self, event: Event) -> None:
        """Show a live-only event; it is not stored."""
        ...


Asker = Callable[[str], Awaitable[bool]]
"""Asks the person whether to go on after a bound was met; False where nobody can be asked."""

Place = Callable[[], str]
"""Where code would run, in words, for the approval prompt."""
