"""A process of a kernel: born inside its walls, its pipes read, its tree watched and ended."""

import fcntl
import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from . import cgroup, tree, walls
from .loop import Loop
from .output import pending

PIPE = 1 << 20
NICE, ROOTS_NICE = 5, 10
"""Of what only a watch holds; for root the kernel does not even count processes."""
OOM_SCORE = "500"
SWEEPS = 40
"""Rounds of killing before the rest of a tree is given up to the kernel's own limits."""

OnOutput = Callable[[int, memoryview], None]


class Reaper:
    """Collects every child that ends: ours, and orphans of kernels that come to us because we are their subreaper."""

    def __init__(self, loop: Loop) -> None:
        self._ends: dict[int, Callable[[int], None]] = {}
        self._adopted: dict[int, tuple[int, Process | None]] = {}
        self.processes: list[Process] = []
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if sys.platform == "linux" else _pipe()
        self._read = read
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        loop.watch(read, read=self._reap)

    def expect(self, pid: int, ended: Callable[[int], None]) -> None:
        """Call `ended` with the exit status (128 + n for a signal) once `pid` has ended."""
        self._ends[pid] = ended

    def _reap(self) -> None:
        os.read(self._read, 4096)
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            ended = self._ends.pop(pid, None)
            if ended:
                ended(code if code >= 0 else 128 - code)
            else:
                _, owner = self._adopted.pop(pid, (0, None))
                owner = owner or max(self.processes, key=lambda p: p.busy, default=None)
                if owner:
                    owner.reaped += used.ru_utime + used.ru_stime

    def orphans(self, of: "Process") -> list[int]:
        """Orphans of one process. One whose descent nobody has seen is given to the process that was busy last."""
        for pid in tree.children(os.getpid()):
            facts = tree.stat(pid) if pid not in self._ends else None
            if facts is None or facts.state == "Z" or self._adopted.get(pid, (0, None))[0] == facts.started:
                continue
            known = [p for p in self.processes if p.seen.get(pid) == facts.started or p.pid == facts.session]
            owner = known[0] if known else max(self.processes, key=lambda p: p.busy, default=None)
            self._adopted[pid] = (facts.started, owner)
        return [pid for pid, (_, owner) in self._adopted.items() if owner is of]


def _nothing(number: int, frame: object) -> None:
    """A handler, so that the signal is told through the wakeup descriptor."""


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    for fd in (read, write):
        os.set_blocking(fd, False)
    return read, write


