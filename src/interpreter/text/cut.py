"""Cutting and measuring text: head and tail under a cap, sizes in words, width on a screen."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

UNITS = ("bytes", "kB", "MB", "GB", "TB")
SMALLEST = 3
"""The fewest characters of head and tail that make sense beside a marker."""


def human_size(size: int) -> str:
    """`980 bytes`, `12.3 kB`, `1.2 MB`: decimal units, three digits."""
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    if unit == 0:
        return "1 byte" if size == 1 else f"{size} bytes"
    return f"{amount:.1f} {UNITS[unit]}" if amount < 99.95 else f"{amount:.0f} {UNITS[unit]}"


def cut_marker(lines: int, size: int, full: str = "") -> str:
    """The line that stands for what was cut.

    Args:
        lines: how many whole lines; 0 where the cut lies within one line.
        size: bytes in UTF-8.
        full: the id under which the whole can be read.
    """
    counted = f"{lines:,} line{'' if lines == 1 else 's'}, " if lines else ""
    where = f"; full output: {full}" if full else ""
    return f"[... {counted}{human_size(size)} cut{where} ...]"


def head_tail(text: str, cap: int, full: str = "", *, head: float = 0.5) -> str:
    """The text, at most `cap` characters of it: its head and tail, and between them a line that counts what is gone.

    The cuts lie on borders of lines unless lines are too long for that.

    Args:
        full: the id under which the whole can be read, named in the marker.
        head: the head's share of what is kept.
    """
    if len(text) <= cap:
        return text
    room = cap - len(cut_marker(text.count("\n") + 1, 4 * len(text), full)) - 4
    if room < 2 * SMALLEST:
        return text[: max(cap, 0)]
    front = int(room * head)
    start = line_end(text, front)
    stop = line_start(text, len(text) - (room - front), start)
    return join_cut(text[:start], text[stop:], lines_of(text, start, stop), utf8_size(text[start:stop]), full)


def join_cut(head: str, tail: str, lines: int, size: int, full: str = "") -> str:
    """Head and tail of a text whose middle was never loaded, with the marker on a line of its own."""
    before = "" if not head or head.endswith("\n") else "\n"
    return f"{head}{before}{cut_marker(lines, size, full)}\n{tail}"


def line_end(text: str, limit: int) -> int:
    """Where to end the head: after the last newline within `limit`, unless that would give up most of it."""
    found = text.rfind("\n", 0, limit) + 1
    return found if found > limit // 2 else limit


def line_start(text: str, limit: int, least: int) -> int:
    """Where to begin the tail: after the first newline from `limit` on, unless that would give up most of it."""
    if text[limit - 1] == "\n":
        return max(limit, least)
    found = text.find("\n", limit) + 1
    return max(found if 0 < found < limit + (len(text) - limit) // 2 else limit, least)


def lines_of(text: str, start: int, stop: int) -> int:
    """How many lines the cut takes, wholly or partly; 0 where it lies within one line."""
    found = text.count("\n", start, stop)
    on_border = stop == 0 or text[stop - 1] == "\n"
    return found if on_border or not found else found + 1


def utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=4096)
def character_width(character: str) -> int:
    """Columns of one character on a terminal: 0, 1 or 2."""
    category = unicodedata.category(character)
    if category in ("Mn", "Mc", "Me", "Cf", "Cc") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def width(text: str) -> int:
    """Columns that a line takes on a terminal; Chinese characters take two."""
    if text.isascii():
        return len(text) if text.isprintable() else sum(1 for c in text if c.isprintable())
    return sum(character_width(c) for c in text)


def fit(text: str, columns: int, ellipsis: str = "…") -> str:
    """The line, cut to at most `columns` columns; a cut is shown by an ellipsis."""
    if width(text) <= columns:
        return text
    room, kept, taken = columns - width(ellipsis), 0, 0
    for character in text:
        taken += character_width(character)
        if taken > room:
            break
        kept += 1
    return text[:kept] + ellipsis if room >= 0 else text[:0]


def pad(text: str, columns: int) -> str:
    """The line, filled with spaces to `columns` columns; a longer one is cut."""
    shown = fit(text, columns)
    return shown + " " * (columns - width(shown))
