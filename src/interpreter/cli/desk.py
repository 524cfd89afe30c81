"""One turn at a front end: events, signals and typed answers arrive in one queue and are taken one by one."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from types import TracebackType

from ..errors import AlreadyAnswered, UsageError
from ..text.i18n import _
from ..types.actions import Action
from ..types.events import (
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    TurnFinished,
    TurnStarted,
)
from ..types.ops import Interrupt, Op, ResolveApproval
from .answers import Answers
from .contract import Conversation, Question, View
from .say import say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Leave(Exception):
    """The person wants to go now."""


class Desk:
    """The one place where a front end waits.

    The first Ctrl-C stops what runs; the second leaves; a third ends the process where it stands.
    """

    def __init__(self, session: Conversation, view: View, answers: Answers | None) -> None:
        self._session, self._view, self._answers = session, view, answers
        self._events: AsyncIterator[Event] = session.watch()
        self._inbox: asyncio.Queue[Event | signal.Signals | str | None] = asyncio.Queue()
        self._actions: dict[str, Action] = {}
        self._presses = 0
        self._turn = ""
        self._question: Question | None = None
        self._worker: asyncio.Task[object] | None = None
        self._busy = False
        self._stray = False
        self._screens = [number for number in (1, 2) if os.isatty(number)]

    def __enter__(self) -> Desk:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup keeps it ignored
                loop.add_signal_handler(number, self._signalled, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_question()
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    async def pump(self) -> None:
        """Carry the session's events into the queue, until the session is closed. Runs beside the rest."""
        async for event in self._events:
            self._inbox.put_nowait(event)
        self._inbox.put_nowait(None)

    async def turn(self, op: Op) -> TurnFinished | None:
        """Send `op` and see its turn through. None: the session closed under it.

        Raises:
            Leave: the person pressed Ctrl-C twice, or the terminal is gone.
            BrokenPipeError: nobody reads what the view writes.
        """
        self._presses = 0
        self._worker = asyncio.current_task()
        self._busy = True
        if self._answers is not None:
            self._answers.begin()
        try:
            await self._session.send(op)
            return await self._see_through()
        finally:
            self._busy = False
            self._question = None
            if self._answers is not None:
                self._answers.end()

    async def _see_through(self) -> TurnFinished | None:
        while (item := await self._inbox.get()) is not None:
            if isinstance(item, str):
                await self._typed(item)
            elif isinstance(item, signal.Signals):
                await self._stop(item)
            elif (end := await self._event(item)) is not None:
                return end
        return None

    async def catch_up(self) -> None:
        """Show what has arrived while no turn runs."""
        self._worker = asyncio.current_task()
        for _round in range(3):  # what was just emitted passes through the watch and the pump first
            await asyncio.sleep(0)
        while not self._inbox.empty():
            item = self._inbox.get_nowait()
            if item is not None and not isinstance(item, (str, signal.Signals)):
                await self._event(item)

    def pressed(self) -> bool:
        """Whether Ctrl-C came in the moment between two prompts; asked once for each."""
        stray, self._stray = self._stray, False
        return stray

    def _forget_screen(self) -> None:
        """Where the terminal is gone, what is still written goes nowhere, so that all the rest ends in order."""
        null = os.open(os.devnull, os.O_WRONLY)
        for number in self._screens:
            if not os.isatty(number):  # any more
                os.dup2(null, number)
        os.close(null)

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            self._forget_screen()
        if not self._busy:
            # At the prompt Ctrl-C is a key; a signal from elsewhere means to end.
            if number == signal.SIGINT:
                self._stray = True
            elif self._worker is not None:
                self._worker.cancel()
            return
        self._presses += 1
        if self._presses == 1:
            self._inbox.put_nowait(number)
        elif self._presses == 2 and self._worker is not None:
            self._worker.cancel()
        elif self._presses > 2:
            self._view.end()
            if self._answers is not None:
                self._answers.restore()
            os._exit(130)

    async def _stop(self, number: signal.Signals) -> None:
        self._close_question()
        if number == signal.SIGINT:
            self._view.note(_("Stopping what runs. Ctrl-C again leaves; everything is kept."))
        await self._session.send(Interrupt())
        if number != signal.SIGINT:
            raise Leave

    async def _event(self, event: Event) -> TurnFinished | None:
        match event:
            case ActionProposed():
                self._actions[event.action.id] = event.action
            case ApprovalResolved():
                if self._question is not None and self._question.request.approval == event.approval:
                    self._close_question()
                    if event.answer != "cancelled":
                        say("")  # the cursor stands behind the question
                        self._view.note(elsewhere(event))
            case _:
                pass
        try:
            self._view.show(event)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._forget_screen()
            raise Leave from None
        if isinstance(event, ApprovalRequested) and self._answers is not None:
            self._question = Question(event, self._actions.get(event.action))
            self._ask()
        if isinstance(event, TurnStarted):
            self._turn = event.turn
        if isinstance(event, TurnFinished) and event.turn == self._turn:
            self._actions.clear()
            return event
        return None

    def _ask(self) -> None:
        if self._question is not None and self._answers is not None:
            self._view.ask(self._question)
            self._answers.open(self._question, self._inbox.put_nowait)

    def _close_question(self) -> None:
        self._question = None
        if self._answers is not None:
            self._answers.close()

    async def _typed(self, line: str) -> None:
        question, answers = self._question, self._answers
        if question is None or answers is None:
            return
        op = await answers.read(question, line)
        if op is None:  # not understood, or the editor changed nothing
            self._ask()
            return
        self._close_question()
        try:
            await self._session.send(Interrupt() if op == "leave" else op)
        except (UsageError, AlreadyAnswered) as error:  # answered from elsewhere in the same moment
            self._view.note(str(error))


def elsewhere(event: ApprovalResolved) -> str:
    """That the question on the screen has got its answer in another way."""
    if event.by == "deadline":
        return _("Nobody answered in time: that is a no.")
    return _("Answered from elsewhere: {answer}, by {by}.", answer=event.answer, by=event.by)


def answer(question: Question, **fields: str) -> ResolveApproval:
    return ResolveApproval(approval=question.request.approval, **fields)  # pyright: ignore[reportArgumentType] - the caller's literals
