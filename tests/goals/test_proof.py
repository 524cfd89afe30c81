"""What counts as reached: checks that the harness runs itself, never the model's word."""

from __future__ import annotations

from pathlib import Path

from interpreter.cli.views.aside import aside
from interpreter.types.events import ActionFinished, ActionProposed, KernelEvent, NoteAdded, TurnFinished
from interpreter.types.goals import CheckFinished, ChecksStated, Claimed, GoalStarted, PlanChanged, Task, UndoNamed

from .runs import call, check, execute, finish, run, stored


def test_a_goal_is_reached_when_its_check_passes(tmp_path: Path) -> None:
    task = Task(goal="Write 42 into out.txt.", checks=(check("grep -q 42 out.txt"),))
    replies = [
        call("plan", steps=["[>] write it", "look at it"]),
        execute("open('out.txt', 'w').write('42')", expect="2 characters written"),
        call("plan", steps=["[x] write it", "[x] look at it"]),
        finish(evidence="out.txt holds 42."),
    ]
    ran = run(task, replies, tmp_path)
    assert (ran.end.reason, ran.end.exit_code, ran.end.text) == ("done", 0, "out.txt holds 42.")
    assert (ran.finished.status, ran.finished.exit_code, ran.finished.vacuous) == ("proven", 0, ())
    assert [(c.phase, c.passed) for c in ran.of(CheckFinished)] == [("before", False), ("claim", True)]
    assert [step.state for step in ran.of(PlanChanged)[-1].steps] == ["done", "done"]
    assert [named.by for named in ran.of(UndoNamed)] == ["snapshot"]
    proposed = ran.of(ActionProposed)
    assert [p.action.purpose for p in proposed] == ["check", "", "", "", "", "check"]
    assert len(ran.of(ActionFinished)) == len(proposed)
    kinds = [type(event) for event in stored(ran.session)]
    assert {event.language for event in ran.of(KernelEvent)} <= {"python"}
    assert kinds.index(GoalStarted) < kinds.index(ActionProposed) and kinds.count(TurnFinished) == 1
    system = ran.model.requests[0].messages[0].text
    assert "goal run" in system and "checks(commands)" not in system
    assert {tool.name for tool in ran.model.requests[0].tools} == {"execute", "read_output", "plan", "finish"}


def test_a_claim_without_doing_is_not_believed(tmp_path: Path) -> None:
    task = Task(goal="Write out.txt.", checks=(check("test -s out.txt"),))
    replies = [finish(), execute("open('out.txt', 'w').write('x')"), finish(evidence="now it is there")]
    ran = run(task, replies, tmp_path)
    assert ran.end.exit_code == 0 and len(ran.of(Claimed)) == 2
    assert "not reached yet" in ran.told(1) and "test -s out.txt" in ran.told(1)
    assert [c.passed for c in ran.of(CheckFinished)] == [False, False, True]
    shown = [text for event in ran.events if (text := aside(event, verbose=False))]
    assert len([text for text in shown if "test -s out.txt" in text]) == 3  # once each time it ran
    assert any(isinstance(event, NoteAdded) and "not reached yet" in event.text for event in stored(ran.session))
    assert any("not reached yet" in aside(event, verbose=True) for event in ran.events)


def test_what_the_model_defines_in_its_shell_does_not_reach_the_checks(tmp_path: Path) -> None:
    task = Task(goal="Write out.txt.", checks=(check("test -s out.txt"), check("ls out.txt")))
    fake = (
        "test() { return 0; }; ls() { return 0; }; alias test=true; export -f test ls; export BASH_ENV=$PWD/env; set +e"
    )
    replies = [
        execute(fake, "shell"),
        execute("echo 'test() { true; }; ls() { true; }' > env", "shell"),
        finish(),
        finish("failure", "I cannot."),
    ]
    ran = run(task, replies, tmp_path)
    assert ran.end.exit_code == 1 and ran.finished.status == "failed"
    assert [c.passed for c in ran.of(CheckFinished) if c.phase == "claim"] == [False, False]


def test_a_check_that_passed_before_is_said_to_prove_nothing(tmp_path: Path) -> None:
    task = Task(goal="Do it.", checks=(check("true"), check("test -e made")))
    ran = run(task, [execute("open('made', 'w').close()"), finish()], tmp_path)
    assert ran.end.exit_code == 0 and ran.finished.vacuous == ("true",)
    assert [c.vacuous for c in ran.of(CheckFinished) if c.phase == "claim"] == [True, False]
    assert "prove nothing: true" in ran.told(0)


def test_without_checks_the_model_states_its_own_before_it_writes(tmp_path: Path) -> None:
    replies = [
        execute("open('made', 'w').close()"),
        call("checks", commands=["test -e made"]),
        execute("open('made', 'w').close()"),
        finish(evidence="made"),
    ]
    ran = run(Task(goal="Make it."), replies, tmp_path)
    assert ran.end.exit_code == 0 and ran.finished.own_checks
    assert "checks(commands)" in ran.told(1) and "All of them fail now" in ran.told(2)
    assert [c.command for c in ran.of(ChecksStated)[0].checks] == ["test -e made"]
    assert [(c.phase, c.by, c.passed) for c in ran.of(CheckFinished)] == [
        ("stated", "model", False), ("claim", "model", True)
    ]  # fmt: skip
    assert [f.status for f in ran.of(ActionFinished) if f.status == "not_run"] == ["not_run"]
