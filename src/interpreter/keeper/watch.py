"""Holds a kernel to the limits of what it runs, also what that has left in the background.

A look at the whole tree costs milliseconds, so cheap figures of the machine say when one is due before its time. What
is over a limit loses first what it has started itself: the kernel keeps its state if it then stops when it is asked.
"""

import time
from collections.abc import Iterator
from typing import Any, Protocol

from . import tree
from .checkpoints import Checkpoints
from .disk import Disk, Found, amount
from .execution import Execution
from .hits import Counts
from .loop import Loop, Timer
from .process import Process, is_wall

TICK = 0.05
"""Seconds between looks at the machine."""
LOOK = 0.25
"""Seconds between looks at the tree."""
BURST = 24
"""Tasks more on the machine than at the last look: time for the next one."""
GULP = 128 << 20
"""Bytes less of available memory, likewise."""
FULL, ROOM = 0.95, 0.75
"""Of the allowed processes: with that many it is crowded, until there are fewer than so many."""
CROWDED = 0.5
"""Seconds of it until that is no accident."""
FLOOR, FLOOR_SHARE = 512 << 20, 20
"""Bytes of memory that stay available, or one part in so many where that is less."""
WALK = 5.0
"""Seconds for a look at the folders, during which the tree stands still."""
SLICE = 0.02
HURRY = 1.0
"""Seconds to stop, where every moment fills the disk further."""
SETTLE = 0.05
LONGEST_SETTLE = 1.0
FEW = 2
"""Processes that a run must leave in the background to get a closer look."""
LINGER = 1.0
"""Seconds of watching after the end, where nothing seems to be left."""


class Watched(Protocol):
    """What a kernel is to its watch."""

    loop: Loop
    launch: dict[str, Any]
    process: Process | None
    current: Execution | None
    checkpoints: Checkpoints | None

    def over(self, text: str, grace: float | None) -> None:
        """The limit that `text` names was reached: what runs has to stop, within `grace` seconds or what is usual."""
        ...


