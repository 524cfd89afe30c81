"""The estimate of tokens: near what byte-level tokenizers take, and rather above."""

from __future__ import annotations

import pytest

from interpreter.llm.estimate import estimate_tokens

from ..bounded import printed

# By the rules of byte-level BPE with a large vocabulary: one token a word with its blank, a digit, a Chinese character.
EXPECTED = [
    ("The quick brown fox jumps over the lazy dog.", 10),
    ("Hello, world!", 4),
    ("def add(a, b):\n    return a + b\n", 15),
    ("2024", 4),
    ("你好，世界", 4),
    ("", 0),
]


@pytest.mark.parametrize(("text", "tokens"), EXPECTED)
def test_close_and_rather_too_many(text: str, tokens: int) -> None:
    assert tokens - 2 <= estimate_tokens(text) <= tokens * 1.6 + 2


def test_each_kind_of_text_costs_what_it_should() -> None:
    assert estimate_tokens("汉" * 300) == 300
    assert estimate_tokens("7" * 300) == 300
    assert estimate_tokens("🎉" * 100) == 300
    assert 190 <= estimate_tokens("word " * 200) <= 210
    assert estimate_tokens(" " * 10_000) == 1
    assert estimate_tokens("\x00\x1b\x07") == 3


def test_a_long_text_is_estimated_from_its_ends() -> None:
    line = "name,value,2024-01-01\n"
    short, long = estimate_tokens(line * 1000), estimate_tokens(line * 100_000)
    assert abs(long - short * 100) < short


@pytest.mark.parametrize("space", ["\u3000", "\r", " \t", "\x0b"])
def test_white_space_without_a_line_end_is_looked_through_once(space: str) -> None:
    code = f"from interpreter.llm.estimate import estimate_tokens\ntext = {space!r} * (180_000 // {len(space)})\n"
    assert int(printed(code + "print(estimate_tokens(text), estimate_tokens(text + '\\n'))").split()[1]) == 1


def test_white_space_counts_as_it_did() -> None:
    assert estimate_tokens("汉\u3000\u3000字") == 4
    assert estimate_tokens("a \u3000\n\n\t b \t c") == estimate_tokens("a\nb\tc") == 5
