"""Code as it is: characters that hide, reorder or control are written out."""

from __future__ import annotations

from unicodedata import category

PLAIN = "\n\t"
# Joiners that emoji and some scripts need; elsewhere they hide things, so they are shown as well.
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"


def hides(char: str) -> bool:
    """True for a character that a screen shows as nothing, or that changes what stands around it."""
    if char in PLAIN or " " <= char <= "~":
        return False
    return char in FILLERS or category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def pieces(text: str) -> list[tuple[str, bool]]:
    """The text in runs, each with whether it was written out: `a\\u202eb` gives a, ⟨U+202E⟩, b."""
    if text.isascii() and text.isprintable():
        return [(text, False)]
    found: list[tuple[str, bool]] = []
    start = 0
    for at, char in enumerate(text):
        if hides(char) and not (char == "\r" and text[at + 1 : at + 2] == "\n"):
            found.append((text[start:at], False))
            found.append((f"⟨U+{ord(char):04X}⟩", True))
            start = at + 1
    found.append((text[start:], False))
    return [(run, marked) for run, marked in found if run]


def visible(text: str) -> str:
    return "".join(run for run, _marked in pieces(text))


def hidden_count(text: str) -> int:
    return sum(marked for _run, marked in pieces(text))
