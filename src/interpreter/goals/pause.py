"""A run that stands still because something has risen suddenly, until a person says go on."""

from __future__ import annotations

from ..agent.approvals import Approvals
from ..agent.options import AgentOptions
from ..text.i18n import _
from ..types.base import new_id
from ..types.events import ApprovalRequested
from ..types.goals import RiseSeen
from ..types.rules import Mode
from .run import Run


class Pauses:
    """Asks whether to go on: `agent.ports.Asker`."""

    def __init__(self, run: Run, approvals: Approvals, options: AgentOptions, mode: Mode) -> None:
        """`mode`: in which the session was begun."""
        self._run, self._approvals = run, approvals
        self._parks = options.parks(mode)

    async def go_on(self, what: str) -> bool:
        """Whether the person says go on. Where nobody is there the run waits parked, if questions do, else it ends."""
        run, risen = self._run, self._run.risen
        if risen is None:
            return await self._approvals.go_on(what)
        run.risen = None
        await run.flush()
        await run.emitter.emit(RiseSeen(turn=run.turn, what=risen.what, now=risen.now, before=risen.before))
        question = _("{what} Go on?", what=risen.text)
        return await self._asked(
            ApprovalRequested(approval=new_id("ap"), kind="pause", question=question, subject=risen.what)
        )

    async def taken_up(self) -> bool:
        """At a turn's start: whether the run may go on. An answer that was given meanwhile counts, once."""
        asked = self._run.book.pause
        if asked is None:
            return True
        given = self._run.book.pause_answer or self._approvals.answer_to(asked.approval)
        if given is None:
            return await self._asked(asked, again=True)
        if given.answer == "no":
            self._run.halted = asked.question
        return given.answer != "no"

    async def withdraw(self) -> None:
        """The run is taken back: nothing is left to go on with."""
        asked = self._run.book.pause
        if asked is not None and self._run.book.pause_answer is None:
            await self._approvals.close(asked.approval, "cancelled", "harness", "the run is undone")

    async def _asked(self, request: ApprovalRequested, *, again: bool = False) -> bool:
        run, approvals = self._run, self._approvals
        if not approvals.can_ask:
            if self._parks or approvals.left or again:
                await approvals.park(request)
                run.paused = request.approval
            return False
        answer, _edited = await approvals.ask(request)
        if answer is None and not approvals.can_ask:
            run.paused = request.approval  # whoever was there has left
        elif answer is not None and answer.answer == "no":
            run.halted = request.question
        return answer is not None and answer.answer in ("yes", "always")
