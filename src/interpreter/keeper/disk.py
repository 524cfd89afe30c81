"""How much disk space a run has taken: the file systems' own figures as a cheap watch, a walk only when they alarm.

Everything below the folders belongs to walled code: no link is followed, no name is believed, nothing is opened but
folders.
"""

import os
import stat
import time
from collections.abc import Iterator
from typing import NamedTuple

FLOOR = 1 << 30
FLOOR_SHARE = 20
"""Of a smaller file system, one part in so many stays free."""
NOISE = 16 << 20
"""Bytes: what the rest of the machine may write in the meantime without our being blamed."""
LITTLE = 64 << 20
"""Bytes that a run may take in any case, as long as half of what is free remains."""
FILES_LEFT = 100
"""Of the files that a file system can still take, one part in so many stays free."""
SLICE = 2000
"""Entries between two pauses of a walk."""
BLOCK = 512


class Room(NamedTuple):
    """What a file system still has for an ordinary user: bytes, and files (0: it does not count them)."""

    bytes: int
    files: int
    size: int
    all_files: int


class Found(NamedTuple):
    """What a walk has found so far."""

    bytes: int
    largest: str
    """Path of the largest file."""
    size: int
    """Its bytes on disk."""
    whole: bool
    """False: there are folders that cannot be looked into."""

    def more(self, path: str, size: int) -> "Found":
        largest = (path, size) if size > self.size else (self.largest, self.size)
        return Found(self.bytes + size, *largest, self.whole)


class Disk:
    """Watches the file systems of some folders since it was made."""

    def __init__(self, folders: list[str], limit: int | None, free: int | None) -> None:
        self.limit = limit
        self._free = free
        self._since = time.time() - 1.0
        """A file system's clock may be that much behind."""
        self._folders: dict[int, list[str]] = {}
        self._before: dict[int, Room] = {}
        for folder in folders:
            if any(folder.startswith(f"{other.rstrip('/')}/") for other in folders):
                continue
            try:
                device = os.stat(folder).st_dev
                self._before.setdefault(device, room_of(folder))
            except OSError:
                continue
            self._folders.setdefault(device, []).append(folder)
        self._alarm = limit

    def full(self) -> str:
        """Which floor of free space is reached, in words; empty when there is room."""
        for device, before in self._before.items():
            folder = self._folders[device][0]
            now = self._room(device)
            floor = self.floor(before)
            if now.bytes < floor and before.bytes - now.bytes > min(NOISE, before.bytes // 8):
                left, kept = amount(now.bytes), amount(self.floor(now._replace(bytes=now.size)))
                return f"disk: only {left} were left on the file system of {folder}, where {kept} stay free"
            few = min(before.all_files // FILES_LEFT, before.files // 2)
            if now.files < few:
                return f"disk: only {now.files} more files fit on the file system of {folder}"
        return ""

    def floor(self, room: Room) -> int:
        """Bytes that stay free. Less where there was little to begin with: what frees space must be able to run."""
        floor = min(FLOOR, room.size // FLOOR_SHARE) if self._free is None else self._free
        return min(floor, max(room.bytes // 2, room.bytes - LITTLE))

    def alarmed(self) -> bool:
        """Whether the file systems have lost more than the limit, whoever it was; then `added` tells."""
        return self._alarm is not None and self.grown() > self._alarm

    def patient(self) -> None:
        """It was not us: alarm again only after a good deal more."""
        if self.limit is not None:
            self._alarm = self.grown() + max(self.limit // 8, NOISE)

    def grown(self) -> int:
        """Bytes that the file systems have less than at the beginning."""
        return sum(max(0, before.bytes - self._room(device).bytes) for device, before in self._before.items())

    def _room(self, device: int) -> Room:
        try:
            return room_of(self._folders[device][0])
        except OSError:
            return self._before[device]

    def added(self, pids: list[int]) -> Iterator[Found]:
        """Bytes on disk of every file that was changed or made since the beginning, and of those that are deleted and
        still open in `pids`. A little at a time: the last one counts."""
        found, entries = Found(0, "", 0, True), 0
        seen: set[tuple[int, int]] = set()
        for device, folders in self._folders.items():
            for folder in folders:
                for path, facts in files_below(folder, device):
                    entries += 1
                    if facts is None:
                        found = found._replace(whole=False)
                    elif facts.st_ctime >= self._since and (facts.st_dev, facts.st_ino) not in seen:
                        if facts.st_nlink > 1:
                            seen.add((facts.st_dev, facts.st_ino))
                        found = found.more(path, facts.st_blocks * BLOCK)
                    if entries % SLICE == 0:
                        yield found
        for facts in open_and_deleted(pids):
            if facts.st_dev in self._folders and (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                found = found.more("a deleted file that is still open", facts.st_blocks * BLOCK)
        yield found


def room_of(folder: str) -> Room:
    """Raises OSError."""
    facts = os.statvfs(folder)
    return Room(facts.f_bavail * facts.f_frsize, facts.f_favail, facts.f_blocks * facts.f_frsize, facts.f_files)


def files_below(top: str, device: int) -> Iterator[tuple[str, os.stat_result | None]]:
    """Every file and folder with its facts, None for a folder that cannot be looked into. Stays on the device."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
    stack: list[tuple[str, os.stat_result | None]] = [(top, None)]
    while stack:
        path, seen = stack.pop()
        try:
            fd = os.open(path, flags | (os.O_NOFOLLOW if seen else 0))
        except FileNotFoundError:
            continue
        except OSError:
            yield path, None
            continue
        try:
            # Another folder may have taken the name in the meantime, perhaps by a link further up.
            if seen is None or os.path.samestat(seen, os.fstat(fd)):
                with os.scandir(fd) as entries:
                    for entry in entries:
                        try:
                            facts = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        yield f"{path}/{entry.name}", facts
                        if stat.S_ISDIR(facts.st_mode) and facts.st_dev == device:
                            stack.append((f"{path}/{entry.name}", facts))
        except OSError:
            pass
        finally:
            os.close(fd)


def open_and_deleted(pids: list[int]) -> Iterator[os.stat_result]:
    """The files without a name that these processes hold open."""
    for pid in pids:
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            try:
                facts = os.stat(f"/proc/{pid}/fd/{name}")
            except OSError:
                continue
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 0:
                yield facts


def amount(size: float) -> str:
    """Bytes for people and models: `8 GB`, `1.5 MB`; by 1024."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.4g} TB"
