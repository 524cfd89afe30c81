"""Which files of a folder were changed lately: names and times only, nothing is opened."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MOST_SEEN = 20_000
"""Entries that are looked at."""
MOST_KEPT = 500
LONGEST = 0.25
"""Seconds."""
DEEPEST = 30
LEFT_OUT = frozenset(
    (".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".cache", ".tox", ".mypy_cache")
)
"""Folders whose content is nobody's work."""


class Changed(NamedTuple):
    path: str
    """Below the folder."""
    time: float
    """Unix seconds of its last change."""


class Changes(NamedTuple):
    files: tuple[Changed, ...] = ()
    """The newest last."""
    whole: bool = True
    """False: the folder is so large that not all of it was looked at."""

    def between(self, begin: float, end: float) -> list[str]:
        return [file.path for file in self.files if begin < file.time <= end]


def changed_since(folder: Path, moment: float) -> Changes:
    """Files that were changed after `moment` (Unix seconds). Links are not followed, also when a folder becomes one
    while it is looked at.
    """
    found: list[Changed] = []
    budget = Budget()
    with suppress(OSError):
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found.extend(file for file in walk(top, "", budget) if file.time > moment)
        finally:
            os.close(top)
    found.sort(key=lambda file: file.time)
    return Changes(tuple(found[-MOST_KEPT:]), budget.left())


class Budget:
    def __init__(self) -> None:
        self._end, self._seen = time.monotonic() + LONGEST, 0

    def left(self) -> bool:
        return self._seen < MOST_SEEN and time.monotonic() < self._end

    def take(self) -> bool:
        self._seen += 1
        return self._seen < MOST_SEEN and (self._seen % 64 > 0 or time.monotonic() < self._end)


def walk(folder: int, name: str, budget: Budget) -> Iterator[Changed]:
    """The files below an open folder."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not budget.take():
                return
            with suppress(OSError):
                facts = entry.stat(follow_symlinks=False)
                path = f"{name}{entry.name}"
                if stat.S_ISREG(facts.st_mode):
                    yield Changed(path, facts.st_mtime)
                elif stat.S_ISDIR(facts.st_mode) and entry.name not in LEFT_OUT and path.count("/") < DEEPEST:
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                    inner = os.open(entry.name, flags, dir_fd=folder)
                    try:
                        yield from walk(inner, f"{path}/", budget)
                    finally:
                        os.close(inner)
