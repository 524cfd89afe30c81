"""A run that stands still because something has risen suddenly: asked, parked, ended, killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interpreter.app.answering import Answering
from interpreter.app.goals import Goal
from interpreter.config.settings import Settings
from interpreter.errors import InterpreterError
from interpreter.llm.script import Reply, ScriptUsage
from interpreter.session.service import Session
from interpreter.store import Store, default_home
from interpreter.types.events import ApprovalRequested, ApprovalResolved, Event, TurnFinished
from interpreter.types.goals import Ceilings, RiseSeen, Task
from interpreter.types.ops import ResolveApproval

from .runs import Ran, check, execute, finish, run, stored

MADE = check("test -e made")
TASK = Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(steps=30))
MAKE = execute("open('made', 'w').close()")


def costing(tokens: int, reply: Reply) -> Reply:
    return Reply(calls=reply.calls, usage=ScriptUsage(prompt=tokens))


LOOKS = [costing(1_000, execute(f"print({n})")) for n in range(5)]
DEAR = costing(50_000, execute("print('dear')"))
RISES: list[Reply | str] = [*LOOKS, DEAR, MAKE, finish()]


def pauses(ran: Ran) -> list[ApprovalRequested]:
    return [event for event in ran.of(ApprovalRequested) if event.kind == "pause"]


@pytest.mark.parametrize(("answer", "code", "status"), [("yes", 0, "proven"), ("no", 3, "denied")])
def test_who_is_there_is_asked(tmp_path: Path, answer: Any, code: int, status: str) -> None:
    async def answers(event: Event, session: Session) -> None:
        if isinstance(event, ApprovalRequested):
            await session.send(ResolveApproval(approval=event.approval, answer=answer))

    ran = run(TASK, RISES, tmp_path, on=answers, can_ask=True)
    assert (ran.end.exit_code, ran.finished.status) == (code, status)
    assert [(e.what, e.now, e.before) for e in ran.of(RiseSeen)] == [("tokens", 50_000, 1_000)]
    (asked,) = pauses(ran)
    assert "50000" in asked.question and asked.subject == "tokens"
    assert len(ran.model.requests) == (8 if answer == "yes" else 6)


def test_where_questions_are_a_no_it_ends_at_a_limit_and_can_be_gone_on_with(tmp_path: Path) -> None:
    ran = run(TASK, RISES, tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (5, "limit") and "50000" in ran.end.text
    assert len(ran.of(RiseSeen)) == 1 and not pauses(ran) and len(ran.model.requests) == 6
    again = run(None, [MAKE, finish()], tmp_path, resume=ran.session, goal=Goal(), text="Go on with the goal.")
    assert (again.end.exit_code, again.finished.status) == (0, "proven")


def test_a_ceiling_comes_first(tmp_path: Path) -> None:
    task = Task(goal="Make it.", checks=(MADE,), ceilings=Ceilings(steps=6))
    ran = run(task, RISES, tmp_path, approvals="park")
    assert (ran.end.exit_code, ran.finished.status) == (5, "limit") and not ran.of(RiseSeen)


def test_parked_it_waits_through_resumes_and_its_deadline_is_a_no(tmp_path: Path) -> None:
    ran = run(TASK, RISES, tmp_path, approvals="park")
    assert (ran.end.exit_code, ran.finished.status) == (4, "waiting")
    (asked,) = pauses(ran)
    assert asked.approval in ran.end.text
    for _round in range(2):
        again = run(None, [], tmp_path, resume=ran.session, goal=Goal(), text="Go on with the goal.", approvals="park")
        assert again.end.exit_code == 4 and pauses(again)[0].approval == asked.approval and not again.model.requests
    with Store.open(default_home()) as store:
        (open_,) = [one for one in store.questions() if one.session == ran.session]
    assert open_.request.approval == asked.approval
    run(None, [], tmp_path, resume=ran.session, goal=Goal(undo=True), undo=True, text="Undo it.")
    with pytest.raises(InterpreterError, match="withdrawn"):
        Answering(Settings()).find(asked.approval)  # it was taken back: nobody is asked any more


def test_an_answer_counts_at_the_resume_and_only_once(tmp_path: Path) -> None:
    replies = [*LOOKS, DEAR]
    ran = run(TASK, replies, tmp_path, approvals="park")
    Answering(Settings()).answer(pauses(ran)[0].approval, "yes")
    later: list[Reply | str] = [*LOOKS, DEAR, MAKE, finish()]
    again = run(None, later, tmp_path, resume=ran.session, goal=Goal(), text="Go on with the goal.", approvals="park")
    assert again.end.exit_code == 4 and len(again.model.requests) == 6, "a new rise is a new question"
    assert len({event.approval for event in pauses(ran) + pauses(again)}) == 2
    Answering(Settings()).answer(pauses(again)[0].approval, "no")
    last = run(None, [], tmp_path, resume=ran.session, goal=Goal(), text="Go on with the goal.", approvals="park")
    assert (last.end.exit_code, last.finished.status) == (3, "denied") and not last.model.requests


def test_silence_is_a_no_at_the_deadline(tmp_path: Path) -> None:
    ran = run(TASK, RISES, tmp_path, can_ask=True, away=True, approval_timeout=0.2)
    assert (ran.end.exit_code, ran.finished.status) == (3, "denied")
    assert [event.by for event in ran.of(ApprovalResolved)] == ["deadline"]
    assert [event.exit_code for event in stored(ran.session) if isinstance(event, TurnFinished)] == [3]
