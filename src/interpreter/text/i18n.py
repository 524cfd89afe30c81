"""What people read, in their language: gettext catalogues, read straight from the `.po` files.

Sentences for the model are never translated.
"""

from __future__ import annotations

import ast
import os
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("en", "zh_CN")
_state = {"language": ""}


def language_of(name: str) -> str:
    """`zh_CN` for any Chinese locale name, `en` for everything else."""
    return "zh_CN" if name.lower().replace("-", "_").startswith("zh") else "en"


def set_language(name: str) -> None:
    """Choose by `--lang` or a locale name; an empty name goes back to the environment's locale."""
    _state["language"] = language_of(name) if name else ""


def language() -> str:
    """The language in force: what was set, else the first of LC_ALL, LC_MESSAGES, LANG that is not empty."""
    if _state["language"]:
        return _state["language"]
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable, ""):
            return language_of(value)
    return "en"


def _(sentence: str, /, **values: object) -> str:
    """The sentence in the person's language, with `{name}` fields filled in."""
    found = catalogue(language()).get(sentence) or sentence
    return found.format(**values) if values else found


@lru_cache(maxsize=4)
def catalogue(name: str) -> dict[str, str]:
    """All translations of a language; empty for English."""
    path = Path(__file__).parent / "locale" / f"{name}.po"
    return read_po(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_po(text: str) -> dict[str, str]:
    """The entries of a gettext catalogue without plural forms."""
    entries: dict[str, str] = {}
    parts: dict[str, str] = {}
    field = ""
    for raw in [*text.splitlines(), 'msgid ""']:
        line = raw.strip()
        if line.startswith("msgid "):
            if parts.get("msgid") and parts.get("msgstr"):
                entries[parts["msgid"]] = parts["msgstr"]
            parts, field, line = {}, "msgid", line[6:]
        elif line.startswith("msgstr "):
            field, line = "msgstr", line[7:]
        if line.startswith('"') and field:
            parts[field] = parts.get(field, "") + str(ast.literal_eval(line))
    return entries
