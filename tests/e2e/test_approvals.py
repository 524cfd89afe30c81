"""Modes, rules, and approvals as records: answered here, from another terminal, by a program, or later."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from interpreter.store import Store
from interpreter.types.events import (
    ActionJudged,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    ModeChanged,
)

from . import snapshots
from .world import Done, World, reply, until

POLICY = """\
version: 1
rules:
  - name: notes  # mine
    decision: ask
    reason: Notes are published.
    command: publish **
    match: ["publish notes"]
"""
PUBLISH = reply(code="publish notes || echo x >> ran", language="shell")

PRODUCTION = reply(code="kubectl --context prod get pods", language="shell")


def policy(world: World, text: str = POLICY) -> Path:
    path = world.data / "policy.yaml"
    path.write_text(text)
    return path


def waiting(world: World) -> list[dict[str, Any]]:
    return json.loads(world.run("approvals", "list", "--json").out)


def ran(world: World) -> int:
    """How often the code of a case has run."""
    path = world.here / "ran"
    return len(path.read_text().split()) if path.exists() else 0


def test_e128_a_denied_command_is_refused_and_the_model_finds_another_way(world: World) -> None:
    world.serve(reply(code="sudo touch /made", language="shell"), reply(code="echo fine", language="shell"), "Done.")
    done = world.run("-y", "--output", "jsonl", "make it")
    assert done.code == 0
    assert "rule another-user (built-in)" in world.told(1) and world.told(2) == "fine"
    snapshots.check("e128", done, world)


def test_e129_the_same_denied_code_again_ends_with_3(world: World) -> None:
    world.serve(reply(code="sudo id", language="shell", times=9))
    done = world.run("-y", "make it")
    assert (done.code, done.out) == (3, "") and len(world.requests()) == 2
    assert "another-user" in done.err and "policy.yaml" in done.err


def test_e130_unattended_a_question_is_a_no_with_the_line_to_add(world: World) -> None:
    world.serve(PRODUCTION, "I could not.")
    done = world.run("-y", "look")
    assert done.code == 3 and not world.of(ActionStarted), "nothing ran after the refusal"
    assert "rule production-context (built-in)" in world.told(1)
    assert f"add to {world.data / 'policy.yaml'}" in done.err
    told = done.err.split("below `rules:`\n")[1].splitlines()
    rule = "\n".join(takewhile(lambda line: line.startswith("  "), told))
    policy(world, f"version: 1\nrules:\n{rule}\n")
    world.serve(PRODUCTION, "Looked.")
    assert world.run("-y", "look").code == 0 and len(world.of(ActionStarted)) == 1


def test_e131_a_parked_question_is_approved_and_runs_exactly_once(world: World) -> None:
    policy(world)
    world.serve(PUBLISH)
    done = world.run("-y", "--approvals", "park", "--output", "jsonl", "publish")
    assert done.code == 4 and ran(world) == 0
    snapshots.check("e131", done, world)
    session = world.session()
    (one,) = waiting(world)
    assert (one["session"], one["state"], one["code"]) == (session, "parked", PUBLISH["code"])
    assert [reason["rule"] for reason in one["reasons"]] == ["notes"]
    assert "waiting" in world.run("sessions", "list").out
    shown = world.run("approvals", "show", one["approval"])
    assert one["subject"] in shown.out and "publish notes" in shown.out and "Notes are published." in shown.out
    wrong = world.run("approvals", "approve", one["approval"], "--sha256", "0" * 64)
    assert wrong.code == 2 and "other code" in wrong.err
    early = world.run("-y", "--resume", session)  # nobody has answered yet
    assert early.code == 4 and ran(world) == 0
    yes = world.run("approvals", "approve", one["approval"][:8], "--reason", "looked at it")
    assert yes.code == 0 and f"interpreter --resume {session} -y --approvals park" in yes.out
    twice = world.run("approvals", "deny", one["approval"])
    assert twice.code == 2 and "was answered already: yes" in twice.err and waiting(world) == []
    world.serve("Published.")
    again = world.run("--resume", session, "-y", "--approvals", "park")
    assert (again.code, again.out, ran(world)) == (0, "Published.\n", 1)
    world.serve("Nothing more.")
    assert world.run("--resume", session, "-y", "more?").code == 0 and ran(world) == 1
    assert len(world.of(ActionStarted)) == 1


def test_e132_a_parked_question_that_is_denied_ends_the_run_with_3(world: World) -> None:
    world.serve(PUBLISH)
    assert world.run("publish").code == 4
    (one,) = waiting(world)
    assert world.run("approvals", "deny", one["approval"]).code == 0
    again = world.run("--resume", "last")
    assert again.code == 3 and ran(world) == 0


def test_e133_after_the_deadline_a_parked_question_is_a_no(world: World) -> None:
    world.serve(PUBLISH)
    assert world.run("--approval-timeout", "1", "publish").code == 4
    (one,) = waiting(world)
    until(lambda: time.time() > one["deadline"], "the deadline has passed")
    late = world.run("approvals", "approve", one["approval"])
    assert late.code == 2 and "deadline" in late.err
    again = world.run("--resume", "last", "-y")
    assert again.code == 3 and ran(world) == 0
    (resolved,) = world.of(ApprovalResolved)
    assert (resolved.answer, resolved.by) == ("no", "deadline")


def test_e134_approved_from_another_terminal_while_the_first_one_waits(world: World) -> None:
    world.serve(reply(code="print(6 * 7)"), "It is 42.")
    with world.terminal("compute") as terminal:
        terminal.wait_for("a always")
        (one,) = waiting(world)
        assert one["state"] == "held"
        yes = world.run("approvals", "approve", one["approval"])
        assert yes.code == 0 and "goes on by itself" in yes.out
        terminal.wait_for("Answered from elsewhere: yes, by ")
        terminal.wait_for("It is 42.")
        assert terminal.finish() == 0
    (resolved,) = world.of(ApprovalResolved)
    assert (resolved.answer, resolved.channel) == ("yes", "command line")


def test_e135_killed_while_it_waits_then_answered_then_resumed(world: World) -> None:
    policy(world)
    world.serve(PUBLISH)
    with world.terminal("-y", "publish") as terminal:
        terminal.wait_for("a always")
        terminal.child.kill(signal.SIGKILL)
        terminal.child.wait()
    (one,) = waiting(world)
    assert one["state"] == "parked"
    assert world.run("approvals", "approve", one["approval"]).code == 0
    world.serve("Published.")
    again = world.run("--resume", "last", "-y")
    assert (again.code, again.out, ran(world)) == (0, "Published.\n", 1)


def test_e136_always_writes_the_rule_and_the_next_run_is_silent(world: World) -> None:
    path = policy(world)
    world.serve(PRODUCTION, "Looked.")
    with world.terminal("-y", "look") as terminal:
        terminal.wait_for("a always, as a rule:")
        assert "With `always` this rule is added to your policy:" in terminal.text
        terminal.send("a\n")
        terminal.wait_for("The rule was added to")
        terminal.wait_for("Looked.")
        assert terminal.finish() == 0
    assert path.read_text().startswith(POLICY) and len(yaml.safe_load(path.read_text())["rules"]) == 2
    world.serve(PRODUCTION, "Looked again.")
    done = world.run("-y", "look")
    assert (done.code, done.out) == (0, "Looked again.\n")
    assert len(world.of(ActionStarted)) == 1 and not world.of(ApprovalRequested)


def test_e137_plan_mode_runs_what_reads_and_refuses_the_rest(world: World) -> None:
    (world.here / "notes").write_text("read me")
    steps = [reply(code="cat notes", language="shell"), reply(code="rm notes", language="shell")]
    world.serve(*steps, "I would delete the file.")
    done = world.run("--plan", "--output", "jsonl", "clean up")
    assert done.code == 0 and (world.here / "notes").exists()
    assert world.told(1) == "read me" and "plan mode" in world.told(2).lower()
    snapshots.check("e137", done, world)


def test_e138_modes_are_changed_in_the_middle_of_a_conversation(world: World) -> None:
    world.serve(reply(code="open('one', 'w').close()"), "Planned.", reply(code="open('two', 'w').close()"), "Made.")
    with world.talk() as terminal:
        terminal.send("%plan\r")
        terminal.wait_for("nothing runs but what only reads")
        terminal.send("make one\r")
        terminal.wait_for("Planned.")
        terminal.send("%mode auto\r")
        terminal.wait_for("as far as the rules allow it")
        terminal.send("make two\r")
        terminal.wait_for("Made.")
        terminal.wait_for("\n>", times=2)
        assert terminal.leave() == 0
    assert [event.mode for event in world.of(ModeChanged)] == ["plan", "auto"]
    assert not (world.here / "one").exists() and (world.here / "two").exists()


def test_e139_own_code_that_a_rule_denies_is_asked_once_more(world: World) -> None:
    world.serve("Nothing.")
    with world.talk() as terminal:
        terminal.send("%%sudo -n true; echo mine\r")
        terminal.wait_for("Rule another-user")
        terminal.wait_for("n no:")
        terminal.send("y\n")
        terminal.wait_for("mine", times=3)
        terminal.send("%% echo plain\r")
        terminal.wait_for("plain", times=3)
        assert terminal.leave() == 0
    assert [event.decision for event in world.of(ActionJudged)] == ["deny", "allow"]
    assert len(world.of(ApprovalRequested)) == 1


def test_e140_what_could_deceive_is_shown_in_the_question(world: World) -> None:
    code = "p\u0430ypal = 1  # \u202e safe\n" + "\n".join(f"x{n} = {n}" for n in range(60))
    world.serve(reply(code=code), "Never.")
    with world.terminal("compute", env={"TERM": "dumb"}) as terminal:
        terminal.wait_for("contains Cyrillic letters that look like Latin ones")
        terminal.wait_for("hidden characters (1)")
        terminal.wait_for("This code has 61 lines, more than the screen")
        terminal.send("n\n")
        assert terminal.finish() == 3
    assert "\u202e" not in terminal.raw and "<U+202E>" in terminal.raw


def send(process: subprocess.Popen[bytes], **op: str) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(op).encode() + b"\n")
    process.stdin.flush()


def lines_until(process: subprocess.Popen[bytes], kind: str) -> dict[str, Any]:
    """The next event of this kind."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        event = json.loads(line)
        if event["type"] == kind:
            return event
    raise AssertionError(f"no {kind} came")