class Watch:
    """One for each kernel: `born`, then `begin` for each execution, at last `end`."""

    def __init__(self, kernel: Watched) -> None:
        self._kernel = kernel
        self._core: dict[int, int] = {}
        """The kernel's own processes, number to time of start: they hold its state, the others can be spared."""
        self._execution: Execution | None = None
        self._bounds: dict[str, Any] = {}
        self._disk: Disk | None = None
        self._timer: Timer | None = None
        self._before = self._last = tree.Machine(0, 0, 0, 0)
        self._looked = 0.0
        self._ooms = self._refused = 0
        self._most = 0
        self._count = 0
        self._crowded = 0.0
        self._lingers = self._next_sum = 0.0
        self._refused_then = 0
        self._walk: Iterator[Found] | None = None
        self._found: Found | None = None
        self._walk_ends = 0.0
        self._frozen: list[int] = []

    # --- what the kernel tells

    def born(self) -> None:
        """The kernel is ready, or ready again: these processes are itself."""
        process = self._kernel.process
        if process is None:
            return
        first = not self._core
        for pid in process.members():
            facts = tree.stat(pid)
            if facts and (first or (facts.parent in self._core and not is_wall(facts.parent))):
                self._core[pid] = facts.started

    def begin(self, execution: Execution) -> None:
        process = self._kernel.process
        members = process.members() if process and process.alive else []
        execution.begin(members, process.usage(members)[0] if process and members else 0.0)
        self._execution, bounds = execution, execution.limits
        self._bounds = bounds
        self._before = self._last = tree.machine()
        self._ooms = self._refused = 0
        if process and process.alive:
            self._ooms, self._refused = process.oom_kills(), process.refused()
        self._most, self._count = len(members), len(members)
        self._crowded, self._refused_then = 0.0, self._refused
        self._leave_walk()
        self._disk = None
        if bounds.get("disk") is not None or bounds.get("free") != 0:
            self._disk = Disk(self._folders(), bounds.get("disk"), bounds.get("free"))
        self._looked = time.monotonic()
        self._again()

    def unsettled(self) -> bool:
        """Whether a run that says it has ended goes on multiplying in the background."""
        process = self._kernel.process
        self._lingers = time.monotonic() + LINGER
        if process is None or tree.machine().tasks < self._before.tasks + FEW:
            return False
        before = self._count
        members = self._look(process)
        return len(self._others(members)) >= FEW and (len(members) > before or self._crowded > 0)

    def measure(self) -> None:
        """A last look at what the execution used."""
        process, execution = self._kernel.process, self._execution
        if process and execution:
            execution.sample(execution.members, process.usage(execution.members))

    def end(self) -> None:
        """The kernel is gone."""
        if self._timer:
            self._timer.cancel()
        self._leave_walk()
        self._core.clear()
        self._execution = None

    def spare(self) -> None:
        """End everything but the kernel itself."""
        if self._kernel.process:
            self._thin(self._kernel.process)
            tree.thaw(list(self._core))

    # --- looking

    def _folders(self) -> list[str]:
        launch = self._kernel.launch
        given: list[str] = list(launch.get("writable") or ())
        return given or [launch["cwd"]]

    def _again(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._kernel.loop.later(SLICE if self._walk else TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        process = self._kernel.process
        if self._execution is None:
            return
        try:
            if process and process.alive:
                if self._walk:
                    self._go_on_walking(self._walk)
                else:
                    self._check(process)
        finally:
            # Whatever goes wrong in one look, there is a next one.
            left = self._count > len(self._core) or time.monotonic() < self._lingers
            if self._execution and (self._kernel.current or self._walk or (left and process and process.alive)):
                self._again()

    def _check(self, process: Process) -> None:
        if self._disk:
            full = self._disk.full()
            if full:
                self._over(process, full, grace=HURRY)
                return
            if self._disk.alarmed():
                self._frozen = process.freeze(self._core)
                self._walk = self._disk.added(process.members())
                self._walk_ends = time.monotonic() + WALK
                return
        now = tree.machine()
        burst = now.tasks > self._last.tasks + BURST or now.available < self._last.available - GULP
        if burst or time.monotonic() - self._looked >= LOOK:
            self._last = now
            self._look(process)

    def _look(self, process: Process) -> list[int]:
        execution = self._execution
        members = process.members()
        if execution is None:
            return members
        self._looked = time.monotonic()
        self._count = len(members)
        self._most = max(self._most, len(members))
        cpu, memory = execution.sample(members, process.usage(members))
        # Processes first: to look at the memory of many that fork can take very long.
        text = self._processes(members) or self._memory(process, members, memory)
        most = self._bounds.get("cpu")
        if text:
            self._over(process, text)
        elif most and cpu > most:
            self._over(process, f"cpu: {most:g} s allowed, {cpu:.3g} s used", thin=self._kernel.current is None)
        return members

    def room(self) -> int | None:
        """Bytes of memory that are left of the limit; None where there is none."""
        limit, process = self._bounds.get("memory"), self._kernel.process
        if not limit or process is None:
            return None
        return max(0, int(limit) - process.usage(process.members())[1])

    def _memory(self, process: Process, members: list[int], resident: int) -> str:
        limit = self._bounds.get("memory")
        shared = self._last.shared
        began = time.monotonic()
        if limit and (resident > limit or shared > limit) and began >= self._next_sum:
            # Pages that several processes share were counted in each. To count them once can take long, and waits for
            # whoever is just forking.
            frozen = process.freeze(self._core)
            used = self._used(members)
            tree.thaw(frozen)
            self._next_sum = time.monotonic() + 10 * (time.monotonic() - began)
            if used > limit:
                return f"memory: {amount(limit)} allowed, {amount(used)} in use by {len(members)} processes"
        floor = min(FLOOR, self._last.memory // FLOOR_SHARE)
        if self._last.available < floor < resident:
            left = amount(self._last.available)
            return f"memory: only {left} were left on this machine, with {amount(resident)} in use here"
        return ""

    def _used(self, members: list[int]) -> int:
        return max(tree.proportional(members), tree.unmapped(members))

    def _processes(self, members: list[int]) -> str:
        most = self._bounds.get("processes")
        if not most:
            return ""
        if len(members) > most:
            return f"processes: {most} allowed, {len(members)} running"
        refused = self.counts().refused
        count = self._kernel.process.count if self._kernel.process else 0
        if refused > self._refused_then or count >= most * FULL:
            self._crowded = self._crowded or time.monotonic()
        elif count < most * ROOM:
            self._crowded = 0.0
        self._refused_then = refused
        if not self._crowded or time.monotonic() - self._crowded < CROWDED:
            return ""
        more = f"{refused:,} more were refused" if refused else f"{len(members)} running"
        return f"processes: {most} allowed, {more}"

    def counts(self) -> Counts:
        process = self._kernel.process
        if process is None:
            return Counts()
        return Counts(process.oom_kills() - self._ooms, process.refused() - self._refused, self._most)

    def _others(self, members: list[int]) -> list[int]:
        return [pid for pid in members if pid not in self._core]

    # --- disk

    def _go_on_walking(self, walk: Iterator[Found]) -> None:
        ends = time.monotonic() + SLICE
        while time.monotonic() < ends:
            found = next(walk, None)
            if found is None:
                self._judge(self._found, done=True)
                return
            self._found = found
        if time.monotonic() >= self._walk_ends:
            self._judge(self._found, done=False)

    def _judge(self, found: Found | None, *, done: bool) -> None:
        disk, process = self._disk, self._kernel.process
        frozen, self._frozen, self._walk, self._found = self._frozen, [], None, None
        if disk is None or disk.limit is None or process is None or found is None:
            tree.thaw(frozen)
            return
        if found.bytes > disk.limit or (done and not found.whole):
            used = amount(min(found.bytes, disk.grown()) if found.whole else disk.grown())
            largest = f"; the largest new file is {found.largest[-200:]} ({amount(found.size)})" if found.size else ""
            self._over(process, f"disk: {amount(disk.limit)} allowed, {used} written{largest}")
        disk.patient()
        tree.thaw(frozen)

    def _leave_walk(self) -> None:
        tree.thaw(self._frozen)
        self._walk, self._frozen = None, []

    # --- acting

    def _thin(self, process: Process) -> int:
        ended = process.thin(self._core)
        if self._kernel.checkpoints:
            self._kernel.checkpoints.cut_short()
        return ended

    def _over(self, process: Process, text: str, *, thin: bool = True, grace: float | None = None) -> None:
        execution = self._kernel.current
        again = bool(execution and execution.reason == "limit")
        ended = self._thin(process) if thin else 0
        if text.startswith("memory"):
            limit = self._bounds.get("memory")
            # What is still too large now is the kernel itself.
            still = limit and self._used(list(self._core)) > limit
            grace = 0.0 if still or (again and not ended) else grace
        self._kernel.over(text, grace)
        if thin:
            tree.thaw(list(self._core))
        self._count = len(process.members())
        self._crowded = 0.0
        # The kernel may have begun something else before the request reached it.
        self._lingers = time.monotonic() + LINGER
