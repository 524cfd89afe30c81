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
        except RecursionError:
            faults.append(f"{name!r} is nested too deep")
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


def valued(value: Any, said: Any, name: str, repairs: list[str]) -> Any:
    """A value that fits the schema, which may be a stranger's: what in it is not understood asks for nothing.

    Raises ValueError with a part of a sentence, RecursionError.
    """
    schema = mapping(said)  # `true`, and a list of schemas where one belongs, ask for nothing
    if choices := listed(schema.get("anyOf")) or listed(schema.get("oneOf")):
        return one_of(value, choices, name, repairs)
    kind: Any = schema.get("type")
    # Each once: a list within lists, tried again on every level, would be tried for ever.
    if kinds := dict.fromkeys(one for one in listed(kind) if isinstance(one, str)):
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


def one_of(value: Any, choices: list[Any], name: str, repairs: list[str]) -> Any:
    """By the first choice that the value fits as it is, else by the first that it can be read as.

    Each is tried once: choices within choices would double the work with every level.
    """
    read: tuple[Any, list[str]] | None = None
    for choice in choices:
        mended: list[str] = []
        try:
            found = valued(value, choice, name, mended)
        except ValueError:
            continue
        if not mended:
            return found
        read = read or (found, mended)
    if read is not None:
        repairs += read[1]
        return read[0]
    words = dict.fromkeys(WORDS.get(str(mapping(choice).get("type")), "a value") for choice in choices)
    raise ValueError(f"{name!r} must be {' or '.join(words) or 'null'}")


def checked(value: Any, schema: Mapping[str, Any], name: str, repairs: list[str]) -> Any:
    """What stands in the schema besides the type."""
    same: Any = value
    if (allowed := listed(schema.get("enum"))) and value not in allowed:
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
    table, more = mapping(schema.get("properties")), schema.get("additionalProperties", True)
    for key in listed(schema.get("required")):
        if isinstance(key, str) and key not in value:
            raise ValueError(f"{name}.{key} is missing")
    found: dict[str, Any] = {}
    for key, one in value.items():
        inner = table.get(key, more)
        if inner is False:
            raise ValueError(f"there is no {name}.{key[:60]}")
        found[key] = valued(one, inner, f"{name}.{key}", repairs)
    return found


def mapping(said: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def listed(said: Any) -> list[Any]:
    return cast("list[Any]", said) if isinstance(said, list) else []


def expected(declaration: Declaration) -> str:
    """How the call should look."""
    table = cast("dict[str, Any]", declaration.parameters.get("properties", {}))
    required = cast("list[str]", declaration.parameters.get("required", []))
    shown = [f'"{name}": {example(table.get(name, {}))}' for name in required]
    rest = [name for name in table if name not in required]
    also = f" May be added: {', '.join(rest)}." if rest else ""
    return f"Expected: {{{', '.join(shown)}}}.{also}"


def example(schema: Mapping[str, Any]) -> str:
    if allowed := listed(schema.get("enum")):
        return " or ".join(f'"{one}"' for one in allowed)
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
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


CASTS = {
    "string": as_text, "integer": as_whole, "number": as_number, "boolean": as_truth, "array": as_list,
    "object": as_object,
}  # fmt: skip
