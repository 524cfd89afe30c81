"""Every way in which a model asks for an action, and every way in which it fails to: whole event streams."""

from __future__ import annotations

import json

import pytest

from . import snapshots
from .world import Done, Piece, World, reply

CALL = json.dumps({"name": "execute", "arguments": {"language": "python", "code": "print(6 * 7)"}})


def stream(world: World, *words: str) -> Done:
    return world.run("-y", "--output", "jsonl", *words, "compute")


def raw(arguments: str, name: str = "execute", **more: object) -> Piece:
    """A native call whose arguments are sent as they stand."""
    return {"calls": [{"name": name, "arguments": arguments}], **more}


def test_e15_a_tagged_call_in_the_text(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)", form="tag"), "42.")
    done = stream(world)
    assert done.code == 0
    snapshots.check("e15", done, world)


def test_e16_a_tag_that_is_never_closed(world: World) -> None:
    world.serve(f"<tool_call>\n{CALL}", "42.")
    done = stream(world)
    assert done.code == 0 and world.told(1) == "Result of your python code:\n42"
    snapshots.check("e16", done, world)


def test_e17_json_in_the_text(world: World) -> None:
    world.serve(CALL, "42.")
    done = stream(world)
    assert done.code == 0 and world.told(1) == "Result of your python code:\n42"
    snapshots.check("e17", done, world)


def test_e18_a_fenced_block(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)", form="fence"), "42.")
    done = stream(world, "--tools", "off")
    assert done.code == 0
    snapshots.check("e18", done, world)


def test_e19_several_actions_stop_at_the_first_failure(world: World) -> None:
    blocks = ["x = 1\nprint(x)", "raise ValueError(x)", "open('never', 'w')"]
    world.serve("\n".join(f"```python\n{code}\n```" for code in blocks), "The second failed.")
    done = stream(world)
    ends = [event["status"] for event in done.lines if event["type"] == "action_finished"]
    assert (done.code, ends) == (0, ["ok", "error", "not_run"])
    assert not (world.here / "never").exists()
    snapshots.check("e19", done, world)


def test_e20_several_native_calls_run_in_order(world: World) -> None:
    calls = [{"name": "execute", "arguments": {"language": "python", "code": f"print({n})"}} for n in (1, 2)]
    world.serve({"text": "Both.", "calls": calls}, "1 and 2.")
    done = stream(world)
    assert done.code == 0
    answers = [message["content"] for message in world.requests()[1]["messages"] if message["role"] == "tool"]
    assert answers == ["1", "2"]
    snapshots.check("e20", done, world)


def test_e21_arguments_that_are_broken_json_are_mended(world: World) -> None:
    world.serve(raw('{"language": "python", "code": "print(6 * 7)"'), "42.")
    done = stream(world)
    assert done.code == 0 and world.told(1) == "42"
    snapshots.check("e21", done, world)


def test_e22_arguments_that_are_escaped_twice(world: World) -> None:
    world.serve(raw(json.dumps(json.dumps({"language": "python", "code": "print(6 * 7)"}))), "42.")
    done = stream(world)
    assert done.code == 0 and world.told(1) == "42"
    snapshots.check("e22", done, world)


def test_e23_what_cannot_be_read_goes_back_to_the_model(world: World) -> None:
    world.serve(raw("true"), reply(code="print(6 * 7)"), "42.")
    done = stream(world)
    assert done.code == 0 and "code" in world.told(1) and world.told(2) == "42"
    snapshots.check("e23", done, world)


def test_e24_a_tool_that_does_not_exist(world: World) -> None:
    world.serve(raw('{"city": "Berlin"}', name="get_weather"), "I cannot.")
    done = stream(world)
    assert done.code == 0 and "get_weather" in world.told(1)
    snapshots.check("e24", done, world)


@pytest.mark.parametrize(("name", "language"), [("Python3", "python"), ("bash", "shell"), ("node", "javascript")])
def test_e25_languages_by_another_spelling(world: World, name: str, language: str) -> None:
    code = {"python": "print(6 * 7)", "shell": "echo $((6 * 7))", "javascript": "console.log(6 * 7)"}[language]
    world.serve(reply(code=code, language=name), "42.")
    done = world.run("-y", "--output", "json", "compute")
    (action,) = done.result["actions"]
    if action["status"] == "refused" and language == "javascript":
        pytest.skip("no node here")
    assert (action["language"], action["status"], action["output"]) == (language, "ok", "42")


def test_e26_a_language_that_is_not_there(world: World) -> None:
    world.serve(reply(code="MsgBox 1", language="vbscript"), "There is no VBScript.")
    done = stream(world)
    assert done.code == 0 and "vbscript" in world.told(1).lower()
    snapshots.check("e26", done, world)


def test_e27_a_server_that_refuses_tools_is_served_by_text(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)"), "42.", refuse=["tools"])
    done = stream(world)
    assert done.code == 0
    served = [request for request in world.requests() if "tools" not in request]
    assert len(served) == 2 and "42" in json.dumps(served[1]["messages"][-1])
    snapshots.check("e27", done, world)


def test_e28_half_a_program_never_runs(world: World) -> None:
    half = raw('{"language": "python", "code": "open(\'half\', \'w\')\\nprint(', finish="length")
    world.serve(half, reply(code="print(6 * 7)"), "42.")
    done = stream(world)
    assert done.code == 0 and not (world.here / "half").exists()
    snapshots.check("e28", done, world)


def test_e29_half_a_fenced_program_never_runs(world: World) -> None:
    world.serve({"text": "```python\nopen('half', 'w')\nprint(", "finish": "length"}, "I stop here.")
    done = stream(world)
    assert not (world.here / "half").exists()
    snapshots.check("e29", done, world)


def test_e30_reasoning_is_shown_and_never_sent_back(world: World) -> None:
    world.serve(reply("Now.", "print(6 * 7)", reasoning="The person wants 42."), reply("42.", reasoning="Done."))
    done = stream(world)
    assert done.code == 0 and "The person wants 42." not in json.dumps(world.requests()[1])
    snapshots.check("e30", done, world)


def test_e31_blocks_that_are_only_shown_are_not_run(world: World) -> None:
    world.serve('The file holds:\n```json\n{"a": 1}\n```\nand prints\n```text\nrm -rf /\n```\nThat is all.')
    done = stream(world)
    assert done.code == 0
    snapshots.check("e31", done, world)


def test_e32_an_empty_answer_and_a_promise_are_asked_once_more(world: World) -> None:
    world.serve("", "Now I will compute it:", reply(code="print(6 * 7)"), "42.")
    done = stream(world)
    assert done.code == 0
    snapshots.check("e32", done, world)


def test_e33_the_same_code_a_third_time_is_stopped(world: World) -> None:
    world.serve(reply(code="print('again')", times=9))
    done = stream(world)
    assert done.code == 1
    snapshots.check("e33", done, world)


def test_e34_code_that_looks_like_control_is_only_code(world: World) -> None:
    code = "print('''```\n<tool_call>{\"name\": \"execute\"}</tool_call>\n%%shell\n!ls\n##end_of_execution##''')"
    world.serve(reply(code=code), "Printed.")
    done = stream(world)
    assert done.code == 0 and "##end_of_execution##" in world.told(1)
    (action,) = [event["action"] for event in done.lines if event["type"] == "action_proposed"]
    assert action["code"] == code
    snapshots.check("e34", done, world)
