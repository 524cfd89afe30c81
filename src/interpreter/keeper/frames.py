"""Frames: 4 bytes big-endian length, then one JSON object. Used towards the host and towards guests."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from .loop import Loop

MAX_FROM_GUEST = 32 << 20
MAX_FROM_HOST = 128 << 20

Frame = dict[str, Any]


class FrameError(Exception):
    """Bytes that are no frame."""


def encode(message: Frame) -> bytes:
    # Half a surrogate pair, as odd file names give it, is no character: whoever reads strictly would break off.
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return len(body).to_bytes(4, "big") + body


class FrameReader:
    """Takes bytes as they come, gives whole frames. Raises FrameError for what can never become one."""

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def widen(self, limit: int) -> None:
        """Accept larger frames from now on."""
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        start = 0
        try:
            while len(self._buffer) - start >= 4:
                size = int.from_bytes(self._buffer[start : start + 4], "big")
                if size > self._limit:
                    raise FrameError(f"a frame of {size} bytes")
                if len(self._buffer) - start - 4 < size:
                    break
                body = bytes(self._buffer[start + 4 : start + 4 + size])
                start += 4 + size
                yield _parse(body)
        finally:
            del self._buffer[:start]


def _parse(body: bytes) -> Frame:
    try:
        message: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise FrameError("not an object")
    return message  # pyright: ignore[reportUnknownVariableType]


class Sender:
    """Writes to a non-blocking descriptor without ever waiting: what does not fit now is kept in order."""

    def __init__(self, loop: Loop, fd: int, broken: Callable[[], None]) -> None:
        self._loop = loop
        self._fd = fd
        self._broken = broken
        self._queue: deque[memoryview] = deque()
        self._after: Callable[[], None] | None = None
        self.waiting = 0
        """Bytes that are kept."""

    def send(self, data: bytes) -> None:
        self._queue.append(memoryview(data))
        self.waiting += len(data)
        if len(self._queue) == 1:
            self._push()

    def finish(self, after: Callable[[], None]) -> None:
        """Call `after` once everything has been written."""
        self._after = after
        self._push()

    def clear(self) -> None:
        self._queue.clear()
        self._after = None
        self.waiting = 0

    def _push(self) -> None:
        while self._queue:
            view = self._queue[0]
            try:
                sent = os.write(self._fd, view)
            except BlockingIOError:
                self._loop.watch_write(self._fd, self._push)
                return
            except OSError:
                self.clear()
                self._broken()
                return
            self.waiting -= sent
            if sent == len(view):
                self._queue.popleft()
            else:
                self._queue[0] = view[sent:]
        self._loop.watch_write(self._fd, None)
        if self._after:
            after, self._after = self._after, None
            after()
