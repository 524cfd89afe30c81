"""Byte channels of the broker: a plain socket, or one with TLS on it; read with bounds, written with back pressure."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Protocol

CHUNK = 1 << 18
HEAD_LIMIT = 65_536
IDLE_SECONDS = 600.0
LINGER_SECONDS, LINGER_BYTES = 2.0, 4 << 20
END = b"\r\n\r\n"


class Channel(Protocol):
    """Every read raises EOFError where the other side ends too early, and ValueError where a bound is passed."""

    async def head(self, limit: int = HEAD_LIMIT) -> bytes:
        """Everything up to and with the next empty line."""
        ...

    async def line(self, limit: int = 4096) -> bytes:
        """Everything up to and with the next line feed."""
        ...

    async def some(self, most: int = CHUNK) -> bytes:
        """What has come, at most so much; empty at the end."""
        ...

    async def send(self, data: bytes | bytearray | memoryview) -> None: ...

    def close(self) -> None: ...


async def exactly(channel: Channel, count: int) -> bytes:
    got = b""
    while len(got) < count:
        data = await channel.some(count - len(got))
        if not data:
            raise EOFError
        got += data
    return got


class Plain:
    """A connected, non-blocking socket. Never reads further than it was asked to, so that TLS can begin anywhere."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()
        self._given = False
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def peek(self, most: int) -> bytes:
        """What lies there, left where it is; empty at the end."""
        while True:
            try:
                return self.sock.recv(most, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                await self._readable()

    async def _readable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        fd = self.sock.fileno()
        self._loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await ready
        finally:
            self._loop.remove_reader(fd)

    async def _until(self, mark: bytes, limit: int) -> bytes:
        got = bytearray()
        while True:
            seen = await self.peek(limit + 1 - len(got))
            if not seen:
                raise EOFError
            back = max(0, len(got) - len(mark) + 1)
            found = (got[back:] + seen).find(mark)
            take = len(seen) if found < 0 else back + found + len(mark) - len(got)
            got += self.sock.recv(take)
            if found >= 0:
                return bytes(got)
            if len(got) > limit:
                raise ValueError("too long")

    async def head(self, limit: int = HEAD_LIMIT) -> bytes:
        return await self._until(END, limit)

    async def line(self, limit: int = 4096) -> bytes:
        return await self._until(b"\n", limit)

    async def some(self, most: int = CHUNK) -> bytes:
        async with asyncio.timeout(IDLE_SECONDS):
            return await self._loop.sock_recv(self.sock, most)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        async with asyncio.timeout(IDLE_SECONDS):
            await self._loop.sock_sendall(self.sock, data)

    def give(self) -> socket.socket:
        """The socket, for somebody who closes it: this channel is over."""
        self._given = True
        return self.sock

    @property
    def ours(self) -> bool:
        return not self._given

    def close(self) -> None:
        if self.ours:
            self.sock.close()


class Secure:
    """TLS on a socket that was a `Plain` before."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def accept(cls, plain: Plain, context: ssl.SSLContext, seconds: float) -> Secure:
        """Be the server. Raises OSError (ssl.SSLError among them)."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, plain.give(), ssl=context, ssl_handshake_timeout=seconds, ssl_shutdown_timeout=1.0
        )
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    @classmethod
    async def connect(cls, plain: Plain, context: ssl.SSLContext, name: str, seconds: float) -> Secure:
        """Be the client of `name`. Raises OSError (ssl.SSLError among them)."""
        return cls(
            *await asyncio.open_connection(
                sock=plain.give(), ssl=context, server_hostname=name, ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=1.0, limit=CHUNK,
            )
        )  # fmt: skip

    async def _until(self, mark: bytes, limit: int) -> bytes:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                got = await self.reader.readuntil(mark)
        except asyncio.LimitOverrunError:
            raise ValueError("too long") from None
        except asyncio.IncompleteReadError:
            raise EOFError from None
        if len(got) > limit:
            raise ValueError("too long")
        return got

    async def head(self, limit: int = HEAD_LIMIT) -> bytes:
        return await self._until(END, limit)

    async def line(self, limit: int = 4096) -> bytes:
        return await self._until(b"\n", limit)

    async def some(self, most: int = CHUNK) -> bytes:
        async with asyncio.timeout(IDLE_SECONDS):
            return await self.reader.read(most)

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        self.writer.write(data)
        async with asyncio.timeout(IDLE_SECONDS):
            await self.writer.drain()

    def close(self) -> None:
        self.writer.close()


async def linger(channel: Plain) -> None:
    """Let an answer arrive although the other side still sends: closing over unread data would take it back."""
    if not channel.ours:
        return
    with contextlib.suppress(OSError, TimeoutError):
        channel.sock.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(LINGER_SECONDS):
            rest = LINGER_BYTES
            while rest > 0 and (data := await channel.some(min(rest, CHUNK))):
                rest -= len(data)


async def pump(inside: Plain, outside: Plain) -> None:
    """Both directions, until both have ended or nothing has moved for a long time."""
    loop = asyncio.get_running_loop()
    moved = loop.time()

    async def one_way(source: Plain, target: Plain) -> None:
        nonlocal moved
        buffer = memoryview(bytearray(CHUNK))
        while size := await loop.sock_recv_into(source.sock, buffer):
            await loop.sock_sendall(target.sock, buffer[:size])
            moved = loop.time()
            # Where data never stops coming, nothing above has ever waited.
            await asyncio.sleep(0)
        target.sock.shutdown(socket.SHUT_WR)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(one_way(inside, outside))
            group.create_task(one_way(outside, inside))

    work = asyncio.ensure_future(both())
    try:
        while not work.done():
            await asyncio.wait((work,), timeout=max(1.0, moved + IDLE_SECONDS - loop.time()))
            if loop.time() - moved >= IDLE_SECONDS:
                break
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError, ExceptionGroup):
            await work
