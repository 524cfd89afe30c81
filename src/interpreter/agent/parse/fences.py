"""Fenced blocks in a text, as models write them."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...text.expression import expression

OPENING = expression(r"([ \t]*+(?:>[ \t]?)?(?:[-*][ \t]++|\d++[.)][ \t]++)?)(`{3,}+|~{3,}+)[ \t]*+([^`\n\r]*+)\r?$")
IN_SENTENCE = expression(
    r"^(?P<before>[^`\n]*[^`\s])[ \t]*(?P<fence>```)(?P<info>[\w+#-]+)[ \t]*\r?\n(?P<code>.*?)\r?\n[ \t]*```[ \t]*\r?$",
    re.MULTILINE | re.DOTALL,
)
"""A fence at the end of a line that says something else first."""
INFO = expression(r"\{?\.?([^\s{}:,;]+)")


class Block(NamedTuple):
    info: str
    """The first word behind the fence, in lower case; empty where there is none."""
    code: str
    start: int
    """Offset of the opening fence's line."""
    end: int
    """Offset behind the closing fence."""
    closed: bool
    doubtful: bool = False
    """Not closed, and another block begins in it: where it should end cannot be told."""


def find_blocks(text: str) -> list[Block]:
    """Every fenced block, in order.

    A fence with a language inside a block opens a block within it, which the next bare fence closes: models write
    Markdown in their programs and do not lengthen the outer fence. Where that does not come out even, the first block
    is doubtful.
    """
    lines = text.splitlines(keepends=True) if "\r" not in text else re.findall(r"[^\n]*\n|[^\n]+", text)
    starts: list[int] = []
    offset = 0
    for line in lines:
        starts.append(offset)
        offset += len(line)
    starts.append(offset)
    blocks: list[Block] = []
    n = 0
    while n < len(lines):
        opening = OPENING.match(lines[n].rstrip("\n"))
        if opening is None:
            n += 1
            continue
        last, closed, nested = find_end(lines, n, opening.group(2))
        body = lines[n + 1 : last]
        blocks.append(
            Block(
                info_word(opening.group(3)),
                dedent(body, len(opening.group(1))),
                starts[n],
                starts[min(last + 1, len(lines))],
                closed,
                doubtful=not closed and nested,
            )
        )
        n = last + 1
    return blocks


def find_in_sentence(text: str) -> tuple[str, Block] | None:
    """The words before a block that begins behind them on the same line, and the block: of a text with no other fence,
    closed on a line of its own.
    """
    if text.count("```") != 2 or "````" in text or "~~~" in text:
        return None
    found = IN_SENTENCE.search(text)
    if found is None:
        return None
    return found["before"], Block(found["info"].lower(), found["code"], found.start("fence"), found.end(), closed=True)


def find_end(lines: list[str], opening: int, fence: str) -> tuple[int, bool, bool]:
    """(the line of the closing fence, whether it is there, whether a further block begins before it)."""
    depth = 1
    nested = False
    for n in range(opening + 1, len(lines)):
        line = lines[n].strip()
        if not line.startswith(fence):
            continue
        rest = line.lstrip(fence[0])
        if not rest:
            depth -= 1
            if depth == 0:
                return n, True, nested
        elif len(line) - len(rest) == len(fence) and INFO.fullmatch(rest.strip()):
            depth += 1
            nested = True
    return len(lines), False, nested


def info_word(info: str) -> str:
    found = INFO.match(info.strip())
    return found.group(1).lower() if found else ""


def dedent(body: list[str], width: int) -> str:
    """The lines without the indentation that the fence itself has, and without the last line's end."""
    if width:
        body = [without_indent(line, width) for line in body]
    return "".join(body).removesuffix("\n").removesuffix("\r")


def without_indent(line: str, width: int) -> str:
    """The line without its first `width` blanks, as far as it has them."""
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(width, blanks) :]
