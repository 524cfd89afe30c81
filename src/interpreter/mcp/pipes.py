"""Standard input and output as a transport: one message on each line, bounded, and nothing else."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage

from ..aio import Tasks

LONGEST = 4 << 20
"""Bytes of one message."""
LAST = 1.0
"""Seconds for the last message."""
TURN = 100
"""Milliseconds after which a writer that waits looks whether it should go on."""
Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@asynccontextmanager
async def transport(read: int, write: int) -> AsyncGenerator[tuple[Incoming, Outgoing]]:
    """The streams over two descriptors, which are closed at the end. A line that is too long ends the conversation.

    Raises ValueError: `read` is a plain file.
    """
    reader = asyncio.StreamReader(limit=LONGEST)
    loop = asyncio.get_running_loop()
    pipe, _protocol = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb", buffering=0)
    )
    given, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, taken = anyio.create_memory_object_stream[SessionMessage](0)
    tasks, over = Tasks(), threading.Event()
    tasks.start(_read(reader, given))
    writing = tasks.start(_write(write, taken, over))
    try:
        yield incoming, outgoing
    finally:
        outgoing.close()
        try:
            await asyncio.wait({writing}, timeout=LAST)  # what was said is written before the pipe is closed
        finally:
            over.set()
        await asyncio.wait({writing}, timeout=LAST)  # the number of what is closed may be that of another file soon
        await tasks.close()
        pipe.close()
        for stream in (given, incoming, outgoing, taken):
            stream.close()
        os.close(write)


async def _read(reader: asyncio.StreamReader, given: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    async with given:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                return  # longer than LONGEST
            if not line:
                return
            if not line.strip():
                continue
            try:
                message: SessionMessage | Exception = SessionMessage(JSONRPCMessage.model_validate_json(line))
            except ValueError as error:
                message = error
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await given.send(message)


async def _write(fd: int, taken: MemoryObjectReceiveStream[SessionMessage], over: threading.Event) -> None:
    with suppress(OSError):
        async for one in taken:
            text = one.message.model_dump_json(by_alias=True, exclude_none=True)
            await asyncio.to_thread(_all, fd, text.encode() + b"\n", over)


def _all(fd: int, data: bytes, over: threading.Event) -> None:
    """In pieces that never block: one socket may carry both ways, and what reads it has made it so that it cannot."""
    poll, view = select.poll(), memoryview(data)
    poll.register(fd, select.POLLOUT)
    while view and not over.is_set():
        if poll.poll(TURN):
            with suppress(BlockingIOError):
                view = view[os.write(fd, view[: select.PIPE_BUF]) :]
