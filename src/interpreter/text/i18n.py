"""What people read, in their language: gettext catalogues, read straight from the `.po` files.

Sentences for the model are never translated. Nothing heavy is imported here: `--help` waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextvars import ContextVar

LANGUAGES = ("en", "zh_CN")
ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}
_state = {"language": ""}
_read: dict[str, dict[str, str]] = {}
_spoken: ContextVar[str] = ContextVar("spoken", default="")


def language_of(name: str) -> str:
    """`zh_CN` for any Chinese locale name, `en` for everything else."""
    return "zh_CN" if name.lower().replace("-", "_").startswith("zh") else "en"


def set_language(name: str) -> None:
    """Choose by `--lang` or a locale name; an empty name goes back to the environment's locale."""
    _state["language"] = language_of(name) if name else ""


class speaking:
    """Within it, and in what it awaits, this language is in force: for one of several readers. Empty: no change."""

    def __init__(self, name: str) -> None:
        self._name = language_of(name) if name else _spoken.get()

    def __enter__(self) -> None:
        self._token = _spoken.set(self._name)

    def __exit__(self, *_error: object) -> None:
        _spoken.reset(self._token)


def language() -> str:
    """The language in force: of whom is spoken to just now, else what was set, else the first of LC_ALL, LC_MESSAGES,
    LANG that is not empty.
    """
    if spoken := _spoken.get():
        return spoken
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


def listed(texts: Iterable[str]) -> str:
    """Words in a row, with the comma of the person's language."""
    return ("、" if language() == "zh_CN" else ", ").join(texts)


def catalogue(name: str) -> dict[str, str]:
    """All translations of a language; empty for English."""
    if name not in _read:
        path = os.path.join(os.path.dirname(__file__), "locale", f"{name}.po")  # noqa: PTH118, PTH120 - pathlib costs 4 ms
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123
                _read[name] = read_po(file.read())
        except FileNotFoundError:
            _read[name] = {}
    return _read[name]


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
            parts[field] = parts.get(field, "") + unquote(line)
    return entries


def unquote(text: str) -> str:
    """The content of a string in double quotes, as gettext writes it."""
    pieces = text.strip()[1:-1].replace("\\\\", "\0").split("\\")
    return (pieces[0] + "".join(ESCAPES.get(p[:1], p[:1]) + p[1:] for p in pieces[1:])).replace("\0", "\\")
