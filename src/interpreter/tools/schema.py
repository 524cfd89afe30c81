"""From annotations and docstrings to JSON Schema, and from what a model wrote to arguments that fit it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, cast, get_args, get_origin

import msgspec

from ..errors import ToolError
from ..types.tooling import Declaration

PLAIN: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
WORDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
         "array": "a list", "object": "an object"}  # fmt: skip
YES, NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off", "")
WRAPPERS = ("arguments", "parameters", "args", "params", "input", "kwargs")
LONGEST = 100
"""Characters of a wrong value that are shown."""


def described(doc: str | None) -> tuple[str, dict[str, str]]:
    """The description of a docstring, and the texts of its `Args:`."""
    head, _args, tail = inspect.cleandoc(doc or "").partition("\nArgs:\n")
    texts: dict[str, str] = {}
    last = ""
    for line in tail.splitlines():
        if not line.startswith(" ") and line.strip():
            break
        name, colon, text = line.strip().partition(":")
        if colon and name.isidentifier() and len(line) - len(line.lstrip()) <= 4:
            last = name
            texts[last] = text.strip()
        elif last and line.strip():
            texts[last] = f"{texts[last]} {line.strip()}".strip()
    return " ".join(head.split()), texts


def schema_of(kind: Any, where: str) -> dict[str, Any]:
    """The schema of one annotation. Raises TypeError for one that has none."""
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if kind is Any:
        return {}
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        values = list(inner)
        if not all(isinstance(value, str) for value in values):
            raise TypeError(f"{where}: a Literal holds strings only")
        return {"type": "string", "enum": values}
    if origin in (Union, types.UnionType):
        rest = [one for one in inner if one is not type(None)]
        if len(rest) == 1:
            # That it may be left out says enough: an absent value is None.
            return schema_of(rest[0], where)
        return {"anyOf": [schema_of(one, where) for one in rest]}
    if kind is list or origin is list:
        return {"type": "array", "items": schema_of(inner[0], where) if inner else {}}
    if kind is dict or origin is dict:
        more = schema_of(inner[1], where) if len(inner) == 2 else {}
        return {"type": "object", "additionalProperties": more or True}
    raise TypeError(f"{where}: a tool cannot take {kind!r}")


def fitted(declaration: Declaration, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The arguments as the tool takes them, and what had to be mended.

    Raises ToolError: they cannot be meant; the message names every fault and what was expected.
    """
    table = cast("dict[str, Any]", declaration.parameters.get("properties", {}))
    required = cast("list[str]", declaration.parameters.get("required", []))
    repairs: list[str] = []
    faults: list[str] = []
    found: dict[str, Any] = {}
    for key, value in unwrapped(given, table, repairs).items():
        name = named(key, table)
        if not name:
            if declaration.parameters.get("additionalProperties", False) is False:
                faults.append(f"there is no parameter {key[:60]!r}")
            else:
                found[key] = value
            continue
        if name != key:
            repairs.append(f"parameter {key[:60]!r} read as {name}")
        if value is None and name not in required:
            continue
        try:
            found[name] = valued(value, table[name], name, repairs)
        except ValueError as error:
            faults.append(str(error))
    faults += [f"{name!r} is missing" for name in required if name not in found and not any(name in f for f in faults)]
    if faults:
        raise ToolError(f"{declaration.name} was not called: {'; '.join(faults)}. {expected(declaration)}")
    return found, repairs


def unwrapped(given: Mapping[str, Any], table: Mapping[str, Any], repairs: list[str]) -> Mapping[str, Any]:
    """Arguments that were put into one more object."""
    if len(given) == 1:
        (key, value), *_rest = given.items()
        if key in WRAPPERS and key not in table and isinstance(value, dict):
            repairs.append(f"arguments within {key!r}")
            return cast("dict[str, Any]", value)
    return given


def named(key: str, table: Mapping[str, Any]) -> str:
    """The parameter that is meant; empty for none."""
    if key in table:
        return key
    low = key.strip().lower().replace("-", "_").replace("_", "")
    same = [name for name in table if name.lower().replace("_", "") == low]
    return same[0] if len(same) == 1 else ""


def valued(value: Any, schema: Mapping[str, Any], name: str, repairs: list[str]) -> Any:
    """A value that fits the schema. Raises ValueError with a part of a sentence."""
    if choices := cast("list[Mapping[str, Any]]", schema.get("anyOf") or schema.get("oneOf") or []):
        return one_of(value, choices, name, repairs)
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = cast("list[str]", kind)
        if value is None and "null" in kinds:
            return None
        return one_of(value, [{**schema, "type": one} for one in kinds if one != "null"], name, repairs)
    if not isinstance(kind, str) or kind not in WORDS:
        return value
    fits = CASTS[kind](value)
    if fits is WRONG:
        shown = msgspec.json.encode(value).decode()[:LONGEST]
        raise ValueError(f"{name!r} must be {WORDS[kind]}, not {shown}")
    if type(fits) is not type(value) and not (kind == "number" and isinstance(value, int)):
        repairs.append(f"{name} given as {type(value).__name__}")
    return checked(fits, schema, name, repairs)


