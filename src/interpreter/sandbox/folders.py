"""The folders below some others, and which of them have changed since they were last looked at."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator

MOST = 800
"""Folders that are looked at after one step; a larger tree is gone through in turns."""
AT_LEAST, SECONDS = 100, 0.005
"""After so many folders the look ends when it has taken so long: a disk may be cold."""
MOST_WHOLE, SECONDS_WHOLE = 200_000, 3.0


class Folders:
    """A folder whose entries changed has a new change time, which programs cannot set: one `stat` each is enough."""

    def __init__(self, tops: Iterable[str]) -> None:
        self._seen: dict[tuple[str, str], int] = {}
        self._todo: list[tuple[str, str]] = [(top, "") for top in tops]
        self._turn: list[tuple[str, str]] = []

    @property
    def complete(self) -> bool:
        """Whether every folder has been looked at once."""
        return not self._todo

    @property
    def through(self) -> bool:
        """Whether the last call came to the end of all folders."""
        return not self._todo and not self._turn

    def changed(
        self, *, whole: bool = False, seconds: float = SECONDS_WHOLE
    ) -> Iterator[tuple[tuple[str, str], list[str]]]:
        """Each folder (top, path below it) that is new or changed, with the names in it. Follows no link.

        Some changed ones may only come at a later call, except with `whole`, which is bounded by `seconds`.
        """
        left = MOST_WHOLE if whole else MOST
        sure = 0 if whole else AT_LEAST
        end = time.monotonic() + (seconds if whole else SECONDS)
        if not self._turn or whole:
            self._turn = list(self._seen)
        while left and (self._todo or self._turn) and (sure > 0 or time.monotonic() < end):
            left, sure = left - 1, sure - 1
            key = self._todo.pop() if self._todo else self._turn.pop()
            path = os.path.join(*key) if key[1] else key[0]
            try:
                found = os.stat(path, follow_symlinks=False)
            except OSError:
                self._seen.pop(key, None)
                continue
            if not stat.S_ISDIR(found.st_mode) or self._seen.get(key) == found.st_ctime_ns:
                continue
            listed = self._list(key, path)
            if listed is None:
                continue
            # Not trusted as unchanged before the clock has moved on.
            fresh = found.st_ctime_ns > time.time_ns() - 20_000_000
            self._seen[key] = 0 if fresh else found.st_ctime_ns
            yield key, listed

    def _list(self, key: tuple[str, str], path: str) -> list[str] | None:
        names: list[str] = []
        try:
            with os.scandir(path) as listing:
                for entry in listing:
                    names.append(entry.name)
                    if entry.name != ".git" and entry.is_dir(follow_symlinks=False):
                        below = (key[0], f"{key[1]}/{entry.name}".lstrip("/"))
                        if below not in self._seen:
                            self._todo.append(below)
        except OSError:
            return None
        return names
