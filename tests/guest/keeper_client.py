"""A small host: starts a real keeper and speaks its protocol, one frame after the other."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import interpreter

PACKAGE = Path(interpreter.__file__).parent
Frame = dict[str, Any]


def driver(name: str) -> str:
    return (PACKAGE / "guest" / name).read_text(encoding="utf-8")


def alive(pid: int) -> bool:
    """Whether it runs; where nobody asks how it ended, an entry of it may stay."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


class KeeperClient:
    """Every wait has an end: after 30 s the test fails with what was said so far."""

    def __init__(self, folder: Path, python: Sequence[str] = (sys.executable,), owner: int | None = None) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        if owner is not None:
            os.chown(folder, owner, owner)
        command = [*python, "-I", "-S", str(PACKAGE / "keeper"), str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == b"ready\n"
        self.process.stdout.close()
        self.events: list[Frame] = []
        self.started: list[str] = []
        """Names of kernels, in their order."""
        self._n = 0
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        fd = os.open(folder, os.O_RDONLY)
        self._socket.connect(f"/proc/self/fd/{fd}/keeper.sock")
        os.close(fd)
        self._socket.settimeout(30)
        self.hello = self.ask(op="hello", token=(folder / "token").read_text(), version=1)

    def __enter__(self) -> KeeperClient:
        return self

    def __exit__(self, *why: object) -> None:
        try:
            self.ask(op="close")
        except OSError:
            pass
        self._socket.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def ask(self, **request: Any) -> Frame:
        self._n += 1
        if request["op"] == "start":
            self.started.append(request["kernel"])
        body = json.dumps(request | {"n": self._n}).encode()
        self._socket.sendall(len(body).to_bytes(4, "big") + body)
        while True:
            frame = self.frame()
            if frame.get("n") == self._n:
                return frame
            self.events.append(frame)

    def clear(self, since: int) -> None:
        """End all kernels but the first ones, and forget what was said: the next test meets nothing of this one."""
        for name in self.started[since:]:
            if self.ask(op="stop", kernel=name)["ok"]:
                self.wait_for("died", kernel=name)
        del self.started[since:]
        self.events.clear()

    def frame(self) -> Frame:
        while len(self._buffer) < 4 or len(self._buffer) < 4 + int.from_bytes(self._buffer[:4], "big"):
            data = self._socket.recv(1 << 20)
            if not data:
                raise ConnectionError(f"the keeper is gone: {(self.folder / 'keeper.log').read_text()}")
            self._buffer += data
        size = int.from_bytes(self._buffer[:4], "big")
        body, self._buffer = self._buffer[4 : 4 + size], self._buffer[4 + size :]
        return json.loads(body)

    def wait_for(self, event: str, **fields: Any) -> Frame:
        """The first event of that name, past or coming, whose fields are these."""
        while True:
            for n, frame in enumerate(self.events):
                if frame.get("event") == event and all(frame.get(k) == v for k, v in fields.items()):
                    return self.events.pop(n)
            self.events.append(self.frame())


class Ran:
    """One completion, with its output read from disk."""

    def __init__(self, completion: Frame, live: bytes) -> None:
        self.completion = completion
        self.live = live
        self.status: str = completion["status"]
        self.exit_status: int | None = completion.get("exit_status")
        ref: Frame = completion.get("output") or {}
        self.bytes = Path(ref["path"]).read_bytes() if ref.get("path") else b""
        self.error: Frame = completion.get("error") or {}
        self.result: str = completion.get("result") or ""
        self.restarted = bool(completion.get("restarted"))

    @property
    def text(self) -> str:
        return self.bytes.decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"<{self.status} {self.exit_status} {self.text[:2000]!r} {self.error}>"


class Guest:
    """A kernel without walls, started through a real keeper."""

    def __init__(
        self,
        client: KeeperClient,
        argv: Sequence[str],
        source: str,
        dialect: str = "json",
        *,
        cwd: Path,
        env: dict[str, str] | None = None,
        launch: Frame | None = None,
        **more: Any,
    ) -> None:
        self.bounds: Frame = {}
        """Limits of every run that names no others."""
        self.client = client
        self.name = f"k{len(client.events)}-{time.monotonic_ns()}"
        environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "LANG": "C.UTF-8", **(env or {})}
        launch = launch or {"backend": "host", "argv": list(argv), "env": environment, "cwd": str(cwd)}
        request = {"kernel": self.name, "language": dialect, "dialect": dialect, "launch": launch, "driver": source}
        reply = client.ask(op="start", **request, **more)
        assert reply["ok"], reply
        self.pid: int = reply["pid"]
        self.version = self._ready()
        self._count = 0

    def _ready(self) -> str:
        while True:
            for frame in self.client.events:
                if frame.get("kernel") == self.name:
                    assert frame["event"] != "died", frame
                    if frame["event"] == "ready":
                        self.client.events.remove(frame)
                        return frame.get("version", "")
            self.client.events.append(self.client.frame())

    def begin(
        self,
        code: str,
        *,
        interactive: bool = False,
        grace: float = 3.0,
        extra: dict[str, Any] | None = None,
        **limits: Any,
    ) -> str:
        self._count += 1
        execution = f"{self.name}-{self._count}"
        reply = self.client.ask(
            op="execute",
            execution=execution,
            kernel=self.name,
            code=code,
            limits=self.bounds | limits,
            interactive=interactive,
            grace=grace,
            **(extra or {}),
        )
        assert reply["ok"], reply
        return execution

    def end(self, execution: str) -> Ran:
        live = b""
        while not self._has_done(execution):
            self.client.events.append(self.client.frame())
        for frame in [f for f in self.client.events if f.get("execution") == execution and f["event"] == "output"]:
            live += base64.b64decode(frame["data"])
            self.client.events.remove(frame)
        done = next(f for f in self.client.events if self._is_done(f, execution))
        self.client.events.remove(done)
        self.client.ask(op="collect", execution=execution)
        return Ran(done["completion"], live)

    def _is_done(self, frame: Frame, execution: str) -> bool:
        return frame.get("event") == "done" and frame["completion"]["execution"] == execution

    def _has_done(self, execution: str) -> bool:
        return any(self._is_done(frame, execution) for frame in self.client.events)

    def run(self, code: str, **options: Any) -> Ran:
        return self.end(self.begin(code, **options))

    def wait_output(self, execution: str, wanted: bytes) -> None:
        """Until the live output of an execution holds `wanted`."""
        seen = b"".join(
            base64.b64decode(f["data"])
            for f in self.client.events
            if f.get("execution") == execution and f["event"] == "output"
        )
        while wanted not in seen:
            frame = self.client.frame()
            self.client.events.append(frame)
            assert not self._is_done(frame, execution), frame
            if frame.get("execution") == execution and frame["event"] == "output":
                seen += base64.b64decode(frame["data"])

    def interrupt(self, execution: str, grace: float = 3.0) -> Ran:
        reply = self.client.ask(op="interrupt", kernel=self.name, grace=grace)
        assert reply["ok"], reply
        return self.end(execution)