def one_of(value: Any, choices: list[Mapping[str, Any]], name: str, repairs: list[str]) -> Any:
    """By the first choice that the value fits as it is, else by the first that it can be read as."""
    for exact in (True, False):
        for choice in choices:
            mended: list[str] = []
            try:
                found = valued(value, choice, name, mended)
            except ValueError:
                continue
            if not (exact and mended):
                repairs += mended
                return found
    words = " or ".join(WORDS.get(str(choice.get("type")), "a value") for choice in choices)
    raise ValueError(f"{name!r} must be {words}")


def checked(value: Any, schema: Mapping[str, Any], name: str, repairs: list[str]) -> Any:
    """What stands in the schema besides the type."""
    same: Any = value
    if (allowed := schema.get("enum")) is not None and value not in allowed:
        low = [one for one in allowed if str(one).lower() == str(value).strip().lower()]
        if len(low) != 1:
            raise ValueError(f"{name!r} must be one of {', '.join(map(str, allowed))}")
        repairs.append(f"{name}: {str(value)[:60]!r} read as {low[0]}")
        return low[0]
    if isinstance(value, list) and schema.get("items"):
        items: list[Any] = cast("list[Any]", value)
        return [valued(one, schema["items"], f"{name}[{n}]", repairs) for n, one in enumerate(items)]
    if isinstance(value, dict):
        return checked_object(cast("dict[str, Any]", value), schema, name, repairs)
    return same


def checked_object(value: dict[str, Any], schema: Mapping[str, Any], name: str, repairs: list[str]) -> dict[str, Any]:
    table = cast("dict[str, Any]", schema.get("properties") or {})
    more = schema.get("additionalProperties", True)
    for key in cast("list[str]", schema.get("required") or []):
        if key not in value:
            raise ValueError(f"{name}.{key} is missing")
    found: dict[str, Any] = {}
    for key, one in value.items():
        inner = table.get(key, more)
        if inner is False:
            raise ValueError(f"there is no {name}.{key[:60]}")
        fits = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
        found[key] = valued(one, fits, f"{name}.{key}", repairs) if fits else one
    return found


def expected(declaration: Declaration) -> str:
    """How the call should look."""
    table = cast("dict[str, Any]", declaration.parameters.get("properties", {}))
    required = cast("list[str]", declaration.parameters.get("required", []))
    shown = [f'"{name}": {example(table.get(name, {}))}' for name in required]
    rest = [name for name in table if name not in required]
    also = f" May be added: {', '.join(rest)}." if rest else ""
    return f"Expected: {{{', '.join(shown)}}}.{also}"


def example(schema: Mapping[str, Any]) -> str:
    if schema.get("enum"):
        return " or ".join(f'"{one}"' for one in schema["enum"])
    return {"integer": "1", "number": "1.5", "boolean": "true", "array": "[...]", "object": "{...}"}.get(
        str(schema.get("type")), '"..."'
    )


WRONG = object()


def as_text(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return WRONG
    if isinstance(value, int | float):
        return str(value)
    return value if isinstance(value, str) else WRONG


def as_whole(value: Any) -> Any:
    if isinstance(value, bool):
        return WRONG
    if isinstance(value, str):
        try:
            value = float(value) if "." in value else int(value)
        except (ValueError, OverflowError):
            return WRONG
    if isinstance(value, float):
        return int(value) if value.is_integer() else WRONG
    return value if isinstance(value, int) else WRONG


def as_number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return WRONG
    return value if isinstance(value, int | float) and not isinstance(value, bool) else WRONG


def as_truth(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else "?"
    return True if word in YES else False if word in NO else WRONG


def as_list(value: Any) -> Any:
    found = decoded(value, "[")
    if isinstance(found, list):
        return cast("list[Any]", found)
    # One where a list is wanted is a list of one.
    return cast("list[Any]", [found]) if isinstance(found, str | int) and found != "" else WRONG


def as_object(value: Any) -> Any:
    value = decoded(value, "{")
    return cast("dict[str, Any]", value) if isinstance(value, dict) else WRONG


def decoded(value: Any, begins: str) -> Any:
    """JSON that was given as text."""
    if isinstance(value, str) and value.lstrip().startswith(begins):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


CASTS = {
    "string": as_text, "integer": as_whole, "number": as_number, "boolean": as_truth, "array": as_list,
    "object": as_object,
}  # fmt: skip
