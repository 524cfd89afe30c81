"""Tokens of a text without its tokenizer: an estimate that rather says too much."""

from __future__ import annotations

import re

DIGITS = re.compile(r"[0-9]")
WIDE = re.compile(r"[^\x00-\x7f]")
SPACES = re.compile(r"[ \t]{2,}")


def estimate_tokens(text: str) -> int:
    """Tokens that `text` takes, on the careful side for the tokenizers of Qwen, Llama, Mistral and GPT models.

    Digits count one each (Qwen and Llama split them), characters outside ASCII one each (Chinese takes 0.6 to 1),
    runs of blanks one, and the rest 3.4 characters a token, as code does.
    """
    digits = len(DIGITS.findall(text))
    wide = 0 if text.isascii() else len(WIDE.findall(text))
    runs = SPACES.findall(text)
    blanks = sum(map(len, runs))
    rest = len(text) - digits - wide - blanks
    return digits + wide + len(runs) + int(rest / 3.4) + 1
