"""What an execution prints: to disk as it comes, hashed on the way, bounded, and in small pieces to the live view."""

import fcntl
import hashlib
import os
import struct
import termios
import time
from collections.abc import Callable

from .loop import Loop, Timer

STREAMS = {1: "stdout", 2: "stderr"}
LIVE_FULL = 256 << 10
"""Bytes of one execution that the live view gets in full."""
LIVE_SAMPLE = 4096
LIVE_PAUSE = 0.05
"""Seconds between samples."""
LIVE_GATHER = 0.01
"""Seconds during which small pieces are gathered into one."""

TAIL = 1024
"""Bytes that are remembered of the end."""

Live = Callable[[int, bytes, int], bool]
"""stream, data, bytes skipped before it; False when it could not be taken."""


def create(path: str) -> int:
    """A new file for the keeper alone; never follows a link, never opens what is there. Raises FileExistsError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def pending(fd: int) -> int:
    """Bytes that lie in a pipe now."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]


class Output:
    """The output of one execution: `<name>.out` and `<name>.idx` in `folder`."""

    def __init__(self, loop: Loop, folder: str, name: str, limit: int | None, live: Live) -> None:
        self.path = os.path.join(folder, name + ".out")
        self._data = create(self.path)
        try:
            self._index = create(os.path.join(folder, name + ".idx"))
        except OSError:
            os.close(self._data)
            raise
        self._loop = loop
        self._limit = limit
        self._live = live
        self._hash = hashlib.sha256()
        self._run = [0, 0]
        self._runs = bytearray()
        self._gathered: list[tuple[int, bytes]] = []
        self._gather_timer: Timer | None = None
        self._told = 0
        self._skipped = 0
        self._last_live = 0.0
        self.size = 0
        self.tail = b""
        """The last bytes."""
        self.dropped = 0
        self.failure = ""
        """Why the disk did not take it, if so."""

    @property
    def full(self) -> bool:
        """More came than is kept."""
        return self.dropped > 0

    def write(self, stream: int, data: memoryview) -> None:
        room = len(data) if self._limit is None else min(len(data), self._limit - self.size)
        kept = self._store(data[:room]) if room > 0 and not self.failure else 0
        self.dropped += len(data) - kept
        if not kept:
            return
        self._hash.update(data[:kept])
        self.size += kept
        if self._run[0] == stream:
            self._run[1] += kept
        else:
            self._end_run()
            self._run = [stream, kept]
        self.tail = (self.tail + bytes(data[max(0, kept - TAIL) : kept]))[-TAIL:]
        self._tell(stream, data[:kept])

    def _store(self, data: memoryview) -> int:
        done = 0
        while done < len(data):
            try:
                done += os.write(self._data, data[done:])
            except OSError as error:
                self.failure = error.strerror or str(error)
                break
        return done

    def _end_run(self) -> None:
        if self._run[1]:
            self._runs += struct.pack(">BQ", *self._run)
            if len(self._runs) > 32768:
                self._flush_runs()

    def _flush_runs(self) -> None:
        try:
            os.write(self._index, self._runs)
        except OSError as error:
            self.failure = error.strerror or str(error)
        self._runs.clear()

    def _tell(self, stream: int, data: memoryview) -> None:
        room = max(0, LIVE_FULL - self._told)
        if room:
            self._told += min(room, len(data))
            self._gathered.append((stream, bytes(data[:room])))
            if self._gather_timer is None:
                wait = self._last_live + LIVE_GATHER - time.monotonic()
                if wait <= 0:
                    self.flush_live()
                else:
                    self._gather_timer = self._loop.later(wait, self.flush_live)
            data = data[room:]
        if not data:
            return
        now = time.monotonic()
        if now - self._last_live < LIVE_PAUSE or self._gathered:
            self._skipped += len(data)
            return
        sample = bytes(data[-LIVE_SAMPLE:])
        self._skipped += len(data) - len(sample)
        self._last_live = now
        self._give(stream, sample)

    def rejoin(self) -> int:
        """Another host has come, which reads the file up to here; it is told what comes after."""
        if self._gather_timer:
            self._gather_timer.cancel()
            self._gather_timer = None
        self._gathered.clear()
        self._told = self._skipped = 0
        self._end_run()
        self._run[1] = 0
        self._flush_runs()
        return self.size

    def flush_live(self) -> None:
        """Give what was gathered."""
        if self._gather_timer:
            self._gather_timer.cancel()
            self._gather_timer = None
        if not self._gathered:
            return
        self._last_live = time.monotonic()
        merged: list[tuple[int, bytearray]] = []
        for stream, data in self._gathered:
            if not merged or merged[-1][0] != stream:
                merged.append((stream, bytearray()))
            merged[-1][1].extend(data)
        self._gathered.clear()
        for stream, data in merged:
            self._give(stream, bytes(data))

    def _give(self, stream: int, data: bytes) -> None:
        if self._live(stream, data, self._skipped):
            self._skipped = 0
        else:
            self._skipped += len(data)

    def close(self) -> dict[str, object]:
        """The end of the books: an OutputRef."""
        self.flush_live()
        if self._skipped:
            self._live(1, b"", self._skipped)
        self._end_run()
        if self._runs:
            self._flush_runs()
        os.close(self._data)
        os.close(self._index)
        return {"path": self.path, "size": self.size, "sha256": self._hash.hexdigest(), "dropped": self.dropped}
