"""A session that another program holds, joined over its socket: a `Conversation` like one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from .. import errors
from ..aio import Tasks
from ..errors import InterpreterError, SessionBusy, UsageError
from ..session.wire import SOCKET, TOKEN, VERSION, Door, Greeting, Hello, Reply, Request, said_of
from ..text.i18n import _
from ..types.actions import Action
from ..types.base import to_json
from ..types.events import ApprovalRequested, Event, ModeChanged, TurnFinished, TurnStarted
from ..types.messages import ServerFacts
from ..types.ops import Op
from ..types.rules import Mode
from ..types.turns import OpenLeft

LONGEST = 64 << 20
"""Bytes of a line from the session."""
PATIENCE = 5.0
"""Seconds until it must let somebody in."""
ANSWER = 60.0
"""Seconds until it must answer: a commit waits for the last checkpoints."""


class Remote:
    """What the session's program says of itself, and its events; ops go back over the same connection."""

    def __init__(
        self, hello: Hello, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, watch: bool
    ) -> None:
        self._hello, self._reader, self._writer = hello, reader, writer
        self.id = hello.session
        self.pid = hello.pid
        self.workspace, self.where = Path(hello.workspace), hello.where
        self.busy = hello.busy
        self.mode: Mode = hello.mode
        self.guest: Literal["", "joined", "watching"] = "watching" if watch else "joined"
        self.pending: tuple[Action, ...] = ()
        self.staging = None
        """Who holds the session looks after its stage."""
        """Whoever holds it goes on with them."""
        self._tasks = Tasks()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._asked: set[str] = set()
        self._replies: dict[int, asyncio.Future[Reply]] = {}
        self._count = 0

    @property
    def left(self) -> OpenLeft | None:
        return self._hello.left

    @property
    def scratch(self) -> Path:
        return Path(self._hello.scratch)

    @property
    def facts(self) -> ServerFacts | None:
        return self._hello.facts

    @property
    def window(self) -> int | None:
        return self._hello.window

    @property
    def auto(self) -> bool:
        return self.mode == "auto"

    def leave(self) -> None:
        """Our terminal is gone: that is nothing to the session."""

    def begin(self, first: Iterable[Event]) -> None:
        """Listen; what is open already comes first."""
        for event in first:
            self._put(event)
        self._tasks.start(self._listen())

    async def watch(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            yield event

    async def send(self, op: Op) -> None:
        """Raises what the session raised, and SessionBusy where its program does not answer."""
        await self._request(Request(n=self._next(), op=op))

    async def detach(self) -> None:
        """Its program goes on without its terminal. Raises UsageError: it has none."""
        await self._request(Request(n=self._next(), detach=True))

    async def close(self, *, keep_kernels: bool | None = None) -> None:
        """Go away; the session goes on."""
        self._writer.close()
        await self._tasks.close()
        self._events.put_nowait(None)

    def _next(self) -> int:
        self._count += 1
        return self._count

    async def _request(self, request: Request) -> None:
        answer = self._replies[request.n] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(to_json(request) + b"\n")
            async with asyncio.timeout(ANSWER):
                await self._writer.drain()
                reply = await answer
        except TimeoutError:
            raise SessionBusy(
                _("The program that holds session {id} has not answered for {seconds} s.", id=self.id,
                  seconds=round(ANSWER)),
                _("What was asked for may still be done. See: interpreter attach {id}", id=self.id),
            ) from None  # fmt: skip
        except OSError:
            raise gone(self.id) from None
        finally:
            self._replies.pop(request.n, None)
        if reply.error:
            raise error_of(reply)

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(said_of(line))
        except (OSError, ValueError, msgspec.MsgspecError):
            pass  # it has ended, or is something else
        for answer in self._replies.values():
            if not answer.done():
                answer.set_exception(ConnectionError())
        self._events.put_nowait(None)

    def _take(self, said: Hello | Reply | Event) -> None:
        match said:
            case Hello():
                self._hello, self.mode = said, said.mode
            case Reply():
                answer = self._replies.get(said.n)
                if answer is not None and not answer.done():
                    answer.set_result(said)
            case _:
                self._put(said)

    def _put(self, event: Event) -> None:
        match event:
            case ApprovalRequested():
                if event.approval in self._asked:
                    return
                self._asked.add(event.approval)
            case ModeChanged():
                self.mode = event.mode or ("auto" if event.auto else "ask")
            case TurnStarted():
                self.busy = True
            case TurnFinished():
                self.busy = False
            case _:
                pass
        self._events.put_nowait(event)


async def connect(session: str, folder: Path, *, watch: bool, seconds: float = PATIENCE) -> Remote:
    """Join the session that a program holds. Raises SessionBusy: it lets nobody in, or not any more."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                return await _connect(folder, watch=watch)
        except (OSError, TimeoutError, ValueError, msgspec.MsgspecError):
            if asyncio.get_running_loop().time() > end:
                raise gone(session) from None
        await asyncio.sleep(0.1)  # it opens a moment after its beginning


async def _connect(folder: Path, *, watch: bool) -> Remote:
    token = (folder / TOKEN).read_text(encoding="ascii")
    with Door(folder) as door:
        reader, writer = await asyncio.open_unix_connection(door.socket, limit=LONGEST)
    writer.write(to_json(Greeting(token=token, version=VERSION, watch=watch)) + b"\n")
    first = said_of(await reader.readline())
    if isinstance(first, Reply):
        raise error_of(first)
    if not isinstance(first, Hello):
        raise ValueError("something else listens there")
    return Remote(first, reader, writer, watch=watch)


def gone(session: str) -> SessionBusy:
    return SessionBusy(
        _("The program that holds session {id} lets nobody in, or has ended.", id=session),
        _("Nothing was changed. See: interpreter sessions list"),
    )


def error_of(reply: Reply) -> InterpreterError:
    kind = getattr(errors, reply.error, UsageError)
    known = isinstance(kind, type) and issubclass(kind, InterpreterError)
    return (kind if known else UsageError)(reply.message, reply.hint)


def reachable(folder: Path) -> bool:
    """Whether somebody can be joined there."""
    return (folder / SOCKET).exists()
