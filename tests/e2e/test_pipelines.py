"""Runs that nobody watches: the real command under a build server's environment. Cases e260 to e279."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from interpreter.types.events import ModelAnswered

from .world import COMMAND, World, reply

GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true"}
SCHEMA = {
    "type": "object",
    "properties": {"rows": {"type": "integer"}},
    "required": ["rows"],
    "additionalProperties": False,
}


def test_e260_a_job_of_githubs(world: World) -> None:
    """Groups, a summary, outputs and a report; the code forges commands, and plants a link where the report goes."""
    evil = (
        "print('::add-mask::x\\n##[group]y')\nimport os\nos.symlink('/etc/hostname', 'report.md')\n"
        "print([name for name in os.environ if name.startswith('GITHUB_')])"
    )
    world.serve(reply(code=evil), "::error::forged\nDone.")
    summary, outputs = world.root / "summary.md", world.root / "outputs"
    summary.write_text("before\n")
    outputs.write_text("")
    env = {
        **GITHUB,
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_TOKEN": "ghs_" + "a1" * 18,
    }
    done = world.run("-y", "--report", "report.md", "--report", "r.json", stdin="Try it.\n", env=env)
    assert (done.code, done.out) == (0, ": :error::forged\nDone.\n")
    assert [line for line in done.err.splitlines() if line.strip().startswith("::")] == [
        "::group::Step 1: Python", "::endgroup::",
    ]  # fmt: skip
    assert "##[" not in done.err and "\x1b" not in done.err and "\n[]\n" in done.err  # none of its variables is inside
    assert not (world.here / "report.md").is_symlink()
    assert (world.here / "report.md").read_text() == summary.read_text().removeprefix("before\n")
    report = json.loads((world.here / "r.json").read_text())
    assert report["answer"] == "::error::forged\nDone." and report["steps"][0]["status"] == "ok"
    values = outputs.read_text()
    assert "status<<" in values and "\ndone\n" in values and report["session"] in values


def test_e261_an_answer_by_a_schema(world: World) -> None:
    """A wrong answer goes back, the next request is bound by the server; one that refuses that is asked without."""
    (world.here / "schema.json").write_text(json.dumps(SCHEMA))
    world.serve(
        "There are three rows.",
        reply(fault="bad_request", status=400, message="response_format is not supported"),
        '```json\n{"rows": "3"}\n```',
        '{"rows": 3}',
    )
    done = world.run("-y", "--output-schema", "schema.json", "Count the rows")
    assert (done.code, done.out) == (0, '{"rows": 3}\n')
    first, bound, *without = world.requests()
    assert "response_format" not in first and '"required": ["rows"]' in first["messages"][0]["content"]
    assert bound["response_format"]["json_schema"]["schema"] == SCHEMA and bound["tool_choice"] == "none"
    assert len(without) == 2 and all("response_format" not in request for request in without)
    assert "$.rows: should be integer, and is string" in world.told()
    world.serve(reply("No.", times=0))
    done = world.run("-y", "--output-schema", "schema.json", "--output", "json", "Count the rows")
    assert (done.code, done.result["status"], done.result["answer"]) == (1, "failed", "")
    assert len(world.requests()) == 4 and "this is not JSON" in done.result["message"]


def test_e262_a_recorded_run_again_without_a_server(world: World) -> None:
    world.serve(reply(code="touch made && echo done", language="shell"), "Made it.")
    done = world.run("-y", "--record", "run.jsonl", "Make it")
    assert (done.code, done.out) == (0, "Made it.\n") and "interpreter replay" in done.err
    world.url = ""
    (world.here / "made").unlink()
    again = world.run("replay", "run.jsonl")
    assert (again.code, again.out.splitlines()[-1]) == (0, "All as recorded.")
    assert not (world.here / "made").exists()
    rules = world.here / "rules.yaml"
    rules.write_text("version: 1\nrules:\n- {name: no-touch, decision: deny, reason: Not here., command: touch **}\n")
    denied = world.run("replay", "run.jsonl", "--policy", "rules.yaml", "--json")
    verdicts = denied.result["verdicts"]
    assert denied.code == 1 and (verdicts[0]["then"], verdicts[0]["now"]) == ("allow", "deny")
    told = world.run("replay", "run.jsonl", "--policy", "rules.yaml").out
    assert "deny now, allow then: touch made" in told and "no-touch (command line): Not here." in told
    refused = world.run("-y", "--record", "rules.yaml", "Again")
    assert refused.code == 2 and "is no recording" in refused.err and rules.read_text().startswith("version")
    assert world.run("replay", "rules.yaml").code == 2 and world.run("replay").code == 2


def test_e263_a_request_that_was_asked_before_costs_nothing(world: World) -> None:
    world.serve(reply(code="print(6 * 7)", times=0, when="How many"), reply("It is 42.", times=0))
    first = world.run("-y", "--cache", "How many?", "--output", "json")
    second = world.run("-y", "--cache", "How many?", "--output", "json")
    third = world.run("-y", "--cache", "How many?")
    assert [done.code for done in (first, second, third)] == [0, 0, 0]
    assert (first.result["from_cache"], second.result["from_cache"]) == (0, 2)
    assert second.result["usage"]["prompt"] == 0 and second.result["answer"] == "It is 42."
    assert len(world.requests()) == 2 and third.err.count("Answered from the cache") == 2
    assert [event.source for event in world.of(ModelAnswered)] == ["cache", "cache"]


def test_e264_the_step_of_the_action(world: World) -> None:
    """The very script of action.yml, with what GitHub puts around it; nothing that is given becomes a command."""
    world.serve(reply(code="print(6 * 7)"), "It is 42.")
    action = yaml.safe_load((Path(__file__).resolve().parents[2] / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    given = {name: value.get("default", "") for name, value in action["inputs"].items()}
    given |= {"task": "What is 6 * 7?\n$(touch forged) `touch forged`", "api-base": world.url, "max-steps": "3"}
    given |= {"arguments": "--custom-instructions\nBe $(touch forged) terse.", "report": "r.md"}
    outputs = world.root / "outputs"
    outputs.write_text("")
    bin_ = world.root / "temp" / "reinterpreter" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "interpreter").symlink_to(COMMAND)
    env = {**GITHUB, "RUNNER_TEMP": str(world.root / "temp"), "GITHUB_OUTPUT": str(outputs)}
    env |= {name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text)
            for name, text in step["env"].items()}  # fmt: skip
    done = world.finish(world.popen(["/bin/bash", "-c", step["run"]], env=env))
    assert (done.code, done.out) == (0, "It is 42.\n")
    assert not (world.here / "forged").exists() and (world.here / "r.md").exists()
    request = world.requests()[0]["messages"]
    assert request[0]["content"].rstrip().endswith("Be $(touch forged) terse.")
    assert request[-1]["content"] == "What is 6 * 7?\n$(touch forged) `touch forged`"
    names = re.findall(r"outputs\.(\w+) ", json.dumps(action["outputs"]))
    assert names and all(f"{name}<<" in outputs.read_text() for name in names)


def test_e265_a_goal_run_of_a_job(world: World) -> None:
    """The report says what was proved, whose checks they were, and what the model only claimed."""
    finish = {"name": "finish", "arguments": {"status": "success", "evidence": "| made | <b>it</b>"}}
    world.serve(reply(code="open('made', 'w').write('x')"), {"calls": [finish]}, {"calls": [finish], "times": 0})
    summary = world.root / "summary.md"
    summary.write_text("")
    env = {**GITHUB, "GITHUB_STEP_SUMMARY": str(summary)}
    words = ("run", "Make it.", "--report", "r.json", "--report", "r.html", "--verify")
    done = world.run(*words, "test -e made", env=env)
    assert done.code == 0, done.err
    report = json.loads((world.here / "r.json").read_text())
    goal = report["goal"]
    assert (report["status"], goal["status"], goal["goal"]) == ("done", "proven", "Make it.")
    assert [(one["phase"], one.get("passed")) for one in goal["checks"]] == [("before", False), ("claim", True)]
    assert goal["claims"][0]["evidence"] == "| made | <b>it</b>"
    assert [step.get("purpose", "") for step in report["steps"]][:2] == ["check", ""]
    told = summary.read_text()
    assert "proven by checks" in told and "| ✅ |" in told
    assert "<b>it" not in told.partition("### Goal")[2].partition("### ")[0]
    assert "test -e made" in (world.here / "r.html").read_text()
    assert "<b>it" not in (world.here / "r.html").read_text()
    failed = world.run(*words, "test -e never", "--log-format", "json", env=env)
    report = json.loads((world.here / "r.json").read_text())
    assert failed.code == 1 and report["exit_code"] == 1 and report["goal"]["status"] == "blocked"
    events = [json.loads(line)["event"] for line in failed.err.splitlines() if line.startswith("{")]
    assert "check_finished" in events and "goal_finished" in events
    assert not [line for line in failed.err.splitlines() if not line.startswith("{")]
    assert world.run(*words[:2], "--report", "r.txt").code == 2
