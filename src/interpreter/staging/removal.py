"""Takes away what programs have made, whatever they did so that it stays."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress

from .names import FOLDER, look, opened

HANDLE = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", 0)
"""Opens a folder that nobody may read, too."""


def remove(name: str, below: int) -> None:
    """Remove an entry with all that is in it; a link is removed, never followed.

    Folders may lie in one another without end, and each may be closed to everybody: those further in are moved to the
    outermost one, so neither a call nor a descriptor is needed for each, and a folder of ours is opened up first.
    Raises OSError; then a part is gone, and the next call goes on.
    """
    found = look(name, below)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=below)
        return
    mark, number = secrets.token_hex(8), 0
    with entered(name, below) as top:
        while names := os.listdir(top):
            for one in names:
                if not is_folder(one, top):
                    os.unlink(one, dir_fd=top)
                    continue
                with entered(one, top) as inner:
                    for deeper in os.listdir(inner):
                        if not is_folder(deeper, inner):
                            os.unlink(deeper, dir_fd=inner)
                            continue
                        number += 1
                        if not os.access(deeper, os.W_OK, dir_fd=inner):
                            with entered(deeper, inner):
                                pass  # only a folder that one may write to can be moved
                        os.rename(deeper, f".{mark}.{number}", src_dir_fd=inner, dst_dir_fd=top)
                os.rmdir(one, dir_fd=top)
    os.rmdir(name, dir_fd=below)


def is_folder(name: str, below: int) -> bool:
    found = look(name, below)
    return found is not None and stat.S_ISDIR(found.st_mode)


@contextmanager
def entered(name: str, below: int) -> Generator[int]:
    """A folder, with every right for its owner from now on."""
    with opened(name, HANDLE, below=below) as handle:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        if mode & 0o700 != 0o700:
            with suppress(OSError):  # it is not ours: then it may be open enough as it is
                os.chmod(f"/proc/self/fd/{handle}", mode | 0o700)
        with opened(".", FOLDER, below=handle) as fd:
            yield fd
