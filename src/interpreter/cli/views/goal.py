"""What a goal run shows besides: its plan with marks, checks, claims, ceilings, undo."""

from __future__ import annotations

from typing import Any

from ...text.clean import reveal
from ...text.i18n import _
from ...types.events import ActionFinished, ActionProposed, ActionStarted, Event, OutputChunk
from ...types.goals import (
    CeilingNeared,
    CheckFinished,
    ChecksStated,
    Claimed,
    GoalFinished,
    HealthWorsened,
    JudgeAnswered,
    PlanChanged,
    Reflected,
    RiseSeen,
    UndoFinished,
    UndoNamed,
    UndoStarted,
    UndoStepFinished,
)
from ..contract import Question, View

MARKS = {"open": "[ ]", "doing": "[>]", "done": "[x]", "dropped": "[-]"}
QUIET = ("plan", "checks", "finish")
"""Calls whose events say it all."""
LINES = 6
"""Lines of a failed check's output that are shown."""


class GoalView:
    """Any view, without the executions of the harness and the calls that events tell better."""

    def __init__(self, inner: View, *, verbose: bool = False) -> None:
        self._inner, self._verbose = inner, verbose
        self._quiet: set[str] = set()

    def show(self, event: Event) -> None:
        if not self._verbose:
            match event:
                case ActionProposed() if event.action.purpose or event.action.language in QUIET:
                    self._quiet.add(event.action.id)
                    return
                case ActionStarted() | OutputChunk() | ActionFinished() if event.action in self._quiet:
                    return
                case _:
                    pass
        if text := goal_text(event, verbose=self._verbose):
            self._inner.note(text)
        else:
            self._inner.show(event)

    def ask(self, question: Question) -> None:
        self._inner.ask(question)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def end(self) -> None:
        self._inner.end()

    def set_verbose(self, on: bool) -> None:
        self._verbose = on


def goal_text(event: Event, *, verbose: bool = False) -> str:
    """The lines for an event of a goal run; empty where it is of no use to a person."""
    match event:
        case PlanChanged():
            steps = (f"  {MARKS[step.state]} {reveal(step.text)}" for step in event.steps)
            return "\n".join((_("Plan:"), *steps))
        case ChecksStated():
            lines = (f"  {reveal(check.command)}" for check in event.checks)
            return "\n".join((_("The model's own checks, because none were given:"), *lines))
        case CheckFinished():
            return check_text(event)
        case Reflected() if event.text:
            return _("Not as expected ({expected}): {text}", expected=reveal(event.expected), text=reveal(event.text))
        case Claimed():
            word = {"success": _("success"), "failure": _("failure"), "blocked": _("blocked")}[event.status]
            return _("The model claims: {status}. {evidence}", status=word, evidence=reveal(event.evidence)).rstrip()
        case JudgeAnswered():
            verdict = _("agrees") if event.agrees else _("does not agree")
            why = reveal(event.reason or event.problem)
            return _("The judge {model} {verdict}: {reason}", model=event.model, verdict=verdict, reason=why)
        case CeilingNeared():
            return _("{used} of {most} {ceiling} are used.", used=f"{event.used:g}", most=f"{event.most:g}",
                     ceiling=ceiling_word(event.ceiling))  # fmt: skip
        case RiseSeen():
            return rise_text(event)
        case GoalFinished():
            return ending(event)
        case _:
            return undo_text(event, verbose)


def check_text(event: CheckFinished) -> str:
    mark = "✓" if event.passed else "✗"
    what = {
        "before": _("before any work"), "stated": _("before any work"), "claim": _("check"), "health": _("health"),
        "undo": _("after the undo"),
    }[event.phase]  # fmt: skip
    text = f"{mark} {what}: {reveal(event.name)}"
    if event.phase in ("before", "stated") and event.passed:
        text += " (" + _("passes already, so it proves nothing") + ")"
    if event.by == "model" and event.phase == "claim":
        text += " (" + _("the model's own") + ")"
    if event.changed:
        text += " (" + _("the run has changed: {files}", files=", ".join(map(reveal, event.changed))) + ")"
    if not event.passed and event.phase not in ("before", "stated"):
        shown = [f"    {reveal(line)}" for line in event.told.strip().splitlines()[-LINES:]]
        text = "\n".join((text, *shown))
    return text


