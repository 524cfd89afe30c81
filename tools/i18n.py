"""Sentences that people read, and their translations.

usage: python -m tools.i18n            lists what is missing, stale or wrong; exit 1 when there is anything
       python -m tools.i18n --missing  prints the missing entries as a catalogue, to be filled in
"""

from __future__ import annotations

import ast
import string
import sys
from functools import lru_cache
from pathlib import Path

from interpreter.text.i18n import LANGUAGES, read_po

SOURCE = Path(__file__).resolve().parents[1] / "src" / "interpreter"
LOCALE = SOURCE / "text" / "locale"
MARKS = ("_", "N_")


@lru_cache(1)
def calls(source: Path) -> tuple[tuple[str, ast.expr], ...]:
    """What is given to `_` and `N_`, with its place. Read once for all that asks: it takes seconds."""
    return tuple(
        (f"{path.relative_to(source)}:{node.lineno}", node.args[0])
        for path in sorted(source.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKS and node.args
    )


def sentences(source: Path = SOURCE) -> dict[str, str]:
    """Every sentence in `_("...")` and `N_("...")`, with the place where it stands first."""
    found: dict[str, str] = {}
    for place, first in calls(source):
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.setdefault(first.value, place)
    return found


def variable_calls(source: Path = SOURCE) -> list[str]:
    """Places where an f-string is translated: it can never be found in a catalogue."""
    return [place for place, first in calls(source) if isinstance(first, ast.JoinedStr)]


def fields(sentence: str) -> set[str]:
    """The names in braces; a sentence with a stray brace has none."""
    try:
        return {name for _text, name, _spec, _conversion in string.Formatter().parse(sentence) if name is not None}
    except ValueError:
        return {"?"}


def translations(language: str) -> dict[str, str]:
    return read_po((LOCALE / f"{language}.po").read_text(encoding="utf-8"))


def complaints(language: str) -> list[str]:
    """What is missing, stale or disagrees in the catalogue of a language."""
    wanted, have = sentences(), translations(language)
    told = [f"{place}: no translation: {sentence!r}" for sentence, place in wanted.items() if sentence not in have]
    told += [f"stale: {sentence!r}" for sentence in have if sentence not in wanted]
    told += [
        f"{wanted[sentence]}: fields differ: {sentence!r} / {translated!r}"
        for sentence, translated in have.items()
        if sentence in wanted and fields(sentence) != fields(translated)
    ]
    return told


def quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def entry(sentence: str, translated: str) -> str:
    return f"msgid {quote(sentence)}\nmsgstr {quote(translated)}\n"


def main() -> int:
    told = [line for language in LANGUAGES if language != "en" for line in complaints(language)]
    if "--missing" in sys.argv[1:]:
        have = translations("zh_CN")
        for sentence, place in sentences().items():
            if sentence not in have:
                print(f"#: {place}\n{entry(sentence, '')}")
        return 0
    print("\n".join(told) or "every sentence has its translation")
    return bool(told)


if __name__ == "__main__":
    sys.exit(main())
