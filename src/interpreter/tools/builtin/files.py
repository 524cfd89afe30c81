"""Files: read, searched, and logs by time and pattern. All of it happens inside the walls, by one program of ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from ...errors import ToolError
from ...types.base import from_json
from ..definition import ToolContext, tool

PROGRAM = Path(__file__).resolve().parents[2] / "guest" / "files_program.py"
MOST = 2 << 20
"""Bytes of one answer."""


@tool(access="read", targets=("path",), timeout=30.0)
async def read_file(ctx: ToolContext, path: str, start: int = 1, lines: int = 200) -> str:
    """Read lines of a text file.

    Args:
        path: The file, relative to the working folder or absolute.
        start: The first line, from 1.
        lines: How many.
    """
    return await asked(ctx, {"do": "read", "path": path, "start": start, "lines": lines}, 25.0)


@tool(access="read", targets=("path",), timeout=120.0)
async def read_log(
    ctx: ToolContext,
    path: str,
    lines: int = 100,
    pattern: str = "",
    only_errors: bool = False,
    since: str = "",
    until: str = "",
) -> str:
    """Read the end of a log, or the newest lines that fit; any size, also gzip.

    Args:
        path: The file.
        lines: At most so many, the newest.
        pattern: Only lines that hold this (a regular expression).
        only_errors: Only errors and warnings of failure, each with the lines that belong to it.
        since: Only from this time on: 2026-11-29T12:00, 12:00, or 15m, 2h, 1d ago.
        until: Only up to this time.
    """
    request = {
        "do": "log", "path": path, "lines": lines, "pattern": pattern, "only_errors": only_errors, "since": since,
        "until": until,
    }  # fmt: skip
    return await asked(ctx, request, 110.0)


@tool(access="read", targets=("path",), timeout=60.0)
async def search_files(
    ctx: ToolContext,
    pattern: str,
    path: str = ".",
    glob: str = "",
    ignore_case: bool = False,
    names_only: bool = False,
    limit: int = 50,
) -> str:
    """Find the lines of files that hold something, or the files of a name.

    Args:
        pattern: A regular expression; with names_only, of the file's path.
        path: The folder to look in.
        glob: Only files of such names, for example *.py
        ignore_case: Whether a and A are the same.
        names_only: Look at the names of files instead of what is in them.
        limit: At most so many results.
    """
    request = {
        "do": "search", "path": path, "pattern": pattern, "glob": glob, "ignore_case": ignore_case,
        "names_only": names_only, "limit": limit,
    }  # fmt: skip
    return await asked(ctx, request, 50.0)


@lru_cache(1)
def program() -> str:
    return PROGRAM.read_text(encoding="utf-8")


async def asked(ctx: ToolContext, request: Mapping[str, Any], seconds: float) -> str:
    """What the program inside says: a line of JSON, then the text."""
    if ctx.walled is None:
        raise ToolError("Files cannot be looked at here.")
    data = await ctx.walled(program(), request, seconds=seconds, most=MOST)
    head, _line, text = data.partition(b"\n")
    try:
        said = cast("dict[str, Any]", from_json(head, dict[str, Any]))
    except ValueError:
        raise ToolError("The program that looks at files did not answer.") from None
    if "error" in said:
        raise ToolError(str(said["error"])[:1000], str(said.get("hint", ""))[:1000])
    return text.decode("utf-8", "replace")
