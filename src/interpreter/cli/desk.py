"""One turn at a front end: events, signals and typed answers arrive in one queue and are taken one by one."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import AsyncIterator
from types import TracebackType

from ..errors import AlreadyAnswered, UsageError
from ..text.clean import clean_text
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
from ..types.ops import Interrupt, Op, ResolveApproval, Steer, SubmitInput
from ..types.turns import OpenLeft
from .answers import END_OF_INPUT, Answers
from .contract import Conversation, Question, View
from .joining import DELAY, Joining
from .say import say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Leave(Exception):
    """The person wants to go now."""


class Desk:
    """The one place where a front end waits.

    The first Ctrl-C stops what runs; the second leaves; a third ends the process where it stands. Where the terminal
    goes away, the turn goes on without one, until it needs a person.
    """

    def __init__(self, session: Conversation, view: View, answers: Answers | None, delay: float = DELAY) -> None:
        """`delay`: seconds after which other terminals can join."""
        self._delay = delay
        self._session, self._view, self._answers = session, view, answers
        self._events: AsyncIterator[Event] = session.watch()
        self._inbox: asyncio.Queue[Event | signal.Signals | str | None] = asyncio.Queue()
        self._actions: dict[str, Action] = {}
        self._presses = 0
        self._over = ""
        """A turn of before, whose end is not that of the one that was begun here."""
        self._question: Question | None = None
        self._worker: asyncio.Task[object] | None = None
        self._busy = self._following = False
        self._stray = False
        self._changed = asyncio.Event()
        self._turns: set[str] = set()
        """Turns that have begun and not ended, as far as the events say."""
        self.closed = False
        """The session is over, whoever ended it."""
        self._joining: Joining | None = None
        self.detached = False
        """Asked to go on without this terminal."""
        self._screens = [number for number in (0, 1, 2) if os.isatty(number)]
        self.hung_up = False
        """The terminal is gone, and so is the person."""

    def __enter__(self) -> Desk:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup keeps it ignored
                loop.add_signal_handler(number, self._signalled, number)
        if not self._session.guest:
            self._joining = Joining(self._session, self.detach, self._delay)
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
            if isinstance(event, TurnStarted):
                self._turns.add(event.turn)
            elif isinstance(event, TurnFinished):
                self._turns.discard(event.turn)
            self._inbox.put_nowait(event)
            self._changed.set()
        self.closed = True
        self._inbox.put_nowait(None)
        self._changed.set()
        if self._joining is not None:
            await self._joining.close()

    async def noticed(self) -> None:
        """Returns when somebody else has begun a turn or closed the session, or Ctrl-C came before it was a key."""
        while not self._turns and not self.closed and not self._stray:
            self._changed.clear()
            await self._changed.wait()

    async def follow(self) -> TurnFinished | None:
        """See a turn through that somebody else has begun. None: the session was closed. Raises as `turn` does."""
        self._following = True
        try:
            return await self._busy_with(None)
        finally:
            self._following = False

    def detach(self) -> bool:
        """Let whoever works here leave the session to a process without a terminal; False: there is no terminal."""
        if not self._screens or self.hung_up or self._worker is None:
            return False
        self.detached = True
        self._worker.cancel()
        return True

    async def turn(self, op: Op) -> TurnFinished | None:
        """Send `op` and see its turn through. None: the session closed under it.

        Raises:
            Leave: the person pressed Ctrl-C twice, or the terminal is gone.
            BrokenPipeError: nobody reads what the view writes.
        """
        self._over = turn_of_before(self._session.left, op)
        return await self._busy_with(op)

    async def _busy_with(self, op: Op | None) -> TurnFinished | None:
        self._presses = 0
        self._worker = asyncio.current_task()
        self._busy = True
        if self._answers is not None:
            self._answers.begin()
            self._listen()
        try:
            if op is not None:
                await self._session.send(op)
            elif self.pressed():
                self._signalled(signal.SIGINT)  # it came in the moment before
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
        """What is still written to the terminal goes nowhere, and nothing is read from it any more."""
        null = os.open(os.devnull, os.O_RDWR)
        for number in self._screens:
            os.dup2(null, number)
        os.close(null)

    def _hang_up(self) -> None:
        """Go on without the terminal: a question whether code may run stays open in the log."""
        self.hung_up = True
        self._close_question()
        if self._answers is not None:
            self._answers.forget()
        self._forget_screen()
        self._session.leave()

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP and self._screens:
            if self._busy:
                self._inbox.put_nowait(number)
                return
            self._forget_screen()
        if not self._busy:
            # At the prompt Ctrl-C is a key, once the terminal has been told so; a signal from elsewhere means to end.
            if number == signal.SIGINT:
                self._stray = True
                self._changed.set()
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
        if number == signal.SIGHUP and self._screens and not self._session.guest:
            if not self.hung_up:
                self._hang_up()
            return
        self._close_question()
        if self._session.guest and (number != signal.SIGINT or self._session.guest == "watching"):
            raise Leave
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
            if self._following and isinstance(event, TurnStarted):
                self._view.note("> " + clean_text(event.text))
            self._view.show(event)
        except OSError as error:
            if error.errno != errno.EIO or self.hung_up:
                raise
            self._hang_up()
            if self._session.guest:
                raise Leave from None
        if isinstance(event, ApprovalRequested) and self._answers is not None and not self.hung_up:
            self._question = Question(event, self._actions.get(event.action))
            self._ask()
        if isinstance(event, TurnFinished) and event.turn != self._over:
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
            self._listen()

    def _listen(self) -> None:
        """Where one has joined, what is typed while a turn runs is for the model."""
        if self._busy and self._answers is not None and self._session.guest == "joined" and not self.hung_up:
            self._answers.listen(self._inbox.put_nowait)

    async def _steer(self, line: str) -> None:
        """A line that was typed while a turn runs and nothing is asked."""
        text = line.strip()
        if self._session.guest != "joined" or not text:
            return
        if line == END_OF_INPUT or text.lower() in ("%detach", "/detach"):
            raise Leave
        try:
            await self._session.send(Steer(text=text))
        except UsageError as error:  # the turn has just ended
            self._view.note(str(error))

    async def _typed(self, line: str) -> None:
        question, answers = self._question, self._answers
        if answers is None:
            return
        if question is None:
            await self._steer(line)
            return
        if line == END_OF_INPUT and 0 in self._screens and not os.isatty(0):
            self._hang_up()  # not Ctrl-D: the terminal itself has ended
            if self._session.guest:
                raise Leave
            return
        if line.strip().lower() in ("%detach", "/detach") and question.request.kind != "input":
            if self._session.guest:
                raise Leave
            self.detach()
            return
        op = await answers.read(question, line, self._session.workspace)
        if op is None:  # not understood, or the editor changed nothing
            self._ask()
            return
        self._close_question()
        try:
            await self._session.send(Interrupt() if op == "leave" else op)
        except (UsageError, AlreadyAnswered) as error:  # answered from elsewhere in the same moment
            self._view.note(str(error))


def turn_of_before(left: OpenLeft | None, op: Op) -> str:
    """The turn that is closed before this op begins another; empty where the op goes on with it, or there is none."""
    goes_on = isinstance(op, SubmitInput) and not op.text.strip() and not op.images
    return left.turn if left is not None and not goes_on else ""


def elsewhere(event: ApprovalResolved) -> str:
    """That the question on the screen has got its answer in another way."""
    if event.by == "deadline":
        return _("Nobody answered in time: that is a no.")
    return _("Answered from elsewhere: {answer}, by {by}.", answer=event.answer, by=event.by)


def answer(question: Question, **fields: str) -> ResolveApproval:
    return ResolveApproval(approval=question.request.approval, **fields)  # pyright: ignore[reportArgumentType] - the caller's literals
