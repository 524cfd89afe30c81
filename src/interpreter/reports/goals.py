"""What a goal run was given, claimed, proved and took back, as a report tells it."""

from __future__ import annotations

from collections.abc import Iterable

from ..text.cut import head_tail
from ..types.base import Value
from ..types.events import Event
from ..types.goals import (
    CheckFinished,
    ChecksStated,
    Claimed,
    GoalFinished,
    GoalStarted,
    JudgeAnswered,
    PlanChanged,
    UndoFinished,
    UndoNamed,
    UndoStepFinished,
)

MOST = 200
"""Of each kind."""
MOST_TOLD = 2_000


class PlanLine(Value):
    text: str
    state: str
    """open, doing, done or dropped."""


class CheckReport(Value):
    name: str
    phase: str
    """before: before any work; stated: when the model stated it; claim: after a claim; health; undo."""
    passed: bool
    by: str
    """Whose check it is: `person`, or `model` for one of its own."""
    told: str = ""
    duration: float = 0.0
    vacuous: bool = False
    """It passed before any work as well, and proves nothing."""


class ClaimReport(Value):
    """What the model said about the goal; it proves nothing."""

    status: str
    evidence: str = ""
    form: str = "call"


class UndoReport(Value):
    """How one action is undone, and whether it was."""

    action: str
    by: str
    code: str = ""
    undone: bool | None = None
    """None: nobody wanted it undone."""
    told: str = ""


class GoalReport(Value):
    goal: str = ""
    status: str = ""
    """proven, failed, blocked, unproven, worse, undone ...; empty: the run has no end in the log."""
    text: str = ""
    plan: tuple[PlanLine, ...] = ()
    checks: tuple[CheckReport, ...] = ()
    claims: tuple[ClaimReport, ...] = ()
    undo: tuple[UndoReport, ...] = ()
    left: int = 0
    """Actions whose effect stays after an undo."""
    healthy: bool | None = None
    """Whether the health checks passed after the undo; None: there was none, or there are no such checks."""
    own_checks: bool = False
    """The checks were stated by the model itself."""
    vacuous: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Files named by checks that the run has changed."""
    judge: str = ""
    """What the second model said: `agrees`, or why not; empty: none was asked."""


def goal_of(events: Iterable[Event]) -> GoalReport | None:
    """None: the session works towards no goal."""
    reading = Reading()
    for event in events:
        reading.apply(event)
    return reading.report()


class Reading:
    def __init__(self) -> None:
        self._goal: str | None = None
        self._plan: tuple[PlanLine, ...] = ()
        self._checks: list[CheckReport] = []
        self._claims: list[ClaimReport] = []
        self._undo: dict[str, UndoReport] = {}
        self._after: UndoFinished | None = None
        self._end: GoalFinished | None = None
        self._judge = ""
        self._own = False

    def apply(self, event: Event) -> None:
        match event:
            case GoalStarted():
                self._goal = event.task.goal
            case PlanChanged():
                self._plan = tuple(PlanLine(text=step.text, state=step.state) for step in event.steps[:MOST])
            case ChecksStated():
                self._own = True
            case CheckFinished():
                self._check(event)
            case Claimed():
                self._claims.append(ClaimReport(status=event.status, evidence=event.evidence, form=event.form))
            case JudgeAnswered():
                self._judge = "agrees" if event.agrees else event.problem or event.reason
            case UndoNamed() | UndoStepFinished():
                self._way(event)
            case UndoFinished():
                self._after = event
            case GoalFinished():
                self._end = event
            case _:
                return

    def _check(self, event: CheckFinished) -> None:
        told = head_tail(event.told, MOST_TOLD)
        self._checks.append(
            CheckReport(
                name=event.name, phase=event.phase, passed=event.passed, by=event.by, told=told,
                duration=round(event.duration, 3), vacuous=event.vacuous,
            )
        )  # fmt: skip

    def _way(self, event: UndoNamed | UndoStepFinished) -> None:
        if isinstance(event, UndoNamed):
            self._undo[event.action] = UndoReport(action=event.action, by=event.by, code=event.code)
            return
        known = self._undo.get(event.action)
        self._undo[event.action] = UndoReport(
            action=event.action, by=event.by, code=known.code if known is not None else "", undone=event.undone,
            told=head_tail(event.told, MOST_TOLD),
        )  # fmt: skip

    def report(self) -> GoalReport | None:
        if self._goal is None:
            return None
        end, after = self._end, self._after
        return GoalReport(
            goal=self._goal,
            status=end.status if end is not None else "",
            text=end.text if end is not None else "",
            plan=self._plan,
            checks=tuple(self._checks[-MOST:]),
            claims=tuple(self._claims[-MOST:]),
            undo=tuple(list(self._undo.values())[-MOST:]),
            left=len(after.left) if after is not None else 0,
            healthy=after.healthy if after is not None else None,
            own_checks=end.own_checks if end is not None else self._own,
            vacuous=end.vacuous if end is not None else (),
            changed=end.changed if end is not None else (),
            judge=self._judge,
        )
