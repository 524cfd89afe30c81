"""Thinking within the text, however the pieces fall."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.llm.think import ThinkSplitter, split_unopened

WHOLE = [
    ("plain text", "", "plain text"),
    ("<think>a</think>b", "a", "b"),
    ("\n <think>\na\n</think>\n\nb", "\na\n", "b"),
    ("<thinking>a < b </ c</thinking> b", "a < b </ c", "b"),
    ("<think>a</think>\n<think>b</think>c", "ab", "c"),
    ("<think>never closed", "never closed", ""),
    ("<think></think>b", "", "b"),
    ("<b>x</b> <think>kept</think>", "", "<b>x</b> <think>kept</think>"),
    ("<thin", "", "<thin"),
    ("  ", "", "  "),
    ("< think>", "", "< think>"),
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WHOLE), st.lists(st.integers(0, 40), max_size=12))
def test_pieces_fall_anywhere(case: tuple[str, str, str], cuts: list[int]) -> None:
    whole, thinking, text = case
    edges = sorted({0, len(whole), *(c for c in cuts if c < len(whole))})
    splitter = ThinkSplitter()
    found = [splitter.feed(whole[a:b]) for a, b in itertools.pairwise(edges)]
    found.append(splitter.rest())
    assert ("".join(t for t, _ in found), "".join(t for _, t in found)) == (thinking, text)


def test_thinking_opened_by_the_template() -> None:
    assert split_unopened("hm\n</think>\n\nb") == ("hm\n", "b")
    assert split_unopened("hm</think>") == ("hm", "")
    for kept in ("a </think> b", "```\n</think>\n```", "`x </think>\n` b", "<think>a</think>\n b", "none"):
        assert split_unopened(kept) == ("", kept)
