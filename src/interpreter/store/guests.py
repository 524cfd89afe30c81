"""Who has joined a session that runs, as its program says in a file of the session's folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..types.base import Value, from_json, new_id, to_json

NAME = "attach.guests"
MOST = 64 << 10
"""Bytes that are read."""


class Attached(Value):
    """One terminal or program that has joined."""

    pid: int
    """0 where the system does not say it."""
    since: float
    """Unix seconds."""
    watch: bool = False
    """It only looks on."""


def write_guests(folder: Path, guests: Iterable[Attached]) -> None:
    """What is there now; nobody: no file. A disk that cannot take it costs the list, not the session."""
    path, beside = folder / NAME, folder / f".{NAME}.{new_id('new')}"
    found = list(guests)
    with suppress(OSError):
        if not found:
            path.unlink(missing_ok=True)
            return
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(to_json(found))
        beside.replace(path)


def read_guests(folder: Path) -> tuple[Attached, ...]:
    """Those that are still there. Only for a session that somebody holds: a program that died leaves its file."""
    try:
        with (folder / NAME).open("rb") as file:
            found: tuple[Attached, ...] = from_json(file.read(MOST), tuple[Attached, ...])
    except (OSError, ValueError):
        return ()
    return tuple(one for one in found if one.pid == 0 or lives(one.pid))


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
