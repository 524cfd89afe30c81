"""Values of JSON: of what kind they are, which are the same, and how they stand in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import msgspec


def short(value: Any) -> str:
    """A value in a sentence."""
    text = msgspec.json.encode(value).decode("utf-8", "replace")
    return text if len(text) <= 60 else text[:57] + "..."


def kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, and 1.0 is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    if isinstance(one, list) and isinstance(other, list):
        left, right = cast("list[Any]", one), cast("list[Any]", other)
        return len(left) == len(right) and all(map(same, left, right))
    return type(one) is type(other) and one == other if isinstance(one, str) else one == other


def key(value: Any) -> Any:
    """Equal for what is the same, and for nothing else; for sets."""
    match value:
        case dict():
            return "object", frozenset((name, key(one)) for name, one in cast("dict[str, Any]", value).items())
        case list():
            return "array", tuple(map(key, cast("list[Any]", value)))
        case bool() | None:
            return "word", str(value)
        case int() | float():
            # Not the number itself: whoever knows how numbers are hashed can choose many that fall together.
            return "number", str(int(value) if kind_of(value) == "integer" else value)
        case _:
            return value


def parts(value: Any) -> int:
    """How many values there are in it, with itself."""
    count, level = 1, [value]
    while level := [below for one in level for below in within(one)]:
        count += len(level)
    return count


def within(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()
