"""Which of the person's folders are still the ones that stood there when the stage began.

What lies in a folder keeps its own times when the folder is moved, so files that the person moves into place look as
if they had always been there. A folder that was moved has a newer change time itself, and so has the one that holds
it; but both have that after any other work in them, too. So the numbers of the folders are kept from the beginning, as
far as that is quick, and where the number is the same it is the same folder, whatever else was done in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from ..types.staging import Change
from .names import FOLDER

MOST, QUICK = 2000, 0.1
"""Folders, and seconds, for the numbers that are kept: about 20 microseconds each where the disk has been read."""


class Folders:
    """Knows folders again. `base`: when the stage began, nanoseconds since the epoch; `numbers`: what is known, by
    whole names."""

    def __init__(self, base: int, numbers: Mapping[str, int]) -> None:
        self._base, self._numbers = base, numbers

    def moved(self, name: str, found: os.stat_result, above: int | None = None) -> bool:
        """Whether another one may have been put in its place. `above`: the folder that holds it; None: of a top."""
        known = self._numbers.get(name)
        if found.st_ino == known:
            return False
        if above is None:
            return known is not None and self._way_changed(name)
        return found.st_ctime_ns >= self._base and os.fstat(above).st_ctime_ns >= self._base

    def _way_changed(self, top: str) -> bool:
        """Whether it, or one that holds it, may have been moved. Some file systems give out other numbers each time: a
        number alone would doubt everything there."""
        newer = [os.stat(path).st_ctime_ns >= self._base for path in (top, *Path(top).parents)]
        return any(inner and outer for inner, outer in pairwise(newer))

    def above(self, changes: Iterable[Change]) -> dict[str, int]:
        """The numbers of those that hold what is to be changed, as far as they are the same ones."""
        found: dict[str, int] = {}
        for top, path in sorted({(change.top, os.path.dirname(change.path)) for change in changes}):
            with suppress(OSError):
                self._follow(top, path.split("/") if path else [], found)
        return found

    def _follow(self, top: str, parts: list[str], into: dict[str, int]) -> None:
        fd, name = os.open(top, FOLDER), top
        try:
            if self.moved(name, os.fstat(fd)):
                return
            into[name] = os.fstat(fd).st_ino
            for part in parts:
                name = f"{name}/{part}"
                deeper = os.open(part, FOLDER, dir_fd=fd)
                try:
                    moved = self.moved(name, os.fstat(deeper), fd)
                finally:
                    os.close(fd)
                    fd = deeper
                if moved:
                    return
                into[name] = os.fstat(fd).st_ino
        finally:
            os.close(fd)


def numbers(top: str) -> dict[str, int]:
    """Of a folder and those in it, the outer ones first, as many as are read quickly."""
    found: dict[str, int] = {}
    end = time.monotonic() + QUICK
    with suppress(OSError):
        found[top] = os.stat(top).st_ino
    waiting = [top]
    for folder in waiting:
        if len(found) >= MOST or time.monotonic() > end:
            break
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    path = f"{folder}/{entry.name}"
                    found[path] = entry.inode()
                    waiting.append(path)
    return found
