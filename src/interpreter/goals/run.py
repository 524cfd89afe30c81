"""What the parts of a goal run share while one turn of it runs; everything lasting is in the log."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..agent.ports import Emitter
from ..agent.rise import Risen
from ..types.events import Event
from ..types.goals import Claimed, Task
from .book import Book


@dataclass
class Run:
    book: Book
    emitter: Emitter
    turn: str = ""
    blocked: str = ""
    """Why the run is stuck, in the person's language."""
    refused: str = ""
    """What a person reads of a refusal after which nothing of the model's was admitted."""
    forbidden: tuple[str, str] = ("", "")
    """The first check of the person's that a rule refuses, and what they read of it."""
    overtime: bool = False
    """The ceiling of time was met."""
    risen: Risen | None = None
    """What has just risen suddenly: whoever is asked whether to go on is asked about that."""
    paused: str = ""
    """The question that the run stands still at."""
    halted: str = ""
    """The person said no to going on: what was asked."""
    stopped: bool = False
    """Nothing is written any more, but for the undo."""
    asked: int = 0
    """How often the model was asked for a claim since it last acted."""
    expected: tuple[str, str, str] | None = None
    """Action, what was expected, and how its result differed: what the model says next is its reflection."""
    waiting: list[Event] = field(default_factory=lambda: list[Event]())
    """Events that were found where nothing can be emitted."""

    @property
    def task(self) -> Task:
        assert self.book.task is not None
        return self.book.task

    @property
    def claim(self) -> Claimed | None:
        return self.book.claim

    async def flush(self) -> None:
        while self.waiting:
            await self.emitter.emit(self.waiting.pop(0))

    def begin(self, turn: str) -> None:
        self.turn, self.asked, self.expected = turn, 0, None
        self.blocked = self.refused = self.paused = self.halted = ""
        self.risen = None
        self.forbidden = ("", "")
        self.overtime = False
        self.stopped = self.book.worse is not None
