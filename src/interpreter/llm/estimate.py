"""How many tokens a text takes, without the model's tokenizer: careful rather than exact."""

from __future__ import annotations

from ..text.expression import expression

TOKEN = expression(
    r"[A-Z]?[a-z]{1,7}"  # a word, or a piece of a long one
    r"|[A-Z]{1,3}"
    r"|[!-/:-@\[-`{-~]{1,2}"  # marks, which go in pairs at best
    r"|\d"  # many tokenizers take each digit for itself
    r"|(?<!\s)\s*\n\s*| {2,}|\t+"  # a single blank belongs to its word; a line end is sought once in white space
    r"|[^\x00-\x7f]"  # a Chinese character, and the like
    r"|[\x00-\x08\x0b-\x1f\x7f]"
)
WIDE = expression("[\U00010000-\U0010ffff]")
"""Emoji and rare characters are spelt in three bytes or four."""
SAMPLE = 100_000
"""Characters that are counted; what is longer is estimated from them."""


def estimate_tokens(text: str) -> int:
    """Tokens of the text, rather too many than too few for prose, code, tables and Chinese."""
    if len(text) > 2 * SAMPLE:
        ends = text[: SAMPLE // 2] + text[-SAMPLE // 2 :]
        return estimate_tokens(ends) * len(text) // SAMPLE + 1
    count = len(TOKEN.findall(text))
    return count if text.isascii() else count + 2 * len(WIDE.findall(text))
