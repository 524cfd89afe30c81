"""A kernel: one language's state, its process, and at most one execution at a time."""

import base64
import time
from collections.abc import Callable
from typing import Any, Protocol

from . import hits
from .checkpoints import GIVING, Checkpoints
from .disk import amount
from .execution import STATUSES, Execution
from .loop import Loop, Timer
from .process import Process, Reaper
from .stage import Stages
from .watch import LONGEST_SETTLE, SETTLE, Watch

GRACE = 3.0
"""Seconds that an execution has to stop when it is asked to, where the request names none."""
START = 60.0
"""Seconds that a kernel has to become ready."""
AGAIN = 0.25
"""Seconds between interrupts until the guest says that one has reached it."""
STARTUP_TEXT = 4096


class Services(Protocol):
    """What the keeper is to its kernels."""

    loop: Loop
    reaper: Reaper
    outputs: str
    stages: Stages

    def emit(self, event: dict[str, Any], spare: bool = False) -> bool:
        """Tell the host; False when `spare` and its connection is full or nobody listens."""
        ...

    def completed(self, completion: dict[str, Any]) -> None: ...
    def stray(self, kernel: str, stream: int, data: memoryview) -> None: ...
    def checkpoint(self, event: dict[str, Any]) -> None: ...
    def log(self, text: str) -> None: ...
    def broker_settings(self, kernel: str) -> dict[str, str]: ...


class Dialect(Protocol):
    """How the keeper speaks with one kind of guest. Made with its kernel; called by it alone.

    It calls `kernel.spawn` to be born, then `kernel.ready`, and for each execution exactly one `kernel.done`.
    """

    def start(self) -> None: ...
    def execute(self, execution: Execution) -> None: ...
    def interrupt(self) -> None:
        """Ask what runs to stop; may be called again until it is `acknowledged`."""
        ...

    def answer(self, text: str | None) -> None: ...
    def exited(self, status: int) -> None:
        """The process that was spawned has ended. Guests that live on call `kernel.died`."""
        ...

    def save(self, frame: dict[str, Any]) -> int:
        """Ask the guest for its state; the descriptor from which records come, -1 where there is no such way."""
        ...

    def restore(self, frame: dict[str, Any]) -> int:
        """Likewise to give it one; later, `kernel.taken` gets what the guest says."""
        ...


