"""One conversation: ops in, events out, one turn at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..agent.approvals import Approvals
from ..agent.gate import Gate, Refused
from ..agent.guards import Guards, Tally
from ..agent.loop import Loop
from ..agent.mind import Mind
from ..agent.options import AgentOptions
from ..agent.refusals import waiting_text
from ..agent.runner import Runner
from ..agent.turns import INTERRUPTED, End, Turn
from ..aio import Tasks
from ..errors import InterpreterError, KernelError, StoreError, UsageError
from ..store import SessionLog
from ..store.transcript import messages_of, save
from ..text.i18n import _
from ..types.actions import Action, Observation
from ..types.base import new_id
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ConversationReset,
    ConversationUndone,
    ModeChanged,
    NoteAdded,
    SessionClosed,
    TurnFinished,
    TurnStarted,
)
from ..types.messages import ServerFacts
from ..types.ops import Close, Interrupt, Op, Reset, ResolveApproval, SetMode, Steer, SubmitInput, Undo
from ..types.rules import Mode
from .hub import Hub, Watch
from .owncode import read_own_code
from .seed import seed

Preparation = Callable[[str], Awaitable[None]]
"""Runs at a turn's start with the person's words: offers grants for files that they name."""


class Machines(Protocol):
    """What the session itself needs of `kernels.Kernels`."""

    async def interrupt(self) -> None: ...

    async def restart(self, language: str | None = None) -> None: ...

    async def park(self, seconds: float | None) -> None: ...

    async def close(self, keep: bool = False) -> None: ...


KEPT = {"waiting": 3600.0, "interrupted": 600.0, "limit": 600.0, "model": 600.0}
"""Seconds that kernels live on after a turn that ended this way; after the others they end with the session."""


@dataclass(frozen=True)
class Parts:
    """What a session is made of; `app` puts it together."""

    log: SessionLog
    workspace: Path
    scratch: Path
    where: str
    hub: Hub
    approvals: Approvals
    gate: Gate
    mind: Mind
    runner: Runner
    loop: Loop
    machines: Machines
    options: AgentOptions
    prepare: Preparation
    settle: Callable[[], Awaitable[None]]
    """Waits for what was begun beside the session."""
    release: Callable[[], None]
    """Lets go of the log."""


class Session:
    """A conversation with a model, its kernels, and its log."""

    def __init__(self, parts: Parts) -> None:
        self.id = parts.log.id
        self.workspace = parts.workspace
        self.log = parts.log
        self.where = parts.where
        """In which walls code runs, in words."""
        self.scratch = parts.scratch
        """The session's folder for passing files, which the code may read and write."""
        self.turns: list[str] = []
        """Ids of the turns that the conversation holds."""
        self.pending: tuple[Action, ...] = ()
        """Actions that waited for an approval when the session was left; an empty SubmitInput goes on with them."""
        self._hub, self._approvals, self._gate, self._mind = parts.hub, parts.approvals, parts.gate, parts.mind
        self._runner, self._loop, self._machines, self._options = (
            parts.runner,
            parts.loop,
            parts.machines,
            parts.options,
        )
        self._settle, self._release, self._prepare = parts.settle, parts.release, parts.prepare
        self._tasks = Tasks()
        self._turn: Turn | None = None
        self._running: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
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
            case Undo():
                await self._undo(op.turns)
            case Reset():
                await self._reset()
            case Close():
                await self.close(keep_kernels=op.keep_kernels)

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
        await self._tasks.close()
        await self._mind.close()
        seconds = KEPT.get(self._last, 0.0) if keep_kernels is None else KEPT["waiting"] * keep_kernels
        await self._leave_machines(seconds)
        await self._settle()
        try:
            await self._hub.emit(SessionClosed(reason="parked" if seconds else "closed"))
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
        if not op.text.strip() and not op.images and not self.pending:
            raise UsageError(_("There is nothing to do: the task is empty."))
        tally = Tally()
        turn = Turn(new_id("t"), tally, Guards(self._options, tally))
        self._turn = turn
        self._gate.begin_turn()
        begin = TurnStarted(turn=turn.id, text=op.text, images=op.images)
        try:
            if self._recovery is None:
                await self._hub.emit(begin)
        except BaseException:
            self._turn = None
            raise
        self.turns.append(turn.id)
        own = read_own_code(op.text) if op.own_code else None
        self._running = self._tasks.start(self._run(turn, begin, own), name=turn.id)

    def recover(self, recovery: Coroutine[Any, Any, None]) -> None:
        """Let what still runs from before come to its end first; the next turn waits for it, and can interrupt it."""
        self._recovery = self._tasks.start(recovery)

    async def _run(self, turn: Turn, begin: TurnStarted, own: Action | None) -> None:
        started = time.monotonic()
        try:
            if self._recovery is not None:
                note = _("Code from before is still running; waiting for its end. Ctrl-C stops it.")
                await self._hub.emit(NoteAdded(text=note, to_model=False))
                await self._recovery
                self._recovery = None
                await self._hub.emit(begin)
            end = await (self._own(turn, own) if own is not None else self._work(turn, begin.text))
        except InterpreterError as error:
            end = End("sandbox" if error.exit_code == 7 else "failed", error.exit_code, str(error))
        except Exception as error:
            kept = _("Everything up to here is kept in session {session}.", session=self.id)
            what = _("An error inside interpreter itself: {error}", error=f"{type(error).__name__}: {error}")
            end = End("failed", 1, f"{what}\n{kept}")
        text = end.text or self._closing_text(end)
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
        try:
            await self._hub.emit(finished)
        except StoreError:
            self._hub.show(finished)

    async def _work(self, turn: Turn, text: str) -> End:
        await self._prepare(text)
        pending, self.pending = self.pending, ()
        if text.strip():
            await self._gate.withdraw()
        try:
            await self._mind.connect()
        except InterpreterError as error:
            self.pending = pending
            return End("model", error.exit_code, str(error))
        for note in () if self._noted else self._mind.facts.notes:
            await self.note(note)
        self._noted = True
        if turn.stop.is_set():
            return INTERRUPTED
        return await self._loop.run(turn, pending if not text.strip() else ())

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

    def _closing_text(self, end: End) -> str:
        kept = _("Everything so far is kept in session {session}.", session=self.id)
        match end.reason:
            case "waiting":
                flags = " -y" * self._gate.auto + " --approvals park" * (self._options.approvals == "park")
                return waiting_text(self.id, self._gate.parked, flags, by_yes=self.mode == "ask")
            case "interrupted":
                return _("Interrupted.") + " " + kept
            case "denied":
                return _("Not run: you said no.") + " " + kept
            case _:
                return ""

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
            if turn.tally.steps:
                await self._hub.emit(NoteAdded(text="The person interrupted.", source="person"))
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
        self._approvals.leave()

    async def _undo(self, turns: int) -> None:
        self._idle(_("A turn is running; interrupt it first."))
        if turns < 1 or turns > len(self.turns):
            raise UsageError(_("There are {n} turns to undo.", n=len(self.turns)))
        first = self.turns[-turns]
        await self._hub.emit(ConversationUndone(turn=first))
        del self.turns[-turns:]
        self.pending = ()
        await self._gate.withdraw()

    async def _reset(self) -> None:
        self._idle(_("A turn is running; interrupt it first."))
        await self._hub.emit(ConversationReset())
        self.turns.clear()
        self.pending = ()
        await self._gate.withdraw()
        self._approvals.forget_standing()
        await self._machines.restart()

    def _idle(self, otherwise: str) -> None:
        if self._turn is not None:
            raise UsageError(otherwise)
