"""A server of raw bytes, and what a client makes of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions

from .ask import ask

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
MODELS = json.dumps({"data": [{"id": "m"}]}).encode()
LIST = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(MODELS), MODELS)
WORD = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\n'


async def against(
    pieces: Callable[[bool], Iterator[bytes]],
    use: Callable[[HttpModel], Awaitable[Any]],
    pause: float,
    heads: list[bytes] | None = None,
    **options: Any,
) -> Any:
    """What `use` makes of a server that sends these pieces, with a pause before each. True: a list is asked for.

    `heads` takes up the heads of the requests.
    """
    tasks: list[asyncio.Task[Any]] = []
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if heads is not None:
                    heads.append(head)
                listing = head.startswith(b"GET")
                if not listing:
                    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                    await reader.readexactly(int(length))
                for piece in pieces(listing):
                    await asyncio.sleep(pause)
                    writer.write(piece)
                    await writer.drain()
                if not listing:
                    break
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    given: dict[str, Any] = {"api_base": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "max_retries": 0}
    model = HttpModel(ModelOptions(**given, **options))
    try:
        return await use(model)
    finally:
        await model.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)  # the sockets are closed


def answered(*parts: bytes) -> Any:
    """What asking gives where these bytes are the answer."""
    return asyncio.run(against(lambda listing: iter([LIST] if listing else parts), ask, 0.001))
