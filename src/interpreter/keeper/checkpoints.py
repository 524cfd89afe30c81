"""When a kernel's state is saved, and how a new one gets it back. The work itself is done by a child of the keeper.

A save is due after each execution, and begins once the kernel has been idle for a moment, or right before the next
execution when the last one is some time ago. The guest forks and serves on; the child writes what it sends.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

from . import tree
from .loop import Loop, Timer

IDLE = 0.02
"""Seconds without an execution after which a save begins: the host first asks the model what comes next."""
OFTEN = 1.0
"""Seconds since the last save began, or the kernel, after which an execution waits for the next one to begin."""
DEADLINE = 60.0
PATIENCE = 5.0
"""Seconds more than its deadline that our child may take: the disk may be slow at the end."""
MOST_EXECUTIONS = 20_000
GIVING = 600.0
"""Seconds that a restore may take."""
LEAST_ROOM = 64 << 20
"""Bytes below the memory limit without which nothing is saved."""
VARIABLE, TOTAL, DISK, MEMORY = 2 << 30, 8 << 30, 16 << 30, 512 << 20


class Saved(Protocol):
    """What a kernel is to its checkpoints."""

    loop: Loop
    services: Any
    dialect: Any
    id: str
    language: str
    version: str
    state: str

    def restored(self, event: dict[str, Any]) -> None: ...


class Child:
    """A child of the keeper that does one piece of work; `done` gets its result, or None when it died without one."""

    def __init__(
        self, kernel: Saved, job: dict[str, Any], channel: int, work: str, done: Callable[[Any], None]
    ) -> None:
        # Only now: no session that keeps nothing pays for it.
        from . import saver

        self._loop, self._done = kernel.loop, done
        self._data = bytearray()
        self.pid, self._fd = saver.fork(job, channel, work)
        kernel.services.reaper.expect(self.pid, _ended)
        self._loop.watch(self._fd, read=self._read)
        self._timer = self._loop.later(job["deadline"] + PATIENCE, self.kill)

    def kill(self) -> None:
        tree.kill([self.pid])

    def _read(self) -> None:
        data = os.read(self._fd, 1 << 20)
        self._data += data
        if data:
            return
        self._timer.cancel()
        self._loop.unwatch(self._fd)
        os.close(self._fd)
        self._done(json.loads(self._data) if self._data else None)


def _ended(status: int) -> None:
    """Its result says all."""


class Checkpoints:
    """Of one kernel; made where the host has said where they go."""

    def __init__(
        self, kernel: Saved, settings: dict[str, Any], room: Callable[[], int | None], wanted: str | None = None
    ) -> None:
        self._kernel, self._settings, self._room = kernel, settings, room
        self.wanted = wanted or ""
        """The checkpoint whose state the kernel is to have before anything runs."""
        self._idle = float(settings.get("idle", IDLE))
        self._due = ""
        """The execution after which a save should be."""
        self._timer: Timer | None = None
        self._child: Child | None = None
        self._began = time.monotonic()
        self._known: list[str] = []
        self._executions: dict[str, str] = {}
        """By their tokens, so that what a guest says of one can be told to others."""
        self._finished: Callable[[], None] | None = None
        self._token = ""
        self._given: dict[str, Any] | None = None
        self._report: dict[str, Any] | None = None
        self._over = False

    # --- saving

    def changed(self, execution: str, token: str) -> None:
        """An execution, which the guest knows by its token, has ended, and the kernel lives."""
        self._due = execution
        self._executions[token] = execution
        if len(self._executions) > MOST_EXECUTIONS:
            del self._executions[next(iter(self._executions))]
        self._soon()

    def before(self) -> None:
        """The next execution is about to begin."""
        if self._due and not self._child and time.monotonic() - self._began > OFTEN:
            self._begin()
        self._due = ""

    def finish(self, finished: Callable[[], None]) -> bool:
        """Nothing more will run: whether a save is still on its way; `finished` is called when it has ended."""
        if self._due and not self._child and self._kernel.state == "idle":
            self._begin()
        self._finished = finished if self._child else None
        return self._child is not None

    @property
    def saving(self) -> bool:
        return self._child is not None

    def cut_short(self) -> None:
        """Everything but the kernel itself was ended, so also what was sending its state: nobody waits for that."""
        if self._child and not self.wanted:
            self._child.kill()

    def end(self) -> None:
        """The kernel is gone."""
        self._over, self._due = True, ""
        if self._timer:
            self._timer.cancel()

    def _soon(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._kernel.loop.later(self._idle, self._when_idle)

    def _when_idle(self) -> None:
        self._timer = None
        if self._due and not self._child and self._kernel.state == "idle" and not self._over:
            self._begin()

    def _begin(self) -> None:
        execution, self._due = self._due, ""
        self._began = time.monotonic()
        self._token = os.urandom(10).hex()
        settings = self._settings
        limits = {
            "variable": int(settings.get("variable") or VARIABLE),
            "total": int(settings.get("total") or TOTAL),
            "memory": int(settings.get("memory") or MEMORY),
            "deadline": float(settings.get("deadline") or DEADLINE),
        }
        if (room := self._room()) is not None:
            # What the child takes counts for the kernel, which must not be ended for it.
            if room < LEAST_ROOM:
                self._saved(execution, {"ok": False, "reason": "hardly any memory is left for it"})
                return
            limits["memory"] = min(int(limits["memory"]), room // 2)
        channel = self._kernel.dialect.save({"op": "save", "id": self._token, "known": self._known, **limits})
        if channel < 0:
            self._saved(execution, {"ok": False, "reason": "the kernel cannot be asked for it"})
            return
        kernel = self._kernel
        facts = {
            "language": kernel.language,
            "kernel": kernel.id,
            "execution": execution,
            "runtime": kernel.version,
        }
        job = {"folder": settings["folder"], "token": self._token, "facts": facts, "known": self._known, **limits}
        job["executions"] = self._executions
        job["disk"] = int(settings.get("disk") or DISK)
        self._work(job, channel, "take", lambda result: self._saved(execution, result))

    def _work(self, job: dict[str, Any], channel: int, work: str, done: Callable[[Any], None]) -> None:
        try:
            self._child = Child(self._kernel, job, channel, work, done)
        except OSError as error:
            done({"ok": False, "reason": f"no process could be made for it: {error.strerror}"})

    def _saved(self, execution: str, result: dict[str, Any] | None) -> None:
        self._child = None
        kernel = self._kernel
        about = {"kernel": kernel.id, "language": kernel.language, "execution": execution}
        finished = self._finished
        result = result or {"ok": False, "reason": "what writes it was ended"}
        if result["ok"]:
            self._known = result["blobs"]
            told = {name: result[name] for name in ("manifest", "names", "unsaved", "size", "written")}
            duration = round(time.monotonic() - self._began, 6)
            kernel.services.checkpoint({"event": "checkpoint", **about, **told, "duration": duration})
        else:
            kernel.services.checkpoint({"event": "checkpoint_missed", **about, "reason": result["reason"]})
        if finished:
            # Another one may be due, which is then the last.
            if not self.finish(finished):
                finished()
        elif self._due and not self._over:
            self._soon()

    # --- restoring

    def restore(self) -> None:
        """Before anything runs: give the kernel the state that is wanted, and say how that went."""
        self._token = os.urandom(10).hex()
        channel = self._kernel.dialect.restore({"op": "restore", "id": self._token})
        job = {"folder": self._settings["folder"], "token": self._token, "manifest": self.wanted, "deadline": GIVING}
        self._given = self._report = None
        if channel < 0:
            self._given = {"ok": False, "reason": "this kernel cannot take it"}
            self._tell()
        else:
            self._work(job, channel, "give", self._gave)

    def taken(self, frame: dict[str, Any]) -> bool:
        """The guest says what it has loaded. False: nobody asked."""
        if not self.wanted or frame.get("id") != self._token or self._report is not None:
            return False
        self._report = frame
        self._tell()
        return True

    def _gave(self, result: dict[str, Any] | None) -> None:
        self._child = None
        self._given = result or {"ok": False, "reason": "what reads it was ended"}
        self._tell()

    def _tell(self) -> None:
        given, report = self._given, self._report
        if given is None or (given["ok"] and report is None):
            return
        event: dict[str, Any] = {"event": "restored", "kernel": self._kernel.id, "manifest": self.wanted, "error": ""}
        self.wanted = ""
        if not given["ok"]:
            self._kernel.restored({**event, "error": given["reason"]})
            return
        claims = report or {}
        self._known, self._executions = given["blobs"], given["executions"]
        event["error"] = str(claims.get("error") or "")[:300]
        names = claims.get("names")
        event["names"] = names if type(names) is int and 0 <= names < 1 << 31 else 0
        event["missing"] = [*given["unsaved"], *missing(claims.get("missing"))]
        self._kernel.restored({**event, "execution": given["execution"]})


def missing(claim: Any) -> list[dict[str, Any]]:
    """What a guest says it could not load, checked and cut."""
    found: list[dict[str, Any]] = []
    for one in claim[:200] if isinstance(claim, list) else ():  # pyright: ignore[reportUnknownVariableType]
        if isinstance(one, dict):
            words: list[Any] = [one.get(key) for key in ("name", "type", "reason")]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            name, kind, reason = (str(word or "")[:300].encode("utf-8", "replace").decode() for word in words)
            found.append({"name": name, "type": kind, "reason": reason, "execution": "", "rebuild": False})
    return found
