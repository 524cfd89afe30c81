"""What the broker tells: each attempt to its log and to the keeper, repeated ones as counts; and questions."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import time
from typing import Any, NamedTuple

LOG_LIMIT = 64 << 20
"""Bytes; afterwards nothing is let through any more, because it could not be told."""
WINDOW = 5.0
"""Seconds in which attempts that are alike become one line with a count."""
KINDS = 512
"""Different attempts in one window; further refused ones are told as one number, further allowed ones are refused."""
ANSWER_SECONDS = 125.0
"""A little more than the host gives the person."""
QUESTIONS = 32
"""Open at the same time."""


class Untold(Exception):
    """It cannot be logged, so it must not happen."""


class Attempt(NamedTuple):
    method: str
    host: str
    port: int
    verdict: str
    """allowed, refused or failed."""
    by: str
    """What decided: a rule, `default`, `person`."""
    reason: str = ""

    def line(self, address: str, count: int) -> dict[str, Any]:
        cut = {"method": self.method[:16], "host": self.host[:255], "port": self.port, "address": address}
        told = {"verdict": self.verdict, "by": self.by[:300], "reason": self.reason[:300]}
        return {"time": time.time(), **cut, **told, "count": count}


class Ledger:
    """The first of its kind is told at once and before it happens; those like it follow as one count."""

    def __init__(self, path: str, link: Link | None) -> None:
        self._fd = -1
        self._link = link
        self._repeated: dict[Attempt, int] = {}
        self._others = 0
        self._flush: asyncio.TimerHandle | None = None
        if path:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o600)

    def tell(self, attempt: Attempt, address: str = "") -> None:
        """Raises Untold."""
        if attempt in self._repeated:
            self._repeated[attempt] += 1
            return
        if len(self._repeated) >= KINDS:
            if attempt.verdict == "allowed":
                raise Untold("too many different hosts within a few seconds")
            self._others += 1
            return
        self._write(attempt.line(address, 1))
        self._repeated[attempt] = 0
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(WINDOW, self.flush)

    def flush(self) -> None:
        """Tell the counts, and begin a new window."""
        repeated, self._repeated = self._repeated, {}
        others, self._others = self._others, 0
        self._flush = None
        with contextlib.suppress(Untold):
            for attempt, count in repeated.items():
                if count:
                    self._write(attempt.line("", count))
            if others:
                self._write(Attempt("", "*", 0, "refused", "default", "further hosts").line("", others))

    def _write(self, line: dict[str, Any]) -> None:
        if self._fd >= 0:
            try:
                if os.fstat(self._fd).st_size > LOG_LIMIT:
                    raise Untold("the log of connections is full")
                os.write(self._fd, (json.dumps(line) + "\n").encode())
            except OSError as error:
                raise Untold("connections cannot be logged") from error
        if self._link is not None:
            self._link.send({"attempt": line})


class Link:
    """To the keeper, which passes attempts and questions on to the host. Frames as everywhere: length, then JSON."""

    def __init__(self, settings: dict[str, str]) -> None:
        """Raises OSError: there is no keeper."""
        self._sock = sock = reach(settings["folder"])
        self._buffer = bytearray()
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._unsent = bytearray()
        self._loop = asyncio.get_running_loop()
        self._gone = False
        self._loop.add_reader(sock.fileno(), self._read)
        self.send({"op": "broker", "token": settings["token"]})

    def send(self, message: dict[str, Any]) -> None:
        """Never waits: a keeper that does not read gets no more (the log has it all)."""
        if self._gone or len(self._unsent) > 1 << 20:
            return
        body = json.dumps(message).encode()
        self._unsent += len(body).to_bytes(4, "big") + body
        self._push()

    def _push(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._lost()
            return
        if self._unsent:
            self._loop.add_writer(self._sock.fileno(), self._push)
        else:
            self._loop.remove_writer(self._sock.fileno())

    async def ask(self, host: str, port: int, method: str) -> tuple[bool, str]:
        """Whether the person allows it, and who says so. Silence is a no."""
        if self._gone or len(self._open) >= QUESTIONS:
            return False, "nobody can be asked"
        number = next(self._numbers)
        waiting = self._open[number] = self._loop.create_future()
        self.send({"ask": number, "host": host, "port": port, "method": method[:16]})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await waiting
        except TimeoutError:
            return False, "nobody answered"
        finally:
            del self._open[number]
        return answer.get("allow") is True, str(answer.get("by") or "nobody can be asked")

    def _read(self) -> None:
        try:
            data = self._sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        self._buffer += data
        while len(self._buffer) >= 4 and len(self._buffer) >= 4 + (size := int.from_bytes(self._buffer[:4], "big")):
            answer = json.loads(bytes(self._buffer[4 : 4 + size]))
            del self._buffer[: 4 + size]
            waiting = self._open.get(answer.get("answer"))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)

    def _lost(self) -> None:
        self._gone = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_result({})


def reach(folder: str) -> socket.socket:
    """A connection to the keeper that owns this folder; its name may be longer than sockets take. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(f"/proc/self/fd/{fd}/keeper.sock")
    finally:
        os.close(fd)
    sock.setblocking(False)
    return sock
