"""What a model says in words or as JSON, made to hold the program up: it is read at once, and nothing is raised."""

from __future__ import annotations

import json

import pytest

from interpreter.agent.parse import Reading
from interpreter.goals.judge import read_verdict
from interpreter.goals.own import arguments
from interpreter.goals.reading import claim_in, plan_in, plan_of, settled
from interpreter.types.actions import Action

from ..bounded import printed

IMPORTS = """
from interpreter.agent.parse import Reading
from interpreter.goals.judge import read_verdict
from interpreter.goals.reading import claim_in, plan_in, plan_of, settled
from interpreter.types.actions import Action
action = Action(id='a', language='python', code='1', sha256='', source='model')
"""
LONG = [
    "claim_in('a' + '\\n' * 100_000 + 'b')",
    "claim_in('a' + '\\n>' * 100_000 + 'b')",
    "settled(Reading(text='a' + '\\n' * 100_000 + 'b', actions=(action,))).actions[0].expect or None",
    "plan_in('plan' + '*' * 200_000 + 'b') or None",
    "plan_of(['- ' + ' ' * 100_000 + 'x\\ny'])[0].text.strip('- xy') or None",
    "read_verdict('{' * 500_000)",
]


@pytest.mark.parametrize("call", LONG)
def test_a_long_answer_is_looked_through_once(call: str) -> None:
    assert printed(f"{IMPORTS}print({call})") == "None"


def action(code: str) -> Action:
    return Action(id="a", language="finish", code=code, sha256="", source="model")


@pytest.mark.parametrize("depth", [60, 300, *range(900, 1000, 10), 100_000])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"arguments":', "}"), ('{"steps":', "}")])
def test_what_is_nested_without_end_is_neither_claim_nor_verdict_nor_arguments(
    depth: int, begin: str, end: str
) -> None:
    for key in ("status", "agrees", "steps"):
        text = f'{{"{key}":' + begin * depth + "1" + end * depth + "}"
        assert claim_in(text) is None and read_verdict(text) is None
        assert arguments(action(text)) == {}


def test_arguments_that_are_no_text() -> None:
    assert arguments(action('{"status": "\ud800"}')) == {}


def test_what_is_said_in_words_is_read_as_before() -> None:
    assert claim_in("Well.\n\n\n  **Status:** success") == ("success", "Well.\n\n\n  **Status:** success")
    assert claim_in('So: {"arguments": {"status": "failed", "evidence": ["no", 1]}}.') == ("failure", '["no", 1]')
    assert [step.text for step in plan_in("\n## **Plan** :\n\n1. look\n2. [x] do\n")] == ["look", "do"]
    assert [(step.text, step.state) for step in plan_of(["- [>] look\n  twice", "[x] do\nit"])] == [
        ("look twice", "doing"),
        ("do it", "done"),
    ]
    assert read_verdict(json.dumps({"agrees": True, "reason": {"a": [[1]]}})) == (True, "{'a': [[1]]}")


def test_what_is_said_beside_an_action_is_found_behind_empty_lines() -> None:
    text = "First.\n\n \n> I expect: 3 rows\n\n- **Undo**: `rm x`"
    found = settled(Reading(text=text, actions=(action("1"),))).actions[0]
    assert (found.expect, found.undo) == ("3 rows", "rm x")
