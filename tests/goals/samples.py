"""One event of every kind that a goal run stores."""

from __future__ import annotations

from interpreter.types.events import Event
from interpreter.types.goals import (
    CeilingNeared,
    Ceilings,
    Check,
    CheckFinished,
    ChecksStated,
    Claimed,
    FileCheck,
    GoalFinished,
    GoalStarted,
    HealthWorsened,
    HttpCheck,
    JudgeAnswered,
    MetricCheck,
    PlanChanged,
    PlanStep,
    Reflected,
    RiseSeen,
    Spent,
    Task,
    UndoFinished,
    UndoNamed,
    UndoStarted,
    UndoStepFinished,
)
from interpreter.types.messages import Usage


def task() -> Task:
    return Task(
        goal="Deploy 2.0",
        checks=(
            Check(name="log", command="test -s deploy.log", hold=1.0, within=2.0, timeout=3.0),
            Check(
                name="shop", http=HttpCheck(url="http://a/", method="POST", headers={"a": "b"}, body="x", status=201)
            ),
            Check(name="file", file=FileCheck(path="a.txt", holds="a", matches="b")),
        ),
        health=(Check(name="up", metric=MetricCheck(url="http://p/", query="up", at_most=2.0, at_least=1.0)),),
        ceilings=Ceilings(steps=20, seconds=60.0, tokens=9, cost=0.5),
        variables={"version": "2.0"},
        inputs=("notes.txt",),
        tools=("prometheus",),
        skills=("deployment",),
        without_undo="deny",
        judge="second",
        source="/project/task.yaml",
    )


def goal_events() -> list[Event]:
    return [
        GoalStarted(task=task()),
        PlanChanged(turn="t_1", steps=(PlanStep(text="build", state="done"), PlanStep(text="ship", state="doing"))),
        ChecksStated(turn="t_1", checks=(Check(name="true", command="true"),)),
        CheckFinished(
            turn="t_1", name="log", phase="claim", passed=True, by="model", told="ok", actions=("a_1",), duration=0.5,
            vacuous=True, changed=("test.sh",),
        ),
        Reflected(turn="t_1", action="a_1", expected="ready", found="it failed", text="The image is missing."),
        Claimed(turn="t_1", status="blocked", evidence="no rights", form="text"),
        JudgeAnswered(
            turn="t_1", model="second", agrees=False, reason="why", problem="late", usage=Usage(prompt=1), duration=0.1
        ),
        CeilingNeared(turn="t_1", ceiling="steps", used=8.0, most=10.0),
        RiseSeen(turn="t_1", what="tokens", now=60100.0, before=1000.0),
        UndoNamed(turn="t_1", action="a_1", by="command", code="kubectl undo", language="shell", why="kubectl"),
        HealthWorsened(turn="t_1", action="a_1", checks=("up",)),
        UndoStarted(turn="t_1", reason="health", actions=("a_1",)),
        UndoStepFinished(turn="t_1", action="a_1", by="command", undone=True, told="rolled back"),
        UndoFinished(turn="t_1", undone=1, left=("a_2",), healthy=True),
        GoalFinished(
            turn="t_1", status="worse", exit_code=1, text="undone", evidence="done", own_checks=True, vacuous=("log",),
            changed=("test.sh",), spent=Spent(steps=3, seconds=1.5, tokens=99, cost=0.1),
        ),
    ]  # fmt: skip
