"""Patterns of commands, names and hosts against what was read. Three answers: no, maybe, yes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache

from .facts import UNKNOWN

NO, MAYBE, YES = 0, 1, 2
MOST_WORDS = 400
"""Of a command that are looked at in order; flags are looked for in all."""


@lru_cache(4096)
def glob(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@lru_cache(4096)
def split(pattern: str) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...], bool]:
    """(positional words, flags, whether `**` ends it), each word as its alternatives."""
    words = pattern.split()
    rest = bool(words) and words[-1] == "**"
    words = words[:-1] if rest else words
    flags = tuple(tuple(word.split("|")) for word in words if word.startswith("-") and len(word) > 1)
    plain = tuple(tuple(word.split("|")) for word in words if not (word.startswith("-") and len(word) > 1))
    return plain, flags, rest


def word_fits(alternatives: Sequence[str], word: str) -> int:
    """Whether one word fits; `maybe` where a piece of it is unknown and the rest would."""
    if UNKNOWN not in word:
        return YES if any(one == word or glob(one).match(word) for one in alternatives) else NO
    if any(one == "*" for one in alternatives):
        return YES
    known = word.partition(UNKNOWN)[0]
    if any(
        one.endswith("*") and known.startswith(one[:-1]) and not re.search(r"[*?\[]", one[:-1]) for one in alternatives
    ):
        return YES
    shape = re.compile(".*".join(re.escape(piece) for piece in word.split(UNKNOWN)), re.DOTALL)
    return MAYBE if any(shape.fullmatch(one) or "*" in one for one in alternatives) else NO


def program_fits(alternatives: Sequence[str], word: str) -> int:
    name = word.rpartition("/")[2]
    if UNKNOWN in name:
        return NO  # the reading says so itself: an unknown program
    for one in alternatives:
        subject = word if "/" in one else name
        if one == subject or glob(one).match(subject):
            return YES
    return NO


@lru_cache(16_384)
def of_program(patterns: tuple[str, ...], program: str) -> tuple[str, ...]:
    """Those patterns that are about this program: most rules are about others, which shall cost nothing."""
    return tuple(one for one in patterns if (plain := split(one)[0]) and program_fits(plain[0], program))


def is_flag(word: str) -> bool:
    return len(word) > 1 and word.startswith("-")


def flag_fits(alternatives: Sequence[str], word: str) -> bool:
    """Whether a word gives one of these flags: `-f` also within `-rf`, `--force` also as `--force=x` or `--forc`."""
    if not is_flag(word):
        return False
    bare = word.partition("=")[0]
    for one in alternatives:
        if one in (word, bare) or glob(one).match(word):
            return True
        if one.startswith("--"):
            if "=" not in one and len(bare) > 4 and bare.startswith("--") and one.startswith(bare):
                return True  # GNU programs take a beginning that is clear
        elif len(one) == 2 and not bare.startswith("--") and one[1] in bare[1:] and not _long(bare):
            return True
    return False


def _long(word: str) -> bool:
    """`-delete`, `-auto-approve`: one option with one dash, not letters put together."""
    return len(word) > 6


def command_fits(pattern: str, words: Sequence[str]) -> int:
    """For rules that ask or deny: whether the command begins like the pattern, with its flags anywhere.

    A word that is not known could be any word or flag: then the answer is at most `maybe`.
    """
    plain, flags, _rest = split(pattern)
    if not plain or not words:
        return NO
    found = program_fits(plain[0], words[0])
    if found == NO:
        return NO
    arguments = list(words[1:])
    loose = any(word == UNKNOWN for word in arguments)
    for flag in flags:
        if not any(flag_fits(flag, word) for word in arguments):
            if not loose:
                return NO
            found = MAYBE
    return min(found, _begins(plain[1:], arguments[:MOST_WORDS]))


def _begins(plain: Sequence[Sequence[str]], words: Sequence[str]) -> int:
    """Whether the positional words begin with these. Whether an option takes the next word as its value is not known:
    both are tried."""
    reached = {0: YES}  # how many of the pattern's words are found, and how surely
    skipping: dict[int, int] = {}  # the same, where the word at hand is the value of an option
    best = NO
    for word in [*words, ""]:
        best = max(best, reached.get(len(plain), NO), skipping.get(len(plain), NO))
        after: dict[int, int] = {}
        for at, sure in reached.items():
            if at == len(plain):
                continue
            if plain[at] == ("**",):
                after[at] = max(after.get(at, NO), sure)
                at += 1
                if at == len(plain):
                    return max(best, sure)
            if is_flag(word):
                after[at] = max(after.get(at, NO), sure)
            elif word and (here := min(sure, word_fits(plain[at], word))):
                after[at + 1] = max(after.get(at + 1, NO), here)
        for at, sure in skipping.items():
            after[at] = max(after.get(at, NO), sure)
        skipping = dict(reached) if is_flag(word) and "=" not in word else {}
        reached = after
    return max(best, reached.get(len(plain), NO))


def command_covered(pattern: str, words: Sequence[str]) -> bool:
    """For rules that allow: whether the pattern says all of the command; `**` at its end stands for the rest."""
    plain, flags, rest = split(pattern)
    if not plain or not words or program_fits(plain[0], words[0]) != YES:
        return False
    if "/" in words[0] and not any("/" in one for one in plain[0]) and not words[0].startswith(("/usr/bin/", "/bin/")):
        return False  # `./git` is not git
    wanted = list(flags)
    expected = list(plain[1:])
    for word in words[1:]:
        given = next((flag for flag in flags if UNKNOWN not in word and flag_covers(flag, word)), None)
        if given is not None:
            wanted = [flag for flag in wanted if flag != given]
        elif expected and not is_flag(word) and UNKNOWN not in word and word_fits(expected[0], word) == YES:
            expected.pop(0)
        elif expected or not rest:
            return False
    return not expected and not wanted


def flag_covers(alternatives: Sequence[str], word: str) -> bool:
    """Exactly this flag, not one among letters put together."""
    return any(one == word or glob(one).match(word) is not None for one in alternatives)


def name_fits(patterns: Sequence[str], name: str) -> int:
    """A dotted name, a branch, a namespace, a context. `!x` is every name but `x`; beside others it takes from them."""
    barred = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    sure = max((word_fits((pattern,), name) for pattern in wanted), default=YES if barred else NO)
    return min(sure, YES - max((word_fits((pattern,), name) for pattern in barred), default=NO))


def bars_only(patterns: Sequence[str]) -> bool:
    """Whether they say which names are not meant, and nothing else."""
    return bool(patterns) and all(pattern.startswith("!") for pattern in patterns)


def host_fits(patterns: Sequence[str], host: str) -> int:
    """`host` or `host:port` against patterns that may name a port."""
    bare = re.sub(r":\d+$", "", host)
    found = NO
    for pattern in patterns:
        subject = host if re.search(r":[\d*]+$", pattern) else bare
        found = max(found, word_fits((pattern.lower(),), subject.lower().rstrip(".")))
    return found
