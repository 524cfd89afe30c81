"""Which sessions may go: by age and size, never one that somebody works on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .listing import SessionRow


class Bounds(NamedTuple):
    """A session goes that is beyond every bound that is given."""

    older_than: float = 0.0
    """Unix seconds of its last use."""
    larger_than: int = 0
    """Bytes."""
    keep_named: bool = False
    """Those with a name or a tag stay."""
    waiting: bool = False
    """Those that wait for an answer may go as well."""


def candidates(rows: Iterable[SessionRow], bounds: Bounds) -> list[SessionRow]:
    """Those that go, of rows with their sizes; without any bound none does."""
    if not bounds.older_than and not bounds.larger_than:
        return []
    return [row for row in rows if may_go(row, bounds)]


def may_go(row: SessionRow, bounds: Bounds) -> bool:
    if row.pid or row.state == "running" or (row.state == "waiting" and not bounds.waiting):
        return False
    if bounds.keep_named and (row.name or row.tags):
        return False
    if bounds.older_than and row.updated >= bounds.older_than:
        return False
    return not bounds.larger_than or (row.disk or 0) > bounds.larger_than


def disk_of(folder: Path) -> int:
    """Bytes of all files in a folder; links are counted as links, what cannot be read is left out."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
