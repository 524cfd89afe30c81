"""JSON Schema, the part that answers need: a value either fits, or it is said in short sentences where it does not.

Keywords: docs/pipelines.md. One that is not among them is refused when the schema is read, never passed over in
silence. `format` and the describing keywords say nothing about whether a value fits, as in the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, cast

from .patterns import TooMuch, pattern
from .values import key, kind_of, parts, same, short

MOST_DEPTH = 64
MOST_PROBLEMS = 12
MOST_LOOKS = 200_000
"""Parts of a value against parts of a schema, in all: choices within choices could go on for ever."""
STEPS = 10
"""Of what a keyword does at one place: so many are as much as a look."""
LONGEST_PROBLEM = 1_000
"""Characters."""
SAYS_NOTHING = frozenset((
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated",
    "readOnly", "writeOnly", "format",
))  # fmt: skip
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
Problems = Iterator[tuple[str, str]]
"""Where, and what."""


class BadSchema(Exception):
    """The schema itself cannot be used; says where and why."""


class TooDeep(Exception):
    """A place of a value, or what the schema says of it, lies too deep to be looked at."""


class Schema:
    """A schema that was read. Raises BadSchema when it is made."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self._looks = 0
        self._checked, self._named = set[int](), list[str]()
        self._check(source, "#", 0)
        for reference in self._named:  # grows meanwhile: what is named may lie where no schema is looked for
            self._check(self._target(reference), reference, 0)

    def problems(self, value: Any) -> list[str]:
        """Where a value of JSON does not fit, in English, at most MOST_PROBLEMS; empty where it fits."""
        self._looks = MOST_LOOKS
        found: list[str] = []
        try:
            for place, what in self._judge(self.source, value, "$", 0):
                found.append(f"{place}: {what}"[:LONGEST_PROBLEM])
                if len(found) == MOST_PROBLEMS:
                    break
        # Neither is a problem like others: in a "not" it would be a fit.
        except TooMuch:
            found.append("$: this is too much to be judged by the schema")
        except TooDeep as error:
            found.append(f"{error}: nested too deeply"[:LONGEST_PROBLEM])
        except RecursionError:
            found.append("$: nested too deeply")
        return found

    def _check(self, schema: Any, place: str, depth: int) -> None:
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise BadSchema(f"{place} is neither an object nor true or false")
        if depth > MOST_DEPTH:
            raise BadSchema(f"{place} is nested too deeply")
        rules = cast("dict[str, Any]", schema)
        if id(rules) in self._checked:
            return
        self._checked.add(id(rules))
        for keyword, said in rules.items():
            here = f"{place}/{keyword}"
            if keyword in ("$defs", "definitions", "properties"):
                for name, below in table(said, here).items():
                    self._check(below, f"{here}/{name}", depth + 1)
            elif keyword in SAYS_NOTHING:
                continue
            elif keyword in ("items", "additionalProperties", "not", "contains", "propertyNames"):
                self._check(said, here, depth + 1)
            elif keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
                for n, below in enumerate(listed(said, here)):
                    self._check(below, f"{here}/{n}", depth + 1)
            elif keyword == "$ref":
                self._check_reference(said, here)
            else:
                check_keyword(keyword, said, here)

    def _check_reference(self, said: Any, place: str) -> None:
        try:
            target = self._target(said)
        except (KeyError, IndexError, ValueError, TypeError):
            raise BadSchema(f"{place} names {said!r}, which is not in this file") from None
        if not isinstance(target, dict | bool):
            raise BadSchema(f"{place} names {said!r}, which is no schema")
        self._named.append(said)

    def _target(self, reference: str) -> Any:
        if reference != "#" and not reference.startswith("#/"):
            raise ValueError
        found: Any = self.source
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = cast("Any", found[int(name)] if isinstance(found, list) else found[name])
        return found

    def _judge(self, schema: Any, value: Any, place: str, depth: int) -> Problems:
        self._spend(1)
        if schema is True:
            return
        if schema is False:
            yield place, "nothing is allowed here"
            return
        if depth > MOST_DEPTH:
            raise TooDeep(place)
        for keyword, said in schema.items():
            self._spend(steps(keyword, said, value) // STEPS)
            judge = JUDGES.get(keyword)
            if judge is not None:
                yield from judge(said, value, place)
            elif keyword == "pattern":
                yield from self._pattern(said, value, place)
            elif keyword == "$ref":
                yield from self._judge(self._target(said), value, place, depth + 1)
            elif keyword in ("allOf", "anyOf", "oneOf", "not"):
                yield from self._combined(keyword, said, value, place, depth + 1)
            elif isinstance(value, dict):
                yield from self._members(schema, keyword, said, cast("dict[str, Any]", value), place, depth + 1)
            elif isinstance(value, list):
                yield from self._items(schema, keyword, said, cast("list[Any]", value), place, depth + 1)

    def _spend(self, looks: int) -> None:
        self._looks -= looks
        if self._looks < 0:
            raise TooMuch

    def _pattern(self, said: str, value: Any, place: str) -> Problems:
        if isinstance(value, str):
            fits, work = pattern(said).searched(value)
            self._spend(work // STEPS)
            if not fits:
                yield place, f"should match {said}, and is {short(value)}"

    def _fits(self, schema: Any, value: Any, depth: int) -> bool:
        return next(self._judge(schema, value, "$", depth), None) is None

    def _combined(self, keyword: str, said: Any, value: Any, place: str, depth: int) -> Problems:
        if keyword == "allOf":
            for below in said:
                yield from self._judge(below, value, place, depth)
            return
        if keyword == "not":
            if self._fits(said, value, depth):
                yield place, "is what the schema rules out"
            return
        fitting = sum(1 for below in said if self._fits(below, value, depth))
        if keyword == "anyOf" and not fitting:
            yield place, f"fits none of the {len(said)} choices; the first: {self._first(said[0], value, depth)}"
        elif keyword == "oneOf" and fitting != 1:
            yield place, f"should fit exactly one of the {len(said)} choices, and fits {fitting}"

    def _first(self, schema: Any, value: Any, depth: int) -> str:
        found = next(self._judge(schema, value, "$", depth), None)
        return f"{found[0]} {found[1]}" if found is not None else ""

    def _members(
        self, schema: dict[str, Any], keyword: str, said: Any, value: dict[str, Any], place: str, depth: int
    ) -> Problems:
        if keyword == "properties":
            for name, below in said.items():
                if name in value:
                    yield from self._judge(below, value[name], member(place, name), depth)
        elif keyword == "additionalProperties":
            known = schema.get("properties", {})
            for name, item in value.items():
                if name not in known:
                    if said is False:
                        yield place, f"{name!r} is not a property of this object"
                    else:
                        yield from self._judge(said, item, member(place, name), depth)
        elif keyword == "propertyNames":
            for name in value:
                yield from self._judge(said, name, member(place, name), depth)

    def _items(
        self, schema: dict[str, Any], keyword: str, said: Any, value: list[Any], place: str, depth: int
    ) -> Problems:
        if keyword == "items":
            first = len(schema.get("prefixItems", ()))
            for n, item in enumerate(value[first:], first):
                yield from self._judge(said, item, f"{place}[{n}]", depth)
        elif keyword == "prefixItems":
            for n, (below, item) in enumerate(zip(said, value, strict=False)):
                yield from self._judge(below, item, f"{place}[{n}]", depth)
        elif keyword == "contains" and not any(self._fits(said, item, depth) for item in value):
            yield place, "no item fits what has to be among them"


def table(said: Any, place: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise BadSchema(f"{place} should be an object")
    return cast("dict[str, Any]", said)


def listed(said: Any, place: str) -> list[Any]:
    if not isinstance(said, list) or not said:
        raise BadSchema(f"{place} should be a list with something in it")
    return cast("list[Any]", said)


def check_keyword(keyword: str, said: Any, place: str) -> None:
    """Raises BadSchema where a keyword is not known, or its value is not what it takes."""
    if keyword not in JUDGES and keyword != "pattern":
        raise BadSchema(f"{place}: this keyword is not understood here")
    whole = isinstance(said, int) and not isinstance(said, bool) and said >= 0
    number = isinstance(said, int | float) and not isinstance(said, bool)
    if keyword == "type":
        names = cast("list[Any]", said if isinstance(said, list) else [said])
        good = bool(names) and all(name in TYPES for name in names)
    elif keyword == "enum":
        good = isinstance(said, list) and bool(cast("list[Any]", said))
    elif keyword == "required":
        good = isinstance(said, list) and all(isinstance(name, str) for name in cast("list[Any]", said))
    elif keyword == "pattern":
        good = isinstance(said, str)
        check_pattern(str(said), place)
    elif keyword == "uniqueItems":
        good = isinstance(said, bool)
    elif keyword == "multipleOf":
        good = number and said > 0
    elif keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        good = number
    else:
        good = keyword == "const" or whole
    if not good:
        raise BadSchema(f"{place} cannot be {short(said)}")


def check_pattern(text: str, place: str) -> None:
    try:
        pattern(text)
    except ValueError as error:
        raise BadSchema(f"{place}: {short(text)} cannot be used: {error}") from None


def steps(keyword: str, said: Any, value: Any) -> int:
    """How often a keyword looks at something besides the one value."""
    if keyword in ("required", "properties"):
        return len(said)
    if keyword in ("enum", "const"):
        return parts(said) + parts(value)
    return parts(value) if keyword == "uniqueItems" else 0


def member(place: str, name: str) -> str:
    return f"{place}.{name}" if name.isidentifier() else f"{place}[{short(name)}]"


def judge_type(said: Any, value: Any, place: str) -> Problems:
    names = cast("list[str]", said if isinstance(said, list) else [said])
    kind = kind_of(value)
    if kind not in names and not (kind == "integer" and "number" in names):
        yield place, f"should be {' or '.join(names)}, and is {kind}"


def judge_enum(said: Any, value: Any, place: str) -> Problems:
    if not any(same(one, value) for one in said):
        yield place, f"should be one of {', '.join(map(short, said[:12]))}, and is {short(value)}"


def judge_const(said: Any, value: Any, place: str) -> Problems:
    if not same(said, value):
        yield place, f"should be {short(said)}, and is {short(value)}"


def judge_required(said: Any, value: Any, place: str) -> Problems:
    if isinstance(value, dict):
        for name in said:
            if name not in value:
                yield place, f"{name!r} is missing"


def judge_unique(said: Any, value: Any, place: str) -> Problems:
    if said and isinstance(value, list):
        items = cast("list[Any]", value)
        if len({key(one) for one in items}) < len(items):
            yield place, "holds an item twice"


def judge_multiple(said: Any, value: Any, place: str) -> Problems:
    if kind_of(value) in ("integer", "number") and Fraction(str(value)) % Fraction(str(said)):
        yield place, f"should be a multiple of {said}, and is {value}"


def size(kind: str, unit: str, *, least: bool) -> Callable[[Any, Any, str], Problems]:
    def judge(said: Any, value: Any, place: str) -> Problems:
        if kind_of(value) == kind and (len(value) < said if least else len(value) > said):
            yield place, f"should have at {'least' if least else 'most'} {said} {unit}, and has {len(value)}"

    return judge


def bound(words: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, str], Problems]:
    def judge(said: Any, value: Any, place: str) -> Problems:
        if kind_of(value) in ("integer", "number") and not holds(value, said):
            yield place, f"should be {words} {said}, and is {value}"

    return judge


JUDGES: dict[str, Callable[[Any, Any, str], Problems]] = {
    "type": judge_type,
    "enum": judge_enum,
    "const": judge_const,
    "required": judge_required,
    "uniqueItems": judge_unique,
    "multipleOf": judge_multiple,
    "minimum": bound("at least", lambda value, said: value >= said),
    "maximum": bound("at most", lambda value, said: value <= said),
    "exclusiveMinimum": bound("more than", lambda value, said: value > said),
    "exclusiveMaximum": bound("less than", lambda value, said: value < said),
    "minLength": size("string", "characters", least=True),
    "maxLength": size("string", "characters", least=False),
    "minItems": size("array", "items", least=True),
    "maxItems": size("array", "items", least=False),
    "minProperties": size("object", "properties", least=True),
    "maxProperties": size("object", "properties", least=False),
}
