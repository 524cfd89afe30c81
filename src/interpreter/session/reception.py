"""Where other terminals join a session that is running: a socket in its folder, for its owner alone."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import socket
import struct
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ..aio import Tasks
from ..errors import InterpreterError, UsageError
from ..store.guests import Attached, write_guests
from ..text.i18n import _
from ..types.base import to_json
from ..types.events import TurnFinished
from ..types.ops import Interrupt, Op, Steer
from .hub import Watch
from .service import Session
from .wire import LONGEST, SOCKET, TOKEN, VERSION, Door, Hello, Reply, Request, greeting_of, request_of

MOST = 16
"""Terminals at the same time."""
GREETING = 5.0
"""Seconds within which the first line must come."""
SLOW = 20.0
"""Seconds after which one that does not read is let go."""
FINISHING = 30.0
"""Seconds in which what guests have asked for may come to its end when nobody can join any more."""
BEHIND = 20_000
"""Events that may wait for one of them."""


class Reception:
    """Nobody who joins can hold the session up: each has a watch of its own, and one that falls behind is let go."""

    def __init__(self, session: Session, detach: Callable[[], bool]) -> None:
        """`detach`: asks the program that holds the session to go on without its terminal; False: it has none."""
        self._session, self._detach = session, detach
        self._folder: Path = session.log.folder
        self._tasks, self._ops = Tasks(), Tasks()
        self._token = secrets.token_hex(16)
        self._server: asyncio.Server | None = None
        self._guests: dict[int, Attached] = {}
        """By a number of ours."""
        self._count = 0

    async def open(self) -> None:
        """Raises OSError: nobody can join; the session goes on all the same."""
        write_token(self._folder / TOKEN, self._token)
        with Door(self._folder) as door:
            with suppress(FileNotFoundError):
                (self._folder / SOCKET).unlink()
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                mask = os.umask(0o177)
                try:
                    listening.bind(door.socket)
                finally:
                    os.umask(mask)
                self._server = await asyncio.start_unix_server(self._met, sock=listening, limit=LONGEST)
            except BaseException:
                listening.close()
                raise

    async def close(self) -> None:
        """What was said last is sent to those who read; then nobody can join any more."""
        if self._server is None:
            return
        self._server.close()
        for name in (SOCKET, TOKEN):
            with suppress(OSError):
                (self._folder / name).unlink()
        write_guests(self._folder, ())
        for tasks, seconds in ((self._ops, FINISHING), (self._tasks, 1.0)):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await tasks.drain()
            await tasks.close()

    def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.start(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        watching: asyncio.Task[None] | None = None
        joined = 0
        try:
            greeting = await self._greeted(reader, writer)
            if greeting is None:
                return
            pid = peer(writer)[0]
            guest = Guest(self._session, self._detach, writer, self._ops.start, may=not greeting, pid=pid)
            self._count += 1
            joined = self._count
            self._guests[joined] = Attached(pid=pid, since=time.time(), watch=greeting)
            write_guests(self._folder, self._guests.values())
            if guest.may:
                self._session.attendance.arrive()
            watching = self._tasks.start(guest.tell(self._session.watch()))
            listening = self._tasks.start(guest.hear(reader))
            await asyncio.wait({watching, listening}, return_when=asyncio.FIRST_COMPLETED)
            listening.cancel()
            if guest.may:
                self._session.attendance.depart()
        finally:
            if joined:
                del self._guests[joined]
                write_guests(self._folder, self._guests.values())
            if watching is not None:
                watching.cancel()
            writer.transport.abort() if watching is None or not watching.done() else writer.close()

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool | None:
        """Whether it only looks on; None: it is not one of ours."""
        if peer(writer)[1] != os.getuid() or len(self._guests) >= MOST:
            return None
        try:
            async with asyncio.timeout(GREETING):
                greeting = greeting_of(await reader.readline())
        except (TimeoutError, OSError, ValueError, msgspec.MsgspecError):
            return None
        if not hmac.compare_digest(greeting.token.encode(), self._token.encode()):
            return None
        if greeting.version != VERSION:
            text = _("This session's program speaks another version of the protocol: {n}.", n=VERSION)
            writer.write(line_of(Reply(n=0, error="UsageError", message=text)))
            return None
        return greeting.watch


class Guest:
    """One terminal that has joined."""

    def __init__(
        self,
        session: Session,
        detach: Callable[[], bool],
        writer: asyncio.StreamWriter,
        begin: Callable[[Coroutine[Any, Any, Reply]], asyncio.Task[Reply]],
        *,
        may: bool,
        pid: int,
    ) -> None:
        self._pid, self._begin = pid, begin
        self._session, self._detach, self._writer = session, detach, writer
        self.may = may
        """Whether it can ask for anything."""

    async def tell(self, watch: Watch) -> None:
        """Send what happens, until the session is closed or this one does not read any more."""
        try:
            self._writer.write(line_of(hello_of(self._session)))
            async for event in watch:
                self._writer.write(line_of(event))
                if isinstance(event, TurnFinished):
                    self._writer.write(line_of(hello_of(self._session)))
                if watch.behind > BEHIND:
                    return
                async with asyncio.timeout(SLOW):
                    await self._writer.drain()
        except (TimeoutError, OSError):
            return
        finally:
            watch.close()

    async def hear(self, reader: asyncio.StreamReader) -> None:
        """Carry out what it asks for, until it goes or says something that is no request."""
        while True:
            try:
                line = await reader.readline()
                request = request_of(line) if line else None
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                text = _("This line is no request: {reason}", reason=str(error)[:200])
                self._writer.write(line_of(Reply(n=0, error="UsageError", message=text)))
                return
            if request is None:
                return
            # What was begun goes to its end, whether or not they stay to hear of it.
            answer = self._begin(self._answer(request))
            self._writer.write(line_of(await asyncio.shield(answer)))

    async def _answer(self, request: Request) -> Reply:
        try:
            if not self.may:
                raise UsageError(_("Whoever only looks on cannot ask for anything."))
            if request.detach and not self._detach():
                raise UsageError(_("It has no terminal to let go of."))
            if request.op is not None:
                await self._session.send(request.op)
                await self._say(request.op)
        except InterpreterError as error:
            return Reply(n=request.n, error=type(error).__name__, message=error.message, hint=error.hint)
        return Reply(n=request.n)

    async def _say(self, op: Op) -> None:
        """Whoever sits at the session sees what came from elsewhere and shows in no other way."""
        where = _("another terminal (process {pid})", pid=self._pid) if self._pid else _("another terminal")
        if isinstance(op, Steer):
            await self._session.note(_("Said from {where}, for the next step: {text}", where=where, text=op.text))
        elif isinstance(op, Interrupt):
            await self._session.note(_("Stopped from {where}.", where=where))


def hello_of(session: Session) -> Hello:
    return Hello(
        version=VERSION, session=session.id, workspace=str(session.workspace), where=session.where,
        scratch=str(session.scratch), mode=session.mode, busy=session.busy, pid=os.getpid(), facts=session.facts,
        window=session.window, pending=session.pending, left=session.left,
    )  # fmt: skip


def line_of(value: object) -> bytes:
    return to_json(value) + b"\n"


def peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """Process and user on the other side, as the system says; 0 and ourselves where it does not."""
    connection = writer.get_extra_info("socket")
    if sys.platform == "linux":
        pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return pid, uid
    return 0, os.getuid()  # the folder and the token are for the owner alone


def write_token(path: Path, token: str) -> None:
    """A new file, readable by its owner alone; what stood there is taken away, and a link is not followed."""
    with suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
