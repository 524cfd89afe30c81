"""Process trees: who belongs to a kernel, what they use, and how they end."""

import contextlib
import os
import signal
from collections.abc import Generator
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


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
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
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
                with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                    found += [int(child) for child in file.read().split()]
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
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                total += sum(int(line.split()[1]) << 10 for line in file if line.startswith(b"Pss:"))
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
    found = {b"MemTotal": 0, b"MemAvailable": 0, b"Shmem": 0}
    tasks = 0
    try:
        with open("/proc/meminfo", "rb") as file:
            for line in file:
                name, _, rest = line.partition(b":")
                if name in found:
                    found[name] = int(rest.split()[0]) << 10
        with open("/proc/loadavg", "rb") as file:
            tasks = int(file.read().split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        pass
    return Machine(found[b"MemTotal"], found[b"MemAvailable"], found[b"Shmem"], tasks)


def reset_peak(pid: int) -> None:
    """Begin a new measure of the highest memory use, where the kernel lets us."""
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak(pid: int) -> int:
    """Highest resident bytes since `reset_peak`; 0 where it cannot be told."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
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
