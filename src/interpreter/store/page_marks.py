"""Text as HTML that cannot do anything: escaped, with the colours of code, and tables without what they carry along."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from html.parser import HTMLParser

from ..text.clean import reveal

MOST_COLOURED = 40_000
"""Characters of a code that is coloured; a longer one is shown plain."""
MOST_CELLS = 3_000
KEYWORDS = {
    "python": "and as assert async await break class continue def del elif else except False finally for from global "
    "if import in is lambda match case None nonlocal not or pass raise return True try while with yield",
    "shell": "if then elif else fi for while until do done case esac in function select return local export set "
    "unset cd echo exit trap source",
    "javascript": "async await break case catch class const continue default delete do else export extends false "
    "finally for from function if import in instanceof let new null of return super switch this throw true try typeof "
    "undefined var void while yield",
    "sql": "SELECT FROM WHERE GROUP ORDER BY HAVING JOIN LEFT RIGHT INNER OUTER ON AS AND OR NOT NULL INSERT INTO "
    "VALUES UPDATE SET DELETE CREATE TABLE VIEW DROP ALTER LIMIT DISTINCT UNION CASE WHEN THEN ELSE END",
}
COMMENTS = {"javascript": r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)", "sql": r"--[^\n]*"}
TABLE = ("table", "thead", "tbody", "tr", "th", "td")
SILENT = ("style", "script", "title", "template", "noscript")


def escaped(text: str) -> str:
    return html.escape(text, quote=True)


@lru_cache(maxsize=8)
def tokens(language: str) -> re.Pattern[str]:
    words = KEYWORDS.get(language, "").split()
    comment = COMMENTS.get(language, r"(?<![\w$&{])#[^\n]*")
    return re.compile(
        rf"(?P<c>{comment})"
        r"|(?P<s>\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'''[\s\S]*?(?:'''|\Z)|\"(?:\\.|[^\"\\\n])*\"?|'(?:\\.|[^'\\\n])*'?)"
        rf"|(?P<k>\b(?:{'|'.join(words) or '(?!)'})\b)"
        r"|(?P<n>\b\d[\d_.]*(?:[eE][+-]?\d+)?\b)",
        re.IGNORECASE if language == "sql" else 0,
    )


def coloured(code: str, language: str) -> str:
    """Code as HTML; invisible characters are named, so that nobody is shown another code than ran."""
    code = reveal(code)
    if len(code) > MOST_COLOURED:
        return escaped(code)
    parts: list[str] = []
    last = 0
    for found in tokens(language).finditer(code):
        parts += [escaped(code[last : found.start()]), f'<span class="{found.lastgroup}">{escaped(found[0])}</span>']
        last = found.end()
    return "".join([*parts, escaped(code[last:])])


class Table(HTMLParser):
    """The first table of an HTML text: rows and cells with their text, and no attribute, style or script."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.cells = 0
        self._open: list[str] = []
        self._silent = 0
        self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent += 1
        if self._done or tag not in TABLE or (not self._open and tag != "table") or self.cells >= MOST_CELLS:
            return
        if tag == "table" and self._open:
            self._done = True  # a table inside a table
            return
        self.cells += tag in ("th", "td")
        self._open.append(tag)
        self.parts.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT and self._silent:
            self._silent -= 1
        if self._done or tag not in self._open:
            return
        while self._open:
            last = self._open.pop()
            self.parts.append(f"</{last}>")
            if last == tag:
                break
        self._done = not self._open

    def handle_data(self, data: str) -> None:
        if not self._silent and not self._done and self._open and self._open[-1] in ("th", "td"):
            self.parts.append(escaped(data.strip()))

    def text(self) -> str:
        return "".join(self.parts) + "".join(f"</{tag}>" for tag in reversed(self._open))


def table_of(text: str) -> str:
    """The first table of untrusted HTML, made anew from its cells; empty where there is none."""
    table = Table()
    table.feed(text)
    table.close()
    return table.text() if table.cells else ""
