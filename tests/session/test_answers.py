"""Answers in the log, and what a resumed session makes of them: real kernels, real log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interpreter.llm.scripted import Reply
from interpreter.store import Store, default_home
from interpreter.types.actions import Action, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ModelAnswered,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import ToolCall
from interpreter.types.ops import Op

from .helpers import Talk, run

CODE = "open('ran', 'a').write('x')"
ACTION = Action(id="act_1", language="python", code=CODE, sha256=code_sha256(CODE), call_id="c1")
ASKED = ApprovalRequested(approval="ap_1", kind="run", action="act_1", subject=ACTION.sha256)
YES = ApprovalResolved(approval="ap_1", answer="yes", by="ann", channel="command line")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of its own for each test: they look at every open question of it."""
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path_factory.mktemp("home")))


def left(workspace: Path, *more: Event) -> str:
    """A session whose process died after these events of its first turn."""
    with Store.open(default_home()) as store:
        log = store.create("s_left", workspace)
        call = ToolCall(id="c1", name="execute", arguments='{"language": "python", "code": "..."}')
        log.append_now(
            SessionStarted(session="s_left", workspace=str(workspace), sandbox="x", version="0", system="You are ..."),
            TurnStarted(turn="t_1", text="do it"),
            ModelAnswered(turn="t_1", step=1, text="", calls=(call,), finish="tool_calls"),
            ActionProposed(turn="t_1", step=1, action=ACTION),
            *more,
        )
    return "s_left"


def ran(workspace: Path) -> int:
    path = workspace / "ran"
    return len(path.read_text()) if path.exists() else 0


def go_on(
    workspace: Path, session: str, story: Callable[[Talk], None] | None = None, **options: object
) -> TurnFinished:
    """Go on with what was left; how the turn ended."""
    ends: list[TurnFinished] = []

    async def whole(talk: Talk) -> None:
        assert talk.session.pending or (talk.session.left is not None and talk.session.left.goes_on)
        ends.append(await talk.turn(""))
        if story is not None:
            story(talk)

    run(whole, ["Done."], workspace, resume=session, auto_run=False)
    return ends[0]


def test_a_yes_that_came_before_the_process_died_runs_once(tmp_path: Path) -> None:
    session = left(tmp_path, ASKED, YES)

    def check(talk: Talk) -> None:
        assert talk.of(ApprovalRequested) == [] and len(talk.of(ActionStarted)) == 1

    assert go_on(tmp_path, session, check).reason == "done" and ran(tmp_path) == 1

    async def nothing_waits(talk: Talk) -> None:
        assert talk.session.pending == ()

    run(nothing_waits, ["Done."], tmp_path, resume=session)
    assert ran(tmp_path) == 1


def test_an_answer_that_came_after_the_process_died_counts(tmp_path: Path) -> None:
    session = left(tmp_path, ASKED)
    with Store.open(default_home()) as store:
        store.visit(session).append_now(YES)
    assert go_on(tmp_path, session).reason == "done" and ran(tmp_path) == 1


def test_a_yes_to_other_code_is_no_yes(tmp_path: Path) -> None:
    other = ApprovalRequested(approval="ap_1", kind="run", action="act_1", subject="0" * 64)
    assert go_on(tmp_path, left(tmp_path, other, YES)).reason == "waiting" and ran(tmp_path) == 0


def test_a_no_is_told_and_nothing_waits(tmp_path: Path) -> None:
    no = ApprovalResolved(approval="ap_1", answer="no", by="ann")
    session = left(tmp_path, ASKED, no)

    async def nothing_waits(talk: Talk) -> None:
        assert talk.session.pending == ()

    run(nothing_waits, [], tmp_path, resume=session)
    assert ran(tmp_path) == 0


def test_a_question_that_was_withdrawn_does_not_wait(tmp_path: Path) -> None:
    session = left(tmp_path, ASKED, ApprovalResolved(approval="ap_1", answer="cancelled", by="harness"))

    async def nothing_waits(talk: Talk) -> None:
        assert talk.session.pending == ()

    run(nothing_waits, [], tmp_path, resume=session)


def test_an_action_that_had_begun_is_never_run_again_whatever_the_answer(tmp_path: Path) -> None:
    begun = ActionStarted(action="act_1", execution="x_1", kernel="python", language="python", sandbox="x")
    session = left(tmp_path, ASKED, YES, begun)

    async def told(talk: Talk) -> None:
        assert talk.session.pending == ()
        await talk.turn("what happened?")
        assert "cut off while this ran" in str(talk.model.requests[0].messages)

    run(told, ["I look."], tmp_path, resume=session)
    assert ran(tmp_path) == 0


def test_other_questions_of_a_dead_process_are_closed(tmp_path: Path) -> None:
    asks = ApprovalRequested(approval="ap_2", kind="input", action="act_1", subject="Name: ")
    begun = ActionStarted(action="act_1", execution="x_1", kernel="python", language="python", sandbox="x")
    session = left(tmp_path, begun, asks)

    async def asks_again(talk: Talk) -> None:
        assert (await talk.turn()).reason == "done"

    run(asks_again, ["I look."], tmp_path, resume=session)
    with Store.open(default_home()) as store:
        assert store.questions() == []


def test_other_words_withdraw_what_waits(tmp_path: Path) -> None:
    session = left(tmp_path, ASKED)

    async def something_else(talk: Talk) -> None:
        assert (await talk.turn("something else")).reason == "done"

    run(something_else, ["Fine."], tmp_path, resume=session)
    assert ran(tmp_path) == 0
    with Store.open(default_home()) as store:
        given = store.answered("ap_1")
        assert given is not None and isinstance(given.event, ApprovalResolved)
        assert given.event.answer == "cancelled"


def test_a_model_that_fails_when_it_goes_on_leaves_the_question_as_it_was(tmp_path: Path) -> None:
    session = left(tmp_path, ASKED)
    with Store.open(default_home()) as store:
        log = store.visit(session)
        log.append_now(
            ActionFinished(action="act_1", status="not_run", observation=Observation(text="Not run.", shown="")),
            TurnFinished(turn="t_1", reason="waiting", exit_code=4),
            TurnStarted(turn="t_2", text=""),
            TurnFinished(turn="t_2", reason="model", exit_code=6),
            YES,
        )
    assert go_on(tmp_path, session).reason == "done" and ran(tmp_path) == 1


def test_an_answer_from_another_process_reaches_the_one_that_waits(tmp_path: Path) -> None:
    def on(event: Event) -> Op | None:
        if isinstance(event, ApprovalRequested):
            with Store.open(default_home()) as store:
                (asked,) = store.questions()
                store.visit(asked.session).append_now(
                    ApprovalResolved(approval=event.approval, answer="yes", by="bob", channel="command line")
                )
        return None

    async def story(talk: Talk) -> None:
        assert (await talk.turn("do it", on=on)).reason == "done"
        (given,) = talk.of(ApprovalResolved)
        assert given.by == "bob" and len(talk.of(ActionStarted)) == 1

    run(story, [Reply(code=CODE), "Done."], tmp_path, auto_run=False, can_ask=True)
    assert ran(tmp_path) == 1
