"""How a run ends when it is not proven: ceilings, being stuck, refusals, waiting, confused models."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpreter.app.goals import Goal, plan_run
from interpreter.goals.guards import steady
from interpreter.llm.script import ScriptUsage
from interpreter.llm.scripted import Reply, ScriptCall
from interpreter.session.service import Session
from interpreter.types.base import to_json
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    Event,
    NoteAdded,
)
from interpreter.types.goals import (
    CeilingNeared,
    Ceilings,
    CheckFinished,
    Claimed,
    GoalFinished,
    PlanChanged,
    Reflected,
    Task,
)
from interpreter.types.ops import Interrupt
from tests.session.helpers import settings

from .runs import agree, call, check, execute, finish, run, stored

MADE = check("test -e made")
MAKE = execute("open('made', 'w').close()")


def looks(number: int) -> list[Reply | str]:
    return [execute(f"print({n})") for n in range(number)]


def test_the_ceiling_of_steps_ends_with_5_and_is_announced(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(steps=4)), looks(9), tmp_path)
    assert (ran.end.reason, ran.end.exit_code, ran.finished.status) == ("limit", 5, "limit")
    assert len(ran.model.requests) == 4 and "ceiling of 4 steps" in ran.end.text
    assert [(near.ceiling, near.used) for near in ran.of(CeilingNeared)] == [("steps", 3)]
    assert "Used: 3 of 4 steps" in ran.told(3)


def test_a_claim_in_the_last_step_still_counts(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(steps=2)), [MAKE, finish()], tmp_path)
    assert ran.end.exit_code == 0


def test_the_ceilings_of_tokens_and_cost(tmp_path: Path) -> None:
    usage = ScriptUsage(prompt=900, completion=100)
    replies = [Reply(calls=one.calls, usage=usage) for one in map(as_reply, looks(9))]
    ran = run(Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(tokens=4_000)), replies, tmp_path)
    assert ran.end.exit_code == 5 and ran.finished.spent.tokens == 4_000
    assert [near.ceiling for near in ran.of(CeilingNeared)] == ["tokens"]


def as_reply(one: Reply | str) -> Reply:
    assert isinstance(one, Reply)
    return one


def test_the_ceiling_of_time_stops_what_runs(tmp_path: Path) -> None:
    task = Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(seconds=1.5))
    ran = run(task, [execute("import time; time.sleep(60)"), *looks(3)], tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (5, "limit") and ran.end.duration < 10


def test_the_same_obstacle_three_times_is_blocked(tmp_path: Path) -> None:
    replies = [execute(f"x = {n}; raise ValueError('no such deployment')") for n in range(9)]
    ran = run(Task(goal="Make it.", checks=(MADE,)), replies, tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (1, "blocked") and len(ran.model.requests) == 3
    assert "no such deployment" in ran.end.text and "Twice the same result" in ran.told(2)


def test_the_same_failing_check_three_times_is_blocked(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,)), [finish()] * 9, tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (1, "blocked") and len(ran.of(Claimed)) == 3


def test_a_measured_value_that_trembles_is_the_same_failure(tmp_path: Path) -> None:
    shakes = check("echo latency 1.0$RANDOM s is more than 0.5; false")
    ran = run(Task(goal="Make it.", checks=(shakes,)), [finish()] * 9, tmp_path)
    assert ran.finished.status == "blocked" and len(ran.of(Claimed)) == 3
    assert steady("1.013 is more than 0.5 in 3 of 8") == steady("1.24 is more than 0.5 in 3 of 8")
    for other in ("0.8 is more than 0.5 in 3 of 8", "1.013 is more than 0.5 in 2 of 8"):
        assert steady("1.013 is more than 0.5 in 3 of 8") != steady(other)


def test_what_the_model_gives_up_is_a_failure(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,)), [finish("blocked", "the disk is full")], tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (1, "blocked") and "the disk is full" in ran.end.text
    assert [c.phase for c in ran.of(CheckFinished)] == ["before"]


def test_a_denial_that_ends_it_is_3(tmp_path: Path) -> None:
    replies = [execute("rm -rf / --no-preserve-root", "shell"), finish("blocked", "it is forbidden")]
    ran = run(Task(goal="Make it.", checks=(MADE,)), replies, tmp_path)
    assert (ran.end.reason, ran.end.exit_code, ran.finished.status) == ("denied", 3, "denied")


def test_what_cannot_be_undone_needs_a_yes_and_waits_for_it(tmp_path: Path) -> None:
    task = Task(goal="Send it.", checks=(MADE,))
    send = "curl -s -X POST -d x http://127.0.0.1:9/ ; touch made"
    replies = [execute(send, "shell"), execute(send, "shell", undo="none"), finish()]
    ran = run(task, replies, tmp_path, approvals="park")
    assert (ran.end.exit_code, ran.finished.status) == (4, "waiting") and not (tmp_path / "made").exists()
    assert "say first how it is undone" in ran.told(1)
    asked = ran.of(ApprovalRequested)
    assert [reason.rule for reason in asked[0].reasons] == ["no-undo"]
    again = run(None, [finish()], tmp_path, resume=ran.session, on=agree, can_ask=True)
    assert (again.end.exit_code, again.finished.status) == (0, "proven")
    assert again.finished.spent.steps == 3 and not [c for c in again.of(CheckFinished) if c.phase == "before"]


def test_a_run_at_its_ceiling_goes_on_with_a_higher_one(tmp_path: Path) -> None:
    task = Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(steps=2))
    ran = run(task, [MAKE, *looks(1)], tmp_path)
    assert ran.end.exit_code == 5
    again = run(None, [finish()], tmp_path, resume=ran.session, text="Go on with the goal.",
                goal=Goal(ceilings={"steps": 5}))  # fmt: skip
    assert again.end.exit_code == 0 and again.finished.spent.steps == 3


def test_an_interrupt_is_130_and_can_be_gone_on_with(tmp_path: Path) -> None:
    async def stop(event: Event, session: Session) -> None:
        if isinstance(event, ActionProposed) and not event.action.purpose:
            await session.send(Interrupt())

    ran = run(Task(goal="Make it.", checks=(MADE,)), [execute("import time; time.sleep(60)")], tmp_path, on=stop)
    assert (ran.end.exit_code, ran.finished.status) == (130, "interrupted")


def test_a_model_that_cannot_be_reached_is_6(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,)), [Reply(fault="server_error")], tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (6, "model")


@pytest.mark.parametrize(
    ("claim", "status"),
    [
        ("Status: success\nEvidence: made is there.", "success"),
        ('{"status": "done", "evidence": "made"}', "success"),
        ('finish("blocked", "no rights")', "blocked"),
        ("**Result:** failed, I could not do it", "failure"),
        ("成功。文件已经有了。", "success"),
    ],
)
def test_claims_in_words_are_read(tmp_path: Path, claim: str, status: str) -> None:
    ran = run(Task(goal="Make it.", checks=(check("true"),)), [claim], tmp_path)
    assert [(c.status, c.form) for c in ran.of(Claimed)] == [(status, "text")]
    assert ran.end.exit_code == (0 if status == "success" else 1)


def test_a_model_that_only_talks_is_asked_once_and_then_checked(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,)), ["It is there.", "Really.", MAKE, "There.", "There."], tmp_path)
    assert ran.end.exit_code == 0 and [c.form for c in ran.of(Claimed)] == ["silence", "silence"]
    assert "without a claim" in ran.told(1) and "not reached yet" in ran.told(2)


def test_a_confused_model_harms_nothing(tmp_path: Path) -> None:
    broken = Reply(calls=(ScriptCall(name="finish", arguments='{"status": "yes maybe"'),))
    replies = [
        Reply(text='finish: {"status": success}'),
        broken,
        call("finish", status="maybe", evidence="?"),
        call("deploy", namespace="wrong"),
        call("plan", steps="[x] one\n[>] two"),
        "Plan:\n1. one\n2. three",
        execute("kubectl -n wrong set image deployment/x x=y", "shell", undo="kubectl -n wrong rollout undo x"),
        finish("success", "done"),
        finish("failure", "I cannot do it"),
    ]
    ran = run(Task(goal="Make it.", checks=(MADE,)), replies, tmp_path)
    assert ran.end.exit_code in (1, 3) and not list(tmp_path.iterdir())
    assert ran.of(PlanChanged)[-1].steps[-1].text in ("three", "two")


def test_without_any_check_it_cannot_be_verified(tmp_path: Path) -> None:
    ran = run(Task(goal="Say hello."), [finish(), finish()], tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (1, "unproven") and "no check" in ran.end.text


def test_own_checks_that_passed_before_prove_no_change(tmp_path: Path) -> None:
    replies = [call("checks", commands=["true"]), MAKE, finish()]
    ran = run(Task(goal="Make it."), replies, tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (1, "unproven")
    assert "prove nothing" in ran.told(1)


def test_a_finding_may_be_shown_by_checks_that_passed_before(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("1\n2\n3\n")
    replies = [
        execute("wc -l data.txt", "shell"),
        call("checks", commands=['test "$(wc -l < data.txt)" -eq 3']),
        finish(),
    ]
    ran = run(Task(goal="How many lines?"), replies, tmp_path)
    assert (ran.end.exit_code, ran.finished.status, ran.finished.own_checks) == (0, "proven", True)


def test_a_reflection_is_asked_for_only_where_the_result_differs(tmp_path: Path) -> None:
    replies = [
        execute("print(1)", expect='"1"'),
        execute("print(2)", expect='it prints "ready"'),
        Reply(text="It is not ready yet.", calls=execute("open('made', 'w').close()").calls),
        finish(),
    ]
    ran = run(Task(goal="Make it.", checks=(MADE,)), replies, tmp_path)
    assert [(r.expected, r.text) for r in ran.of(Reflected)] == [('it prints "ready"', "It is not ready yet.")]
    assert "You expected" not in ran.told(1) and "You expected" in ran.told(2)


def test_the_log_holds_one_end_for_each(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it.", checks=(MADE,)), [MAKE, finish()], tmp_path)
    events = stored(ran.session)
    assert sum(isinstance(event, ActionProposed) for event in events) == sum(
        isinstance(event, ActionFinished) for event in events
    )
    assert sum(isinstance(event, GoalFinished) for event in events) == 1
    assert not [event for event in events if isinstance(event, NoteAdded) and "checks fail" in event.text]


def test_rules_of_the_task_file_hold_in_its_run(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(
        "goal: Deploy it.\nchecks: [test -e made]\npolicy:\n"
        "  - {name: staging-only, decision: deny, command: kubectl, namespace: production, reason: Only staging.}\n"
    )
    goal, _profile = plan_run(str(path), settings(), values={}, verify=(), judge="", ceilings={})
    deploy = execute("kubectl -n production apply -f a.yaml", "shell", undo="kubectl -n production delete -f a.yaml")
    ran = run(goal.task, [deploy, finish("blocked", "forbidden")], tmp_path, goal=goal)
    assert (ran.end.exit_code, ran.finished.status) == (3, "denied") and "staging-only" in ran.end.text
    assert not [
        p for p in ran.of(ActionStarted) if p.language == "shell" and p.action == ran.of(ActionProposed)[1].action.id
    ]


def test_the_first_request_of_a_goal_run_stays_small(tmp_path: Path) -> None:
    ran = run(Task(goal="Make it."), [finish("failure", "no")], tmp_path)
    request = ran.model.requests[0]
    size = sum(len(message.text) for message in request.messages) + sum(len(to_json(tool)) for tool in request.tools)
    assert size < 6_000, size
