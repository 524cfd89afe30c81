"""Questions to a person: each a record with a life (pending, resolved, cancelled), never a callback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from ..errors import AlreadyAnswered, UsageError
from ..store.questions import already
from ..text.i18n import _
from ..types.actions import Action
from ..types.base import new_id
from ..types.events import ApprovalRequested, ApprovalResolved, Stored
from ..types.ops import ResolveApproval
from .ports import Elsewhere, Emitter

LOOK = 0.3
"""Seconds between two looks into the log for an answer of another program."""
PARKED = ("run", "pause")
"""Kinds of questions that wait in the log when nobody is there."""
Outcome = ResolveApproval | Stored | Literal["cancelled", "parked"]


class Approvals:
    """The pending questions of one session, and the standing answers given with `always`."""

    def __init__(
        self,
        emitter: Emitter,
        *,
        can_ask: bool,
        timeout: float | None = None,
        elsewhere: Elsewhere | None = None,
        away: bool = False,
    ) -> None:
        self.can_ask = can_ask
        """False: nobody is there; whoever would ask must not."""
        self.left = False
        """Somebody was there, and will come back: questions wait for them."""
        self._away = away
        """Nobody sits at this front end: who answers does so from elsewhere."""
        self._emitter, self._timeout, self._elsewhere = emitter, timeout, elsewhere
        self._waiting: dict[str, tuple[ApprovalRequested, asyncio.Future[Outcome]]] = {}
        self._always: set[tuple[str, str]] = set()
        self.words: dict[str, str] = {}
        """What was answered to questions of the model's that had waited, by action."""

    @property
    def here(self) -> bool:
        """Whether somebody sits at the session's own front end."""
        return self.can_ask and not self._away

    def stands(self, kind: str, subject: str) -> bool:
        """True when the person said `always` to this kind of question about this subject."""
        return (kind, subject) in self._always

    def stand(self, kind: str, subject: str) -> None:
        """Take the answer to such questions for given, in this session."""
        self._always.add((kind, subject))

    def pending(self) -> tuple[str, ...]:
        return tuple(self._waiting)

    async def ask(
        self,
        request: ApprovalRequested,
        *,
        standing: str = "",
        edited: Callable[[str], Action] | None = None,
    ) -> tuple[ResolveApproval | None, Action | None]:
        """Announce the question and wait for its one answer: from here, or from another program through the log.

        Returns the answer and, after `edit`, the action as it will run; (None, None) when the question was cancelled,
        or when everybody left (then `can_ask` is False and a question that can be parked stays pending in the log).
        Silence is never a yes: the wait has no end of its own, or at `request.deadline` the answer is a no.
        """
        request = self._dated(request)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[request.approval] = (request, future)
        try:
            await self._emitter.emit(request)
            outcome = await self._outcome(request, future)
        except asyncio.CancelledError:
            self._waiting.pop(request.approval, None)
            await self._settle(cancelled(request.approval, "interrupted"))
            raise
        finally:
            self._waiting.pop(request.approval, None)
        if outcome == "parked":
            return None, None
        if outcome == "cancelled":
            await self._settle(cancelled(request.approval))
            return None, None
        if isinstance(outcome, Stored):
            given = self._taken(outcome)
        else:
            action = edited(outcome.code) if outcome.answer == "edit" and edited is not None else None
            given = await self._settle(resolved(outcome, action))
        if given.answer == "cancelled":
            return None, None
        if given.answer == "always" and standing:
            self.stand(request.kind, standing)
        line = outcome.text if isinstance(outcome, ResolveApproval) else ""
        answer = ResolveApproval(
            approval=request.approval, answer=given.answer, reason=given.reason, by=given.by, channel=given.channel,
            text=line,
        )  # fmt: skip
        return answer, given.action

    def answer_to(self, approval: str) -> ApprovalResolved | None:
        """The answer that the log holds by now, whoever gave it."""
        found = self._elsewhere.find(approval) if self._elsewhere is not None else None
        return found.event if found is not None and isinstance(found.event, ApprovalResolved) else None

    async def park(self, request: ApprovalRequested) -> None:
        """Put the question into the log and leave it there: whoever answers does so through the log."""
        await self._emitter.emit(self._dated(request))

    async def close(
        self, approval: str, answer: Literal["yes", "no", "cancelled"], by: str, reason: str = ""
    ) -> ApprovalResolved:
        """End a question of an earlier run that is still open. The answer that counts: another program's, if it was
        first.
        """
        return await self._settle(ApprovalResolved(approval=approval, answer=answer, by=by, reason=reason))

    async def go_on(self, what: str) -> bool:
        """A bound was met: whether the person says go on. No, where nobody is there."""
        if not self.can_ask:
            return False
        question = _("{what} Go on?", what=what)
        answer, _edited = await self.ask(ApprovalRequested(approval=new_id("ap"), kind="continue", question=question))
        return answer is not None and answer.answer in ("yes", "always")

    def resolve(self, op: ResolveApproval) -> None:
        """Take an answer.

        Raises:
            AlreadyAnswered: it has its answer; says who gave it and when.
            UsageError: no such question is open, the answer is for other code, or an edit brings no code.
        """
        waiting = self._waiting.get(op.approval)
        if waiting is None or waiting[1].done():
            if self._elsewhere is not None and (found := self._elsewhere.find(op.approval)) is not None:
                raise AlreadyAnswered(*already(found))
            raise UsageError(_("No question of that id is waiting for an answer."), _("It may have been answered."))
        request, future = waiting
        if op.sha256 and op.sha256 != request.subject:
            raise UsageError(
                _("This answer is for other code: {theirs}, not {ours}.", theirs=op.sha256, ours=request.subject),
                _("Nothing was run; the question is still open."),
            )
        if op.answer == "edit" and not op.code.strip():
            raise UsageError(_("The edited code is empty."), _("Answer no to run nothing."))
        future.set_result(op)

    def cancel_all(self) -> None:
        for _request, future in self._waiting.values():
            if not future.done():
                future.set_result("cancelled")

    def come(self) -> None:
        """Somebody can answer from now on."""
        self.can_ask, self.left = True, False

    @property
    def asks_to_run(self) -> bool:
        """Whether a question is open that can be parked."""
        return any(request.kind in PARKED for request, _future in self._waiting.values())

    def leave(self) -> None:
        """Whoever could answer here is gone. What asks whether code may run stays open in the log, in every mode."""
        self.can_ask, self.left = False, True
        for request, future in self._waiting.values():
            if not future.done():
                future.set_result("parked" if request.kind in PARKED else "cancelled")

    def forget_standing(self) -> None:
        self._always.clear()

    def _dated(self, request: ApprovalRequested) -> ApprovalRequested:
        if request.deadline is not None or self._timeout is None:
            return request
        return msgspec.structs.replace(request, deadline=time.time() + self._timeout)

    async def _outcome(self, request: ApprovalRequested, future: asyncio.Future[Outcome]) -> Outcome:
        while True:
            left = None if request.deadline is None else max(0.0, request.deadline - time.time())
            looks = None if self._elsewhere is None else LOOK
            await asyncio.wait({future}, timeout=min((x for x in (left, looks) if x is not None), default=None))
            if future.done():
                return future.result()
            if self._elsewhere is not None and (found := self._elsewhere.find(request.approval)) is not None:
                return found
            if request.deadline is not None and time.time() >= request.deadline:
                return too_late(request.approval)

    async def _settle(self, event: ApprovalResolved) -> ApprovalResolved:
        """Record an answer; the one that counts, where another program was faster."""
        try:
            await self._emitter.emit(event)
        except AlreadyAnswered:
            found = self._elsewhere.find(event.approval) if self._elsewhere is not None else None
            if found is None:
                raise
            return self._taken(found)
        return event

    def _taken(self, found: Stored) -> ApprovalResolved:
        assert self._elsewhere is not None and isinstance(found.event, ApprovalResolved)
        self._elsewhere.relay(found.event)
        return found.event


def resolved(op: ResolveApproval, action: Action | None) -> ApprovalResolved:
    return ApprovalResolved(
        approval=op.approval, answer=op.answer, by=op.by, channel=op.channel, reason=op.reason, action=action
    )


def cancelled(approval: str, reason: str = "") -> ApprovalResolved:
    return ApprovalResolved(approval=approval, answer="cancelled", by="harness", reason=reason)


def too_late(approval: str) -> ResolveApproval:
    return ResolveApproval(approval=approval, answer="no", by="deadline", channel="")
