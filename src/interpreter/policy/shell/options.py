"""Where the options of a program end and the command that it runs begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .state import SPLIT, known


class Options(NamedTuple):
    """What options a program has. One that does not stand here makes its command line unknown."""

    flags: str = ""
    """Letters without a value."""
    values: str = ""
    """Letters with a value, in the same word or the next."""
    long: frozenset[str] = frozenset()
    """Long ones without a value (or with one after `=`)."""
    long_values: frozenset[str] = frozenset()
    operands: int = 0
    """How many words stand before the command."""
    numbers: bool = False
    """`-10` is an option."""
    optional: str = ""
    """Letters whose value, if any, stands in the same word."""
    loose: bool = False
    """Unknown long options are taken to have no value, and nothing is said."""


class Taken(NamedTuple):
    """The result: what was given, and where the rest begins."""

    given: tuple[tuple[str, str], ...]
    rest: int
    unknown: str
    """The first option that is not known, or an empty text."""

    def has(self, *names: str) -> bool:
        return any(name in names for name, _value in self.given)

    def value(self, *names: str) -> str | None:
        """Of the last one of these."""
        return next((value for name, value in reversed(self.given) if name in names), None)

    def values(self, *names: str) -> list[str]:
        return [value for name, value in self.given if name in names]


def spec(
    flags: str = "", values: str = "", long: str = "", long_values: str = "", operands: int = 0, *,
    numbers: bool = False, optional: str = "", loose: bool = False,
) -> Options:  # fmt: skip
    long_names = frozenset(f"--{name}" for name in long.split())
    valued = frozenset(f"--{name}" for name in long_values.split())
    return Options(flags, values, long_names, valued, operands, numbers, optional, loose)


def take(words: Sequence[str], options: Options, start: int = 1) -> Taken:
    """Go over the options from `start` on. The rest begins at the first word that is none."""
    given: list[tuple[str, str]] = []
    unknown = ""
    at = start
    while at < len(words):
        word = words[at]
        if word == "--":
            at += 1
            break
        if not word.startswith("-") or word == "-":
            break
        at += 1
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            if name in options.long_values and not equals:
                value = words[at] if at < len(words) else ""
                at += 1
            elif name not in options.long and name not in options.long_values and not options.loose:
                unknown = unknown or word
            given.append((name, value))
        elif options.numbers and word[1:].isdigit():
            given.append((word, ""))
        else:
            at, strange = letters(words, at, options, given)
            unknown = unknown or strange
    if any(SPLIT in word for word in words[start : at + options.operands]):
        unknown = unknown or "an unknown word"
    return Taken(tuple(given), at + options.operands, unknown)


def letters(words: Sequence[str], at: int, options: Options, given: list[tuple[str, str]]) -> tuple[int, str]:
    """`-abc value`: the word before `at`."""
    word = words[at - 1]
    for place, letter in enumerate(word[1:], 1):
        if letter in options.values:
            value = word[place + 1 :]
            if not value:
                value = words[at] if at < len(words) else ""
                at += 1
            given.append(("-" + letter, value))
            return at, ""
        if letter in options.optional:
            given.append(("-" + letter, word[place + 1 :]))
            return at, ""
        if letter not in options.flags:
            return at, word
        given.append(("-" + letter, ""))
    return at, ""


def operands(words: Sequence[str], values: str = "", long_values: str = "") -> list[str]:
    """The words of a command that are no options; letters in `values` take the next word."""
    valued = long_values.split()
    found: list[str] = []
    at = 1
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            return found + list(words[at:])
        if not word.startswith("-") or word == "-" or not known(word[:1]):
            found.append(word)
        elif word.startswith("--"):
            at += word[2:] in valued
        elif word[-1] in values and not any(letter in values for letter in word[1:-1]):
            at += 1
    return found
