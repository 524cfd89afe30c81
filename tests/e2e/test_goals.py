"""Goal runs of the real command: exit codes, outputs, and what survives."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted, ApprovalRequested
from interpreter.types.goals import CeilingNeared, CheckFinished, GoalFinished, GoalStarted

from .world import World, reply, until


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"calls": [{"name": name, "arguments": arguments}]}


def finish(status: str = "success", evidence: str = "I saw it.") -> dict[str, Any]:
    return call("finish", status=status, evidence=evidence)


def test_e220_a_goal_is_proven(world: World) -> None:
    world.forks = False
    plan = call("plan", steps=["[>] write it", "look"])
    world.serve(plan, reply(code="open('out.txt', 'w').write('42')"), finish(evidence="out.txt holds 42."))
    done = world.run("run", "Write 42 into out.txt.", "--verify", "grep -q 42 out.txt", "--max-steps", "5")
    assert (done.code, done.out) == (0, "out.txt holds 42.\n")
    for line in ("Plan:", "  [>] write it", "✓ check: grep -q 42 out.txt", "Proven (3 steps"):
        assert line in done.err
    assert "\x1b" not in done.err and '"status"' not in done.err
    assert world.of(GoalStarted)[0].task.ceilings.steps == 5


def test_e221_a_claim_is_no_proof_and_the_result_object_says_so(world: World) -> None:
    world.serve(*(finish() for _ in range(4)))
    done = world.run("run", "Make it.", "--verify", "test -e made", "--output", "json")
    goal = done.result["goal"]
    assert (done.code, done.result["status"], goal["status"]) == (1, "failed", "blocked")
    assert [(c["phase"], c["passed"]) for c in goal["checks"]] == [("before", False), *[("claim", False)] * 3]
    assert goal["spent"]["steps"] == 3 and goal["claims"][0]["status"] == "success"
    assert done.result["answer"] == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run",), "There is no goal."),
        (("run", "two", "words"), 'interpreter run "two words"'),
        (("run", "x", "--max-steps", "none"), "--max-steps"),
        (("run", "x", "--set", "a=1"), "--set is for"),
        (("run", "absent.yaml"), "absent.yaml"),
        (("run", "x", "--verfy", "true"), "--verify"),
        (("run", "--resume", "last", "x"), "those of the session"),
        (("run", "x", "--tools-only"), "--tools-only"),
        (("undo", "s_nothing"), "s_nothing"),
    ],
)
def test_e222_wrong_usage_ends_with_2(world: World, words: tuple[str, ...], told: str) -> None:
    done = world.run(*words)
    assert (done.code, done.out) == (2, "") and told in done.err


def test_e223_killed_in_the_middle_it_goes_on_where_it_stood(world: World) -> None:
    slow = (
        "open('begun', 'w').close()\nimport time\nwhile not __import__('os').path.exists('go'): time.sleep(0.05)\nx = 1"
    )
    world.serve(reply(code=slow), reply(code="open('made', 'w').write(str(x))"), finish())
    process = world.start("run", "Make it.", "--verify", "test -e made")
    until((world.here / "begun").exists, "the first step has begun")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (world.here / "go").touch()
    done = world.run("run", "--resume")
    assert done.code == 0 and (world.here / "made").read_text() == "1"
    assert [(c.phase, c.passed) for c in world.of(CheckFinished)] == [("before", False), ("claim", True)]
    assert world.of(GoalFinished)[0].spent.steps == 3
    assert len(world.of(ActionProposed)) == len(world.of(ActionFinished))
    assert "Write" not in done.out
    again = world.run("run", "--resume")
    assert again.code == 2 and "has its end" in again.err


def test_e224_parked_answered_and_gone_on_with(world: World) -> None:
    send = reply(code="curl -s -X POST http://127.0.0.1:9/; touch made", language="shell")
    sent = call("execute", language="shell", code=send["code"], undo="none")
    world.serve(sent, finish())
    done = world.run("run", "Send it.", "--verify", "test -e made", "--approvals", "park")
    assert done.code == 4 and not (world.here / "made").exists()
    asked = world.of(ApprovalRequested)[0].approval
    assert world.run("approvals", "approve", asked).code == 0
    again = world.run("run", "--resume", "--approvals", "park")
    assert (again.code, again.out) == (0, "I saw it.\n")
    assert [(c.phase, c.passed) for c in world.of(CheckFinished)] == [("before", False), ("claim", True)]


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        made = (Path(self.server.folder) / "version").exists()  # type: ignore[attr-defined]
        self.send_response(200 if made else 503)
        self.end_headers()
        self.wfile.write(b"2.0" if made else b"")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


TASK = """\
goal: Put version {{version}} into the shop.
variables: {version: null}
checks:
  - name: the shop answers
    http: {url: "http://127.0.0.1:PORT/", holds: "{{version}}"}
    within: 5s
  - test "$(cat version)" = "$version"
