"""Files of the host's in folders that walled code may write: no link that appeared meanwhile is followed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from ..text.i18n import _


@contextmanager
def folder_of(path: Path) -> Generator[int]:
    """The folder of an absolute path without links, as a descriptor. Raises OSError where a part of it is a link now,
    or is not there."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    here = os.open("/", flags)
    try:
        for part in path.parts[1:-1]:
            below = os.open(part, flags, dir_fd=here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def put_file(path: Path, data: bytes) -> None:
    """Put a file in its place, whole or not at all; what stood there is replaced, and a link is replaced itself.

    `path` was resolved before any code ran. Raises StoreError.
    """
    partial = f".{path.name[:100]}.{os.getpid()}.part"
    try:
        with folder_of(path) as folder:
            mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                descriptor = os.open(partial, mode, 0o644, dir_fd=folder)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                os.rename(partial, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                unlink(partial, folder)
                raise
    except OSError as error:
        raise cannot(path, error) from error


def put_copy(source: Path, path: Path) -> None:
    """The same with what stands in another file of ours."""
    partial = f".{path.name[:100]}.{os.getpid()}.part"
    try:
        with folder_of(path) as folder, source.open("rb") as content:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(partial, flags, 0o644, dir_fd=folder), "wb") as file:
                    shutil.copyfileobj(content, file)
                os.rename(partial, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                unlink(partial, folder)
                raise
    except OSError as error:
        raise cannot(path, error) from error


def add_to(path: Path, data: bytes) -> None:
    """Add to a file that the build server made. Raises StoreError; a link and what is no file are refused."""
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
        with os.fdopen(descriptor, "ab") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(0, _("it is no file"))
            file.write(data)
    except OSError as error:
        raise cannot(path, error) from error


def unlink(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        pass


def cannot(path: Path, error: OSError) -> StoreError:
    return StoreError(
        _("{path} cannot be written: {reason}.", path=path, reason=error.strerror or error),
        _("The session itself is kept in the log; name another place."),
    )
