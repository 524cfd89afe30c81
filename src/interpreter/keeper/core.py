"""The keeper itself: its folder, its host, its kernels, and the completions that nobody has collected yet."""

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from . import grants, tree, walls
from .bash import Bash
from .brokers import Brokers
from .frames import Frame
from .host import Peer
from .json_guest import JsonGuest
from .kernel import GRACE, Dialect, Kernel
from .loop import Loop, Timer
from .onstage import OnStage
from .process import Reaper
from .program import Program
from .stage import Stages
from .unstage import unstage

FIRST = 20.0
"""Seconds within which the first host must come, or come back before anything ran: there is nothing to keep yet."""
ALONE = 3600.0
"""Seconds without a host, and without code that runs, after which the keeper ends, unless it was parked."""
DEAF = 0.2
"""Seconds after which another host is looked for where none could be let in."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
LOG_CAP = 1 << 20
MOST_CHECKPOINTS = 100
STRAY_CAP = 8 << 20
VERSION = 2
SUBREAPER = 36
DIALECTS: dict[str, Callable[[Kernel], Dialect]] = {"json": JsonGuest, "bash": Bash, "program": Program}
Reply = Callable[[dict[str, Any]], None]


class Refused(Exception):
    """A request that cannot be served: kind and sentence."""


class Keeper:
    """Serves one host at a time; everything else goes on without it."""

    def __init__(self, run_dir: str, listening: socket.socket, token: str) -> None:
        self.loop = Loop(self.log)
        self.outputs = os.path.join(run_dir, "outputs")
        self.token = token
        self.reaper = Reaper(self.loop)
        self.kernels: dict[str, Kernel] = {}
        self.completions: dict[str, dict[str, Any]] = {}
        self.checkpoints: list[dict[str, Any]] = []
        """Those that are saved and not collected yet."""
        self._closing = False
        self.host: Peer | None = None
        self.met = False
        """Whether a host ever came."""
        self.watchers: set[Peer] = set()
        self.brokers = Brokers(run_dir, self.emit)
        self.stages = Stages()
        self._listening = listening
        self._alone: Timer | None = None
        self._patience: float | None = FIRST
        self._worked = False
        """Whether anything was ever run; before that the session may not even be in the log."""
        self._stray = 0
        self._stray_told = 0.0
        self._listen()
        self._wait_for_host()
        self._ops: dict[str, Callable[[Frame, Reply], dict[str, Any] | None]] = {
            "start": self._start,
            "execute": self._execute,
            "interrupt": self._interrupt,
            "input": self._input,
            "tool": self._tool,
            "grant": self._grant,
            "network": self._network,
            "collect": self._collect,
            "stop": self._stop,
            "unstage": self._unstage,
            "on_stage": OnStage(self.loop, self.reaper, self.stages).run,
            "park": self._park,
            "close": self._close,
        }

    # --- services to kernels

    def log(self, text: str) -> None:
        try:
            if os.fstat(2).st_size < LOG_CAP:
                os.write(2, f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text.rstrip()}\n".encode(errors="replace"))
        except OSError:
            pass

    def emit(self, event: dict[str, Any], spare: bool = False) -> bool:
        for watcher in list(self.watchers):
            watcher.send(event, spare)
        return self.host.send(event, spare) if self.host else False

    def completed(self, completion: dict[str, Any]) -> None:
        self.brokers.drain()
        self.completions[completion["execution"]] = completion
        self.emit({"event": "done", "completion": completion})

    def checkpoint(self, event: dict[str, Any]) -> None:
        if "manifest" in event:
            self.checkpoints = [*self.checkpoints, event][-MOST_CHECKPOINTS:]
        self.emit(event)

    def broker_settings(self, kernel: str) -> dict[str, str]:
        return self.brokers.settings(kernel)

    def stray(self, kernel: str, stream: int, data: memoryview) -> None:
        room = min(len(data), STRAY_CAP - self._stray)
        if room > 0:
            self._stray += room
            with open(os.path.join(self.outputs, "stray.out"), "ab") as file:
                file.write(data[:room])
        if time.monotonic() - self._stray_told > 0.05:
            self._stray_told = time.monotonic()
            text = bytes(data[:2048]).decode(errors="replace")
            self.emit({"event": "stray", "kernel": kernel, "data": text}, spare=True)

    # --- hosts

    def _listen(self) -> None:
        self.loop.watch(self._listening.fileno(), read=self._accept)

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            # Where there is no descriptor left we would be called again at once, and for ever.
            self.loop.unwatch(self._listening.fileno())
            self.loop.later(DEAF, self._listen)
            return
        Peer(self.loop, connection, self)

    def greet(self, peer: Peer, frame: Frame) -> bool:
        """The first frame of a connection. False: not one of ours."""
        token = frame.get("token")
        if frame.get("op") == "broker":
            return self.brokers.greet(peer, frame)
        if frame.get("op") != "hello" or not isinstance(token, str) or not _same(token, self.token):
            return False
        if frame.get("watch"):
            self.watchers.add(peer)
        else:
            if self.host:
                self.host.send({"event": "replaced"})
                self.brokers.host_gone()
                self.host.close_soon()
            self.host, self.met, self._closing = peer, True, False
            self._patience = ALONE if self._worked else FIRST
            if self._alone:
                self._alone.cancel()
        running = [
            {
                "execution": k.current.id,
                "kernel": k.id,
                "asked": k.current.asked,
                "size": 0 if frame.get("watch") else k.current.output.rejoin(),
            }
            for k in self.kernels.values()
            if k.current
        ]
        peer.send(
            {
                "n": frame.get("n"),
                "ok": True,
                "version": VERSION,
                "pid": os.getpid(),
                "kernels": [kernel.facts() for kernel in self.kernels.values()],
                "completions": list(self.completions.values()),
                "checkpoints": [one for one in self.checkpoints if self._counts(one)],
                "running": running,
            }
        )
        if not frame.get("watch"):
            self.brokers.host_came()
        return True

    def _counts(self, event: dict[str, Any]) -> bool:
        """A state that came back is worth telling as long as its kernel lives."""
        kernel = self.kernels.get(event["kernel"])
        return event["event"] != "restored" or (kernel is not None and kernel.state != "dead")

    def gone(self, peer: Peer) -> None:
        self.watchers.discard(peer)
        self.brokers.gone(peer)
        if self.host is peer:
            self.host = None
            self.brokers.host_gone()
            self._wait_for_host()

    def _wait_for_host(self) -> None:
        if self._alone:
            self._alone.cancel()
        if self._patience is not None:
            self._alone = self.loop.later(self._patience, self._give_up)

    def _give_up(self) -> None:
        """Nobody has come back. A job of hours goes on all the same, and so does the wait."""
        if any(kernel.current for kernel in self.kernels.values()):
            self._wait_for_host()
        else:
            self.end()

    def serve(self, peer: Peer, frame: Frame) -> None:
        """One request of a host, or what a broker says."""
        if self.brokers.knows(peer):
            self.brokers.serve(peer, frame)
            return
        n, op = frame.get("n"), str(frame.get("op"))

        def reply(answer: dict[str, Any]) -> None:
            if n != 0:  # else nobody waits for it
                (peer.hold if op == "execute" else peer.send)({"n": n, "ok": True, **answer})

        try:
            work = self._ops.get(op)
            if work is None:
                raise Refused("unknown", f"no op {op!r}")
            if peer is not self.host:
                raise Refused("watching", "a watcher cannot ask for anything")
            answer = work(frame, reply)
            if answer is not None:
                reply(answer)
        except Refused as error:
            peer.send({"n": n, "ok": False, "error": error.args[0], "message": error.args[1]})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            peer.send({"n": n, "ok": False, "error": "request", "message": f"{type(error).__name__}: {error}"})

    # --- requests

    def _kernel(self, frame: Frame) -> Kernel:
        kernel = self.kernels.get(str(frame.get("kernel")))
        if kernel is None or kernel.state == "dead":
            raise Refused("gone", f"no living kernel {frame.get('kernel')!r}")
        return kernel

    def _start(self, frame: Frame, reply: Reply) -> None:
        name = _name(frame["kernel"])
        if name in self.kernels:
            raise Refused("used", f"kernel {name} was there before")
        kind = DIALECTS.get(str(frame.get("dialect", "json")))
        if kind is None:
            raise Refused("dialect", f"no dialect {frame.get('dialect')!r}")
        if stage := dict(frame["launch"]).get("stage"):
            try:
                self.stages.entrance(stage)
            except OSError as error:
                raise Refused("stage", error.strerror or str(error)) from None

        def born(error: str) -> None:
            if error:
                self.kernels.pop(name, None)
                reply({"ok": False, "error": "launch", "message": error})
            else:
                reply({"pid": kernel.process.pid if kernel.process else 0})

        try:
            kernel = self.kernels[name] = Kernel(self, frame, kind)
            kernel.on_born = born
            kernel.start()
        except OSError as error:
            self.kernels.pop(name, None)
            raise Refused("launch", str(error)) from None
        if kernel.process is None:
            born("")

    def _execute(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        name = _name(frame["execution"])
        kernel = self._kernel(frame)
        if kernel.current:
            raise Refused("busy", f"kernel {kernel.id} is busy")
        if name in self.completions:
            raise Refused("used", f"execution {name} was there before")
        if not self._worked:
            self._worked, self._patience = True, ALONE
        # What runs is in the log, and so is all that was told before it.
        self.checkpoints = [one for one in self.checkpoints if (one["event"], one["kernel"]) != ("restored", kernel.id)]
        try:
            kernel.execute(frame)
        except FileExistsError:
            raise Refused("used", f"execution {name} was there before") from None
        except OSError as error:
            raise Refused("disk", str(error)) from None
        return {}

    def _interrupt(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        self._kernel(frame).stop("interrupt", float(frame.get("grace") or GRACE))
        return {}

    def _input(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        text = frame.get("text")
        for kernel in self.kernels.values():
            asked = kernel.current and kernel.current.id == frame.get("execution")
            if asked and kernel.answer(text if isinstance(text, str) else None):
                return {}
        raise Refused("input", "nothing waits for input")

    def _tool(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        execution, call, text = str(frame.get("execution")), int(frame["call"]), str(frame["text"])
        guests = (kernel.dialect for kernel in self.kernels.values())
        lent = (one.tools if isinstance(one, Bash) else one if isinstance(one, JsonGuest) else None for one in guests)
        if any(one is not None and one.calls.answered(execution, call, text) for one in lent):
            return {}
        raise Refused("tool", "nobody waits for this answer")

    def _grant(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        kernel = self._kernel(frame)
        pid = kernel.process.inside() if kernel.process else 0
        if not pid or not kernel.launch.get("mount_slot"):
            raise Refused("grant", "nothing can be shown to this kernel while it lives")
        try:
            grants.grant(pid, str(frame["source"]), str(frame["path"]), str(frame.get("access", "read")))
        except OSError as error:
            raise Refused("grant", str(error)) from None
        return {}

    def _network(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        if not self.brokers.answer(frame.get("question"), frame.get("allow") is True, str(frame.get("by") or "person")):
            raise Refused("network", "nobody waits for this answer")
        return {}

    def _collect(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        self.completions.pop(str(frame.get("execution")), None)
        if manifest := frame.get("manifest"):
            self.checkpoints = [one for one in self.checkpoints if one.get("manifest") != manifest]
        return {}

    def _stop(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        self._kernel(frame).kill("stopped")
        return {}

    def _unstage(self, frame: Frame, reply: Reply) -> None:
        unstage(self.loop, list(self.kernels.values()), self.reaper, self.stages, lambda: reply({}))

    def _park(self, frame: Frame, reply: Reply) -> dict[str, Any]:
        seconds = frame.get("seconds")
        self._patience = None if seconds is None else max(0.0, float(seconds))
        return {}

    def _close(self, frame: Frame, reply: Reply) -> None:
        """The end, after what is being saved; a host that comes meanwhile keeps the kernels alive."""
        self._closing = True
        saving = [k for k in self.kernels.values() if k.checkpoints and k.checkpoints.finish(self._saved_last)]
        reply({"saving": len(saving)})
        if not saving:
            self.end()

    def _saved_last(self) -> None:
        if self._closing and not any(k.checkpoints and k.checkpoints.saving for k in self.kernels.values()):
            self.end()

    def end(self) -> None:
        """Stop all kernels, then leave; first of all it is settled that we leave."""
        self.loop.later(0.0, self.loop.stop)
        for kernel in self.kernels.values():
            if kernel.state != "dead":
                kernel.kill("the keeper ends")
        for _ in range(10):
            tree.kill([pid for pid in tree.descendants([os.getpid()]) if pid != os.getpid()])
        if self.host:
            self.host.close_soon()

    def clear(self) -> None:
        """After the last word: nobody else would take our control groups away; one of each session would be left."""
        for process in self.reaper.processes:
            if process.group:
                process.group.remove()


def _name(value: Any) -> str:
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Refused("name", f"not a name: {str(value)[:80]!r}")
    return value


def _same(one: str, other: str) -> bool:
    """Compares in a time that does not tell where they differ."""
    a, b = one.encode(errors="replace"), other.encode()
    return len(a) == len(b) and not sum(x ^ y for x, y in zip(a, b, strict=True))


def serve(run_dir: str, listening: socket.socket, token: str) -> bool:
    """Be the keeper of `run_dir` until the end. Returns whether a host ever came."""
    if sys.platform == "linux":
        walls.prctl(SUBREAPER, 1)
    keeper = Keeper(run_dir, listening, token)
    signal.signal(signal.SIGTERM, lambda number, frame: keeper.end())
    keeper.loop.run()
    keeper.clear()
    return keeper.met
