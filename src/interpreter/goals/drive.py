"""The driver of a goal run: it lets the loop work, and decides by checks, ceilings and health what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, Protocol

from ..agent.guards import FinalCheck
from ..agent.loop import Loop
from ..agent.options import AgentOptions
from ..agent.parse import Reading
from ..agent.turns import INTERRUPTED, End, Turn
from ..aio import Tasks
from ..errors import InterpreterError
from ..text.i18n import _
from ..types.actions import Action
from ..types.events import NoteAdded
from ..types.goals import (
    Check,
    CheckFinished,
    Claimed,
    GoalFinished,
    GoalStatus,
    HealthWorsened,
    PlanChanged,
    Reflected,
)
from ..types.messages import Answer
from .checks import Checker
from .guards import SAME, GoalGuards, digest, reached, steady
from .judge import Judge
from .own import OwnTools
from .pause import Pauses
from .prompt import describe
from .reading import claim_in, plan_in, settled
from .run import Run
from .undo import Undoing

ASK_CLAIM = (
    "You stopped without a claim. If the goal is reached call finish with status success and the evidence; else go on, "
    "or call finish with failure or blocked."
)
ASK_CHECKS = (
    "There is no check that could show it, so it does not count. Call checks(commands) with shell commands that exit "
    "with 0 only when the goal is reached, then finish again."
)


class Machines(Protocol):
    async def interrupt(self) -> None: ...


class Driver:
    def __init__(
        self,
        *,
        run: Run,
        loop: Loop,
        checker: Checker,
        undoing: Undoing,
        judge: Judge | None,
        machines: Machines,
        options: AgentOptions,
        pauses: Pauses | None = None,
        undo_only: bool = False,
        final: Callable[[], FinalCheck | None] = lambda: None,
    ) -> None:
        """
        Args:
            pauses: asks when something has risen suddenly; None: whoever is asked at other bounds is.
            undo_only: the turn takes back what the run has done, and asks no model.
            final: what the answer of a run that has reached its goal has to fit.
        """
        self._final = final
        self._run, self._loop, self._checker, self._undoing = run, loop, checker, undoing
        self._judge, self._machines, self._options, self._undo_only = judge, machines, options, undo_only
        self._pauses, self._tasks = pauses, Tasks()
        self._guards: GoalGuards | None = None
        self._rounds: tuple[str, int] = ("", 0)
        """What the checks said last, and how often running."""
        self._unchecked = 0
        self._turn: Turn | None = None

    @property
    def closed(self) -> bool:
        """Whether the goal has its end."""
        return self._run.book.closed

    # --- what the loop's parts ask

    def settle(self, reading: Reading) -> Reading:
        """What a mind makes of an answer: words beside an action, a plan in words, a reflection."""
        run = self._run
        if run.expected is not None and run.turn:
            action, expected, found = run.expected
            text = reading.text.strip()[:500]
            run.waiting.append(Reflected(turn=run.turn, action=action, expected=expected, found=found, text=text))
            run.expected = None
        if run.turn and (steps := plan_in(reading.text)) and steps != run.book.plan:
            run.waiting.append(PlanChanged(turn=run.turn, steps=steps))
        return settled(reading)

    async def stated(self, checks: tuple[Check, ...]) -> str:
        """The model has just stated its own checks: they are run once, before any work."""
        assert self._turn is not None
        results = await self._checker.all(self._turn, checks, "stated", "model")
        passing = [result.name for result in results if result.passed]
        if not passing:
            return "Noted. All of them fail now, as they should before the work."
        told = ", ".join(passing)
        return (
            f"Noted. These pass already and so prove nothing: {told}. State others that fail now, if you change things."
        )

    async def after_writing(self, action: str) -> None:
        """Health after a writing step; where it is worse the run stops."""
        run, turn = self._run, self._turn
        if not run.task.health or turn is None or run.stopped:
            return
        before = dict(run.book.health)
        results = await self._checker.all(turn, run.task.health, "health")
        worse = tuple(result.name for result in results if not result.passed and before.get(result.name, False))
        if worse and not turn.stop.is_set():
            run.stopped = True
            await run.emitter.emit(HealthWorsened(turn=turn.id, action=action, checks=worse))

    def left(self) -> float | None:
        """Seconds until the ceiling of time."""
        most = self._run.task.ceilings.seconds
        return None if most is None or self._guards is None else most - self._guards.used().seconds

    # --- the run

    async def run(
        self, turn: Turn, pending: tuple[Action, ...] = (), again: tuple[Answer, Reading] | None = None
    ) -> End:
        """A turn of a goal run, to its end; in a session whose goal has its end, a turn like any other."""
        run = self._run
        if run.book.closed and not self._undo_only:
            return await self._loop.run(turn, pending, again)
        self._turn = turn
        run.begin(turn.id)
        self._guards = GoalGuards(self._options, turn.tally, run)
        for ran in run.book.recent:
            self._guards.after_action(*ran)
        run.blocked = ""
        self._guards.begin_anew()
        turn.guards = self._guards
        turn.own = OwnTools(run, self.stated).table()
        watch = self._tasks.start(self._deadline(turn))
        try:
            status, end = await self._whole(turn, pending, again)
            if status == "proven" and (final := self._final()) is not None:
                status, end = await self._answered(turn, final)
        except InterpreterError as error:
            status, end = self._status(
                End("sandbox" if error.exit_code == 7 else "failed", error.exit_code, str(error))
            )
        finally:
            watch.cancel()
            self._turn = None
        if run.overtime and end.exit_code != 0:
            status, end = "limit", End("limit", 5, reached("seconds", run.task.ceilings.seconds or 0))
        await run.flush()
        await run.emitter.emit(self._finished(status, end))
        return end

    async def _deadline(self, turn: Turn) -> None:
        """At the ceiling of time whatever runs is stopped."""
        left = self.left()
        if left is None or self._undo_only:
            return
        await asyncio.sleep(max(0.0, left))
        self._run.overtime = True
        while True:
            turn.stop.set()
            await self._machines.interrupt()
            await asyncio.sleep(0.5)

    async def _whole(
        self, turn: Turn, pending: tuple[Action, ...], again: tuple[Answer, Reading] | None
    ) -> tuple[GoalStatus, End]:
        run = self._run
        if (ended := await self._beginning(turn)) is not None:
            return ended
        while True:
            end = await self._loop.run(turn, pending, again)
            pending, again = (), None
            await run.flush()
            if run.stopped:
                return await self._worsened(turn)
            if run.blocked:
                return "blocked", End("failed", 1, run.blocked)
            if run.paused or run.halted:
                return self._still()
            if run.claim is None and end.reason == "done" and not await self._claimed_in_words(turn, end.text):
                continue
            if run.claim is None:
                return self._status(end)
            if (decided := await self._decide(turn)) is not None:
                return decided

    async def _beginning(self, turn: Turn) -> tuple[GoalStatus, End] | None:
        """Before the model is asked: how the turn ends, where it does not come to that."""
        run = self._run
        if self._undo_only:
            if self._pauses is not None:
                await self._pauses.withdraw()
            return await self._undone(turn)
        if run.book.worse is not None:
            return await self._worsened(turn)
        if self._pauses is not None and not await self._pauses.taken_up():
            return self._still()
        if (not run.book.before and run.task.checks) or (not run.book.health and run.task.health):
            await self._prepare(turn)
            if run.forbidden[0]:
                return "denied", End("denied", 3, self._unprovable(*run.forbidden))
        if run.book.written and run.task.health:
            # The process before may have ended between a step and the look at the health.
            await self.after_writing(run.book.written[-1].action)
            if run.stopped:
                return await self._worsened(turn)
        return await self._decide(turn) if run.claim is not None else None

    def _still(self) -> tuple[GoalStatus, End]:
        """The run stands still, or a person has said that it ends here."""
        run = self._run
        if run.halted:
            return "denied", End("denied", 3, _("You said no to going on: {what}", what=run.halted))
        lines = (
            _("The run stands still until somebody says go on."),
            _("To look at it: interpreter approvals show {id}", id=run.paused),
            _("To go on: interpreter approvals approve {id}, then interpreter run --resume", id=run.paused),
        )
        return "waiting", End("waiting", 4, "\n".join(lines))

    async def _answered(self, turn: Turn, final: FinalCheck) -> tuple[GoalStatus, End]:
        """The goal is reached: the answer by its schema, and nothing is done any more."""
        assert self._guards is not None
        self._guards.answer_by(final)
        self._run.stopped = True
        await self._tell(final.asked())
        end = await self._loop.run(turn)
        if end.reason == "done":
            return "proven", end
        if self._run.paused or self._run.halted:
            return self._still()
        status, end = self._status(end)
        why = end.text or _("the model acted instead of giving it.")
        return status, replace(end, text=_("The checks pass, but there is no answer: {reason}", reason=why))

    async def _prepare(self, turn: Turn) -> None:
        """Before any work: what passes now proves nothing, and what is well now must stay so."""
        run = self._run
        results = await self._checker.all(turn, run.task.checks, "before")
        health = await self._checker.all(turn, run.task.health, "health")
        if passing := [result.name for result in results if result.passed]:
            names = ", ".join(passing)
            await self._tell(f"Before any work these checks pass already, so they prove nothing: {names}.", "checks")
        if ill := [result for result in health if not result.passed]:
            told = "\n".join(f"{result.name}: {result.told}" for result in ill)
            await self._tell(f"The health check fails already, before any work:\n{told}", "checks")

    async def _claimed_in_words(self, turn: Turn, text: str) -> bool:
        """Whether an answer without a call is a claim; the first that is none is asked about."""
        run = self._run
        found = claim_in(text)
        if found is None and run.asked == 0:
            run.asked += 1
            await self._tell(ASK_CLAIM)
            return False
        form = "text" if found is not None else "silence"
        status, evidence = found or ("success", text.strip()[:2_000])
        await run.emitter.emit(Claimed(turn=turn.id, status=status, evidence=evidence, form=form))
        return True

    async def _decide(self, turn: Turn) -> tuple[GoalStatus, End] | None:
        """What comes of a claim; None: the work goes on."""
        run, claim = self._run, self._run.claim
        assert claim is not None
        if claim.status != "success":
            if run.refused:
                return "denied", End("denied", 3, _("This was refused, and stopped the run:") + f"\n{run.refused}")
            status: GoalStatus = "blocked" if claim.status == "blocked" else "failed"
            return status, End("failed", 1, self._given_up(claim))
        checks = run.book.checks
        if not checks:
            run.book.claim = None
            self._unchecked += 1
            if self._unchecked > 1:
                text = _("The goal could not be verified: there is no check, and the model stated none.")
                return "unproven", End("failed", 1, text)
            await self._tell(ASK_CHECKS)
            return None
        own = not run.task.checks
        results = await self._checker.all(turn, checks, "claim", "model" if own else "person")
        run.book.claim = None
        if turn.stop.is_set():
            return "interrupted", INTERRUPTED
        if failed := [result for result in results if not result.passed]:
            return await self._not_yet(failed)
        if own and run.book.written and all(result.vacuous for result in results):
            text = _("The goal could not be verified: the model's own checks had passed before any work as well.")
            return "unproven", End("failed", 1, text)
        if self._judge is not None:
            return await self._judged(self._judge, turn, results)
        return "proven", End("done", 0, claim.evidence or _("The goal is reached: all checks pass."))

    def _unprovable(self, name: str, reason: str) -> str:
        text = _("The rules refuse the check `{name}`, so nothing could ever show that the goal is reached.", name=name)
        return f"{text}\n{reason}\n" + _("Nothing was done.")

    def _given_up(self, claim: Claimed) -> str:
        if claim.status == "blocked":
            return _("The model says that it is blocked: {reason}", reason=claim.evidence)
        return _("The model says that it failed: {reason}", reason=claim.evidence)

    async def _not_yet(self, failed: list[CheckFinished]) -> tuple[GoalStatus, End] | None:
        """Checks fail: their output goes back to the model, unless it has said the same three times running."""
        told = "\n\n".join(f"{self._line(result.name)}\n{result.told}" for result in failed)
        key = digest(*(f"{result.name}\0{steady(result.told)}" for result in failed))
        self._rounds = (key, self._rounds[1] + 1 if self._rounds[0] == key else 1)
        if self._rounds[1] >= SAME:
            names = ", ".join(result.name for result in failed)
            text = _("Blocked: these checks failed in the same way three times running: {names}", names=names)
            return "blocked", End("failed", 1, text)
        text = f"The goal is not reached yet. These checks fail:\n{told}\nGo on, then call finish again."
        await self._tell(text, "checks")
        return None

    def _line(self, name: str) -> str:
        return next((describe(check) for check in self._run.book.checks if check.name == name), name)

    async def _judged(self, judge: Judge, turn: Turn, results: list[CheckFinished]) -> tuple[GoalStatus, End] | None:
        verdict = await judge.agrees(turn, results)
        if verdict.agrees:
            return "proven", End("done", 0, self._run.book.evidence or _("The goal is reached: all checks pass."))
        if verdict.problem:
            text = _("The goal could not be verified: the judge gave no verdict ({reason}).", reason=verdict.problem)
            return "unproven", End("failed", 1, text)
        key = digest("judge")
        self._rounds = (key, self._rounds[1] + 1 if self._rounds[0] == key else 1)
        if self._rounds[1] >= SAME:
            text = _("The goal could not be verified: all checks pass, but the judge does not agree: {reason}",
                     reason=verdict.reason)  # fmt: skip
            return "unproven", End("failed", 1, text)
        text = f"All checks pass, but a judge is not convinced: {verdict.reason} Go on, then finish again."
        await self._tell(text, "checks")
        return None

    async def _worsened(self, turn: Turn) -> tuple[GoalStatus, End]:
        """The health is worse: undo everything, look again, report."""
        run = self._run
        if run.book.undone is None:
            await self._undoing.carry_out(turn, "health")
        done, worse = run.book.undone, run.book.worse
        names = ", ".join(worse.checks) if worse is not None else ""
        text = _("A health check got worse ({names}), so the run stopped and was undone.", names=names)
        return "worse", End(
            "failed", 1, f"{text}\n{self._left_words(done.left if done else (), done and done.healthy)}"
        )

    async def _undone(self, turn: Turn) -> tuple[GoalStatus, End]:
        if not [entry for entry in self._run.book.written if not entry.undone]:
            return "undone", End("done", 0, _("There is nothing to undo."))
        done = await self._undoing.carry_out(turn, "person")
        text = self._left_words(done.left, done.healthy)
        return "undone", End("failed", 1, text) if done.left or done.healthy is False else End("done", 0, text)

    def _left_words(self, left: tuple[str, ...], healthy: bool | None) -> str:
        text = _("Everything that it did is undone.") if not left else _("Not undone: {n} steps.", n=len(left))
        stays = [entry.why or entry.code for entry in self._run.book.written if entry.action in left]
        text = "\n".join((text, *(f"- {one}" for one in stays if one)))
        if healthy is not None:
            text += ("\n" if left else " ") + (
                _("The health checks pass.") if healthy else _("The health checks still fail.")
            )
        return text

    def _status(self, end: End) -> tuple[GoalStatus, End]:
        if end.reason == "done":
            return "failed", End("failed", 1, end.text)
        return end.reason, end

    def _finished(self, status: GoalStatus, end: End) -> GoalFinished:
        book = self._run.book
        assert self._guards is not None
        return GoalFinished(
            turn=self._run.turn, status=status, exit_code=end.exit_code, text=end.text, evidence=book.evidence,
            own_checks=not self._run.task.checks and bool(book.own), vacuous=book.vacuous(), changed=book.changed,
            spent=self._guards.used(),
        )  # fmt: skip

    async def _tell(self, text: str, source: Literal["harness", "checks"] = "harness") -> None:
        await self._run.emitter.emit(NoteAdded(text=text, source=source))
