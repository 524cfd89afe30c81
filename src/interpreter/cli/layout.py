"""Laying out text whose characters may be two columns wide."""

from __future__ import annotations

from unicodedata import category, east_asian_width


def char_width(char: str) -> int:
    """Columns of one character on a terminal: 0, 1 or 2."""
    if char < "\u0300":
        return 1
    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def width_of(text: str) -> int:
    return len(text) if text.isascii() else sum(map(char_width, text))


def pad(text: str, width: int) -> str:
    """Text and as many spaces as fill `width` columns."""
    return text + " " * max(0, width - width_of(text))


def cut(text: str, width: int) -> str:
    """At most `width` columns; what was longer ends in an ellipsis."""
    if width_of(text) <= width:
        return text
    taken, used = "", 0
    for char in text:
        used += char_width(char)
        if used >= width:
            break
        taken += char
    return taken + "…"


# Signs that may not begin a line of Chinese text.
CLOSING = "，。、；：？！）」』】》”’…,.;:?!)"


def lay_out(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken at spaces and between wide characters."""
    lines: list[str] = []
    line, used = "", 0
    for piece in _pieces(text):
        size = width_of(piece)
        if used and used + size > width and piece[0] not in CLOSING:
            lines.append(line.rstrip())
            line, used = "", 0
            piece = piece.lstrip()
            size = width_of(piece)
        line += piece
        used += size
    return [*lines, line.rstrip()]


def _pieces(text: str) -> list[str]:
    """What may not be broken: words with the space before them, single wide characters."""
    pieces: list[str] = []
    for char in text:
        wide = char_width(char) == 2
        joins = pieces and not wide and char != " " and char_width(pieces[-1][-1]) != 2
        if joins:
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces
