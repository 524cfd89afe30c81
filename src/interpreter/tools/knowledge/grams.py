"""Words for a full-text index that serves Chinese as well: Latin words as they are, Chinese in overlapping pairs.

SQLite's own trigrams find nothing for a word of two characters, which most Chinese words are.
"""

from __future__ import annotations

import re

PART = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+|[^\W_]+", re.UNICODE)
CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")
MIXED = re.compile(r"([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]+)")
STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "do",
        "for",
        "from",
        "how",
        "i",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "that",
        "the",
        "this",
        "to",
        "was",
        "what",
        "when",
        "with",
    ]
)
MOST_TERMS = 32


def grams(text: str) -> list[str]:
    """The words of a text, in order."""
    found: list[str] = []
    for part in PART.findall(text.lower()):
        for piece in MIXED.split(part) if CHINESE.search(part) else [part]:
            if not piece:
                continue
            if not CHINESE.match(piece):
                found.append(piece)
                continue
            found += [piece[n : n + 2] for n in range(len(piece) - 1)]
            # The last one alone, so that a query of one character finds it wherever it stands.
            found.append(piece[-1])
    return found


def query_of(text: str) -> str:
    """An expression for FTS5 that finds any of a query's words; empty where it has none."""
    terms: list[str] = []
    for part in PART.findall(text.lower()):
        for piece in MIXED.split(part) if CHINESE.search(part) else [part]:
            if not piece or piece in STOP:
                continue
            if CHINESE.match(piece):
                pairs = [piece[n : n + 2] for n in range(len(piece) - 1)]
                terms += [f'"{pair}"' for pair in pairs] or [f'"{piece}"*']
            else:
                terms.append(f'"{piece}"' + ("*" if len(piece) > 3 else ""))
    return " OR ".join(dict.fromkeys(terms[:MOST_TERMS]))
