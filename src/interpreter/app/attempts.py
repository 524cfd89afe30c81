"""What a program in walls has tried on the network, read from the log of its broker: for programs that no keeper
looks after.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..kernels.claims import attempt_of
from ..types.base import from_json
from ..types.events import NetworkAttempt

MOST = 1 << 20
"""Bytes of one look."""
TOLD = 200
"""Attempts of one look."""


class Attempts:
    """Counts from the end of what is there when it is made. The file lies outside all walls; hosts in it do not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._read = path.stat().st_size
        except OSError:
            self._read = 0

    def newest(self) -> list[NetworkAttempt]:
        """Those that are new since the last look."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return []  # nothing was tried yet
        with os.fdopen(fd, "rb") as file:
            file.seek(self._read)
            data = file.read(MOST)
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole) or (len(data) if len(data) == MOST else 0)
        return [found for line in whole.splitlines()[:TOLD] if (found := read(line)) is not None]


def read(line: bytes) -> NetworkAttempt | None:
    try:
        fields: dict[str, Any] = from_json(line, dict[str, Any])
        return attempt_of(fields)
    except (ValueError, TypeError):
        return None
