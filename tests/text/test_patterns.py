"""Looking for a pattern in bounded time finds what `re` finds."""

from __future__ import annotations

import re
from string import ascii_lowercase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.text.patterns import Pattern

ATOMS = st.sampled_from(
    ["a", "b", "1", ".", "[ab]", "[^a]", "[]a]", r"[\]b-]", r"\w", r"\d", r"\s", r"\.", r"\x61", "é", "^", r"\b"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda below: (
        st.tuples(below, below).map("".join)
        | st.tuples(below, below).map(lambda two: f"(?:{two[0]}|{two[1]})")
        | st.tuples(below, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])).map(
            lambda two: f"({two[0]}){two[1]}"
        )
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(PATTERNS, st.text("ab1._ é]-", max_size=7), st.booleans())
def test_the_verdict_is_that_of_re(source: str, text: str, closed: bool) -> None:
    theirs = re.search(f"(?:{source})" + (r"\Z" if closed else ""), text)
    assert Pattern(f"(?:{source})" + ("$" if closed else "")).search(text) == (theirs is not None)


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        (r"^[a-z]+(-[a-z]+)*$", "a-slug-of-words", "a--slug"),
        (r"^\d{4}-\d{2}-\d{2}$", "2026-11-29", "2026-11-29\n"),
        (r"^v?\d+(\.\d+){1,2}$", "v1.20", "v1"),
        (r"^$", "", " "),
        (r"a{,2}", "a{,2}", "aa"),
        (r"", "anything", None),
        (r"\$", "5 $", "5"),
    ],
)
def test_usual_patterns(source: str, yes: str, no: str | None) -> None:
    assert Pattern(source).search(yes)
    assert no is None or not Pattern(source).search(no)


@pytest.mark.parametrize(
    "source", [r"(a)\1", "(?i)a", "(?<!a)b", "(?P<n>a)", "a**", "*a", "a)", "(a", "[a", "a{2,1}", "\\"]
)
def test_what_is_not_understood_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Pattern(source)


def test_all_letters() -> None:
    assert Pattern("|".join(ascii_lowercase)).search("z") and not Pattern("^(x|y)$").search("z")
