"""HTTP/1.1 without TLS, straight on asyncio: the way to a server on this machine or in this network.

A general HTTP library spends three to four times the CPU on each streamed token (design/0010), and this room's
requests need little of what it does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping

from interpreter.errors import MalformedAnswer, ServerFault
from interpreter.text.i18n import _

from .faults import broke_off, not_http, silent, unreachable
from .transport import Target, one_line

READ = 1 << 16
MAX_HEAD = 1 << 16
MAX_CHUNK = 16 << 20
"""Bytes of one chunk, which is held until it is whole."""
MAX_INTERIM = 10
"""Answers that say that the answer is still to come."""
LONGEST_SIZE = 16
"""Digits of a length: of thousands Python makes no number."""
HEX = frozenset(b"0123456789abcdefABCDEF")
FINISH_GRACE = 0.02
"""Seconds for the end of a chunked body after the protocol's own end was seen."""


class Stale(Exception):
    """A kept connection that the server had closed: nothing of the answer came."""


class Connection:
    """A socket with a watchdog: a wait longer than allowed closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.buffer = bytearray()
        self.used = False
        self.overdue = False
        self._loop = asyncio.get_running_loop()
        self._deadline = 0.0
        self._waiting = False
        """Whoever reads the answer may take its time: only the server's silence counts."""
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, wait: float) -> bool:
        """More data into the buffer; False at the end. Raises TimeoutError."""
        self._deadline = self._loop.time() + wait
        self._waiting = True
        # One timer for many reads: arming one per read would cost as much as the read.
        if self._timer is None or self._timer.when() > self._deadline:
            self._arm()
        try:
            data = await self.reader.read(READ)
        except OSError:
            data = b""
        finally:
            self._waiting = False
        if self.overdue:
            raise TimeoutError
        self.buffer += data
        return bool(data)

    def _arm(self) -> None:
        self.rest()
        self._timer = self._loop.call_at(self._deadline, self._check)

    def _check(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        if self._loop.time() < self._deadline:
            self._arm()
            return
        self.overdue = True
        self.abort()

    def rest(self) -> None:
        """No wait is going on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def abort(self) -> None:
        self.rest()
        self.writer.transport.abort()

    @property
    def alive(self) -> bool:
        return not self.reader.at_eof() and not self.writer.is_closing()


class PlainTransport:
    """Connections to one http server; keeps those that are free for the next request."""

    def __init__(self, target: Target, connect_timeout: float, read_timeout: float) -> None:
        self._target = target
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._free: list[Connection] = []

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None, wait: float | None = None
    ) -> PlainExchange:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._target.root.partition('://')[2]}"]
        lines += [f"{name}: {one_line(value)}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        data = ("\r\n".join([*lines, "", ""]).encode("utf-8", "replace"), body or b"")
        wait = self._read_timeout if wait is None else wait
        while self._free:
            kept = self._free.pop()
            if kept.alive and not kept.buffer:
                with contextlib.suppress(Stale):
                    return await self._exchange(kept, data, wait)
            kept.abort()
        return await self._exchange(await self._open(), data, wait)

    async def _open(self) -> Connection:
        target = self._target
        try:
            async with asyncio.timeout(self._connect_timeout):
                reader, writer = await asyncio.open_connection(target.host, target.port, limit=1 << 20)
        except (OSError, UnicodeError) as error:
            raise unreachable(target, error, self._connect_timeout) from error
        return Connection(reader, writer)

    async def _exchange(self, connection: Connection, data: tuple[bytes, bytes], wait: float) -> PlainExchange:
        try:
            for part in data:
                connection.writer.write(part)
            head = await self._head(connection, wait)
            status, headers = parse_head(head, self._target)
            interim = 0
            while 100 <= status < 200:
                if (interim := interim + 1) > MAX_INTERIM:
                    raise not_http(self._target, head)
                status, headers = parse_head(await self._head(connection, wait), self._target)
        except BaseException:
            connection.abort()
            raise
        connection.used = True
        return PlainExchange(self, connection, status, headers, wait)

    async def _head(self, connection: Connection, wait: float) -> bytes:
        buffer = connection.buffer
        while (end := buffer.find(b"\r\n\r\n")) < 0:
            try:
                more = await connection.read(wait)
            except TimeoutError:
                raise silent(self._target, wait) from None
            if not more and connection.used and not buffer:
                raise Stale
            if not more:
                raise not_http(self._target, bytes(buffer))
            if not buffer.startswith(b"HTTP/"[: len(buffer)]) or len(buffer) > MAX_HEAD:
                raise not_http(self._target, bytes(buffer))
        head = bytes(buffer[:end])
        del buffer[: end + 4]
        return head

    def keep(self, connection: Connection) -> None:
        connection.rest()
        self._free.append(connection)

    async def close(self) -> None:
        for connection in self._free:
            connection.abort()
        self._free.clear()
        # One turn of the event loop lets the sockets really close.
        await asyncio.sleep(0)


class PlainExchange:
    """An answer on a plain connection."""

    def __init__(
        self, owner: PlainTransport, connection: Connection, status: int, headers: dict[str, str], wait: float
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers
        self._owner = owner
        self._connection = connection
        self._wait = wait
        self._complete = False
        self._closed = False
        self._keep = headers.get("connection", "").lower() != "close"

    async def body(self) -> AsyncGenerator[bytes, None]:
        encoding = self.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", ""):
            raise MalformedAnswer(
                _("The server sent a compressed body ({encoding}) unasked.", encoding=encoding),
                _("Switch compression off in the server or in the gateway before it."),
            )
        length = self.headers.get("content-length", "")
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            parts = self._chunked()
        elif length.isdecimal() and len(length) <= LONGEST_SIZE:
            parts = self._counted(int(length))
        else:
            parts = self._rest()
        async with contextlib.aclosing(parts):
            async for data in parts:
                yield data

    async def _more(self) -> bool:
        try:
            return await self._connection.read(self._wait)
        except TimeoutError:
            raise ServerFault(
                _("The server sent nothing for {seconds} s in the middle of an answer.", seconds=f"{self._wait:g}"),
                _("Look at the server's log, or allow it more time with read_timeout."),
            ) from None

    async def _chunked(self) -> AsyncGenerator[bytes, None]:
        buffer = self._connection.buffer
        while True:
            parts, used, last = unchunk(buffer)
            del buffer[:used]
            self._complete = last
            if parts:
                yield b"".join(parts)
            if last:
                return
            if not await self._more():
                raise broke_off()

    async def _counted(self, left: int) -> AsyncGenerator[bytes, None]:
        buffer = self._connection.buffer
        while left:
            if buffer:
                data = bytes(buffer[:left])
                del buffer[:left]
                left -= len(data)
                self._complete = not left
                yield data
            elif not await self._more():
                raise broke_off()
        self._complete = True

    async def _rest(self) -> AsyncGenerator[bytes, None]:
        self._keep = False
        buffer = self._connection.buffer
        while True:
            if buffer:
                data = bytes(buffer)
                buffer.clear()
                yield data
            if not await self._more():
                self._complete = True
                return

    async def finish(self) -> None:
        if not self._complete and self._keep and not self._closed:
            # The answer itself is whole: what is wrong behind it costs the connection only.
            with contextlib.suppress(TimeoutError, ServerFault):
                async with asyncio.timeout(FINISH_GRACE):
                    while not self._complete and await self._connection.read(FINISH_GRACE * 2):
                        _parts, used, self._complete = unchunk(self._connection.buffer)
                        del self._connection.buffer[:used]

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._complete and self._keep and self._connection.alive:
            self._owner.keep(self._connection)
        else:
            self._connection.abort()


def parse_head(head: bytes, target: Target) -> tuple[int, dict[str, str]]:
    """Status and headers. Raises MalformedAnswer."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or len(words[1]) != 3 or not words[1].isdecimal():
        raise not_http(target, head)
    headers: dict[str, str] = {}
    for line in lines:
        name, _colon, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(words[1]), headers


def unchunk(buffer: bytearray) -> tuple[list[bytes], int, bool]:
    """The complete chunks at the head of the buffer, the bytes that they take, and whether the last is among them.

    Raises ServerFault for what is no chunk.
    """
    parts: list[bytes] = []
    at = 0
    while (line := buffer.find(b"\r\n", at)) >= 0:
        # `int` takes signs and underscores as well; a size below zero would be read again and again.
        digits = bytes(buffer[at : min(line, at + 256)]).partition(b";")[0].strip()
        if not 0 < len(digits) <= LONGEST_SIZE or not HEX.issuperset(digits) or (size := int(digits, 16)) > MAX_CHUNK:
            raise broke_off()
        end = line + 2 + size
        if size == 0:
            # Trailers end with an empty line; without any, the empty line follows at once.
            close = buffer.find(b"\r\n\r\n", line)
            if close < 0 and len(buffer) - at > MAX_HEAD:
                raise broke_off()
            return (parts, close + 4, True) if close >= 0 else (parts, at, False)
        if len(buffer) < end + 2:
            return parts, at, False
        parts.append(bytes(buffer[line + 2 : end]))
        at = end + 2
    if len(buffer) - at > MAX_HEAD:
        raise broke_off()
    return parts, at, False
