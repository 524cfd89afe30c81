"""One setting as a file says it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Entry(NamedTuple):
    name: str
    """Dotted."""
    value: Any
    line: int
    """1-based."""
