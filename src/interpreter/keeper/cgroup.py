"""Limits for a whole tree of processes by control groups: version 2 where a part is ours, else version 1, else none.

Standard library only. Nothing here needs systemd; what it delegates to a person is found by looking.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import NamedTuple

from . import tree

PREFIX = "interpreter-"
CONTROLLERS = ("memory", "pids")


class Stats(NamedTuple):
    """What a group has used, and whether its limits were hit."""

    memory: int
    """Bytes now."""
    peak: int
    """Bytes at most so far; 0 where the kernel does not say."""
    pids: int
    oom_kills: int
    """Processes that the kernel killed because the memory limit was reached."""
    pids_refused: int
    """New processes that were refused."""


class Group:
    """One group; made by `create`."""

    def __init__(self, folders: dict[str, str], version: int) -> None:
        self.folders = folders
        """Controller to folder; in version 2 they are all the same."""
        self.version = version

    def add(self, pid: int) -> None:
        """Put a process in, and what it will start.

        Best called by the forked child for itself before exec: the kernel takes up to 15 ms for the first move. Raises
        OSError where a delegated tree does not let us move processes; the watchdog is then what is left.
        """
        for folder in sorted(set(self.folders.values())):
            write(f"{folder}/cgroup.procs", str(pid))

    def pids(self) -> list[int]:
        found: set[int] = set()
        for folder in set(self.folders.values()):
            found.update(int(line) for line in read(f"{folder}/cgroup.procs").split())
        return sorted(found)

    def stats(self) -> Stats:
        memory, pids = self.folders.get("memory", ""), self.folders.get("pids", "")
        if self.version == 2:
            names = ("memory.current", "memory.peak")
        else:
            names = ("memory.usage_in_bytes", "memory.max_usage_in_bytes")
        now, peak = (number(read(f"{memory}/{name}")) for name in names)
        return Stats(now, peak, number(read(f"{pids}/pids.current")), self.oom_kills(), self.pids_refused())

    def oom_kills(self) -> int:
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return field(read(f"{self.folders.get('memory', '')}/{name}"), "oom_kill")

    def pids_refused(self) -> int:
        return field(read(f"{self.folders.get('pids', '')}/pids.events"), "max")

    def cpu(self) -> float | None:
        """Seconds of CPU of all that ever ran inside; None where the kernel does not say."""
        if self.version != 2:
            return None
        used = read(f"{next(iter(self.folders.values()))}/cpu.stat")
        return field(used, "usage_usec") / 1e6 if used else None

    def kill(self) -> None:
        """SIGKILL to everything inside, also to what is being started at this moment."""
        folder = next(iter(self.folders.values()))
        if self.version == 2 and os.path.exists(f"{folder}/cgroup.kill"):
            write(f"{folder}/cgroup.kill", "1")
            return
        for _ in range(100):
            pids = self.pids()
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)

    def remove(self, patience: float = 0.5) -> bool:
        """Take the group away; False when something inside still lives after `patience` seconds."""
        left = set(self.folders.values())
        end = time.monotonic() + patience
        while True:
            for folder in sorted(left):
                try:
                    os.rmdir(folder)
                except FileNotFoundError:
                    pass
                except OSError:
                    continue
                left.discard(folder)
            if not left:
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(0.005)


def create(name: str, memory: int | None, pids: int | None) -> Group | None:
    """A new group with these limits (bytes, processes), or None where this machine does not let us make one.

    Each limit that is asked for is in force in what comes back; a group that can hold only some is not made.
    """
    wanted = {controller: value for controller, value in (("memory", memory), ("pids", pids)) if value is not None}
    if not wanted:
        return None
    own = own_groups()
    mounts = mounted()
    return create_v2(name, wanted, mounts, own) or create_v1(name, wanted, mounts, own)


def own_groups() -> dict[str, str]:
    """Controller to our path; the empty name is version 2."""
    groups: dict[str, str] = {}
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def mounted() -> dict[str, str]:
    """Controller to where it is mounted; the empty name is version 2."""
    found: dict[str, str] = {}
    for line in read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        words, kinds = left.split(), right.split()
        if len(words) < 5 or len(kinds) < 3:
            continue
        point = words[4].encode().decode("unicode_escape")
        if kinds[0] == "cgroup2":
            found.setdefault("", point)
        elif kinds[0] == "cgroup":
            for option in kinds[2].split(","):
                if option in CONTROLLERS:
                    found.setdefault(option, point)
    return found


def create_v2(name: str, wanted: dict[str, int], mounts: dict[str, str], own: dict[str, str]) -> Group | None:
    if "" not in mounts or "" not in own:
        return None
    root = mounts[""].rstrip("/")
    place = own[""].strip("/")
    while True:
        folder = f"{root}/{place}".rstrip("/")
        # To move a process, the group above both its old and its new one has to be ours as well.
        ours = os.access(folder, os.W_OK) and os.access(f"{folder}/cgroup.procs", os.W_OK)
        if ours and offers(folder, wanted, is_root=not place):
            made = f"{folder}/{PREFIX}{name}"
            files = {"memory": "memory.max", "pids": "pids.max"}
            limits = {f"{made}/{files[controller]}": value for controller, value in wanted.items()}
            if "memory" in wanted:
                # Without it, the limit would only push the rest to disk.
                limits[f"{made}/memory.swap.max"] = 0
            if make([made], limits):
                return Group(dict.fromkeys(CONTROLLERS, made), 2)
        if not place:
            return None
        place = place.rpartition("/")[0]


def offers(folder: str, wanted: dict[str, int], *, is_root: bool) -> bool:
    """Whether groups below this one can have the controllers; switches them on where that disturbs nobody."""
    if not set(wanted) <= set(read(f"{folder}/cgroup.controllers").split()):
        return False
    lacking = set(wanted) - set(read(f"{folder}/cgroup.subtree_control").split())
    if lacking and (is_root or not read(f"{folder}/cgroup.procs").strip()):
        with contextlib.suppress(OSError):
            write(f"{folder}/cgroup.subtree_control", " ".join(f"+{controller}" for controller in sorted(lacking)))
            return True
    return not lacking


def create_v1(name: str, wanted: dict[str, int], mounts: dict[str, str], own: dict[str, str]) -> Group | None:
    files = {"memory": "memory.limit_in_bytes", "pids": "pids.max"}
    folders: dict[str, str] = {}
    for controller in wanted:
        if controller not in mounts:
            return None
        above = f"{mounts[controller]}/{own.get(controller, '').strip('/')}".rstrip("/")
        # Inside a container the path may be that of the host, which is not there.
        if not os.path.isdir(above):
            above = mounts[controller]
        folders[controller] = f"{above}/{PREFIX}{name}"
    limits = {f"{folders[controller]}/{files[controller]}": value for controller, value in wanted.items()}
    if "memory" in wanted:
        limits[f"{folders['memory']}/memory.memsw.limit_in_bytes"] = wanted["memory"]
    return Group(folders, 1) if make(sorted(set(folders.values())), limits) else None


def make(folders: list[str], limits: dict[str, int]) -> bool:
    """All of them with all limits, or nothing. Swap limits may be missing from the kernel."""
    made: list[str] = []
    try:
        for folder in folders:
            os.mkdir(folder)
            made.append(folder)
        for path, value in limits.items():
            if ("swap" in path or "memsw" in path) and not os.path.exists(path):
                continue
            write(path, str(value))
    except OSError:
        for folder in made:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return False
    return True


def read(path: str) -> str:
    """The file's text; empty where it cannot be read."""
    try:
        return os.fsdecode(tree.read(path))
    except OSError:
        return ""


def write(path: str, text: str) -> None:
    # The kernel reports what it refuses at this write, not at the close of a buffered file.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def field(text: str, name: str) -> int:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name:
            return number(words[1])
    return 0
