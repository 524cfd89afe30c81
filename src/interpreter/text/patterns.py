"""Regular expressions of others, looked for in a time that grows with the text alone.

`re` goes back and tries again, which a pattern such as `(a+)+$` makes it do for ever. Here all ways through a pattern
are gone at once. What that cannot do (references back, looking ahead and behind, flags) is refused.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import NamedTuple

LONGEST = 1_000
"""Characters of a pattern."""
MOST_PLACES = 5_000
"""Of a pattern when its counts are written out."""
MOST_WORK = 2_000_000
"""Places that are looked at in one text: about a second."""
MOST_DEPTH = 40
MANY = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")
SINGLE = frozenset("dDsSwWnrtfv")
HEX = re.compile(r"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}")
CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)


class TooMuch(Exception):
    """The text is too long for this pattern."""


class Place(NamedTuple):
    """One place of a pattern: what one character must be, or a condition between two, or where to go on instead."""

    kind: str
    char: re.Pattern[str] | None = None
    ways: tuple[int, ...] = ()


class Pattern:
    """Raises ValueError when it is made: what of the pattern cannot be understood."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ValueError(f"it is longer than {LONGEST} characters")
        self._text, self._at = text, 0
        self._places: list[Place] = []
        self._either(0)
        if self._at < len(text):
            raise ValueError("a ) that closes nothing")
        self._add(Place("end"))

    def search(self, text: str) -> bool:
        """Whether it fits anywhere in the text. Raises TooMuch."""
        return self.searched(text)[0]

    def searched(self, text: str) -> tuple[bool, int]:
        """The same, and how many places were looked at."""
        work, now = 0, set[int]()
        for at in range(len(text) + 1):
            open_now = self._open(now | {0}, text, at)
            work += len(open_now)
            if work > MOST_WORK:
                raise TooMuch
            now = set[int]()
            for number in open_now:
                place = self._places[number]
                if place.kind == "end":
                    return True, work
                if place.char is not None and at < len(text) and place.char.fullmatch(text[at]):
                    now.add(number + 1)
        return False, work

    def _open(self, begun: set[int], text: str, at: int) -> set[int]:
        """All places that can be reached without a further character."""
        found, left = set[int](), list(begun)
        while left:
            number = left.pop()
            if number in found:
                continue
            found.add(number)
            place = self._places[number]
            if place.kind == "ways":
                left += [number + step for step in place.ways]
            elif place.kind not in ("char", "end") and holds(place.kind, text, at):
                left.append(number + 1)
        return found

    def _add(self, *places: Place) -> None:
        self._places += places
        if len(self._places) > MOST_PLACES:
            raise ValueError("it counts too far")

    def _either(self, depth: int) -> None:
        """Ways with | between them."""
        if depth > MOST_DEPTH:
            raise ValueError("it is nested too deeply")
        start = len(self._places)
        ways = [self._row(depth)]
        while self._text[self._at : self._at + 1] == "|":
            self._at += 1
            ways.append(self._row(depth))
        del self._places[start:]
        if len(ways) == 1:
            self._add(*ways[0])
            return
        # Each way ends with a step over all that follow; the first place leads to each beginning.
        total = 1 + sum(len(way) + 1 for way in ways)
        begins, at = list[int](), 1
        for way in ways:
            begins.append(at)
            at += len(way) + 1
        self._add(Place("ways", ways=tuple(begins)))
        for begin, way in zip(begins, ways, strict=True):
            self._add(*way, Place("ways", ways=(total - begin - len(way),)))

    def _row(self, depth: int) -> list[Place]:
        """Pieces one after the other."""
        start = len(self._places)
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            before = len(self._places)
            self._piece(depth)
            body = self._places[before:]
            del self._places[before:]
            self._add(*self._repeated(body))
        row = self._places[start:]
        del self._places[start:]
        return row

    def _piece(self, depth: int) -> None:
        text, at = self._text, self._at
        char = text[at]
        if char == "(":
            self._group(depth)
            return
        if char in "*+?" or (char == "{" and MANY.match(text, at)):
            raise ValueError(f"{char} has nothing before it to repeat")
        if char in "^$":
            self._at += 1
            self._add(Place("start" if char == "^" else "stop"))
        elif char == "[":
            found = CLASS.match(text, at)
            if found is None:
                raise ValueError("a [ that is not closed")
            self._at = found.end()
            self._add(Place("char", one(found[0])))
        elif char == "\\":
            self._escape()
        else:
            self._at += 1
            self._add(Place("char", one("." if char == "." else re.escape(char))))

    def _escape(self) -> None:
        text, at = self._text, self._at
        if found := HEX.match(text, at):
            self._at = found.end()
            self._add(Place("char", one(found[0])))
            return
        char = text[at + 1 : at + 2]
        self._at += 2
        if char in ("b", "B"):
            self._add(Place("edge" if char == "b" else "inside"))
        elif char in SINGLE or (char and not char.isalnum()):
            self._add(Place("char", one("\\" + char)))
        else:
            raise ValueError(f"\\{char} is not understood here")

    def _group(self, depth: int) -> None:
        self._at += 1
        if self._text.startswith("?", self._at):
            if not self._text.startswith("?:", self._at):
                raise ValueError(f"({self._text[self._at : self._at + 3]} is not understood here")
            self._at += 2
        self._either(depth + 1)
        if self._text[self._at : self._at + 1] != ")":
            raise ValueError("a ( that is not closed")
        self._at += 1

    def _repeated(self, body: list[Place]) -> list[Place]:
        """The piece as often as what follows it says."""
        text, size = self._text, len(body)
        char = text[self._at : self._at + 1]
        if char and char in "*+?":
            self._at += 1
            least, most = (1 if char == "+" else 0), (1 if char == "?" else None)
        elif (found := MANY.match(text, self._at)) is not None:
            self._at = found.end()
            least = int(found[1])
            most = least if not found[2] else int(found[3]) if found[3] else None
            if most is not None and most < least:
                raise ValueError(f"{found[0]} ends before it begins")
        else:
            return body
        if text[self._at : self._at + 1] == "?":  # lazy: the same texts fit
            self._at += 1
        if text[self._at : self._at + 1] in ("*", "+", "?") or MANY.match(text, self._at):
            raise ValueError("a repetition of a repetition")
        if max(least, most or 0, 1) * (size + 1) > MOST_PLACES:
            raise ValueError("it counts too far")
        if most is None:
            loop = [Place("ways", ways=(1, size + 2)), *body, Place("ways", ways=(-size - 1,))]
            return body * least + loop
        maybe = [Place("ways", ways=(1, size + 1)), *body]
        return body * least + maybe * (most - least)


@lru_cache(64)
def pattern(text: str) -> Pattern:
    """Raises ValueError."""
    return Pattern(text)


def one(text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():  # of what a class may mean in a later Python
            warnings.simplefilter("ignore")
            return re.compile(text)
    except re.error as error:
        raise ValueError(error.msg) from None


def holds(kind: str, text: str, at: int) -> bool:
    """A condition between two characters."""
    if kind == "start":
        return at == 0
    if kind == "stop":
        return at == len(text)
    return (wordly(text[at - 1 : at] if at else "") != wordly(text[at : at + 1])) == (kind == "edge")


def wordly(char: str) -> bool:
    return char.isalnum() or char == "_"
