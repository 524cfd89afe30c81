"""What happened in a session, step by step, in a few words each: one reading of its log."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    ConversationReset,
    Stored,
    TurnFinished,
    TurnStarted,
)
from ..types.rewinding import Rewound
from ..types.tooling import in_a_line

LINE = 70
"""Characters of a step's code that stand for it."""
BESIDE = re.compile(r"(?:import|from|#|//|%|set [-+]|const \w+ = require|\"\"\"|'''|use strict)")
"""How lines begin that do not say what a step is for."""


@dataclass
class Step:
    """One thing that was run."""

    number: int
    """The n-th that the session began, 1-based."""
    action: str
    execution: str
    language: str
    code: str
    begun: float
    """Unix seconds."""
    ended: float = 0.0
    """0: it has no end."""
    status: str = ""

    @property
    def line(self) -> str:
        """The first line of its code that says something; looked for only where it is told."""
        return gist(in_a_line(self.language, self.code))


@dataclass
class Asked:
    """What the person asked for in one turn."""

    turn: str
    text: str
    first: int
    """The number of its first step, whether there is one or not."""
    reason: str = ""
    """How it ended; empty: it has no end."""


@dataclass
class Chronicle:
    steps: list[Step] = field(default_factory=lambda: list[Step]())
    """Since the conversation was last begun anew."""
    asked: list[Asked] = field(default_factory=lambda: list[Asked]())
    last: float = 0.0
    """When the last step or turn began or ended, in Unix seconds: what changed later was not seen by it."""
    _count: int = 0
    _proposed: dict[str, Action] = field(default_factory=lambda: dict[str, Action]())
    _running: dict[str, Step] = field(default_factory=lambda: dict[str, Step]())

    def apply(self, stored: Stored) -> None:
        event = stored.event
        match event:
            case TurnStarted():
                self.asked.append(Asked(event.turn, event.text, self._count + 1))
            case ActionProposed():
                self._proposed[event.action.id] = event.action
            case ApprovalResolved() if event.action is not None:
                self._proposed[event.action.id] = event.action
            case ActionStarted() if not event.parent:
                self._begin(event, stored.time)
            case ActionFinished():
                self._proposed.pop(event.action, None)
                if (step := self._running.pop(event.action, None)) is not None:
                    step.status, step.ended = event.status, stored.time
            case TurnFinished():
                for asked in reversed(self.asked):
                    if asked.turn == event.turn:
                        asked.reason = event.reason
                        break
            case ConversationReset():
                self.steps, self.asked = [], []
            case Rewound() if not event.failed:
                self.steps = [step for step in self.steps if step.number <= event.step]
            case _:
                return
        self.last = stored.time

    def _begin(self, event: ActionStarted, moment: float) -> None:
        self._count += 1
        action = self._proposed.get(event.action)
        code = action.code if action is not None else ""
        step = Step(self._count, event.action, event.execution, event.language, code, moment)
        self.steps.append(step)
        self._running[event.action] = step

    def number(self, execution: str) -> int:
        """The number of the step that an execution was; 0 where it is not known."""
        return next((step.number for step in reversed(self.steps) if step.execution == execution), 0)


def gist(code: str, most: int = LINE) -> str:
    """The line of a piece of code that says what it is for, as far as one line can."""
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    said = next((line for line in lines if not BESIDE.match(line)), lines[0] if lines else "")
    return said if len(said) <= most else said[: most - 3] + "..."
