"""PDF documents, read by pypdf in a process and walls of its own: they may come from anywhere."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import ToolError
from ...text.clean import clean_text
from ...types.base import from_json
from ..context import Apart
from .passages import Unreadable

PROGRAM = Path(__file__).resolve().parents[2] / "guest" / "pdf_program.py"
MOST_PAGES = 500
SECONDS = 30.0
"""For one document."""
IN_ALL = 60.0
"""For the documents of one search; those that are left come with the next one."""
LARGEST = 16 << 20
"""Bytes of text of one document."""


class Later(Exception):
    """There is no time left for it in this search."""


class Documents:
    """Called from the thread that fills the index, while the loop of the tool runs in another."""

    def __init__(self, apart: Apart | None, loop: asyncio.AbstractEventLoop) -> None:
        self._apart, self._loop = apart, loop
        self._until = time.monotonic() + IN_ALL

    def __call__(self, data: bytes) -> Iterable[tuple[int, str]]:
        """Raises Unreadable, Later."""
        found = importlib.util.find_spec("pypdf")
        if found is None or not found.origin:
            raise Unreadable("reading PDF needs pypdf: pip install 'reinterpreter[knowledge]'")
        if self._apart is None:
            raise Unreadable("PDF cannot be read in this session")
        if time.monotonic() > self._until:
            raise Later
        path = (str(Path(found.origin).parents[1]),)
        asked = self._apart(program(), data, {"pages": MOST_PAGES}, path=path, seconds=SECONDS, most=LARGEST)
        try:
            said = asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        except ToolError as error:
            raise Unreadable(str(error)) from None
        return list(pages(said))


@lru_cache(1)
def program() -> str:
    return PROGRAM.read_text(encoding="utf-8")


def pages(said: bytes) -> Iterable[tuple[int, str]]:
    """What the program claims. Raises Unreadable: it says why it could not, or nothing of use."""
    count = 0
    for line in said.splitlines():
        try:
            one: dict[str, Any] = from_json(line, dict[str, Any])
        except (ValueError, RecursionError):
            continue  # the last line, where there was too much
        number, text, error = one.get("page"), one.get("text"), one.get("error")
        if isinstance(error, str):
            raise Unreadable(clean_text(error)[:150])
        if isinstance(number, int) and isinstance(text, str) and 0 < number <= MOST_PAGES:
            count += 1
            yield number, text
    if not count:
        raise Unreadable("no page of it could be read")
