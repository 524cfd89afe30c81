"""Process trees: who belongs to a kernel, what they use, and how they end."""

import contextlib
import os
import signal
from collections.abc import Generator
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


READ = 1 << 16
"""Bytes at a time of a file that the system makes while it is read."""


def read(path: str) -> bytes:
    """A whole file of the system's own, without the buffers and the questions of `open`, which take longer than the
    file itself: several are read before and after each execution. Raises OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, READ)
        # Only an empty answer is the end: the system may give less than there is.
        while more := os.read(fd, READ):
            data += more
        return data
    finally:
        os.close(fd)


class Stat(NamedTuple):
    """One process. `started` tells it from a later one of the same number."""

    parent: int
    session: int
    cpu: float
    """Seconds, its own and those of its children that it has waited for."""
    started: int
    memory: int
    """Resident bytes."""
    state: str


def stat(pid: int) -> Stat | None:
    """None when the process is gone."""
    try:
        fields = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    cpu = sum(int(field) for field in fields[11:15]) / TICK
    return Stat(int(fields[1]), int(fields[3]), cpu, int(fields[19]), int(fields[21]) * PAGE, fields[0].decode())


def children(pid: int) -> list[int]:
    """Direct children; zombies are among them."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                found += [int(child) for child in read(f"/proc/{pid}/task/{task}/children").split()]
            except FileNotFoundError:
                continue
    except OSError:
        pass
    return found


def descendants(roots: list[int]) -> list[int]:
    """The roots and everything below them."""
    found: dict[int, None] = {}
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found[pid] = None
            todo += children(pid)
    return list(found)


def is_below(pid: int, root: int) -> bool:
    """Whether `pid` is `root` or descends from it."""
    for _ in range(64):
        if pid == root:
            return True
        known = stat(pid)
        if known is None or known.parent <= 1:
            return False
        pid = known.parent
    return False


def proportional(pids: list[int]) -> int:
    """Resident bytes with shared pages counted once; dear, so asked only when the cheap sum is above a limit."""
    total = 0
    for pid in pids:
        try:
            lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
            total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith(b"Pss:"))
        except (OSError, ValueError, IndexError):
            known = stat(pid)
            total += known.memory if known else 0
    return total


def unmapped(pids: list[int]) -> int:
    """Bytes of memory that these processes hold in files of memory, which no figure of theirs counts."""
    sizes: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            try:
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith("/memfd:"):
                    facts = os.stat(f"/proc/{pid}/fd/{name}")
                    sizes[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
            except OSError:
                continue
    return sum(sizes.values())


class Machine(NamedTuple):
    """The whole machine, or our container of it; all 0 where it does not say."""

    memory: int
    """Bytes."""
    available: int
    """Bytes that programs can still take without anything being pushed to disk."""
    shared: int
    """Bytes in files of memory and shared between processes."""
    tasks: int


def machine() -> Machine:
    """Cheap enough for many looks a second."""
    total = available = shared = tasks = 0
    try:
        facts = read("/proc/meminfo")
        total, available, shared = (_field(facts, name) << 10 for name in (b"MemTotal:", b"MemAvailable:", b"Shmem:"))
        tasks = int(read("/proc/loadavg").split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        pass
    return Machine(total, available, shared, tasks)


def _field(facts: bytes, name: bytes) -> int:
    """The number after a name at a line's beginning; 0 where there is none. Raises ValueError."""
    lines = b"\n" + facts
    at = lines.find(b"\n" + name)
    return int(lines[at + len(name) + 1 :].split(None, 1)[0]) if at >= 0 else 0


def reset_peak(pid: int) -> None:
    """Begin a new measure of the highest memory use, where the kernel lets us."""
    try:
        fd = os.open(f"/proc/{pid}/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b"5")
    except OSError:
        pass
    finally:
        os.close(fd)


def peak(pid: int) -> int:
    """Highest resident bytes since `reset_peak`; 0 where it cannot be told."""
    try:
        return _field(read(f"/proc/{pid}/status"), b"VmHWM:") << 10
    except (OSError, ValueError, IndexError):
        return 0


def usage(pids: list[int]) -> tuple[float, int]:
    """Seconds of CPU, with that of children that were waited for, and resident bytes."""
    facts = [known for known in map(stat, pids) if known]
    return sum(known.cpu for known in facts), sum(known.memory for known in facts)


@contextlib.contextmanager
def urgently() -> Generator[None]:
    """Before everything else on the machine, where the system lets us: hundreds of others may want to run."""
    if not hasattr(os, "SCHED_RR"):
        yield
        return
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def thaw(pids: list[int]) -> None:
    """Let go on what was stopped."""
    kill(pids, signal.SIGCONT)


def kill(pids: list[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass
