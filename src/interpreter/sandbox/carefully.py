"""Files in folders that programs may change at any moment: read, moved, written by descriptor; no link is followed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import NamedTuple

LARGEST = 1 << 20
MOST_NAMES = 2000
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Content(NamedTuple):
    """A file as it was found."""

    mode: int
    data: bytes | None
    """None: no plain file, or larger than 1 MB."""
    changed: float
    """Unix seconds of its last change of any kind, which programs cannot set."""
    identity: tuple[int, int] = (0, 0)
    """Device and number."""


def same(first: Content, second: Content) -> bool:
    if first.data is None or second.data is None:
        return first.identity == second.identity and first.changed == second.changed
    return (first.mode, first.data) == (second.mode, second.data)


def content_of(fd: int, name: str) -> Content | None:
    """A file of the folder `fd`; None where there is nothing of that name."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return None
    seen = Content(stat.S_IMODE(found.st_mode), None, found.st_ctime, (found.st_dev, found.st_ino))
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
        return seen
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return seen
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return seen
        return seen._replace(data=os.read(file, LARGEST))
    except OSError:
        return seen
    finally:
        os.close(file)


def open_below(fd: int, name: str) -> int | None:
    """A descriptor of a folder in a folder, or None where there is none."""
    try:
        return os.open(name, FOLDER, dir_fd=fd)
    except OSError:
        return None


def names_in(fd: int) -> list[str]:
    try:
        return sorted(os.listdir(fd))[:MOST_NAMES]
    except OSError:
        return []


def open_folder(top: str, path: str, *, make: bool = False) -> int:
    """A descriptor of the folder `path`, relative to `top`; with `make`, what is missing on the way is made.

    Raises OSError: it is not there, or a link is in the way.
    """
    fd = os.open(top, FOLDER)
    try:
        for name in (part for part in path.split("/") if part):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=fd)
            below = os.open(name, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        return fd
    except BaseException:
        os.close(fd)
        raise


def take_away(top: str, path: str, kept: str) -> None:
    """Move `path` (relative to `top`), whatever it is, to `kept`, an absolute path outside whose folder exists.

    Raises OSError: it is gone, or could not be moved.
    """
    above, _slash, name = path.rpartition("/")
    fd = open_folder(top, above)
    try:
        try:
            os.rename(name, kept, src_dir_fd=fd)
        except OSError as error:
            if error.errno != 18:  # EXDEV: another file system
                raise
            _copy(fd, name, kept)
            _remove(fd, name)
    finally:
        os.close(fd)


def _copy(fd: int, name: str, kept: str) -> None:
    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=fd), kept)
    elif stat.S_ISDIR(found.st_mode):
        below = os.open(name, FOLDER, dir_fd=fd)
        try:
            os.mkdir(kept, 0o700)
            for inner in os.listdir(below):
                _copy(below, inner, os.path.join(kept, inner))
        finally:
            os.close(below)
    elif stat.S_ISREG(found.st_mode):
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
        with os.fdopen(source, "rb") as reader, open(kept, "xb") as writer:
            shutil.copyfileobj(reader, writer)


def _remove(fd: int, name: str) -> None:
    if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        shutil.rmtree(name, dir_fd=fd)
    else:
        os.unlink(name, dir_fd=fd)


def moved_to(top: str, path: str, identity: tuple[int, int]) -> str:
    """Where the folder of that device and number lies now: beside `path`, or one folder further down; else empty."""
    above = path.rpartition("/")[0]
    try:
        fd = open_folder(top, above)
    except OSError:
        return ""
    try:
        beside = names_in(fd)
        found = _folder_of(fd, beside, identity)
        for name in beside:
            if not found and (below := open_below(fd, name)) is not None:
                inner = _folder_of(below, names_in(below), identity)
                os.close(below)
                found = inner and f"{name}/{inner}"
    finally:
        os.close(fd)
    return found and f"{above}/{found}".lstrip("/")


def _folder_of(fd: int, names: list[str], identity: tuple[int, int]) -> str:
    for name in names:
        with contextlib.suppress(OSError):
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) == identity:
                return name
    return ""


def move_back(top: str, source: str, path: str) -> None:
    """Move a folder within `top`, where nothing is; both relative to it. Raises OSError."""
    ends = [one.rpartition("/") for one in (source, path)]
    fds: list[int] = []
    try:
        fds += [open_folder(top, above) for above, _slash, _name in ends]
        os.rename(ends[0][2], ends[1][2], src_dir_fd=fds[0], dst_dir_fd=fds[1])
    finally:
        for fd in fds:
            os.close(fd)


def put_back(top: str, path: str, content: Content) -> None:
    """Write a file anew where nothing is. Raises OSError."""
    above, _slash, name = path.rpartition("/")
    fd = open_folder(top, above, make=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(name, flags, content.mode, dir_fd=fd), "wb") as file:
            file.write(content.data or b"")
    finally:
        os.close(fd)
