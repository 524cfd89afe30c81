"""JSON as small models write it: read strictly where it is sound, mended where what was meant is plain."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ...text.expression import expression

DEEPEST = 40
STRICT = json.JSONDecoder()
LOOSE = json.JSONDecoder(strict=False)
REST = expression(r"[\s}\]\"'`;]*(?:\Z|</|<\||<tool_call>|<function|[{\[])")
SPACE = expression(r"\s*")
GAP = expression(r"[\s,]*")
NUMBER = expression(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
WORD = expression(r"[A-Za-z_][\w-]*")
KEY = expression(r"""\s*(?:"[A-Za-z_][\w-]*"|'[A-Za-z_][\w-]*'|[A-Za-z_][\w-]*)\s*:""")
QUOTED_KEY = expression(r"""\s*(?:"[A-Za-z_][\w-]*"|'[A-Za-z_][\w-]*')\s*:""")
NO_KEY = expression(r"\s*(?:\}|\Z)")
AFTER_CLOSE = expression(r"\s*(?:\Z|[,}\]<`|)])|[ \t]*\r?\n")
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
WORDS: dict[str, Any] = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
SPECIAL = {quote: re.compile(rf"[{quote}\\\x00-\x1f]") for quote in "\"'"}


class Unreadable(Exception):
    """This is no JSON, and it cannot be told what was meant."""


class Mended(NamedTuple):
    value: Any
    end: int
    """Where in the text the value ends."""
    repairs: tuple[str, ...] = ()
    cut: bool = False
    """Closing brackets were missing: the text may have been cut off."""
    open_string: bool = False
    """The text ended inside a string: it was cut off."""


def read_json(text: str, start: int = 0) -> Mended:
    """The value that begins at `start`. Raises Unreadable."""
    for decoder, repairs in ((STRICT, ()), (LOOSE, ("raw line break or control code in a string",))):
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return Mended(value, end, repairs)
    reader = _Reader(text, start)
    value = reader.value(0)
    return Mended(value, reader.at, tuple(dict.fromkeys(reader.repairs)), reader.cut, reader.open_string)


def nothing_follows(text: str, at: int) -> bool:
    """Whether behind a value stands only what a model adds by mistake: brackets, a closing tag, a fence."""
    return REST.match(text, at) is not None


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.repairs: list[str] = []
        self.cut = False
        self.open_string = False

    def value(self, depth: int, inside: str = "") -> Any:
        """`inside` is the bracket that the value stands in."""
        if depth > DEEPEST:
            raise Unreadable
        self._skip(SPACE)
        char = self.text[self.at : self.at + 1]
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        if char in ('"', "'") and char:
            return self._string(inside)
        if number := NUMBER.match(self.text, self.at):
            self.at = number.end()
            plain = number.group()
            return int(plain) if plain.lstrip("-").isdecimal() and len(plain) < 20 else float(plain)
        word = WORD.match(self.text, self.at)
        if word and word.group() in WORDS:
            self.at = word.end()
            if word.group() not in ("true", "false", "null"):
                self.repairs.append("Python's words for JSON's")
            return WORDS[word.group()]
        raise Unreadable

    def _skip(self, what: re.Pattern[str]) -> str:
        found = what.match(self.text, self.at)
        assert found is not None
        self.at = found.end()
        return found.group()

    def _ended(self) -> bool:
        """At the end of the text, where a closing bracket should stand."""
        if self.at >= len(self.text) or self.text.startswith("</", self.at):
            self.cut = True
            self.repairs.append("closing bracket added")
            return True
        return False

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        comma = True
        while True:
            gap = self._skip(GAP)
            if self._ended():
                return found
            if self.text[self.at] == "}":
                self.at += 1
                if "," in gap:
                    self.repairs.append("trailing comma")
                return found
            if not comma and "," not in gap:
                self.repairs.append("comma added")
            name = self._key()
            found[name] = None
            if self.cut:
                return found
            found[name] = self.value(depth + 1, "{")
            comma = False
            if self.open_string:
                return found

    def _key(self) -> str:
        if self.text[self.at] in "\"'":
            name = self._string("key")
        else:
            word = WORD.match(self.text, self.at)
            if word is None:
                raise Unreadable
            name, self.at = word.group(), word.end()
            self.repairs.append("quotes added around a key")
        self._skip(SPACE)
        if self._ended():
            return name
        if self.text[self.at] not in ":=":
            raise Unreadable
        self.at += 1
        self._skip(SPACE)
        self._ended()
        return name

    def _array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        while True:
            gap = self._skip(GAP)
            if self._ended():
                return found
            if self.text[self.at] == "]":
                self.at += 1
                if "," in gap:
                    self.repairs.append("trailing comma")
                return found
            found.append(self.value(depth + 1, "["))
            if self.open_string or self.cut:
                return found

    def _string(self, inside: str) -> str:
        text, quote = self.text, self.text[self.at]
        if text.startswith(quote * 3, self.at) and not AFTER_CLOSE.match(text, self.at + 2):
            return self._triple(quote * 3)
        if quote == "'":
            self.repairs.append("single quotes")
        self.at += 1
        parts: list[str] = []
        special = SPECIAL[quote]
        while True:
            found = special.search(text, self.at)
            if found is None:
                parts.append(text[self.at :])
                self.at = len(text)
                self.cut = self.open_string = True
                return "".join(parts)
            parts.append(text[self.at : found.start()])
            self.at = found.end()
            char = found.group()
            if char == "\\":
                parts.append(self._escape())
            elif char != quote:
                parts.append(char)
                self.repairs.append("raw line break or control code in a string")
            elif self._closes(inside):
                return "".join(parts)
            else:
                parts.append(char)
                self.repairs.append("quote inside a string")

    def _triple(self, mark: str) -> str:
        end = self.text.find(mark, self.at + 3)
        if end < 0:
            self.cut = self.open_string = True
            end = len(self.text)
        content = self.text[self.at + 3 : end]
        self.at = min(len(self.text), end + 3)
        self.repairs.append("triple quotes")
        return content

    def _escape(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in ESCAPES:
            return ESCAPES[char]
        if char == "u" and (first := self._hex()) is not None:
            low = self.text[self.at : self.at + 2] == "\\u" and 0xD800 <= first < 0xDC00
            if low:
                self.at += 2
                second = self._hex()
                if second is not None and 0xDC00 <= second < 0xE000:
                    return chr(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
                self.at -= 2 if second is None else 6
            return chr(first)
        if char == "'":
            self.repairs.append("escaped single quote")
            return char
        self.repairs.append("backslash kept before a character that needs none")
        return "\\" + char

    def _hex(self) -> int | None:
        digits = self.text[self.at : self.at + 4]
        if len(digits) == 4 and all(c in "0123456789abcdefABCDEF" for c in digits):
            self.at += 4
            return int(digits, 16)
        return None

    def _closes(self, inside: str) -> bool:
        """Whether the quote just passed ends the string: what follows must be able to follow a string here."""
        text = self.text
        space = SPACE.match(text, self.at)
        assert space is not None
        at = space.end()
        char = text[at : at + 1]
        if not char or text.startswith("</", at):
            return True
        if inside == "key":
            return char in ":="
        if inside == "":
            return True
        if char == "," and inside == "{":
            return bool(KEY.match(text, at + 1)) or NO_KEY.match(text, at + 1) is not None
        if char == ("}" if inside == "{" else "]"):
            return AFTER_CLOSE.match(text, at + 1) is not None
        return char == "," if inside == "[" else QUOTED_KEY.match(text, at) is not None
