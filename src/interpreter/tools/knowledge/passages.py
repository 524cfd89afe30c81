"""A document cut into passages that know where they stand: line, heading, and for PDF the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from typing import NamedTuple

from ...text.clean import clean_text

LONGEST = 900
"""Characters of a passage, about; a paragraph is not torn for less than twice of it."""
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$")
FENCE = re.compile(r"^ {0,3}(```|~~~)")
SILENT = ("script", "style", "template", "noscript", "svg")
BLOCKS = (
    "p",
    "div",
    "li",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "br",
    "pre",
    "td",
    "th",
    "section",
    "article",
    "dt",
    "dd",
)


class Passage(NamedTuple):
    line: int
    """1-based; for PDF the page."""
    heading: str
    text: str


class Unreadable(Exception):
    """Why a document has no text."""


Pdf = Callable[[bytes], Iterable[tuple[int, str]]]
"""The pages of a PDF: number and text, not looked at yet. Raises Unreadable."""


def passages_of(kind: str, data: bytes, pdf: Pdf) -> list[Passage]:
    """Raises Unreadable."""
    if kind == ".pdf":
        found: list[Passage] = []
        for number, text in pdf(data):
            found += from_lines([(number, line) for line in clean_text(text).splitlines()])
        return found
    text = decoded(data)
    if kind in (".html", ".htm"):
        return from_lines(Page(text).lines)
    markdown = kind in (".md", ".markdown")
    return from_lines([(n, line) for n, line in enumerate(text.splitlines(), 1)], markdown=markdown)


def decoded(data: bytes) -> str:
    for name in ("utf-8-sig", "gb18030"):
        try:
            return clean_text(data.decode(name))
        except UnicodeDecodeError:
            continue
    return clean_text(data.decode("utf-8", "replace"))


def from_lines(lines: list[tuple[int, str]], *, markdown: bool = False) -> list[Passage]:
    """Paragraphs together up to the length of a passage; a heading begins a new one."""
    found: list[Passage] = []
    titles: dict[int, str] = {}
    held: list[str] = []
    begun, size, fenced = 0, 0, False

    def close() -> None:
        nonlocal held, size
        text = "\n".join(held).strip()
        if text:
            found.append(Passage(begun, " > ".join(titles[level] for level in sorted(titles))[:200], text))
        held, size = [], 0

    for number, line in lines:
        if FENCE.match(line):
            fenced = not fenced
        title = HEADING.match(line) if (markdown or line.startswith("#")) and not fenced else None
        if title:
            close()
            level = len(title[1])
            titles = {one: text for one, text in titles.items() if one < level} | {level: title[2].strip()}
            continue
        if (not line.strip() and size >= LONGEST) or size >= 2 * LONGEST:
            close()
        if not held:
            if not line.strip():
                continue
            begun = number
        held.append(line.rstrip()[: 4 * LONGEST])
        size += min(len(line), 4 * LONGEST) + 1
    close()
    return found


class Page(HTMLParser):
    """The visible text of a page, in lines that know where they stood."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[tuple[int, str]] = []
        self._silent, self._heading, self._fresh = 0, 0, True
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent += 1
        if tag in BLOCKS:
            self._fresh = True
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self._heading = int(tag[1])

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent = max(0, self._silent - 1)
        if tag in BLOCKS:
            self._fresh, self._heading = True, 0

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self._silent or not text:
            return
        if self._fresh or not self.lines:
            self.lines.append((self.getpos()[0], f"{'#' * self._heading} {text}" if self._heading else text))
        else:
            number, before = self.lines[-1]
            self.lines[-1] = (number, f"{before} {text}")
        self._fresh = False
