"""Room for SQLite's shared index, where a file system has blocks under 4 kB.

SQLite makes sure of room in that file by 4 kB, and then writes to it as memory. On smaller blocks some of it may have
no room, and on a full disk such a write ends the program by a bus error, without a word. So there must be some room
when the log is opened, and the index gets all that it will use.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from ..errors import StoreError
from ..text.i18n import _

PAGE = 4096
LEAST = 256 << 10
"""Bytes that must be free when the log is opened."""
INDEX = 128 << 10
"""Bytes of the index: 16,000 pages of a log that is not yet moved over, sixteen times what is usual."""


def small_blocks(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bsize < PAGE


def check(path: Path) -> None:
    """Raises StoreError: too little is free to open a log safely."""
    found = os.statvfs(path.parent)
    if found.f_bavail * found.f_frsize < LEAST:
        raise full(path)


def hold(path: Path) -> None:
    """Give the index its room, by SQLite's own descriptor: closing one of ours would drop SQLite's locks.

    Raises StoreError: there is none.
    """
    if sys.platform != "linux":
        return
    # Every start loads this file, and hardly any machine has such blocks.
    ctypes: Any = importlib.import_module("ctypes")
    libc = ctypes.CDLL(None, use_errno=True)
    name = os.path.realpath(f"{path}-shm")
    for found in Path("/proc/self/fd").iterdir():
        try:
            if str(found.readlink()) != name:
                continue
        except OSError:
            continue
        given = libc.fallocate(ctypes.c_int(int(found.name)), 0, ctypes.c_longlong(0), ctypes.c_longlong(INDEX))
        if given != 0 and ctypes.get_errno() in (errno.ENOSPC, errno.EDQUOT):
            raise full(path)
        return


def full(path: Path | None) -> StoreError:
    return StoreError(
        _("The disk that holds the log {path} is full.", path=path),
        _("Everything logged so far is kept. Free some space, then resume the session."),
    )
