"""How a goal run stands: one reading of its log, kept up to date while it runs and read again on a resume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ModelAnswered,
    Stored,
    TurnFinished,
    TurnStarted,
)
from ..types.goals import (
    GOES_ON,
    CeilingNeared,
    Check,
    CheckFinished,
    ChecksStated,
    Claimed,
    GoalFinished,
    GoalStarted,
    HealthWorsened,
    PlanChanged,
    PlanStep,
    Spent,
    Task,
    UndoBy,
    UndoFinished,
    UndoNamed,
    UndoStarted,
    UndoStepFinished,
)
from ..types.rewinding import SnapshotTaken

RECENT = 8


@dataclass
class Entry:
    """A writing action and how it is undone."""

    action: str
    by: UndoBy
    code: str = ""
    language: str = "shell"
    why: str = ""
    approved: bool = False
    step: int = 0
    """The n-th ActionStarted of the log; 0: it did not begin."""
    undone: bool = False
    tried: str = ""
    """The action that ran its undo, in an undo that has no end yet."""
    result: tuple[bool, str] | None = None
    """How that ended; None: not known."""


class Ran(NamedTuple):
    code: str
    """Language and code, as the guards read them."""
    status: str
    text: str


@dataclass
class Book:
    """Feed it every event in order."""

    task: Task | None = None
    plan: tuple[PlanStep, ...] = ()
    own: tuple[Check, ...] = ()
    """The model's own checks."""
    before: dict[str, bool] = field(default_factory=lambda: dict[str, bool]())
    """Checks that were run before any work, and whether they passed."""
    health: dict[str, bool] = field(default_factory=lambda: dict[str, bool]())
    """How each health check ended last."""
    entries: list[Entry] = field(default_factory=lambda: list[Entry]())
    pause: ApprovalRequested | None = None
    """The question that the run stood still at last."""
    pause_answer: ApprovalResolved | None = None
    """Its answer; None: it has none yet."""
    claim: Claimed | None = None
    """The last one, as long as nobody has decided about it."""
    evidence: str = ""
    neared: set[str] = field(default_factory=lambda: set[str]())
    spent: Spent = field(default_factory=Spent)
    """By turns that have their end."""
    lost: float = 0.0
    """Seconds of a turn that a process which is gone had worked on."""
    finished: GoalFinished | None = None
    worse: HealthWorsened | None = None
    undoing: UndoStarted | None = None
    """An undo without an end."""
    undone: UndoFinished | None = None
    changed: tuple[str, ...] = ()
    """Files that deciding checks name and that the run has changed, as the last claim showed."""
    first_tree: str = ""
    """The files before the first execution."""
    last_tree: str = ""
    """The files before the newest one."""
    proposed: dict[str, Action] = field(default_factory=lambda: dict[str, Action]())
    recent: list[Ran] = field(default_factory=lambda: list[Ran]())
    """What the model ran last in the open turn."""
    _steps: int = 0

    @property
    def closed(self) -> bool:
        """Whether the run has come to an end that is not gone on with."""
        return self.finished is not None and self.finished.status not in GOES_ON

    @property
    def checks(self) -> tuple[Check, ...]:
        """Those that decide: the person's, else the model's own."""
        return (self.task.checks if self.task is not None else ()) or self.own

    @property
    def written(self) -> list[Entry]:
        """The writing actions that began, in order."""
        return [entry for entry in self.entries if entry.step]

    def vacuous(self) -> tuple[str, ...]:
        """Names of the deciding checks that passed before any work."""
        return tuple(check.name for check in self.checks if self.before.get(check.name))

    def read(self, log: Iterable[Stored]) -> None:
        """The whole log so far."""
        began = last = 0.0
        for stored in log:
            if isinstance(stored.event, TurnStarted):
                began = stored.time
            self.apply(stored.event)
            if isinstance(stored.event, TurnFinished):
                began = 0.0
            last = stored.time
        self.lost = max(0.0, last - began) if began else 0.0

    def apply(self, event: Event) -> None:
        match event:
            case GoalStarted():
                self.task = event.task
            case TurnStarted():
                self.recent = []
            case TurnFinished():
                if self.task is not None:
                    self._turn(event)
            case ActionProposed():
                self.proposed[event.action.id] = event.action
            case ActionStarted() if not event.parent:
                self._begin(event.action)
            case ActionFinished():
                self._ended(event)
            case SnapshotTaken() if event.tree:
                self.first_tree = self.first_tree or event.tree
                self.last_tree = event.tree
            case _:
                self._goal(event)

    def _goal(self, event: Event) -> None:
        match event:
            case ModelAnswered():
                self.claim = None  # it was decided about, else the model would not have been asked
            case PlanChanged():
                self.plan = event.steps
            case ChecksStated():
                self.own = event.checks
            case CheckFinished():
                self._checked(event)
            case Claimed():
                self.claim, self.evidence = event, event.evidence
            case CeilingNeared():
                self.neared.add(event.ceiling)
            case UndoNamed():
                how = (event.by, event.code, event.language, event.why, event.approved)
                self.entries.append(Entry(event.action, *how))
            case GoalFinished():
                self.finished, self.claim = event, None
            case _:
                self._undo(event)

    def _undo(self, event: Event) -> None:
        match event:
            case HealthWorsened():
                self.worse = event
            case UndoStarted():
                self.undoing = event
            case UndoStepFinished():
                for entry in self.entries:
                    if entry.action == event.action:
                        entry.undone = event.undone
            case ApprovalRequested() if event.kind == "pause":
                self.pause, self.pause_answer = event, None
            case ApprovalResolved() if self.pause is not None and event.approval == self.pause.approval:
                self.pause_answer = event
            case UndoFinished():
                self.undoing, self.undone = None, event
                for entry in self.entries:
                    entry.tried, entry.result = "", None
            case _:
                pass

    def _begin(self, action: str) -> None:
        self._steps += 1
        found = self.proposed.get(action)
        if found is not None and found.purpose == "undo":
            # It is never run again by itself, whatever comes in between.
            entry = next((one for one in reversed(self.written) if not one.undone and one.code and not one.tried), None)
            if entry is not None:
                entry.tried = action
        for entry in self.entries:
            if entry.action == action:
                entry.step = self._steps

    def _ended(self, event: ActionFinished) -> None:
        action = self.proposed.pop(event.action, None)
        for entry in self.entries if action is not None and action.purpose == "undo" else ():
            if entry.tried == event.action and event.status != "lost":
                entry.result = (event.status == "ok", event.observation.text)
        if action is not None and not action.purpose and not action.parent:
            ran = Ran(f"{action.language}\0{action.code}", event.status, event.observation.text)
            self.recent = [*self.recent[1 - RECENT :], ran]

    def _checked(self, event: CheckFinished) -> None:
        if event.phase in ("before", "stated"):
            self.before[event.name] = event.passed
        elif event.phase == "health":
            self.health[event.name] = event.passed
        elif event.phase == "claim":
            self.changed = tuple(dict.fromkeys((*self.changed, *event.changed)))

    def _turn(self, event: TurnFinished) -> None:
        old, usage = self.spent, event.usage
        cost = None if old.cost is None and usage.cost is None else (old.cost or 0.0) + (usage.cost or 0.0)
        self.spent = Spent(
            steps=old.steps + event.steps,
            seconds=old.seconds + event.duration + self.lost,
            tokens=old.tokens + usage.prompt + usage.completion,
            cost=cost,
        )
        self.lost = 0.0