def undo_text(event: Event, verbose: bool) -> str:
    match event:
        case UndoNamed() if event.by == "command":
            return _("Undone by: {code}", code=reveal(event.code))
        case UndoNamed() if event.by == "none":
            return _("It cannot be undone.")
        case HealthWorsened():
            return _("Health got worse: {names}. The run stops and is undone.", names=", ".join(event.checks))
        case UndoStarted():
            return _("Undoing {n} steps, the newest first.", n=len(event.actions))
        case UndoStepFinished() if not event.undone or verbose:
            word = _("undone") if event.undone else _("not undone")
            return f"{word}: {event.action} {reveal(event.told)}".rstrip()
        case UndoFinished():
            return _("{n} steps are undone, {left} are not.", n=event.undone, left=len(event.left))
        case _:
            return ""


def rise_text(event: RiseSeen) -> str:
    now, before = f"{event.now:g}", f"{event.before:g}"
    match event.what:
        case "failures":
            return _("A sudden rise: {now} of the last actions failed, {before} of all before.", now=now, before=before)
        case "tokens":
            return _("A sudden rise: a request took {now} tokens, usually {before}.", now=now, before=before)
        case "cost":
            return _("A sudden rise: a request cost {now}, usually {before}.", now=now, before=before)


def ceiling_word(ceiling: str) -> str:
    return {"steps": _("steps"), "seconds": _("seconds"), "tokens": _("tokens"), "cost": _("of the cost")}[ceiling]


def ending(event: GoalFinished) -> str:
    """One line of how the run stands."""
    spent = _("{steps} steps, {seconds} s, {tokens} tokens", steps=event.spent.steps,
              seconds=f"{event.spent.seconds:.0f}", tokens=event.spent.tokens)  # fmt: skip
    if event.status != "proven":
        return _("The goal is not shown to be reached ({spent}).", spent=spent)
    text = (
        _("Proven by the model's own checks ({spent}).", spent=spent)
        if event.own_checks
        else _("Proven ({spent}).", spent=spent)
    )
    if event.vacuous:
        text += " " + _("These checks passed before any work as well: {names}", names=", ".join(event.vacuous))
    if event.changed:
        text += " " + _("Files that checks name were changed by the run: {files}", files=", ".join(event.changed))
    return text


class GoalResult:
    """What the result object of `--output json` holds of a goal run."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def show(self, event: Event) -> None:
        match event:
            case PlanChanged():
                self.found["plan"] = [{"text": step.text, "state": step.state} for step in event.steps]
            case CheckFinished():
                entry: dict[str, Any] = {
                    "name": event.name, "phase": event.phase, "passed": event.passed, "by": event.by,
                    "told": event.told, "vacuous": event.vacuous, "changed": list(event.changed),
                }  # fmt: skip
                self.found.setdefault("checks", []).append(entry)
            case Claimed():
                self.found.setdefault("claims", []).append({"status": event.status, "evidence": event.evidence})
            case JudgeAnswered():
                self.found["judge"] = {"model": event.model, "agrees": event.agrees, "reason": event.reason}
            case UndoFinished():
                self.found["undo"] = {"undone": event.undone, "left": list(event.left), "healthy": event.healthy}
            case GoalFinished():
                self.found |= {"status": event.status, "own_checks": event.own_checks, "vacuous": list(event.vacuous)}
                spent = event.spent
                self.found["spent"] = {
                    "steps": spent.steps, "seconds": round(spent.seconds, 3), "tokens": spent.tokens, "cost": spent.cost
                }  # fmt: skip
            case _:
                pass
