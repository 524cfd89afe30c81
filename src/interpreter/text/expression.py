"""Regular expressions that are compiled when they are used first: a start pays for those that it needs, not for all."""

from __future__ import annotations

import re
from typing import Any, cast

METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer", "pattern", "flags")


class Later:
    """Takes the compiled pattern's methods over at the first use of one; from then on it costs what they cost."""

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._text, self._flags)
        for known in METHODS:
            setattr(self, known, getattr(compiled, known))
        return getattr(compiled, name)


def expression(text: str, flags: int = 0) -> re.Pattern[str]:
    """`re.compile(text, flags)`, later. What is wrong with the expression is raised at its first use."""
    return cast("re.Pattern[str]", Later(text, flags))
