"""Dialect `json`: a guest that speaks frames over a socket pair, its descriptor 3."""

import contextlib
import os
import socket
import struct
import sys
from typing import Any

from .calls import Calls
from .execution import Execution
from .frames import MAX_FROM_GUEST, Frame, FrameError, FrameReader, Sender, encode
from .kernel import Kernel
from .loop import Loop

READ = 256 << 10
STATE_BUFFER = 1 << 20
CREDENTIALS = struct.Struct("3i")
ROOM = socket.CMSG_SPACE(CREDENTIALS.size) if sys.platform == "linux" else 0
"""For what comes beside the bytes: the sender's credentials and no more. Descriptors would fit in behind them, and a
guest could fill the keeper with them."""


class JsonGuest:
    """Every frame from the guest is a claim: its id must be the running one, its sender the guest itself."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._reader = FrameReader(MAX_FROM_GUEST)
        self._socket: socket.socket | None = None
        self._sender: Sender | None = None
        self.calls = Calls(kernel, self._send)
        self._state: socket.socket | None = None
        """Our end of the state channel, which only our children read and write (see `checkpoints`)."""

    def start(self) -> None:
        loop = self.kernel.loop
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        if sys.platform == "linux":
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._socket = ours
        self._sender = Sender(loop, ours.fileno(), lambda: None)
        source, feed = os.pipe()
        os.set_blocking(feed, False)
        inside = {0: source, 3: theirs.fileno()}
        if self.kernel.checkpoints and sys.platform == "linux":
            self._state, given = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            for end in (self._state, given):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STATE_BUFFER)
            inside[4] = given.detach()
        self.kernel.spawn(inside)
        for fd in {*inside.values()} - {theirs.fileno()}:
            os.close(fd)
        theirs.close()
        driver = Sender(loop, feed, lambda: None)
        driver.send(str(self.kernel.request.get("driver", "")).encode())
        driver.finish(lambda: _close_feed(loop, feed))
        loop.watch(ours.fileno(), read=self._read)
        parts = self.kernel.request.get("parts")
        if parts:
            self._sender.send(encode({"op": "parts", "parts": parts}))

    def execute(self, execution: Execution) -> None:
        frame: Frame = {"op": "execute", "id": execution.token, "code": execution.code}
        if language := execution.request.get("language"):
            # One that this guest runs beside its own.
            frame.update(language=language, memory=execution.limits.get("memory"))
        self._send(frame)

    def save(self, frame: Frame) -> int:
        return self._over_state(frame)

    def restore(self, frame: Frame) -> int:
        return self._over_state(frame)

    def _over_state(self, frame: Frame) -> int:
        if self._state is None or self._sender is None:
            return -1
        self._send(frame)
        return self._state.fileno()

    def interrupt(self) -> None:
        execution, process = self.kernel.current, self.kernel.process
        if execution and process:
            self._send({"op": "interrupt", "id": execution.token})
            process.signal(2)

    def answer(self, text: str | None) -> None:
        if self.kernel.current:
            self._send({"op": "input", "id": self.kernel.current.token, "text": text})

    def exited(self, status: int) -> None:
        self._close()
        self.kernel.died(status)

    def _send(self, frame: Frame) -> None:
        if self._sender:
            self._sender.send(encode(frame))

    def _close(self) -> None:
        if self._socket:
            self.kernel.loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None
            self._sender = None
        if self._state:
            self._state.close()
            self._state = None

    def _read(self) -> None:
        if not self._socket:
            return
        try:
            data, extra, _, _ = self._socket.recvmsg(READ, ROOM)
        except BlockingIOError:
            return
        except OSError:
            data, extra = b"", []
        if not data:
            self._close()
            # It closed its channel; if it does not end by itself soon it is no use to anyone.
            self.kernel.loop.later(1.0, lambda: self.kernel.kill("it closed its control channel"))
            return
        try:
            sender = _sender_of(extra)
            for frame in self._reader.feed(data):
                self._take(frame, sender)
                if not self._socket:
                    return
        except FrameError as error:
            self._broken(str(error))

    def _broken(self, what: str) -> None:
        self._close()
        self.kernel.violation(what)

    def _take(self, frame: Frame, sender: int) -> None:
        kernel, op = self.kernel, frame.get("op")
        process, execution = kernel.process, kernel.current
        if op == "ready" and process and not process.guest:
            if sender and not process.holds(sender):
                self._broken("ready from a stranger")
                return
            process.guest = sender or process.pid
            kernel.ready(str(frame.get("version", "")))
            return
        if process and sender and sender != process.guest:
            self._broken("a frame from another process")
            return
        if op == "restored" and kernel.checkpoints and kernel.checkpoints.taken(frame):
            return
        if execution is None or kernel.state != "running" or frame.get("id") != execution.token:
            self._broken(f"{str(op)[:40]!r} for something that does not run")
            return
        if op == "display" and isinstance(frame.get("data"), dict):
            kernel.display(frame["data"])
        elif op == "input":
            kernel.ask(str(frame.get("prompt", "")), bool(frame.get("secret")))
        elif op == "tool":
            self.calls.ask(frame)
        elif op == "interrupted":
            execution.acknowledged = True
            self.calls.interrupted()
        elif op == "done":
            exit_status: Any = frame.get("exit_status")
            known = type(exit_status) is int and -(1 << 31) <= exit_status < 1 << 31
            kernel.done(str(frame.get("status")), exit_status if known else None, frame)
        else:
            self._broken(f"{str(op)[:40]!r} is not known")


def _sender_of(extra: list[tuple[int, int, bytes]]) -> int:
    """The process that wrote, as the system tells it; 0 where it does not."""
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and sys.platform == "linux" and kind == socket.SCM_CREDENTIALS:
            return int(CREDENTIALS.unpack(data[: CREDENTIALS.size])[0])
    return 0


def _close_feed(loop: Loop, fd: int) -> None:
    loop.unwatch(fd)
    with contextlib.suppress(OSError):
        os.close(fd)
