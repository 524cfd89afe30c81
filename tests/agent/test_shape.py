"""The final answer by a schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interpreter.agent.guards import Guards, Stop, Tally, Tell
from interpreter.agent.options import AgentOptions
from interpreter.agent.shape import LARGEST, MOST_REPAIRS, AnswerCheck, Shape
from interpreter.errors import ConfigError

SCHEMA = {
    "type": "object",
    "properties": {"sum": {"type": "number"}},
    "required": ["sum"],
    "additionalProperties": False,
}


def shape(tmp_path: Path, schema: Any = SCHEMA) -> Shape:
    path = tmp_path / "schema.json"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return Shape(str(path))


@pytest.mark.parametrize(
    "text",
    ['{"sum": 3}', ' \n{"sum":3}\n', '```json\n{"sum": 3}\n```', 'Here it is:\n```\n{"sum": 3}\n```\nDone.'],
)
def test_an_answer_is_read_from_what_models_write(tmp_path: Path, text: str) -> None:
    assert shape(tmp_path).read(text) == ('{"sum": 3}', [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3 apples",
        "1e999",
        '{"sum": -1e999}',
        '"\\ud800"',
        '{"\\ud800": 1}',
        '{"sum": NaN}',
        '{"sum": 1, "sum": 2}',
        "```\n1\n```\n```\n2\n```",
        "[" * 5000,
    ],
)
def test_what_is_not_json(tmp_path: Path, text: str) -> None:
    assert shape(tmp_path).read(text) == ("", ["$: this is not JSON"])


def test_a_wrong_answer_goes_back_with_its_problems_and_the_next_is_bound(tmp_path: Path) -> None:
    guards = Guards(AgentOptions(), Tally(), AnswerCheck(shape(tmp_path)))
    told = guards.after_text('{"sum": "3"}', "stop")
    assert isinstance(told, Tell) and "- $.sum: should be number, and is string" in told.text
    assert guards.closing() == SCHEMA
    assert guards.after_text('{"sum": 3}', "stop") is None
    assert guards.closing() is None and guards.answer("as the model said it") == '{"sum": 3}'


def test_the_corrections_are_bounded(tmp_path: Path) -> None:
    guards = Guards(AgentOptions(), Tally(), AnswerCheck(shape(tmp_path)))
    for _n in range(MOST_REPAIRS):
        assert isinstance(guards.after_text("It is 3.", "stop"), Tell)
    end = guards.after_text("It is 3.", "stop")
    assert isinstance(end, Stop) and end.exit_code == 1 and "$: this is not JSON" in end.text


def test_a_promise_is_still_a_promise(tmp_path: Path) -> None:
    guards = Guards(AgentOptions(), Tally(), AnswerCheck(shape(tmp_path)))
    told = guards.after_text("I will add them up.", "stop")
    assert isinstance(told, Tell) and "ran nothing" in told.text and guards.closing() is None


@pytest.mark.parametrize(
    "text", ["", "{", '{"if": true}', "1", " " * (LARGEST + 1), '{"maximum": 1e999}', '{"const": "\\ud800"}']
)
def test_schemas_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        shape(tmp_path, text)


def test_a_schema_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Shape(str(tmp_path / "none.json"))


def test_a_long_schema_is_not_told_whole(tmp_path: Path) -> None:
    long = {"enum": ["x" * 10] * 1000}
    assert len(shape(tmp_path, long).told()) < 300
    assert '"required": ["sum"]' in shape(tmp_path).told()
