"""One conversation: ops in, events out, one turn at a time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, Literal

from ..agent.gate import Refused
from ..agent.guards import Guards, Tally
from ..agent.turns import INTERRUPTED, End, Turn
from ..aio import Tasks
from ..errors import InterpreterError, KernelError, StoreError, UsageError
from ..store.home import disk_error
from ..store.transcript import messages_of, save
from ..text.i18n import _
from ..types.actions import Action, Observation
from ..types.base import new_id
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ConversationReset,
    ModeChanged,
    NoteAdded,
    SessionClosed,
    TurnFinished,
    TurnStarted,
)
from ..types.messages import ServerFacts
from ..types.ops import Close, Interrupt, Op, Reset, ResolveApproval, Rewind, SetMode, Steer, SubmitInput, Undo
from ..types.rules import Mode
from ..types.turns import OpenLeft
from .attendance import Attendance
from .closing import closing_text
from .hub import Watch
from .owncode import read_own_code
from .parts import KEPT, Parts
from .seed import seed
from .stageops import change_stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .account import Facts
    from .resume import Left


class Session:
    """A conversation with a model, its kernels, and its log."""

    guest: Literal[""] = ""

    def __init__(self, parts: Parts) -> None:
        self.id = parts.log.id
        self.workspace = parts.workspace
        self.log = parts.log
        self.where = parts.where
        """In which walls code runs, in words."""
        self.staging = parts.staging
        self.scratch = parts.scratch
        """The session's folder for passing files, which the code may read and write."""
        self.attendance = Attendance(parts.approvals)
        self.turns: list[str] = []
        """Ids of the turns that the conversation holds."""
        self.pending: tuple[Action, ...] = ()
        """Actions that waited for an approval when the session was left; an empty SubmitInput goes on with them."""
        self.parts = parts
        self._hub, self._approvals, self._gate, self._mind = parts.hub, parts.approvals, parts.gate, parts.mind
        self._runner, self._loop = parts.runner, parts.loop
        self._machines, self._options = parts.machines, parts.options
        self._settle, self._release, self._prepare = parts.settle, parts.release, parts.prepare
        self._tasks = Tasks()
        self._turn: Turn | None = None
        self._running: asyncio.Task[None] | None = None
        self._left: Left | None = None
        self._closed = False
        self._noted = False
        self._last = ""

    @property
    def facts(self) -> ServerFacts | None:
        """What first contact with the model's server showed; None before it."""
        return self._mind.facts if self._mind.facts.api_base else None

    @property
    def window(self) -> int | None:
        return self._mind.window

    @property
    def auto(self) -> bool:
        return self._gate.auto

    @property
    def mode(self) -> Mode:
        return self._gate.mode

    @property
    def left(self) -> OpenLeft | None:
        """The turn that the process before left without an end, until the next words settle it."""
        return self._left.said() if self._left is not None else None

    @property
    def busy(self) -> bool:
        return self._turn is not None

    def watch(self) -> Watch:
        """Every event from this call on, in order."""
        return self._hub.watch()

    def messages(self) -> list[dict[str, Any]]:
        """The conversation as message dicts: role, type, format, content. Raises StoreError."""
        return messages_of(self.log.events())

    def save(self, path: str | Path) -> None:
        """Write the conversation as JSON that other tools can read. Raises StoreError."""
        save(path, self.log.events(), self.id)

    async def note(self, text: str) -> None:
        """A sentence for the person, kept in the log; the model does not read it."""
        await self._hub.emit(NoteAdded(text=text, to_model=False))

    async def tell(self, messages: list[dict[str, Any]]) -> None:
        """Give an idle session an earlier conversation. Raises UsageError, StoreError."""
        self._idle(_("A turn is running; interrupt it first."))
        for event in seed(messages):
            await self._hub.emit(event)
            if isinstance(event, TurnStarted):
                self.turns.append(event.turn)

    async def send(self, op: Op) -> None:
        """Take one op; returns when it is accepted, not when its effect is over.

        Raises:
            UsageError: the op does not fit now; nothing was changed.
            StoreError: the log could not take it.
        """
        if self._closed:
            raise UsageError(_("The session is closed."), _("Everything is kept; resume it by its id."))
        match op:
            case SubmitInput():
                await self._submit(op)
            case ResolveApproval():
                self._approvals.resolve(op)
            case Interrupt():
                await self._interrupt()
            case Steer():
                if self._turn is None:
                    raise UsageError(_("No turn is running."))
                self._turn.steers.append(op.text)
            case SetMode():
                mode: Mode = op.mode or ("auto" if op.auto else "ask")
                await self._hub.emit(ModeChanged(auto=mode == "auto", mode=mode))
                self._gate.mode = mode
            case Undo() | Rewind():
                await self._take_back(op)
            case Reset():
                await self._reset()
            case Close():
                await self.close(keep_kernels=op.keep_kernels)
            case _:
                await change_stage(self.staging, op, busy=self.busy)

    async def close(self, *, keep_kernels: bool | None = None) -> None:
        """End the work in this process. A running turn is interrupted first; nothing of the log is lost.

        Args:
            keep_kernels: let the kernels live on for a while, so that a resume finds their state. None: as `KEPT` says
                for the way in which the last turn ended.
        """
        if self._closed:
            return
        self._closed = True
        if self._turn is not None:
            await self._interrupt()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        seconds = KEPT.get(self._last, 0.0) if keep_kernels is None else KEPT["waiting"] * keep_kernels
        if self._left is not None:
            seconds = KEPT["waiting"]  # nobody went on with its turn: it stays as it was
        await self._end(seconds, "parked" if seconds else "closed")

    async def _end(self, seconds: float, reason: str) -> None:
        await self._tasks.close()
        await self._mind.close()
        await self._leave_machines(seconds)
        await self._settle()
        try:
            await self._hub.emit(SessionClosed(reason=reason))
        except StoreError:
            self._hub.close()
        self._release()

    async def _leave_machines(self, seconds: float) -> None:
        try:
            if seconds:
                await self._machines.park(seconds)
        except KernelError:
            pass
        await self._machines.close(keep=seconds > 0)

    async def _submit(self, op: SubmitInput) -> None:
        self._idle(_("A turn is running; wait for its end or interrupt it."))
        left, empty = self._left, not op.text.strip() and not op.images
        open_turn = left.turn if left is not None and left.goes_on and empty else ""
        if empty and not self.pending and not open_turn:
            raise UsageError(_("There is nothing to do: the task is empty."))
        tally = Tally()
        begin = None if open_turn else TurnStarted(turn=new_id("t"), text=op.text, images=op.images, skills=op.skills)
        guards = Guards(self._options, tally, self.parts.final())
        turn = Turn(begin.turn if begin is not None else open_turn, tally, guards)
        self._turn = turn
        self._gate.begin_turn()
        try:
            if begin is not None and left is None:
                await self._hub.emit(begin)
        except BaseException:
            self._turn = None
            raise
        if begin is not None:
            self.turns.append(turn.id)
        own = read_own_code(op.text) if op.own_code else None
        self._running = self._tasks.start(self._run(turn, begin, own), name=turn.id)

    async def come_back(self, left: Left, facts: Facts) -> None:
        """Be the session that was left. What had begun is settled with the next words, or when an empty SubmitInput
        goes on with the turn that has no end. Raises StoreError.
        """
        waiting = await left.begin(facts)
        self.pending = waiting.actions
        self._gate.recall(waiting.earlier)
        self._left = left if left.turn else None
        if left.rewinding:
            self.turns[:] = await self.parts.rewinding().finish(self.turns)

    async def _run(self, turn: Turn, begin: TurnStarted | None, own: Action | None) -> None:
        started = time.monotonic()
        try:
            end = await self._whole(turn, begin, own)
        except InterpreterError as error:
            end = End("sandbox" if error.exit_code == 7 else "failed", error.exit_code, str(error))
        except Exception as error:
            kept = _("Everything up to here is kept in session {session}.", session=self.id)
            what = _("An error inside interpreter itself: {error}", error=f"{type(error).__name__}: {error}")
            end = End("failed", 1, str(disk_error(error) or f"{what}\n{kept}"))
        text = end.text or closing_text(end, self.id, self._gate, self._options)
        finished = TurnFinished(
            turn=turn.id,
            reason=end.reason,
            exit_code=end.exit_code,
            text=text,
            steps=turn.tally.steps,
            usage=turn.tally.usage(),
            duration=time.monotonic() - started,
        )
        self._turn, self._last = None, end.reason
        if self._left is not None:
            self._hub.show(finished)  # nothing of it was gone on with: in the log it stays open
            return
        try:
            await self._hub.emit(finished)
        except StoreError:
            self._hub.show(finished)

    async def _whole(self, turn: Turn, begin: TurnStarted | None, own: Action | None) -> End:
        left = self._left
        if left is not None and left.running:
            note = _("Code from before is still running; waiting for its end. Ctrl-C stops it.")
            await self._hub.emit(NoteAdded(text=note, to_model=False))
        if begin is None:
            return await self._go_on(turn)
        if left is not None:
            self._left = None
            await left.close()
            await self._hub.emit(begin)
        return await (self._own(turn, own) if own is not None else self._work(turn, begin))

    async def _go_on(self, turn: Turn) -> End:
        """Go on with the turn of a process that is gone."""
        left = self._left
        assert left is not None
        if not left.own and (unreachable := await self._connect()) is not None:
            return unreachable
        self._left = None
        standing = await left.go_on(turn)
        if isinstance(standing, End):
            return standing
        pending, self.pending = standing.pending or self.pending, ()
        return await self._loop.run(turn, pending, standing.again)

    async def _work(self, turn: Turn, begin: TurnStarted) -> End:
        if (end := await self._prepare(begin, turn)) is not None:
            return end
        pending, self.pending = self.pending, ()
        if begin.text.strip():
            await self._gate.withdraw()
        if (unreachable := await self._connect()) is not None:
            self.pending = pending
            return unreachable
        if turn.stop.is_set():
            return INTERRUPTED
        return await self._loop.run(turn, pending if not begin.text.strip() else ())

    async def _connect(self) -> End | None:
        """First contact with the model's server; how the turn ends where there is none."""
        try:
            await self._mind.connect()
        except InterpreterError as error:
            return End("model", error.exit_code, str(error))
        for note in () if self._noted else self._mind.facts.notes:
            await self.note(note)
        self._noted = True
        return None

    async def _own(self, turn: Turn, action: Action) -> End:
        """The person's own code: typed, so approved; it still passes the gate and the log."""
        await self._hub.emit(ActionProposed(turn=turn.id, step=0, action=action))
        admitted = await self._gate.own(action, self.where)
        if isinstance(admitted, Refused):
            told = Observation(text=admitted.told, shown=admitted.shown)
            await self._hub.emit(ActionFinished(action=action.id, status=admitted.status, observation=told))
            return INTERRUPTED if admitted.ends == "interrupted" else End("denied", 3, admitted.shown)
        finished = await self._runner.run(admitted.permit, admitted.action)
        return INTERRUPTED if turn.stop.is_set() else End("done", 0 if finished.status == "ok" else 1)

    async def _interrupt(self) -> None:
        turn = self._turn
        if turn is None:
            return
        first = not turn.stop.is_set()
        turn.stop.set()
        self._approvals.cancel_all()
        if first:
            # A second Ctrl-C may cancel this op at any moment; what it began goes on.
            await asyncio.shield(self._tasks.start(self._begin_stop(turn)))

    async def _begin_stop(self, turn: Turn) -> None:
        try:
            told = bool(turn.tally.steps)  # a model that was asked nothing yet needs no word of it
            text = "The person interrupted."
            await self._hub.emit(NoteAdded(text=text, source="person", to_model=told, stops=True))
        finally:
            self._tasks.start(self._insist(turn))

    async def _insist(self, turn: Turn) -> None:
        """Tell the kernels until the turn is over: an execution may begin in the moment of the interrupt."""
        while self._turn is turn:
            try:
                await self._machines.interrupt()
            except KernelError:
                return
            await asyncio.sleep(0.5)

    def leave(self) -> None:
        """Nobody is left who could answer here: questions whether code may run stay open in the log."""
        self.attendance.leave()

    async def let_go(self) -> bool:
        """End the work in this process and leave a turn that runs to another one: what runs goes on in the keeper, and
        nothing of the turn is stopped or ended. Whether one is left; a turn whose question waits ends first.
        """
        if self.attendance.end() and self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        self._closed, left = True, self._turn is not None or self._left is not None
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._end(KEPT["waiting"], "detached")
        return left

    async def _take_back(self, op: Undo | Rewind) -> None:
        self._idle(_("A turn is running; interrupt it first."))
        await self._give_up()
        self.turns[:] = await self.parts.rewinding().carry_out(op, self.turns)
        self.pending = ()
        await self._gate.withdraw()

    async def _reset(self) -> None:
        self._idle(_("A turn is running; interrupt it first."))
        await self._give_up()
        await self._hub.emit(ConversationReset())
        self.turns.clear()
        self.pending = ()
        await self._gate.withdraw()
        self._approvals.forget_standing()
        await self._machines.restart()

    async def _give_up(self) -> None:
        """The turn of before is not gone on with: what still runs of it is stopped."""
        if self._left is not None:
            left, self._left = self._left, None
            stopping = self._tasks.start(self._machines.interrupt())
            await left.close()
            await asyncio.gather(stopping, return_exceptions=True)

    def _idle(self, otherwise: str) -> None:
        if self._turn is not None:
            raise UsageError(otherwise)
