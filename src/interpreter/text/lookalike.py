"""Letters that look like others: words in code that a person would read as something else than the machine does."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from .expression import expression

WORD = expression(r"[^\W\d_][\w\u0300-\u036f]*")
# Lower and upper case letters of other scripts that are drawn as a Latin letter.
CYRILLIC = dict(zip("асеорхуіјѕһԁԛԝАВЕЗКМНОРСТУХІЈЅҮԌ", "aceopxyijshdqwABE3KMHOPCTYXIJSYG", strict=True))
GREEK = dict(zip("ονικρυαΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ovikpuaABEZHIKMNOPTYX", strict=True))
ARMENIAN = dict(zip("օոսհցզ", "onuhgq", strict=True))
LOOKS: dict[str, str] = {**CYRILLIC, **GREEK, **ARMENIAN}
MOST = 5
"""Words that are named; more are counted by the caller's list only."""


class Lookalike(NamedTuple):
    """A word that is not what it seems."""

    word: str
    start: int
    """Where it stands in the text, in characters."""
    letters: tuple[str, ...]
    """Those that do not belong, each once."""
    script: str
    """Cyrillic, Greek ...; `plain` for other forms of Latin letters, which some languages read as the plain ones."""


def lookalikes(text: str) -> list[Lookalike]:
    """Words that mix Latin letters with letters that look like them; words of look-alikes alone in a text that has
    no other words of that script; words in other forms of Latin letters (full-width, mathematical).
    """
    if text.isascii():
        return []
    at_home = {script for word in WORD.findall(text) for script in scripts_at_home(word)}
    return [found for match in WORD.finditer(text) if (found := look(match[0], match.start(), at_home)) is not None]


def scripts_at_home(word: str) -> set[str]:
    """Scripts of which a word has letters that nobody takes for Latin, and no Latin ones beside them."""
    if any(c.isascii() and c.isalpha() for c in word):
        return set()
    return {script_of(c) for c in word if c not in LOOKS and not c.isascii() and c.isalpha()}


def look(word: str, start: int, at_home: set[str]) -> Lookalike | None:
    if word.isascii():
        return None
    forms = tuple(dict.fromkeys(c for c in word if is_form(c)))
    if forms:
        return Lookalike(word, start, forms, "plain")
    foreign = tuple(dict.fromkeys(c for c in word if c in LOOKS))
    if not foreign:
        return None
    script = script_of(foreign[0])
    latin = any(c.isascii() and c.isalpha() for c in word)
    alone = all(c in LOOKS or not c.isalpha() for c in word) and len(word) > 1 and script not in at_home
    return Lookalike(word, start, foreign, script) if latin or alone else None


def is_form(character: str) -> bool:
    """A letter that becomes a plain Latin one when it is normalised, as Python does with names."""
    if character.isascii() or character in "ªº":
        return False
    plain = unicodedata.normalize("NFKC", character)
    return plain != character and len(plain) == 1 and plain.isascii() and plain.isalpha()


def script_of(character: str) -> str:
    """The first word of its name: CYRILLIC SMALL LETTER A is Cyrillic."""
    return unicodedata.name(character, "unknown").split(" ", 1)[0].capitalize()
