"""Laying out text whose characters may be two columns wide."""

from __future__ import annotations

from ..text.cut import character_width, width

# Signs that may not begin a line of Chinese text.
CLOSING = "，。、；：？！）」』】》”’…,.;:?!)"


def lay_out(text: str, columns: int) -> list[str]:
    """Lines of at most `columns` columns, broken at spaces and between wide characters."""
    if not text.isascii():
        columns -= 2  # room for a sign that may not begin the next line
    lines: list[str] = []
    line, used = "", 0
    for piece in _pieces(text):
        size = width(piece)
        if used and used + size > columns and piece[0] not in CLOSING:
            lines.append(line.rstrip())
            line, used = "", 0
            piece = piece.lstrip()
            size = width(piece)
        line += piece
        used += size
    return [*lines, line.rstrip()]


def _pieces(text: str) -> list[str]:
    """What may not be broken: words with the space before them, single wide characters."""
    pieces: list[str] = []
    for char in text:
        wide = character_width(char) == 2
        joins = pieces and not wide and char != " " and character_width(pieces[-1][-1]) != 2
        if joins:
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces
