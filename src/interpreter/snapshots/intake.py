"""How contents come onto the shelf: small ones into its file, large ones by sharing their blocks or by copy."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from .options import SnapshotOptions
from .shelf import Batch, Shelf, unusable

INLINE = 1 << 20
"""Bytes up to which a content lies in the shelf's own file."""
AT_ONCE = 16 << 20
"""Bytes that are held in memory before they are written."""
PIECE = 1 << 20
SHARED = 64 << 20
"""Bytes from which a file whose blocks can be shared is not read at all: its id is drawn, not computed."""
FICLONE = 0x40049409
SPARE = 1 << 30
"""Bytes that stay free on the disk; 5 % of it where that is less."""


class Unkept(Exception):
    """A content that is not taken in, and why."""

    def __init__(self, reason: bytes) -> None:
        super().__init__(reason)
        self.reason = reason


class Intake:
    """Of one scan."""

    def __init__(self, shelf: Shelf, options: SnapshotOptions, generation: int) -> None:
        self._shelf, self._options = shelf, options
        self.generation = generation
        self.batch = Batch()
        self.stale = False
        """Something was taken away from the shelf meanwhile: this scan counts for nothing."""
        self._size: int | None = None
        self._clones: bool | None = None

    def add_trees(self, nodes: Sequence[tuple[bytes, bytes]]) -> None:
        self.batch.trees.extend(nodes)

    def take(self, file: int, size: int) -> bytes | None:
        """The id of the content of an open file; None where it is not as long as it was said to be.

        Raises OSError, StoreError, and Unkept: it is beyond a bound.
        """
        if size > INLINE:
            return self._large(file, size)
        data = read_all(file, size)
        if len(data) != size:
            return None
        key = hashlib.sha256(data).digest()
        self._room(size)
        self.batch.add(key, size, data)
        if self.batch.size >= AT_ONCE:
            self.flush()
        return key

    def flush(self) -> None:
        """Write what is held, not yet for ever. Raises StoreError."""
        if not self.stale:
            self.stale = not self._shelf.write(self.batch, full=False, generation=self.generation)

    def _room(self, size: int) -> None:
        """Raises Unkept: the quota is used up."""
        if self._size is None:
            self._size = self._shelf.fact("size")
        if self._size + size > self._options.quota:
            raise Unkept(b"quota")
        self._size += size

    def _large(self, file: int, size: int) -> bytes | None:
        clone = self._clone(file)
        try:
            if clone is None and size > self._options.largest:
                raise Unkept(b"large")
            if clone is not None and size >= SHARED:
                return self._place(clone, secrets.token_bytes(32), 0)
            if clone is None:
                space = os.statvfs(self._shelf.home)
                if space.f_bavail * space.f_frsize - size < min(SPARE, space.f_blocks * space.f_frsize // 20):
                    raise Unkept(b"space")
                self._room(size)
            source = file if clone is None else clone[0]
            digest, copy = hashlib.sha256(), clone or self._fresh()
            if clone is None:
                clone = copy
            total = 0
            os.lseek(source, 0, os.SEEK_SET)
            while piece := os.read(source, PIECE):
                total += len(piece)
                if total > size:
                    return None
                digest.update(piece)
                if source == file:
                    write_all(copy[0], piece)
            if total != size:
                return None
            return self._place(copy, digest.digest(), size if source == file else 0)
        finally:
            if clone is not None:
                os.close(clone[0])
                with contextlib.suppress(OSError):
                    os.unlink(clone[1])

    def _clone(self, file: int) -> tuple[int, Path] | None:
        """A new file of the shelf that shares the blocks of this one; None where the file system cannot."""
        if self._clones is False:
            return None
        made = self._fresh()
        try:
            fcntl.ioctl(made[0], FICLONE, file)
            self._clones = True
            return made
        except OSError:
            self._clones = False
            os.close(made[0])
            os.unlink(made[1])
            return None

    def _fresh(self) -> tuple[int, Path]:
        folder = self._shelf.objects
        try:
            make_private(folder)
            path = folder / f"new-{secrets.token_hex(8)}"
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), path
        except OSError as error:
            raise unusable(folder, error.strerror or str(error)) from error

    def _place(self, made: tuple[int, Path], key: bytes, counted: int) -> bytes:
        """Give a finished file its name, on the disk itself before the shelf names it. `counted`: bytes it took."""
        place = self._shelf.place(key)
        try:
            if not self._shelf.has(key) or not place.exists():
                os.fsync(made[0])
                make_private(place.parent)
                os.rename(made[1], place)
                sync_folder(place.parent)
        except OSError as error:
            raise unusable(place, error.strerror or str(error)) from error
        self.batch.add(key, counted, None)
        return key


def read_all(file: int, size: int) -> bytes:
    """What a file holds, at most one byte more than `size`."""
    data = os.read(file, size + 1)
    if len(data) in (size, size + 1) or not data:
        return data
    parts, total = [data], len(data)
    while total <= size and (more := os.read(file, size + 1 - total)):
        parts.append(more)
        total += len(more)
    return b"".join(parts)


def write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def make_private(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
