"""A walk through the workspace by descriptor: no link is followed, and only what has changed is read.

Walled code may change anything below the workspace at any moment, also while this looks. Whatever is opened is opened
by its name in a folder that is open already, with O_NOFOLLOW; what is not as it was looked at a moment ago is passed
over and named.
"""

from __future__ import annotations

import os
import stat
import time
from typing import NamedTuple

from .intake import Intake, Unkept
from .options import CACHE_TAG, MARKERS, SnapshotOptions
from .seen import Folder, Memory, Seen
from .tree import EMPTY, FILE, FOLDER, LEFT_OUT, LINK, UNCOVERED, Entry, encode_tree

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
DEEPEST = 200
"""Folders within folders."""
UNSURE = 60_000_000
"""Nanoseconds before a scan in which a change may bear the same time as one during it."""
TRIES = 3
REST = Entry(b"", UNCOVERED, id=b"many")
"""Stands in a folder of which not every name was looked at."""


class Found(NamedTuple):
    """What a scan says."""

    tree: bytes
    files: int
    size: int
    """Bytes of all files that are covered."""
    uncovered: tuple[tuple[bytes, bytes], ...]
    """Path and reason: see `words.reason`."""


class Scan:
    """One walk. `covered`: folders that count whatever mark lies in them (those that are to be restored)."""

    def __init__(
        self, memory: Memory, intake: Intake, options: SnapshotOptions, own: tuple[int, int], covered: frozenset[bytes]
    ) -> None:
        self._memory, self._intake, self._options = memory, intake, options
        self._own = own
        """Device and number of the tool's home, which is never looked into."""
        self._covered = covered
        self._left_out = options.left_out
        self._device = 0
        self._count = self._files = self._size = 0
        self._uncovered: list[tuple[bytes, bytes]] = []
        self._sure = time.time_ns() - UNSURE

    def run(self, fd: int) -> Found:
        """The state of the folder that is open as `fd`. Raises OSError, StoreError."""
        found = os.fstat(fd)
        self._device = found.st_dev
        self._memory.load(found.st_dev, found.st_ino)
        tree = self._folder(fd, b"", 0)
        return Found(tree or EMPTY, self._files, self._size, tuple(self._uncovered))

    def _folder(self, fd: int, path: bytes, depth: int) -> bytes | None:
        """The tree of an open folder; None where it is left out by a mark in it."""
        known = self._memory.folders.get(path)
        above = path + b"/" if path else b""
        with os.scandir(fd) as names:
            listed = list(names) if self._count < self._options.files else []
        if path and known is None and path not in self._covered and self._marked(fd, listed):
            return None
        room = self._options.files - self._count
        self._count += len(listed)
        seen: dict[bytes, Seen] = {}
        below: dict[bytes, Entry] = {}
        old = known.seen if known is not None else {}
        same = known is not None
        for item in listed[:room]:
            name = os.fsencode(item.name)
            if name in self._left_out:
                one = old.get(name) or Seen(Entry(name, LEFT_OUT))
            else:
                try:
                    facts = item.stat(follow_symlinks=False)
                except OSError:
                    continue  # it is gone already
                if stat.S_ISDIR(facts.st_mode):
                    entry = self._below(fd, name, above + name, facts, depth)
                    below[name] = entry
                    if entry.kind == UNCOVERED:
                        self._uncovered.append((above + name, entry.id))
                    continue
                one = old.get(name)
                if (
                    one is None
                    or one.ctime != facts.st_ctime_ns
                    or one.mtime != facts.st_mtime_ns
                    or one.inode != facts.st_ino
                    or one.size != facts.st_size
                    or one.unsure
                ):
                    one = self._look(fd, name, facts)
                    if one is None:
                        continue
                self._tally(above + name, one.entry)
            same = same and old.get(name) is one
            seen[name] = one
        if len(listed) > room or (not listed and self._count >= self._options.files):
            self._uncovered.append((path or b".", REST.id))
            below[b""] = REST
        return self._settle(path, known, seen, below, same=same)

    def _settle(
        self, path: bytes, known: Folder | None, seen: dict[bytes, Seen], below: dict[bytes, Entry], *, same: bool
    ) -> bytes:
        """The tree of a folder, made anew only where something is not as it was."""
        same = same and known is not None and len(seen) == len(known.seen)
        if same and known is not None and known.tree and below == known.below:
            return known.tree
        entries = [one.entry for one in seen.values()]
        entries.extend(below.values())
        entries.sort(key=by_name)
        nodes = encode_tree(entries)
        tree = nodes[-1][0]
        if known is None or tree != known.tree:
            self._intake.add_trees(nodes)
        if known is not None:
            for name in known.below:
                if name and name not in below:
                    self._memory.drop(path + b"/" + name if path else name)
        if same and known is not None and tree == known.tree:
            known.below = below  # what was written down is still so
        else:
            self._memory.put(path, Folder(seen, tree, below))
        return tree

    def _below(self, fd: int, name: bytes, path: bytes, facts: os.stat_result, depth: int) -> Entry:
        """A folder in a folder."""
        if facts.st_dev != self._device:
            return Entry(name, UNCOVERED, id=b"mount")
        if depth >= DEEPEST:
            return Entry(name, UNCOVERED, id=b"deep")
        try:
            inner = os.open(name, OPEN_FOLDER, dir_fd=fd)
        except OSError as error:
            return Entry(name, UNCOVERED, id=b"rights" if isinstance(error, PermissionError) else b"changing")
        try:
            facts = os.fstat(inner)
            if (facts.st_dev, facts.st_ino) == self._own:
                return Entry(name, LEFT_OUT)
            tree = self._folder(inner, path, depth + 1)
        except PermissionError:
            return Entry(name, UNCOVERED, id=b"rights")
        except OSError:
            return Entry(name, UNCOVERED, id=b"changing")
        finally:
            os.close(inner)
        if tree is None:
            return Entry(name, LEFT_OUT)
        return Entry(name, FOLDER, stat.S_IMODE(facts.st_mode), tree, 0, facts.st_uid, facts.st_gid)

    def _marked(self, fd: int, listed: list[os.DirEntry[str]]) -> bool:
        """Whether the folder says of itself that it is an environment or a cache."""
        for item in listed:
            if item.name in MARKERS:
                if item.name != "CACHEDIR.TAG":
                    return True
                try:
                    file = os.open(item.name, OPEN_FILE, dir_fd=fd)
                except OSError:
                    continue
                try:
                    return stat.S_ISREG(os.fstat(file).st_mode) and os.read(file, len(CACHE_TAG)) == CACHE_TAG
                finally:
                    os.close(file)
        return False

    def _tally(self, path: bytes, entry: Entry) -> None:
        if entry.kind == FILE:
            self._files += 1
            self._size += entry.size
        elif entry.kind == UNCOVERED:
            self._uncovered.append((path, entry.id))

    def _look(self, fd: int, name: bytes, facts: os.stat_result) -> Seen | None:
        """Read what is new or has changed; None where it is gone."""
        kind = facts.st_mode
        try:
            if stat.S_ISREG(kind):
                return self._read(fd, name)
            if stat.S_ISLNK(kind):
                target = os.readlink(name, dir_fd=fd)
                entry = Entry(name, LINK, 0, target, 0, facts.st_uid, facts.st_gid)
                return self._seen(entry, facts)
            return self._seen(Entry(name, UNCOVERED, id=b"special"), facts)
        except FileNotFoundError:
            return None
        except PermissionError:
            return self._seen(Entry(name, UNCOVERED, id=b"rights"), facts, unsure=True)
        except OSError:
            return self._seen(Entry(name, UNCOVERED, id=b"changing"), facts, unsure=True)

    def _read(self, fd: int, name: bytes) -> Seen:
        """A file's content goes in; one that is written to meanwhile is read again. Raises OSError, StoreError."""
        for last in (False,) * (TRIES - 1) + (True,):
            file = os.open(name, OPEN_FILE, dir_fd=fd)
            try:
                facts = os.fstat(file)
                if not stat.S_ISREG(facts.st_mode):
                    return self._seen(Entry(name, UNCOVERED, id=b"special"), facts, unsure=True)
                try:
                    key = self._intake.take(file, facts.st_size)
                except Unkept as error:
                    return self._seen(Entry(name, UNCOVERED, id=error.reason), facts, unsure=error.reason != b"large")
                after = os.fstat(file)
            finally:
                os.close(file)
            if key is not None and (after.st_mtime_ns, after.st_ctime_ns, after.st_size) == (
                facts.st_mtime_ns,
                facts.st_ctime_ns,
                facts.st_size,
            ):
                mode = stat.S_IMODE(facts.st_mode)
                return self._seen(Entry(name, FILE, mode, key, facts.st_size, facts.st_uid, facts.st_gid), facts)
            if last:
                return self._seen(Entry(name, UNCOVERED, id=b"changing"), facts, unsure=True)
        raise AssertionError("unreachable: the last try returns")

    def _seen(self, entry: Entry, facts: os.stat_result, *, unsure: bool = False) -> Seen:
        unsure = unsure or max(facts.st_mtime_ns, facts.st_ctime_ns) >= self._sure
        return Seen(entry, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, unsure)


def by_name(entry: Entry) -> bytes:
    return entry.name
