"""What reading knows of a value: a constant, a text with unknown pieces, or nothing. And text for a shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from ...text.expression import expression
from ..facts import UNKNOWN

MOST = 8
"""Values that one expression may have, of which each is looked at; more count as unknown."""
LONGEST = 20_000
"""Characters of a text, and items of a list, that are put together; longer ones count as unknown."""
HOLE: Final = "UNRESOLVED_VALUE"
"""A variable of the shell that nobody sets: it stands for an unknown piece in text that a shell would read."""
URL = expression(
    r"(?:https?|wss?|ftps?|sftp|ssh|redis|postgres(?:ql)?(?:\+\w+)?|mysql(?:\+\w+)?|mongodb(?:\+srv)?|amqps?)"
    r"://(?:[^/\s@\"']*@)?([^/\s\"'?#]+)",
    re.IGNORECASE,
)


class Nothing:
    """A value of which nothing is known."""

    def __repr__(self) -> str:
        return "unknown"


NOTHING: Final = Nothing()
Values = list[Any]
"""The values that an expression may have; NOTHING among them where it may be anything."""


def row_of(value: object) -> list[Any] | None:
    """The items of a list or tuple; None for anything else."""
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else None


def text_of(value: Any) -> str:
    """As a text, with UNKNOWN for what is not known."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is NOTHING or isinstance(value, list | tuple | dict | set):
        return UNKNOWN
    return str(value)


def known(value: Any) -> bool:
    return value is not NOTHING and not (isinstance(value, str) and UNKNOWN in value)


def shell_text(text: str) -> str:
    """Text that a shell is given, its unknown pieces as a variable that is not set."""
    return text.replace(UNKNOWN, "${" + HOLE + "}")


def shell_words(words: Sequence[str]) -> str:
    """A command of these words, quoted for a shell."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if UNKNOWN not in word:
        # A tilde, a star or a variable in an argument vector is no more than a character, but to the eye it means
        # the same place, and often a shell comes behind it.
        return word if re.fullmatch(r"~[\w./-]*", word) else shlex.quote(word)
    pieces = word.split(UNKNOWN)
    hole = '"${' + HOLE + '}"'
    return hole.join(shlex.quote(piece) if piece else "" for piece in pieces)


def hosts_in(values: Sequence[str]) -> tuple[str, ...]:
    """The hosts of the addresses in these texts; with an unknown host, UNKNOWN."""
    found = [match.group(1) for value in values for match in URL.finditer(value)]
    return tuple(dict.fromkeys(UNKNOWN if UNKNOWN in host else host for host in found))


def joined(alternatives: Sequence[Values], combine: Callable[[list[Any]], Any]) -> Values:
    """Every combination of the alternatives of several expressions, put through `combine`; at most MOST."""
    rows: list[list[Any]] = [[]]
    for values in alternatives:
        rows = [[*row, value] for row in rows for value in values]
        if len(rows) > MOST:
            return [NOTHING]
    found: Values = []
    for row in rows:
        try:
            value = combine(row)
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, LookupError):
            value = NOTHING
        if isinstance(value, str | bytes | list) and len(cast("str", value)) > LONGEST:
            value = NOTHING
        found.append(value)
    return found