def test_e141_a_program_sends_ops_and_answers_questions(world: World) -> None:
    world.serve(reply(code="print(6 * 7)"), "42.", reply(code="print(7)"), "7.")
    process = world.start("--ops", piped=True)
    send(process, type="submit_input", text="compute")
    question = lines_until(process, "approval_requested")
    send(process, type="resolve_approval", approval=question["approval"], answer="yes", sha256="0" * 64)
    assert "other code" in lines_until(process, "error")["message"]
    send(process, type="nonsense")
    assert "no op" in lines_until(process, "error")["message"]
    send(process, type="submit_input", text="%% id", own_code=True)  # pyright: ignore[reportArgumentType] - as a program may
    assert "own_code" in lines_until(process, "error")["message"]
    send(process, type="resolve_approval", approval=question["approval"], answer="yes", sha256=question["subject"])
    resolved = lines_until(process, "approval_resolved")
    assert (resolved["by"], resolved["channel"]) == ("program", "ops")
    assert lines_until(process, "turn_finished")["text"] == "42."
    send(process, type="set_mode", auto=True)  # pyright: ignore[reportArgumentType] - as a program may
    assert lines_until(process, "mode_changed")["mode"] == "auto"
    send(process, type="submit_input", text="again")
    done = world.finish(process)  # its standard input ends here: the turn comes to its end
    ends = [event for event in done.lines if event["type"] == "turn_finished"]
    assert done.code == 0 and [end["text"] for end in ends] == ["7."]


