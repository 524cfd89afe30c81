"""A connection of a host: hello first, then requests; never waited for."""

import os
import socket
from typing import Any, Protocol

from .frames import MAX_FROM_HOST, Frame, FrameError, FrameReader, Sender, encode
from .loop import Loop

READ = 1 << 20
SPARE_ABOVE = 1 << 20
"""Bytes waiting for the host above which live pieces are left out."""
TOO_MUCH = 256 << 20
HELD = 0.005
"""Seconds that a message may wait for the next one."""
HELLO = 10.0
"""Seconds to say hello."""


class Serving(Protocol):
    def greet(self, peer: "Peer", frame: Frame) -> bool: ...
    def gone(self, peer: "Peer") -> None: ...
    def serve(self, peer: "Peer", frame: Frame) -> None: ...


class Peer:
    def __init__(self, loop: Loop, connection: socket.socket, keeper: Serving) -> None:
        connection.setblocking(False)
        self._loop = loop
        self._connection: socket.socket | None = connection
        self._keeper = keeper
        self._reader = FrameReader(4096)
        self._sender = Sender(loop, connection.fileno(), self.close)
        self._known = False
        self._held = b""
        loop.watch(connection.fileno(), read=self.read)
        loop.later(HELLO, lambda: None if self._known else self.close())

    def send(self, message: dict[str, Any], spare: bool = False) -> bool:
        """False when it was left out: `spare` and much is waiting, or the connection is gone."""
        if not self._connection or (spare and self._sender.waiting > SPARE_ABOVE):
            return False
        if self._sender.waiting > TOO_MUCH:
            self.close()
            return False
        held, self._held = self._held, b""
        self._sender.send(held + encode(message))
        return True

    def hold(self, message: dict[str, Any]) -> None:
        """Send it with the next message, or in a moment: each write wakes the host, and on few cores that takes time
        from the code that has just begun."""
        self._held += encode(message)
        self._loop.later(HELD, self._let_go)

    def _let_go(self) -> None:
        held, self._held = self._held, b""
        if held and self._connection:
            self._sender.send(held)

    def close(self) -> None:
        if self._connection:
            self._loop.unwatch(self._connection.fileno())
            self._connection.close()
            self._connection = None
            self._sender.clear()
            self._keeper.gone(self)

    def close_soon(self) -> None:
        """Close once what waits has been written."""
        self._let_go()
        self._sender.finish(self.close)

    def read(self) -> None:
        """Take what lies there; never waits."""
        if not self._connection:
            return
        try:
            data = os.read(self._connection.fileno(), READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
                if not self._connection:
                    return
        except FrameError:
            self.close()

    def _take(self, frame: Frame) -> None:
        if self._known:
            self._keeper.serve(self, frame)
        elif self._keeper.greet(self, frame):
            self._known = True
            self._reader.widen(MAX_FROM_HOST)
        else:
            self.close()
