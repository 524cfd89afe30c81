"""Tools, by the real command: offered, asked about, the only thing there is, and cut off in the middle."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted

from .world import World, reply

SLOW = '''
import time
from interpreter.tools.definition import ToolContext, tool

@tool(access="write", targets=("name",), timeout=30)
def deploy(ctx: ToolContext, name: str) -> str:
    """Deploy a service.

    Args:
        name: Which.
    """
    with open({path!r}, "a") as file:
        file.write(name + "\\\\n")
    time.sleep({seconds})
    return "deployed " + name
'''


def called(name: str, /, **arguments: object) -> dict[str, object]:
    return {"calls": [{"name": name, "arguments": arguments}]}


def own_tools(world: World, seconds: float) -> tuple[Path, Path]:
    """A file of tools of the person's, and the file that its tool writes on the host's side."""
    file, told = world.root / "mine.py", world.root / "deployed"
    file.write_text(SLOW.format(path=str(told), seconds=seconds).replace("\\\\n", "\\n"))
    file.chmod(0o600)
    return file, told


def test_e200_tools_beside_code(world: World) -> None:
    (world.here / "app.log").write_text("INFO fine\nERROR disk full\n")
    code = "from interpreter_tools import read_log\nprint('seen:', read_log('app.log', only_errors=True))"
    world.serve(called("read_log", path="app.log", lines="1"), reply(code=code), "The disk is full.")
    done = world.run("-y", "--tool", "read_log", "--output", "jsonl", "what is wrong?")
    assert done.code == 0
    proposed = [line["action"] for line in done.lines if line["type"] == "action_proposed"]
    assert [(one["language"], bool(one.get("parent"))) for one in proposed] == [
        ("tool", False), ("python", False), ("tool", True)
    ]  # fmt: skip
    assert "ERROR disk full" in json.dumps(world.requests()[1]["messages"][-1])
    assert "seen:" in world.told() and "ERROR disk full" in world.told()
    first = world.requests()[0]
    assert [one["function"]["name"] for one in first["tools"]] == ["execute", "read_output", "read_log"]
    assert len(json.dumps(first, ensure_ascii=False).encode()) < 4096


def test_e201_tools_and_nothing_else(world: World) -> None:
    (world.here / "a.txt").write_text("the answer is 42\n")
    world.serve(
        "```python\nopen('hacked', 'w')\n```", reply(code="open('hacked', 'w')"),
        called("search_files", pattern="answer"), "It is 42.",
    )  # fmt: skip
    done = world.run(
        "-y", "--tools-only", "--tool", "search_files", "--max_retries", "5", "--output", "jsonl", "what is the answer?"
    )
    assert done.code == 0 and done.lines[-1]["text"] == "It is 42."
    assert not any(line["type"] == "kernel" for line in done.lines)
    assert not (world.here / "hacked").exists()
    assert "did not run" in world.requests()[1]["messages"][-1]["content"]
    refused = world.run("-y", "--tools-only", "do it")
    assert refused.code == 2 and "Name its tools" in refused.err


def test_e202_a_call_is_shown_before_it_is_made(world: World) -> None:
    file, told = own_tools(world, 0)
    world.serve(called("deploy", name="web"), "It is out.")
    with world.terminal("--tool_file", str(file), "deploy web") as terminal:
        terminal.wait_for("Call this tool?", 40)
        terminal.wait_for("a always")
        assert 'name: "web"' in terminal.text and "deploy" in terminal.text and not told.exists()
        terminal.send("y\r")
        terminal.wait_for("It is out.", 40)
    assert told.read_text() == "web\n"


def test_e203_a_call_that_was_cut_off_is_never_made_twice(world: World) -> None:
    file, told = own_tools(world, 30)
    code = (
        "import interpreter_tools as t\n"
        "try:\n    print(t.deploy(name='web'))\nexcept t.ToolError as error:\n    print('told:', error)"
    )
    world.serve(reply(code=code), "I looked.")
    process = world.start("-y", "--tool_file", str(file), "deploy web")
    end = time.monotonic() + 40
    while not told.exists() and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = world.run("-y", "--tool_file", str(file), "--resume", "last")
    assert done.code == 0, done
    assert told.read_text() == "web\n"
    assert "told: The interpreter was cut off while this call" in json.dumps(world.requests()[-1])
    ends = {event.action: event.status for event in world.of(ActionFinished)}
    nested = [event.action for event in world.of(ActionProposed) if event.action.parent]
    assert [ends[one.id] for one in nested] == ["lost"]
    assert sum(bool(event.parent) for event in world.of(ActionStarted)) == 1