def test_e142_a_program_that_leaves_leaves_the_question_open(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"))
    process = world.start("--ops", "make it", piped=True)
    lines_until(process, "approval_requested")
    done = world.finish(process)
    assert done.code == 4 and not (world.here / "made").exists()
    (one,) = waiting(world)
    assert one["state"] == "parked"


def test_e143_code_that_was_changed_in_the_log_is_not_approved(world: World) -> None:
    world.serve(PUBLISH)
    assert world.run("publish").code == 4
    (one,) = waiting(world)
    with Store.open(world.data) as store, store._database.transaction(full=True) as connection:  # pyright: ignore[reportPrivateUsage] - the attacker's way
        connection.execute(
            "UPDATE events SET body = CAST(replace(CAST(body AS TEXT), 'publish notes', 'rm -rf notes ') AS BLOB)"
            " WHERE type = 'action_proposed'"
        )
    yes = world.run("approvals", "approve", one["approval"])
    assert yes.code == 1 and "not the code that was asked about" in yes.err and len(waiting(world)) == 1


def test_e144_wrong_words_for_approvals_end_with_2(world: World) -> None:
    cases = {
        ("aprove", "ap_1"): "Did you mean approvals approve?",
        ("show",): "Name one question",
        ("show", "ap_none"): "No question ap_none is waiting.",
        ("deny", "ap_1", "--always"): "does not belong",
    }
    for words, told in cases.items():
        done: Done = world.run("approvals", *words)
        assert (done.code, done.out) == (2, "") and told in done.err
    assert world.run("approvals", "list").out == "No question is waiting.\n"


def test_e145_a_policy_that_cannot_be_read_stops_everything(world: World) -> None:
    policy(world, "version: 1\nrules:\n  - name: x\n    desicion: allow\n")
    world.serve(reply(code="open('made', 'w').close()"), "Done.")
    done = world.run("-y", "make it")
    assert done.code == 2 and "policy.yaml" in done.err and "decision" in done.err
    assert not (world.here / "made").exists()
