"""Our part of JSON Schema agrees with the reference library on everything that it understands."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.text.schema import LONGEST_PROBLEM, MOST_PROBLEMS, BadSchema, Schema

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
        ({"default": {"pattern": "("}, "$ref": "#/default"}, '#/default/pattern: "("'),
        ({"const": [{"minLength": "x"}], "$ref": "#/const/0"}, '#/const/0/minLength cannot be "x"'),
        ({"examples": [{"$ref": "#/default"}], "default": {"if": 1}, "$ref": "#/examples/0"}, "#/default/if: this"),
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


TOO_MUCH = ["$: this is too much to be judged by the schema"]


def test_what_is_nested_too_deep_fits_nowhere() -> None:
    """Neither where a schema forbids everything, nor in a "not"."""
    deep: dict[str, Any] = {"x": 1}
    rows: list[Any] = []
    for _n in range(5_000):
        deep, rows = {"a": deep}, [rows]
    (said,) = Schema({"not": {"items": {"$ref": "#/not"}}}).problems(rows)
    assert said.endswith("nested too deeply")
    (said,) = Schema({"properties": {"a": {"$ref": "#"}, "x": False}}).problems(deep)
    assert said.endswith("nested too deeply")
    assert Schema({"uniqueItems": True}).problems([rows, rows]) == ["$: nested too deeply"]


@pytest.mark.timeout(30)
def test_many_items_are_told_apart_in_a_time_that_grows_with_their_number() -> None:
    numbers = list(range(40_000))
    assert Schema({"uniqueItems": True}).problems(numbers) == []
    assert Schema({"uniqueItems": True}).problems([*numbers, 7.0]) == ["$: holds an item twice"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"allOf": [{"uniqueItems": True}] * 100}, list(range(1_000))),
        ({"anyOf": [{"const": 1}] * 100}, list(range(1_000))),
        ({"items": {"enum": [f"n{n}" for n in range(1_000)]}}, ["n999"] * 1_000),
        ({"items": {"properties": {f"n{n}": True for n in range(1_000)}}}, [{"x": 1}] * 1_000),
        ({"items": {"required": ["x"] * 1_000}}, [{"x": 1}] * 1_000),
        ({"items": {"pattern": "^(?:a?){50}$"}}, ["a" * 50] * 1_000),
    ],
)
def test_what_one_keyword_does_counts_as_well(schema: Any, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attack: long lists of the schema, and long texts, looked through again for every choice and every item."""
    monkeypatch.setattr("interpreter.text.schema.MOST_LOOKS", 4_000)
    assert Schema(schema).problems(value)[-1:] == TOO_MUCH


def test_a_problem_with_a_long_place_is_cut() -> None:
    told = Schema({"additionalProperties": {"items": False}}).problems({"n" * 5_000: [1] * 12})
    assert len(told) == MOST_PROBLEMS and {len(one) for one in told} == {LONGEST_PROBLEM}


@pytest.mark.timeout(30)
def test_a_hostile_schema_cannot_make_the_check_go_on_for_ever() -> None:
    """An attack: each of these takes longer than the world lasts where one goes back and tries again."""
    for pattern in (r"^(a+)+$", r"^(a|aa)+$", r"^(\w+\s?)*$", r"^(a?){200}a{200}$"):
        problems = Schema({"pattern": pattern}).problems("a" * 5_000 + "!")
        assert len(problems) == 1 and ("should match" in problems[0] or "too much" in problems[0]), pattern
    # No way round it: what was not looked at to its end does not fit, in a "not" as little as elsewhere.
    wide = {"pattern": "x?" * 480 + "y"}
    assert Schema({"not": wide}).problems("x" * 50_000) == TOO_MUCH
    again: Any = {"$defs": {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}}
    again |= {"$ref": "#/$defs/d0"}
    again["$defs"]["d30"] = False
    assert Schema(again).problems(1) == TOO_MUCH
    for pattern in ("a{9999}", "(a{99}){99}", "(" * 60 + ")" * 60, "a" * 2_000):
        with pytest.raises(BadSchema):
            Schema({"pattern": pattern})
