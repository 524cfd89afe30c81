"""HTTP of the plainest kind, with bounds: one request a connection, small, in little time, few at once."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

MOST_HEAD = 8192
MOST_BODY = 16384
"""Bytes of a request's head and of its body."""
MOST_HEADERS = 64
SECONDS = 10.0
"""For a whole request to come in, and for the answer to be taken."""
LINGER = 1.0
"""For the other side to close, once it has been answered."""
MOST_AT_ONCE = 32
"""Connections; one more is told to come again."""
LINE = re.compile(r"([A-Z]{1,10}) (/[\x21-\x7e]*) HTTP/1\.[01]")
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\x20-\x7e\x80-\xff\t]*)")
"""Spaces around the value are taken off afterwards: in here each of them could belong to three parts."""
ONCE = frozenset(("host", "content-length", "content-type", "origin", "sec-fetch-site"))
"""Headers of which there is one or none."""


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    """By their names in small letters."""
    body: bytes = b""


class Response(NamedTuple):
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[Request], Awaitable[Response]]


class Wrong(Exception):
    """A request that is not answered but refused, with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Listener:
    def __init__(self, answer: Answer, *, seconds: float = SECONDS, most: int = MOST_AT_ONCE) -> None:
        """`answer` is called with every request that is one; it raises nothing."""
        self._answer, self._seconds, self._most = answer, seconds, most
        self._open = 0

    async def serve(self, listening: socket.socket) -> None:
        """Answer until it is cancelled; the socket is closed then."""
        server = await asyncio.start_server(self._connected, sock=listening, limit=MOST_HEAD)
        async with server:
            await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > self._most:
                response = Response(503)
            else:
                response = await self._one(reader)
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await send(writer, response)
                # A connection that is closed with something unread takes the answer with it.
                async with asyncio.timeout(min(LINGER, self._seconds)):
                    while await reader.read(MOST_HEAD):
                        pass
        except (EOFError, OSError, TimeoutError, asyncio.CancelledError):
            pass  # who asked has gone, or was too slow; or the listener ends, and asyncio would complain of each
        finally:
            self._open -= 1
            # Not waited for: who does not take the answer keeps nothing open here.
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader) -> Response:
        try:
            async with asyncio.timeout(self._seconds):
                request = await receive(reader)
        except Wrong as error:
            return Response(error.status)
        # No bound here: what was asked for is done whether or not somebody waits for the page.
        response = await self._answer(request)
        return response._replace(body=b"") if request.method == "HEAD" else response


async def receive(reader: asyncio.StreamReader) -> Request:
    """One request. Raises Wrong, EOFError (asyncio.IncompleteReadError), OSError."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Wrong(431) from None
    lines = head[:-4].decode("latin-1").split("\r\n")
    first = LINE.fullmatch(lines[0])
    if first is None or len(lines) > MOST_HEADERS + 1:
        raise Wrong(400)
    headers: dict[str, str] = {}
    for line in lines[1:]:
        found = HEADER.fullmatch(line)
        if found is None:
            raise Wrong(400)
        name = found[1].lower()
        if name in headers and name in ONCE:
            raise Wrong(400)
        headers[name] = found[2].strip(" \t")
    if "transfer-encoding" in headers:
        raise Wrong(411)
    size = headers.get("content-length", "0")
    if not (size.isascii() and size.isdecimal()):
        raise Wrong(400)
    if len(size) > 9 or int(size) > MOST_BODY:
        raise Wrong(413)
    body = await reader.readexactly(int(size))
    return Request(first[1], first[2], headers, body)


async def send(writer: asyncio.StreamWriter, response: Response) -> None:
    """The whole answer, until the other side has taken it."""
    head = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}", f"Content-Length: {len(response.body)}"]
    head += [f"{name}: {value}" for name, value in response.headers]
    writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1") + response.body)
    writer.transport.set_write_buffer_limits(high=0)
    await writer.drain()
    writer.write_eof()


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens on an address of this machine; port 0: any that is free. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
        found.listen(MOST_AT_ONCE)  # from now on nobody is turned away, though nobody is answered yet
    except OSError:
        found.close()
        raise
    return found
