"""From what a file, a variable or a flag says to the value of a setting."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from ..text.expression import expression
from ..text.i18n import _, language_of
from .keys import Key

YES = ("1", "true", "yes", "on", "y", "是")
NO = ("0", "false", "no", "off", "n", "否", "")
SIZE = expression(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def expected(key: Key) -> str:
    """What a value of this setting looks like, for an error message."""
    if key.kind == "choice":
        return _("one of {choices}", choices=", ".join(c for c in key.choices if c))
    if key.kind in ("int", "float"):
        return _number(key)
    return {
        "text": _("text"),
        "bool": _("true or false"),
        "paths": _("a list of paths"),
        "names": _("a list of names"),
        "hosts": _("a list of hosts"),
        "map": _("names, each with a text"),
        "prices": _("input, cached and output, each with a number"),
        "table": _("names, each with a value"),
        "size": _("a size such as 512M or 8G"),
    }[key.kind]


def _number(key: Key) -> str:
    whole = key.kind == "int"
    least, most = f"{key.least or 0:g}", f"{key.most or 0:g}"
    if key.least is not None and key.most is not None:
        if whole:
            return _("a whole number from {least} to {most}", least=least, most=most)
        return _("a number from {least} to {most}", least=least, most=most)
    if key.least is not None:
        if whole:
            return _("a whole number of at least {least}", least=least)
        return _("a number of at least {least}", least=least)
    return _("a whole number") if whole else _("a number")


def from_file(key: Key, raw: object) -> Any:
    """A typed value from a configuration file or from a program; ValueError where it does not fit."""
    if raw is None:
        return None
    if key.bare and raw != "" and (word := str(raw).strip().lower()) in (*YES, *NO):
        raw = "off" if word in NO else key.bare
    if key.kind == "choice" and isinstance(raw, bool):
        raw = "on" if raw else "off"  # YAML reads a bare `off` as false
        if raw not in key.choices:
            raw = {"on": "yes", "off": "no"}[raw]
    if key.kind in ("text", "choice"):
        return _text(key, raw)
    if key.kind == "bool":
        return raw if isinstance(raw, bool) else _refuse()
    if key.kind in ("int", "float"):
        return _bounded(key, raw)
    if key.kind == "size":
        return _size(key, raw)
    if key.kind in ("paths", "names", "hosts"):
        items = cast("list[object] | tuple[object, ...]", raw) if isinstance(raw, (list, tuple)) else [raw]
        return tuple(item if isinstance(item, str) and item else _refuse() for item in items)
    return _table(key, raw)


def from_text(key: Key, text: str) -> Any:
    """The same from a flag or an environment variable, where everything is text."""
    if key.kind == "bool":
        lowered = text.strip().lower()
        return True if lowered in YES else False if lowered in NO else _refuse()
    if key.kind == "int":
        return _bounded(key, int(text.strip().replace("_", "")))
    if key.kind == "float":
        return _bounded(key, float(text))
    if key.kind == "hosts":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if key.kind in ("paths", "names"):
        return tuple(part for part in re.split("[:,]" if key.kind == "names" else ":", text) if part)
    if key.kind in ("map", "prices", "table"):
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        return _table(key, {name.strip(): value.strip() for name, _equals, value in pairs})
    return from_file(key, text)


def _refuse() -> Any:
    raise ValueError


def _text(key: Key, raw: object) -> str:
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and key.kind == "text":
        _refuse()
    if not isinstance(raw, str):
        _refuse()
    text = str(raw)
    if key.name == "lang" and text:
        text = language_of(text) if text.lower()[:2] in ("zh", "en") else text
    if key.kind == "choice" and text not in key.choices:
        lowered = text.lower()
        return lowered if lowered in key.choices else _refuse()
    return text


def _bounded(key: Key, raw: object) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        _refuse()
    number = cast("int | float", raw)
    if not math.isfinite(number) or (key.kind == "int" and number != int(number)):
        _refuse()
    above = key.least is None or number >= key.least
    below = key.most is None or number <= key.most
    if not (above and below):
        _refuse()
    return int(number) if key.kind == "int" else float(number)


def _size(key: Key, raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        found = raw
    else:
        match = SIZE.fullmatch(raw.strip()) if isinstance(raw, str) else None
        found = int(float(match[1]) * 1024 ** POWERS[match[2].lower()]) if match else _refuse()
    return found if found >= (key.least or 0) else _refuse()


def _table(key: Key, raw: object) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        _refuse()
    table = {str(name): value for name, value in cast("Mapping[object, object]", raw).items()}
    if key.kind == "table":
        return dict(table)
    if key.kind == "map":
        return {name: value if isinstance(value, str) else _refuse() for name, value in table.items()}
    if not table or not set(table) <= {"input", "cached", "output"}:
        _refuse()
    return {name: _price(value) for name, value in table.items()}


def _price(value: object) -> float:
    number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else _refuse()
    return number if number >= 0 else _refuse()
