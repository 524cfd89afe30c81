"""Our part of JSON Schema agrees with the reference library on everything that it understands."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.text.schema import MOST_PROBLEMS, BadSchema, Schema

NUMBERS = st.integers(-6, 6) | st.sampled_from([0.5, 1.0, 2.5, -0.1, 1e20])
WORDS = st.sampled_from(["", "a", "b", "ab", "abc", "好的", "1"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=3),
    max_leaves=6,
)
COUNT = st.integers(0, 3)


def objects(below: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(WORDS, below, max_size=3),
            "required": st.lists(WORDS, max_size=2, unique=True),
            "additionalProperties": below,
            "propertyNames": below,
            "items": below,
            "prefixItems": st.lists(below, min_size=1, max_size=2),
            "contains": below,
            "allOf": st.lists(below, min_size=1, max_size=2),
            "anyOf": st.lists(below, min_size=1, max_size=2),
            "oneOf": st.lists(below, min_size=1, max_size=3),
            "not": below,
        },
    )


LEAVES = st.booleans() | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
        | st.lists(st.sampled_from(["string", "integer", "null"]), min_size=1, max_size=2, unique=True),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minimum": NUMBERS,
        "maximum": NUMBERS,
        "exclusiveMinimum": NUMBERS,
        "exclusiveMaximum": NUMBERS,
        "multipleOf": st.sampled_from([1, 2, 3, 0.5]),
        "minLength": COUNT,
        "maxLength": COUNT,
        "pattern": st.sampled_from(["a", "^b", "c$", "^$"]),
        "minItems": COUNT,
        "maxItems": COUNT,
        "uniqueItems": st.booleans(),
        "minProperties": COUNT,
        "maxProperties": COUNT,
    },
)
SCHEMAS = st.recursive(LEAVES, objects, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(SCHEMAS, VALUES)
def test_the_verdict_is_that_of_the_reference(schema: Any, value: Any) -> None:
    ours = Schema(schema).problems(value)
    validator: Any = jsonschema.Draft202012Validator(schema)
    theirs: bool = validator.is_valid(value)
    assert (ours == []) == theirs, ours


def test_references_within_the_file() -> None:
    tree = {
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["n"]}},
        "$ref": "#/$defs/node",
    }
    schema = Schema(tree)
    assert schema.problems({"n": 1, "next": {"n": 2}}) == []
    assert schema.problems({"n": 1, "next": {"next": {"n": 3}}}) == ["$.next: 'n' is missing"]


def test_a_reference_in_a_circle_ends() -> None:
    assert Schema({"$ref": "#"}).problems(1) == ["$: nested too deeply"]


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ([], "# is neither"),
        ({"patternProperties": {}}, "#/patternProperties: this keyword is not understood"),
        ({"properties": {"a": {"if": True}}}, "#/properties/a/if: this keyword"),
        ({"type": "text"}, "#/type cannot be"),
        ({"type": []}, "#/type cannot be"),
        ({"minLength": -1}, "#/minLength cannot be"),
        ({"minimum": True}, "#/minimum cannot be"),
        ({"pattern": "("}, '#/pattern: "(" cannot be used: a ( that is not closed'),
        ({"pattern": "(?=a)"}, '#/pattern: "(?=a)" cannot be used: (?=a is not understood'),
        ({"anyOf": []}, "#/anyOf should be a list"),
        ({"$ref": "http://example.org/x"}, "#/$ref names"),
        ({"$ref": "#/nowhere"}, "#/$ref names"),
        ({"properties": 1}, "#/properties should be an object"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_place(schema: Any, where: str) -> None:
    with pytest.raises(BadSchema) as told:
        Schema(schema)
    assert str(told.value).startswith(where)


def test_depth_is_bounded() -> None:
    deep: Any = True
    for _n in range(200):
        deep = {"not": deep}
    with pytest.raises(BadSchema, match="too deeply"):
        Schema(deep)


def test_problems_are_told_by_their_place_and_bounded() -> None:
    schema = Schema({"type": "object", "properties": {"a b": {"type": "integer"}}, "additionalProperties": False})
    assert schema.problems({"a b": "x"}) == ['$["a b"]: should be integer, and is string']
    assert len(schema.problems({f"n{n}": n for n in range(50)})) == MOST_PROBLEMS


@pytest.mark.timeout(30)
def test_a_hostile_schema_cannot_make_the_check_go_on_for_ever() -> None:
    """An attack: each of these takes longer than the world lasts where one goes back and tries again."""
    for pattern in (r"^(a+)+$", r"^(a|aa)+$", r"^(\w+\s?)*$", r"^(a?){200}a{200}$"):
        problems = Schema({"pattern": pattern}).problems("a" * 5_000 + "!")
        assert len(problems) == 1 and ("should match" in problems[0] or "too much" in problems[0]), pattern
    # No way round it: what was not looked at to its end does not fit, in a "not" as little as elsewhere.
    wide = {"pattern": "x?" * 480 + "y"}
    assert Schema({"not": wide}).problems("x" * 50_000) == ["$: this is too much to be judged by the schema"]
    again = {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}
    assert Schema(again).problems(1) == ["$: this is too much to be judged by the schema"]
    for pattern in ("a{9999}", "(a{99}){99}", "(" * 60 + ")" * 60, "a" * 2_000):
        with pytest.raises(BadSchema):
            Schema({"pattern": pattern})