class Process:
    """Starts `launch` at once. `started` is called with an error text or an empty one, `ended` with the exit status."""

    _buffer = memoryview(bytearray(PIPE))

    def __init__(
        self,
        loop: Loop,
        reaper: Reaper,
        launch: dict[str, Any],
        extra: dict[int, int],
        *,
        output: OnOutput,
        started: Callable[[str], None],
        ended: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._output = output
        self._started = started
        self._ended = ended
        self.seen: dict[int, int] = {}
        """Processes that were found in the tree: number to time of start."""
        self.busy = time.monotonic()
        """When it last ran something."""
        self.guest = 0
        """Process number of what runs inside the walls, once it is known; ours to signal."""
        self.count = 0
        """Processes at the last look, with those that have ended and that nobody has waited for."""
        self.reaped = 0.0
        """Seconds of CPU of orphans that have ended."""
        self.alive = True
        self.staged = bool(launch.get("stage"))
        self._contained = 0
        """The first process of its container, where it is in one: the engine's child, so not below ours."""
        self._news = -1
        """From the stand-in of a container: what it has to tell at the end."""
        self._oom_kills = 0
        self._pipes: dict[int, int] = {}
        inner: dict[int, int] = dict(extra)
        for stream in (1, 2):
            read, write = os.pipe()
            os.set_blocking(read, False)
            _enlarge(read)
            self._pipes[read] = stream
            inner[stream] = write
        errors, errors_inner = os.pipe()
        bounds = launch.get("cgroup")
        self.group = cgroup.create(os.urandom(8).hex(), bounds.get("memory"), bounds.get("pids")) if bounds else None
        """Where this machine has one for us: it holds the limits, and tells who belongs to the tree."""
        self.pid = os.fork()
        if self.pid == 0:
            _become(launch, inner, errors_inner, self.group)
        os.close(errors_inner)
        for stream in (1, 2):
            os.close(inner[stream])
        reaper.expect(self.pid, self._end)
        reaper.processes.append(self)
        loop.watch(errors, read=lambda: self._birth(errors))
        for fd in self._pipes:
            loop.watch(fd, read=functools.partial(self._turn, fd))

    def _birth(self, errors: int) -> None:
        text = os.read(errors, 4096).decode(errors="replace")
        if text.startswith(walls.BORN):
            self._contained = int(text.removeprefix(walls.BORN))
            self._news = errors
            self._loop.unwatch(errors)
            text = ""
        else:
            self._loop.unwatch(errors)
            os.close(errors)
        self._started(text)

    def oom_kills(self) -> int:
        """How often the kernel has ended a process of ours for want of memory, as far as that is known."""
        return self.group.oom_kills() if self.group else self._oom_kills

    def refused(self) -> int:
        """How many new processes the kernel has refused us, as far as that is known."""
        return self.group.pids_refused() if self.group else 0

    def _turn(self, fd: int) -> None:
        self._read(fd)

    def _read(self, fd: int, most: int = PIPE) -> int:
        try:
            size = os.readv(fd, [self._buffer[:most]])
        except BlockingIOError:
            return 0
        except OSError:
            size = 0
        if size == 0:
            self._loop.unwatch(fd)
            os.close(fd)
            del self._pipes[fd]
            return 0
        self._output(self._pipes[fd], self._buffer[:size])
        return size

    def drain(self) -> None:
        """Read what lies in the pipes now, and no more: background children may go on for ever."""
        for fd in list(self._pipes):
            rest = pending(fd)
            while rest > 0 and fd in self._pipes:
                size = self._read(fd, min(rest, PIPE))
                if size == 0:
                    break
                rest -= size

    def members(self) -> list[int]:
        """Every living process of the tree, orphans that came to the keeper included."""
        if self.group:
            found = self.group.pids()
            self.count = len(found)
            return found
        found: list[int] = []
        every = tree.descendants(self._roots() + self._reaper.orphans(self))
        self.count = len(every)
        for pid in every:
            facts = tree.stat(pid)
            if facts and facts.state != "Z":
                self.seen[pid] = facts.started
                found.append(pid)
        return found

    def usage(self, members: list[int]) -> tuple[float, int]:
        """Seconds of CPU of the tree since its beginning, and resident bytes of `members`."""
        cpu, memory = tree.usage(members)
        known = self.group.cpu() if self.group else None
        return (cpu + self.reaped if known is None else known), memory

    def holds(self, pid: int) -> bool:
        """Whether a process is one of ours."""
        return any(tree.is_below(pid, root) for root in self._roots())

    def _roots(self) -> list[int]:
        if not self.alive:
            return []
        return [self.pid, self._contained] if self._contained else [self.pid]

    def inside(self) -> int:
        """A process behind the walls; 0 when there is none."""
        if self.guest:
            return self.guest
        below = [pid for pid in tree.descendants(self._roots()) if not is_wall(pid)]
        return below[0] if below else 0

    def signal(self, number: int) -> None:
        """To the guest and the process group it leads; without a known guest to everything inside the walls."""
        if self.guest:
            try:
                group = os.getpgid(self.guest)
                if group not in (os.getpgid(0), 0):
                    os.killpg(group, number)
                    return
            except OSError:
                pass
            tree.kill([self.guest], number)
        else:
            tree.kill([pid for pid in self.members() if not is_wall(pid)], number)

    def freeze(self, core: dict[int, int]) -> list[int]:
        """Stop the tree, but for the walls of `core`; what `tree.thaw` takes.

        A parent is stopped before its children are looked for: what forks faster than we look cannot stay ahead.
        """
        stopped: dict[int, None] = {}
        for _ in range(SWEEPS):
            before = len(stopped)
            todo = self.group.pids() if self.group else self._roots() + self._reaper.orphans(self)
            seen: set[int] = set()
            while todo:
                pid = todo.pop()
                if pid in seen:
                    continue
                seen.add(pid)
                if pid not in stopped and not (pid in core and is_wall(pid)):
                    tree.kill([pid], signal.SIGSTOP)
                    stopped[pid] = None
                if not self.group:
                    todo += tree.children(pid)
            if len(stopped) == before:
                break
        return list(stopped)

    def thin(self, core: dict[int, int]) -> int:
        """End everything but `core` (number to time of start), which is left stopped; how many there were."""
        ended: set[int] = set()
        with tree.urgently():
            for _ in range(SWEEPS):
                facts = {pid: tree.stat(pid) for pid in self.freeze(core) if pid not in ended}
                found = [pid for pid, known in facts.items() if known and core.get(pid) != known.started]
                if not found:
                    break
                tree.kill(found)
                ended.update(found)
        return len(ended)

    def kill(self) -> None:
        """End the whole tree."""
        if self.group:
            self.group.kill()
        for _ in range(SWEEPS):
            living = self.members()
            if not living:
                break
            # Stopped first, so that a tree which forks faster than we kill cannot stay ahead.
            tree.kill(living, signal.SIGSTOP)
            tree.kill(living, signal.SIGKILL)
            if living == [self.pid]:
                break

    def _end(self, status: int) -> None:
        self.drain()
        self.alive = False
        if self._news >= 0:
            self._oom_kills += os.read(self._news, 64) == walls.OUT_OF_MEMORY
            os.close(self._news)
        self.kill()
        self.drain()
        for fd in list(self._pipes):
            self._loop.unwatch(fd)
            os.close(fd)
        self._pipes.clear()
        self._reaper.processes.remove(self)
        # What the group has counted is asked for by whoever is told.
        self._ended(status)
        self._remove_group(20)

    def _remove_group(self, tries: int) -> None:
        if self.group and not self.group.remove(0.0) and tries:
            self._loop.later(0.1, lambda: self._remove_group(tries - 1))


def is_wall(pid: int) -> bool:
    """By its name, which anything could take: good enough where nothing hangs on it."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().strip() in (b"bwrap", b"walls")
    except OSError:
        return True


def spare_others() -> None:
    """Where the whole machine runs out of memory, the kernel ends us and our children before the person's programs."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)
    except OSError:
        pass


def _enlarge(fd: int) -> None:
    """A larger pipe where the system allows it: fewer turns for much output."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)
        except OSError:
            pass


def _become(launch: dict[str, Any], inner: dict[int, int], errors: int, group: cgroup.Group | None) -> None:
    """In the child: take the descriptors, put on the walls, become the program. Never returns."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        errors = fcntl.fcntl(errors, fcntl.F_DUPFD_CLOEXEC, 200)
        if 0 not in inner:
            inner[0] = os.open(os.devnull, os.O_RDONLY)
        held = {target: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for target, fd in inner.items()}
        for target, fd in held.items():
            os.dup2(fd, target, inheritable=True)
        spare_others()
        if group:
            group.add(os.getpid())
        else:
            # What holds it then is a watch, which must get its turn.
            os.nice(ROOTS_NICE if os.getuid() == 0 else NICE)
        os.chdir(launch["cwd"])
        if sys.platform == "linux":
            walls.die_with_parent()
        walls.apply(launch, {*inner, errors})
        argv = [str(word) for word in launch["argv"]]
        os.execvpe(argv[0], argv, launch["env"])
    except BaseException as error:
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(errors, f"{type(error).__name__}: {what}{where}".encode()[:4000])
    finally:
        os._exit(127)
