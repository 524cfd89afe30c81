"""What a conversation has used since it was opened here."""

from __future__ import annotations

from ..types.events import TurnFinished
from ..types.messages import Usage


class Tally:
    """What this conversation has used since it was opened here."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.turns = 0
        self.last = Usage()

    def add(self, end: TurnFinished) -> None:
        self.turns += 1
        self.last = end.usage
        old, new = self.usage, end.usage
        cost = None if old.cost is None and new.cost is None else (old.cost or 0.0) + (new.cost or 0.0)
        self.usage = Usage(
            prompt=old.prompt + new.prompt,
            cached=old.cached + new.cached,
            completion=old.completion + new.completion,
            reasoning=old.reasoning + new.reasoning,
            cost=cost,
        )