class Kernel:
    """States: starting, idle, running, dead. A dead kernel stays dead."""

    def __init__(self, services: Services, request: dict[str, Any], dialect: Callable[["Kernel"], Dialect]) -> None:
        self.services = services
        self.loop = services.loop
        self.id: str = request["kernel"]
        self.language: str = request["language"]
        self.request = request
        self.launch: dict[str, Any] = dict(request["launch"])
        self.launch["seccomp"] = base64.b64decode(self.launch.get("seccomp") or "")
        self.state = "starting"
        self.version = ""
        self.process: Process | None = None
        self.current: Execution | None = None
        self.on_born: Callable[[str], None] = lambda error: None
        self._startup = bytearray()
        self._watch = Watch(self)
        self._note = ""
        """What happened to programs in the background since the last completion."""
        self._settling: Timer | None = None
        self._held: tuple[str, int | None, dict[str, Any]] | None = None
        self._why = ""
        self._patience: Timer | None = self.loop.later(START, lambda: self.kill(f"not ready within {START:.0f} s"))
        settings = request.get("checkpoints")
        self.checkpoints = Checkpoints(self, settings, self._watch.room, request.get("restore")) if settings else None
        self.dialect = dialect(self)

    def start(self) -> None:
        self.dialect.start()

    def facts(self) -> dict[str, Any]:
        pid = self.process.pid if self.process else 0
        return {"id": self.id, "language": self.language, "state": self.state, "pid": pid, "version": self.version}

    # --- towards the process

    def spawn(self, extra: dict[int, int], launch: dict[str, Any] | None = None) -> Process:
        """Begin the process of `launch` (the kernel's own by default), with `extra` descriptors inside: number there
        to number here. The caller closes its own copies."""
        born = dict(launch or self.launch)
        if born.get("stage"):
            born["entrance"] = self.services.stages.entrance(born["stage"])
        if born.get("proxy") is not None:
            born["proxy"] = {**born["proxy"], "link": self.services.broker_settings(self.id)}
        self.process = Process(
            self.loop,
            self.services.reaper,
            born,
            extra,
            output=self._output,
            started=self._born,
            ended=self._exited,
        )
        return self.process

    def _born(self, error: str) -> None:
        if error:
            self._why = self._why or error
        self.on_born(error)
        self.on_born = lambda error: None

    def _exited(self, status: int) -> None:
        self.dialect.exited(status)

    def _output(self, stream: int, data: memoryview) -> None:
        execution = self.current
        if self.state == "starting":
            self._startup = (self._startup + data[:STARTUP_TEXT])[-STARTUP_TEXT:]
        elif execution is None:
            self.services.stray(self.id, stream, data)
        else:
            execution.output.write(stream, data)
            if execution.output.failure:
                self.stop("limit", GRACE, f"the disk took no more output: {execution.output.failure}")
            elif execution.output.full:
                self.stop("limit", GRACE, f"output: {amount(execution.limits.get('output') or 0)} allowed")

    # --- towards the host

    def execute(self, request: dict[str, Any]) -> None:
        """Raises FileExistsError for an execution id that was used before, OSError when its files cannot be made."""
        execution = Execution(self.loop, self.services.outputs, request, self._live)
        self.current = execution
        if self.state == "idle":
            self._begin(execution)

    def _begin(self, execution: Execution) -> None:
        self.state = "running"
        if self.process:
            self.process.busy = time.monotonic()
        if self.checkpoints:
            self.checkpoints.before()
        self._watch.begin(execution)
        timeout = execution.limits.get("timeout")
        if timeout is not None:
            stop = f"timeout: {timeout:g} s"
            execution.timers.append(self.loop.later(timeout, lambda: self._stop_if(execution, "timeout", stop)))
        self.dialect.execute(execution)

    def _live(self, stream: int, data: bytes, skipped: int) -> bool:
        if not self.current:
            return False
        event = {"event": "output", "execution": self.current.id, "stream": "stderr" if stream == 2 else "stdout"}
        return self.services.emit(event | {"data": base64.b64encode(data).decode(), "skipped": skipped}, spare=True)

    def _stop_if(self, execution: Execution, reason: str, text: str) -> None:
        if self.current is execution:
            self.stop(reason, _grace(execution), text)

    def over(self, text: str, grace: float | None) -> None:
        """A limit was reached. Of what only ran in the background, the next completion tells."""
        if self.current:
            usual = _grace(self.current)
            self.stop("limit", usual if grace is None else min(grace, usual), text)
        else:
            self._note = self._note or f"programs left in the background were ended; {text}"

    def stop(self, reason: str, grace: float, limit: str = "") -> None:
        """Make it not busy: ask, and after `grace` seconds end the kernel. The first reason counts."""
        execution = self.current
        if execution is None:
            return
        if not execution.reason:
            execution.reason, execution.limit = reason, limit if reason != "interrupt" else ""
        elif reason != "interrupt":
            return
        if self._settling:
            self._end_settling()
            return
        if self.state != "running" or grace <= 0:
            self.kill(reason)
            return
        execution.acknowledged = False
        if reason == "limit":
            execution.timers.append(self.loop.later(grace / 2, lambda: self._spare(execution)))
        execution.timers.append(self.loop.later(grace, lambda: self._out_of_patience(execution)))
        self._ask_again(execution)

    def _ask_again(self, execution: Execution) -> None:
        if self.current is execution and not execution.acknowledged:
            self.dialect.interrupt()
            execution.timers.append(self.loop.later(AGAIN, lambda: self._ask_again(execution)))

    def _spare(self, execution: Execution) -> None:
        if self.current is execution:
            self._watch.spare()

    def _out_of_patience(self, execution: Execution) -> None:
        if self.current is execution:
            self.kill("it did not stop when it was asked to")

    def kill(self, why: str) -> None:
        """End the process and everything in it; the rest follows when it has ended."""
        self._why = self._why or why
        if self.current:
            self.current.killed = True
        if self.process and self.process.alive:
            self.process.kill()
        elif self.state != "dead":
            self.died(137)

    # --- from the dialect

    def ready(self, version: str) -> None:
        if self.state != "starting":
            self.violation("a second ready")
            return
        self.version = version[:200]
        self._watch.born()
        self._not_waiting()
        if self.checkpoints and self.checkpoints.wanted:
            self._patience = self.loop.later(
                GIVING, lambda: self.kill(f"its state was not there within {GIVING:.0f} s")
            )
            self.checkpoints.restore()
        else:
            self._serve()

    def _serve(self) -> None:
        self.state = "idle"
        self.services.emit({"event": "ready", "kernel": self.id, "version": self.version})
        if self.current:
            self._begin(self.current)

    def restored(self, event: dict[str, Any]) -> None:
        """It has the state of a checkpoint, or with `error` it has not."""
        if self.state != "starting":
            return
        self._not_waiting()
        if event["error"]:
            # That is told when it has ended, so that nobody takes it for a living one.
            self.kill(f"its state did not come back: {event['error']}")
        else:
            self.services.checkpoint({**event, "language": self.language})
            self._serve()

    def ready_again(self) -> None:
        """The kernel has replaced a part of itself and kept its state."""
        self._watch.born()

    def _not_waiting(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None

    def display(self, bundle: dict[str, Any]) -> None:
        if self.current:
            self.current.output.flush_live()
            shown = self.current.show(bundle)
            if shown:
                self.services.emit({"event": "display", "execution": self.current.id, **shown})

    def ask(self, prompt: str, secret: bool) -> None:
        """The program asks for a line."""
        execution = self.current
        if execution is None or execution.asked:
            self.violation("input that nobody can answer")
            return
        if not execution.interactive:
            self.dialect.answer(None)
            return
        if self.process:
            self.process.drain()
        execution.output.flush_live()
        execution.asked = {"event": "input", "execution": execution.id, "prompt": prompt[:4096], "secret": secret}
        self.services.emit(execution.asked)

    def answer(self, text: str | None) -> bool:
        if not self.current or not self.current.asked or self.current.asked["event"] != "input":
            return False
        self.current.asked = None
        self.dialect.answer(text)
        return True

    def done(self, status: str, exit_status: int | None, report: dict[str, Any], *, drain: bool = True) -> None:
        """The execution has ended; `report` may hold error, result and context, all of them claims."""
        execution = self.current
        if execution is None or status not in STATUSES | {"died"}:
            self.violation(f"a done that nobody asked for: {status[:40]!r}")
            return
        if self._settling and status != "died":
            self.services.log(f"{self.id}: a second done while the first is held: the first counts")
            return
        if self.process:
            self.process.busy = time.monotonic()
            if drain:
                self.process.drain()
        if status != "died" and not execution.reason and self._watch.unsettled():
            self._held = (status, exit_status, report)
            self._settle(execution, time.monotonic() + LONGEST_SETTLE)
        else:
            self._finish(execution, status, exit_status, report)

    def _settle(self, execution: Execution, ends: float) -> None:
        """Not quite the end: something multiplies in the background. Look again, for a moment."""

        def again() -> None:
            if self.current is execution and self._settling is timer:
                if execution.reason or time.monotonic() >= ends or not self._watch.unsettled():
                    self._end_settling()
                else:
                    self._settle(execution, ends)

        self._settling = timer = self.loop.later(SETTLE, again)

    def _end_settling(self) -> None:
        held, self._held = self._held, None
        if self._settling:
            self._settling.cancel()
            self._settling = None
        if held and self.current:
            if self.process:
                self.process.drain()
            status, exit_status, report = held
            stopped = self.current.reason == "limit" and status == "ok"
            self._finish(self.current, "error" if stopped else status, exit_status, report)

    def _finish(self, execution: Execution, status: str, exit_status: int | None, report: dict[str, Any]) -> None:
        self._watch.measure()
        counts = self._watch.counts()
        found = hits.counted(execution.limits, counts)
        if found and status in ("error", "died") and not execution.reason:
            execution.reason = "limit"
        elif not found and status == "error":
            error, tail = report.get("error"), execution.output.tail
            found = hits.claimed(execution.limits, counts, exit_status, error, tail)
        notes = (execution.limit or found, self._note if not execution.limit else "")
        execution.limit = "; ".join(filter(None, notes))
        self._note = ""
        completion = execution.completion(status, exit_status, report)
        self.current = None
        if self.state == "running":
            self.state = "idle"
        self.services.completed(completion)
        if self.checkpoints and self.state == "idle":
            self.checkpoints.changed(execution.id, execution.token)

    def violation(self, what: str) -> None:
        """The guest broke the protocol: whatever it is now, it is not ours any more."""
        self.services.log(f"{self.id}: protocol: {what}")
        self._why = self._why or f"protocol: {what}"
        self.kill("protocol")

    def died(self, status: int) -> None:
        """The process is gone."""
        if self.state == "dead":
            return
        starting = self.state == "starting"
        self.state = "dead"
        self._not_waiting()
        if self._settling:
            self._end_settling()
        said = self._startup.decode(errors="replace").strip() if starting else ""
        reason = "; ".join(part for part in (self._why, said) if part) or f"ended with status {status}"
        if self.current:
            self.current.killed = True
            error = {"name": "KernelDied", "message": reason}
            self.done("died", status, {"error": error}, drain=False)
        self._watch.end()
        if self.checkpoints:
            self.checkpoints.end()
        self.services.emit({"event": "died", "kernel": self.id, "reason": reason, "at": time.time()})


def _grace(execution: Execution) -> float:
    return float(execution.request.get("grace") or GRACE)