"""


def test_e225_a_task_file_whose_checks_look_at_a_server_and_its_undo(world: World) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.folder = str(world.here)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    try:
        (world.here / "task.yaml").write_text(TASK.replace("PORT", str(port)))
        world.serve(reply(code="open('version', 'w').write('2.0')"), finish())
        done = world.run("run", "task.yaml", "--set", "version=2.0", "--allow-host", f"127.0.0.1:{port}")
        assert done.code == 0 and "✓ check: the shop answers" in done.err
        back = world.run("undo")
        assert back.code == 0 and not (world.here / "version").exists()
        assert (world.here / "task.yaml").exists() and re.search("1 steps are undone", back.err)
        assert len(world.requests()) == 2 and len(world.of(ActionStarted)) == 5
    finally:
        server.shutdown()
        server.server_close()


def test_e226_the_plain_resume_goes_on_with_the_goal_as_well(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"), finish())
    done = world.run("run", "Make it.", "--verify", "test -e made", "--max-steps", "1", "--output", "json")
    assert (done.code, done.result["goal"]["status"]) == (5, "limit")
    session = world.session()
    again = world.run("--resume", session, "-y", "Go on, but with a claim.")
    assert again.code == 5
    raised = world.run("run", "--resume", session, "--max-steps", "9")
    assert raised.code == 0 and world.of(GoalFinished)[-1].status == "proven"


def test_e227_the_goal_from_standard_input_and_data_beside_one(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"), finish())
    done = world.run("run", "--verify", "test -e made", stdin="Make it.\nAnd nothing else.\n")
    assert done.code == 0 and world.of(GoalStarted)[0].task.goal == "Make it.\nAnd nothing else."
    world.serve(finish())
    done = world.run("run", "Look.", "--verify", "test -e made", stdin='{"alert": "latency"}')
    assert done.code == 0 and '{"alert": "latency"}' in str(world.requests()[0]["messages"])


def test_e228_killed_in_an_undo_it_runs_nothing_twice(world: World) -> None:
    undo = (
        "echo once >> $TMPDIR/count; touch begun; while [ ! -e go ]; do sleep 0.05; done; wc -l < $TMPDIR/count > lines"
    )
    made = call("execute", language="shell", code="curl -s -X POST http://127.0.0.1:9/; touch made", undo=undo)
    world.serve(made, finish())
    assert world.run("run", "Make it.", "--verify", "test -e made").code == 0
    process = world.start("undo")
    until((world.here / "begun").exists, "the undo has begun")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (world.here / "go").touch()
    done = world.run("undo")
    assert done.code == 0 and not (world.here / "made").exists()
    assert [a.action.purpose for a in world.of(ActionProposed)].count("undo") == 1


OWN_TOOL = '''
from pathlib import Path
from interpreter.tools.definition import ToolContext, tool


@tool(access="write", targets=("path",), undo="rm -f {path}")
def publish(ctx: ToolContext, path: str, text: str) -> dict:
    """Publish a text.

    Args:
        path: Under which name.
        text: What is published.
    """
    Path(ctx.workspace, path).write_text(text)
    return {"published": path, "size": len(text)}
'''


def test_e229_a_real_tool_in_a_goal_run_from_the_call_to_its_undo(world: World) -> None:
    """By the model and by its code; judged, in the log, proven by the check, taken back by the tool's own undo."""
    (own := world.root / "own_tool.py").write_text(OWN_TOOL)
    world.serve(
        call("publish", path="a b.txt", text="from the model"),
        reply(code="from interpreter_tools import publish\nprint(publish('b.txt', text='from code'))"),
        reply(code='interpreter-tool publish \'{"path": "c.txt", "text": "x"}\'', language="shell"),
        finish(evidence="all are there"),
    )
    check = "grep -q model 'a b.txt' && grep -q code b.txt && test -e c.txt"
    done = world.run("run", "Publish them.", "--verify", check, "--tool-file", str(own), "--output", "json")
    assert (done.code, done.result["goal"]["status"]) == (0, "proven"), done
    calls = [event.action for event in world.of(ActionProposed) if event.action.language == "tool"]
    assert [bool(one.parent) for one in calls] == [False, True, True]
    ends = {event.action: event.status for event in world.of(ActionFinished)}
    assert [ends[one.id] for one in calls] == ["ok"] * 3
    assert "'size': 9" in str(world.requests()[2]["messages"])
    back = world.run("undo", "--tool-file", str(own))
    assert back.code == 0 and not list(world.here.glob("*.txt")), back


