"""Documents in folders: found and read by descriptor, no link followed, nothing hidden, within bounds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

KINDS = (".md", ".markdown", ".txt", ".rst", ".html", ".htm", ".pdf")
MOST_FILES = 20_000
LARGEST = {".pdf": 32 << 20}
LARGEST_TEXT = 4 << 20
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LEFT = ("node_modules", "__pycache__")


class Seen(NamedTuple):
    """A document as a look at its folder shows it."""

    path: str
    """From the folder on."""
    size: int
    changed: int
    """Nanoseconds: the later one of its two times, so that a file that was put back is read again."""
    number: int
    """Of its inode."""


def kind_of(path: str) -> str:
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a name, not a path of ours


def largest(path: str) -> int:
    return LARGEST.get(kind_of(path), LARGEST_TEXT)


def look(folder: str) -> Iterator[Seen]:
    """The documents in a folder and below. Raises OSError where the folder itself cannot be opened."""
    count = 0
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for here, folders, files, fd in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in LEFT)
            for name in sorted(files):
                if name.startswith(".") or kind_of(name) not in KINDS:
                    continue
                try:
                    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                except OSError:
                    continue
                if not stat.S_ISREG(found.st_mode) or found.st_size > largest(name):
                    continue
                path = f"{here}/{name}".removeprefix("./")
                yield Seen(path, found.st_size, max(found.st_mtime_ns, found.st_ctime_ns), found.st_ino)
                count += 1
                if count >= MOST_FILES:
                    return
    finally:
        os.close(top)


def read(folder: str, path: str) -> bytes:
    """Raises OSError: it is gone, or a link is in the way."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        *above, name = path.split("/")
        for part in above:
            below = os.open(part, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        file = os.open(name, OPEN, dir_fd=fd)
        with os.fdopen(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(f"{path} is no ordinary file")
            return opened.read(largest(path))
    finally:
        os.close(fd)
