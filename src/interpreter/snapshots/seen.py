"""What a scan remembers of a workspace, so that the next one reads only what has changed."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from .shelf import Shelf
from .tree import Entry

PATIENCE = 30.0
"""Seconds for which what was seen is kept in memory alone; losing it costs a reading of the changed files."""


class Seen(msgspec.Struct, array_like=True, gc=False):
    """An entry that is no folder, and the signature under which it was read."""

    entry: Entry
    inode: int = 0
    size: int = 0
    mtime: int = 0
    ctime: int = 0
    """Nanoseconds, as `mtime`; programs cannot set it."""
    unsure: bool = False
    """It changed so shortly before it was read that a later change could bear the same signature."""


class Folder(msgspec.Struct):
    """What was seen of one folder, without the folders below it."""

    seen: dict[bytes, Seen]
    tree: bytes = b""
    below: dict[bytes, Entry] = {}
    """Folders in it, as they went into `tree`."""


_Body = tuple[bytes, list[Seen]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


class Memory:
    """Of one workspace. Not for several threads at once."""

    def __init__(self, shelf: Shelf, workspace: Path) -> None:
        self._shelf = shelf
        self._path = bytes(workspace)
        self._identity: tuple[int, int] | None = None
        self._anew = False
        self._dirty: set[bytes] = set()
        self._gone: set[bytes] = set()
        self._saved = 0.0
        self.generation = -1
        self.folders: dict[bytes, Folder] = {}
        """By path relative to the workspace."""

    def load(self, device: int, inode: int) -> None:
        """Recall what is known of this folder; another folder at the same path is a new one."""
        if self._identity == (device, inode):
            return
        self._identity = (device, inode)
        self._dirty, self._gone = set(), set()
        self.generation, rows = self._shelf.seen(self._path, device, inode)
        self.folders = {}
        for path, body in rows:
            tree, seen = _decode(body)
            # The tree is made again by the first scan, which also learns the folders below.
            self.folders[path] = Folder({one.entry.name: one for one in seen}, tree)
        self._anew = not rows

    def forget(self) -> None:
        """Something was taken away from the shelf: nothing that was seen is sure to lie there."""
        self._identity = None

    def put(self, path: bytes, folder: Folder) -> None:
        self.folders[path] = folder
        self._dirty.add(path)
        self._gone.discard(path)

    def drop(self, path: bytes) -> None:
        """A folder is gone, with all below it."""
        if path not in self.folders:
            return
        for one in [known for known in self.folders if known == path or known.startswith(path + b"/")]:
            del self.folders[one]
            self._gone.add(one)
            self._dirty.discard(one)

    def save(self, *, now: bool) -> None:
        """Write down what changed, if it is time. Raises StoreError."""
        if self._identity is None or not (self._dirty or self._gone or self._anew):
            return
        if not now and not self._anew and time.monotonic() - self._saved < PATIENCE:
            return
        changed = [
            (path, _encode((self.folders[path].tree, list(self.folders[path].seen.values())))) for path in self._dirty
        ]
        self._shelf.keep_seen(
            (self._path, *self._identity), changed, self._gone, anew=self._anew, generation=self.generation
        )
        self._dirty, self._gone, self._anew, self._saved = set(), set(), False, time.monotonic()
