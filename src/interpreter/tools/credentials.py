"""Secrets of a person's settings, which stand there by name: `env:NAME` and `file:PATH`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ..errors import ToolError

LARGEST = 1 << 14


def filled(value: Any, environ: Mapping[str, str] | None = None) -> Any:
    """`env:NAME` and `file:PATH` by what they stand for, also inside tables and lists.

    Raises ToolError: the variable is not set, or the file cannot be read; no value is in its words.
    """
    if isinstance(value, Mapping):
        return {str(key): filled(one, environ) for key, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list):
        return [filled(one, environ) for one in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    kind, colon, place = value.partition(":")
    if not colon or kind not in ("env", "file"):
        return value
    if kind == "env":
        if not (found := (os.environ if environ is None else environ).get(place)):
            raise ToolError(f"the variable {place} is not set")
        return found
    try:
        with Path(place).expanduser().open("rb") as file:
            return file.read(LARGEST).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ToolError(f"the file {place} cannot be read") from None
