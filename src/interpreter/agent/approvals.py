"""Questions to a person: each a record with a life (pending, resolved, cancelled), never a callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..errors import UsageError
from ..text.i18n import _
from ..types.actions import Action
from ..types.base import new_id
from ..types.events import ApprovalRequested, ApprovalResolved
from ..types.ops import ResolveApproval
from .ports import Emitter


class Approvals:
    """The pending questions of one session, and the standing answers given with `always`."""

    def __init__(self, emitter: Emitter, *, can_ask: bool) -> None:
        self.can_ask = can_ask
        """False: nobody is there; whoever would ask must not."""
        self._emitter = emitter
        self._waiting: dict[str, asyncio.Future[ResolveApproval | None]] = {}
        self._always: set[tuple[str, str]] = set()

    def stands(self, kind: str, subject: str) -> bool:
        """True when the person said `always` to this kind of question about this subject."""
        return (kind, subject) in self._always

    def pending(self) -> tuple[str, ...]:
        return tuple(self._waiting)

    async def ask(
        self,
        request: ApprovalRequested,
        *,
        standing: str = "",
        edited: Callable[[str], Action] | None = None,
    ) -> tuple[ResolveApproval | None, Action | None]:
        """Announce the question and wait for its one answer.

        Returns the answer and, after `edit`, the action as it will run; (None, None) when the question was cancelled.
        The wait has no end of its own: silence is never a yes.
        """
        future: asyncio.Future[ResolveApproval | None] = asyncio.get_running_loop().create_future()
        self._waiting[request.approval] = future
        try:
            await self._emitter.emit(request)
            answer = await future
        except asyncio.CancelledError:
            self._waiting.pop(request.approval, None)
            await self._emitter.emit(
                ApprovalResolved(approval=request.approval, answer="cancelled", by="harness", reason="interrupted")
            )
            raise
        finally:
            self._waiting.pop(request.approval, None)
        if answer is None:
            await self._emitter.emit(ApprovalResolved(approval=request.approval, answer="cancelled", by="harness"))
            return None, None
        action = edited(answer.code) if answer.answer == "edit" and edited is not None else None
        await self._emitter.emit(
            ApprovalResolved(
                approval=request.approval,
                answer=answer.answer,
                by=answer.by,
                channel=answer.channel,
                reason=answer.reason,
                action=action,
            )
        )
        if answer.answer == "always" and standing:
            self._always.add((request.kind, standing))
        return answer, action

    async def go_on(self, what: str) -> bool:
        """A bound was met: whether the person says go on. No, where nobody is there."""
        if not self.can_ask:
            return False
        question = _("{what} Go on?", what=what)
        answer, _edited = await self.ask(
            ApprovalRequested(approval=new_id("ap"), kind="continue", question=question, subject=what)
        )
        return answer is not None and answer.answer in ("yes", "always")

    def resolve(self, op: ResolveApproval) -> None:
        """Take an answer.

        Raises:
            UsageError: no such question is open, it was answered before, or an edit brings no code.
        """
        future = self._waiting.get(op.approval)
        if future is None or future.done():
            raise UsageError(_("No question of that id is waiting for an answer."), _("It may have been answered."))
        if op.answer == "edit" and not op.code.strip():
            raise UsageError(_("The edited code is empty."), _("Answer no to run nothing."))
        future.set_result(op)

    def cancel_all(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_result(None)

    def forget_standing(self) -> None:
        self._always.clear()
