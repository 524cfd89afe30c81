"""Files below a folder whose names anybody may swap: opened by descriptor, no link followed, nothing waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager

from ..types.staging import Signature, What

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened(name: str, flags: int = FOLDER, *, below: int | None = None) -> Generator[int]:
    fd = os.open(name, flags, dir_fd=below)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def folder_above(top: str, path: str, *, make: bool = False) -> Generator[tuple[int, str]]:
    """The folder that holds `path` (relative to `top`), and the last name. Raises OSError: a link is in the way."""
    *names, last = path.split("/")
    fd = os.open(top, FOLDER)
    try:
        for name in names:
            if make:
                try:
                    os.mkdir(name, 0o755, dir_fd=fd)
                except FileExistsError:
                    pass
            deeper = os.open(name, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = deeper
        yield fd, last
    finally:
        os.close(fd)


def look(name: str, below: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=below, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def plain_file(name: str, below: int) -> int:
    """A descriptor of a plain file. Raises OSError, also where it is something else."""
    fd = os.open(name, FILE, dir_fd=below)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"{name!r} is no plain file")
    return fd


def what_of(found: os.stat_result | None) -> What:
    if found is None:
        return ""
    if stat.S_ISREG(found.st_mode):
        return "file"
    if stat.S_ISDIR(found.st_mode):
        return "folder"
    return "link" if stat.S_ISLNK(found.st_mode) else "other"


def signature(found: os.stat_result) -> Signature:
    return Signature(
        number=found.st_ino,
        size=found.st_size,
        modified=found.st_mtime_ns,
        changed=found.st_ctime_ns,
        mode=found.st_mode,
    )
