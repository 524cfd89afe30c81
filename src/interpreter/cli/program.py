"""`--ops`: a program on the other side. Its ops come as lines of JSON, and every event goes out as one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from ..config.settings import Settings
from ..errors import InterpreterError, UsageError
from ..text.i18n import _
from ..types.events import TurnFinished
from ..types.ops import Close, Interrupt, Op, ResolveApproval, SubmitInput
from .contract import Conversation, Open
from .desk import turn_of_before
from .views.machine import JsonLines, write_line

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CHANNEL = "ops"


class Program:
    """Takes ops until standard input ends; a turn that runs then comes to its end, and a question stays open."""

    def __init__(self, open_session: Open, settings: Settings, workspace: Path | None, resume: str) -> None:
        self._open, self._settings, self._workspace, self._resume = open_session, settings, workspace, resume
        self._inbox: asyncio.Queue[bytes | signal.Signals | None] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._code = 0
        self._over = ""

    async def run(self, task: str | None) -> int:
        """The exit code of the last turn; 0 where there was none."""
        session = await self._open(self._settings, resume=self._resume or None, workspace=self._workspace)
        loop = asyncio.get_running_loop()
        self._idle.set()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._inbox.put_nowait, number)
        threading.Thread(target=self._read, args=(loop,), daemon=True, name="interpreter-ops").start()
        try:
            await asyncio.gather(self._take(session, task), self._show(session))
        except BrokenPipeError:
            # Nobody reads the events: going on would do things that nobody sees.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            await session.close(keep_kernels=True)
            return INTERRUPTED
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        return self._code

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """On a thread of its own, because standard input may be a file, a pipe or a terminal."""
        line: bytes | None = b""
        while line is not None:
            try:
                line = sys.stdin.buffer.readline() or None
            except (OSError, ValueError):
                line = None
            try:
                loop.call_soon_threadsafe(self._inbox.put_nowait, line)
            except RuntimeError:
                return  # the session has ended meanwhile

    async def _take(self, session: Conversation, task: str | None) -> None:
        keep: bool | None = None
        if task is not None:
            await self._send(session, SubmitInput(text=task))
        elif session.pending or (session.left is not None and session.left.goes_on):
            await self._send(session, SubmitInput(text=""))
        while True:
            item = await self._inbox.get()
            if item is None:
                session.leave()
                await self._idle.wait()
                break
            if isinstance(item, signal.Signals):
                if item != signal.SIGINT:
                    keep, self._code = True, INTERRUPTED
                    break
                await self._send(session, Interrupt())
            elif item.strip():
                op = read_op(item)
                if isinstance(op, Close):
                    keep = op.keep_kernels
                    break
                if isinstance(op, InterpreterError):
                    refuse(op)
                else:
                    await self._send(session, op)
        await session.close(keep_kernels=keep)

    async def _send(self, session: Conversation, op: Op) -> None:
        begins = isinstance(op, SubmitInput) and self._idle.is_set()
        if begins:
            self._over = turn_of_before(session.left, op)
            self._idle.clear()
        try:
            await session.send(op)
        except InterpreterError as error:
            refuse(error)
            if begins:
                self._idle.set()

    async def _show(self, session: Conversation) -> None:
        view = JsonLines()
        async for event in session.watch():
            view.show(event)
            if isinstance(event, TurnFinished) and event.turn != self._over:
                self._code = event.exit_code
                self._idle.set()


def read_op(line: bytes) -> Op | UsageError:
    """The op in a line, as a program may send it; else what is wrong with it."""
    try:
        op: Op = msgspec.json.decode(line, type=Op)
    except (msgspec.MsgspecError, ValueError) as error:
        return UsageError(_("This line is no op: {reason}", reason=error), _("All ops and their fields: docs/ops.md"))
    if isinstance(op, SubmitInput) and op.own_code:
        return UsageError(
            _("`own_code` is for what a person typed at a terminal; a program cannot say it."),
            _("Nothing was run. Leave the field out."),
        )
    if isinstance(op, ResolveApproval):
        by = "program" if op.by == "person" else op.by
        return msgspec.structs.replace(op, by=by, channel=CHANNEL)
    return op


def refuse(error: InterpreterError) -> None:
    """An op that was not taken, as a line among the events."""
    write_line({
        "type": "error", "status": "refused", "error": type(error).__name__, "message": error.message,
        "hint": error.hint,
    })  # fmt: skip