def test_e230_the_ceiling_of_cost_ends_with_5_and_is_neared_before(world: World) -> None:
    usage = {"prompt": 250_000, "completion": 50_000}
    world.serve(*(reply(code=f"print({n})", usage=usage) for n in range(9)))
    prices = {"INTERPRETER_PRICES": "input=1,output=1"}
    done = world.run("run", "Count.", "--verify", "test -e made", "--max-cost", "1", "--output", "json", env=prices)
    goal = done.result["goal"]
    assert (done.code, done.result["status"], goal["status"]) == (5, "limit", "limit"), done
    assert "The ceiling of cost, 1, was met" in done.result["message"] and goal["spent"]["cost"] == 1.2
    assert len(world.requests()) == 4
    assert "Used: 0.9 of 1 cost. Finish now" in world.told() and "Used:" not in world.told(2)
    assert [(one.ceiling, round(one.used, 6)) for one in world.of(CeilingNeared)] == [("cost", 0.9)]


def test_e231_the_answer_of_a_goal_run_by_a_schema(world: World) -> None:
    """Asked for when the checks have passed, bound by the server, mended; and nothing is done any more by then."""
    schema = {"type": "object", "properties": {"files": {"type": "integer"}}, "required": ["files"]}
    (world.here / "schema.json").write_text(json.dumps(schema))
    words = ("run", "Make it.", "--verify", "test -e made", "--output-schema", "schema.json")
    make = reply(code="open('made', 'w').close()")
    world.serve(make, finish(evidence="made"), "One file.", '{"files": 1}')
    done = world.run(*words)
    assert (done.code, done.out) == (0, '{"files": 1}\n'), done
    first, _claim, asked, again = world.requests()
    assert "response_format" not in first and "JSON Schema" not in first["messages"][0]["content"]
    assert asked["response_format"]["json_schema"]["schema"] == schema and asked["tool_choice"] == "none"
    assert "The checks pass. Now give" in asked["messages"][-1]["content"]
    assert "this is not JSON" in again["messages"][-1]["content"]
    # What acts instead of answering does nothing, and a proven goal without its answer is no success.
    (world.here / "made").unlink()
    world.serve(make, finish(), reply(code="open('more', 'w').close()", form="call"))
    done = world.run(*words, "--output", "json")
    assert (done.code, done.result["answer"]) == (1, "") and not (world.here / "more").exists()
    assert "The checks pass, but there is no answer" in done.result["message"]
    # A goal that is not reached is not asked for one.
    world.serve(finish("failure", "I cannot."))
    assert world.run(*words).code == 1 and len(world.requests()) == 1
