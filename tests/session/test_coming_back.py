"""A turn that its process left without an end, gone on with: real kernels, real log, every place where it can stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interpreter.app import open_session
from interpreter.errors import UsageError
from interpreter.llm.options import ModelOptions
from interpreter.llm.scripted import Reply
from interpreter.store import Store, default_home
from interpreter.types.actions import Action, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    NoteAdded,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import ToolCall
from interpreter.types.ops import SubmitInput

from .helpers import Talk, run, settings

CODES = ("open('one', 'a').write('x')", "open('two', 'a').write('x')", "open('three', 'a').write('x')")
ACTIONS = tuple(
    Action(id=f"act_{n}", language="python", code=code, sha256=code_sha256(code), call_id=f"c{n}")
    for n, code in enumerate(CODES)
)
CALLS = tuple(
    ToolCall(id=f"c{n}", name="execute", arguments=json.dumps({"language": "python", "code": code}))
    for n, code in enumerate(CODES)
)
ASKED = ModelAsked(turn="t_1", step=1, model="m", api_base="", messages=2, size=10)
ANSWERED = ModelAnswered(turn="t_1", step=1, text="Three steps.", calls=CALLS, finish="tool_calls")


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path_factory.mktemp("home")))


def left(workspace: Path, *more: Event) -> str:
    """A session whose process died after these events of its first turn."""
    with Store.open(default_home()) as store:
        store.create("s_left", workspace).append_now(
            SessionStarted(session="s_left", workspace=str(workspace), sandbox="x", version="0", system="You are ..."),
            TurnStarted(turn="t_1", text="make three files"),
            *more,
        )
    return "s_left"


def proposed(n: int) -> ActionProposed:
    return ActionProposed(turn="t_1", step=1, action=ACTIONS[n])


def started(n: int) -> ActionStarted:
    return ActionStarted(action=f"act_{n}", execution=f"x_{n}", kernel="python", language="python", sandbox="x")


def finished(n: int, status: str = "ok") -> ActionFinished:
    told = Observation(text="(no output)", shown="")
    return ActionFinished(action=f"act_{n}", status=status, observation=told)  # pyright: ignore[reportArgumentType]


def files(workspace: Path) -> dict[str, int]:
    return {path.name: len(path.read_text()) for path in workspace.iterdir() if path.is_file()}


def log() -> list[Event]:
    with Store.open(default_home()) as store:
        return [stored.event for stored in store.visit("s_left").events()]


def keeps_the_laws(events: list[Event]) -> bool:
    """One end for each action and each turn, and one answer or failure for each request."""
    proposals = [event.action.id for event in events if isinstance(event, ActionProposed)]
    ends = [event.action for event in events if isinstance(event, ActionFinished)]
    turns = [event.turn for event in events if isinstance(event, TurnStarted)]
    over = [event.turn for event in events if isinstance(event, TurnFinished)]
    asked = sum(isinstance(event, ModelAsked) for event in events)
    answered = sum(isinstance(event, (ModelAnswered, ModelFailed)) for event in events)
    once = len(set(proposals)) == len(proposals)
    return once and sorted(proposals) == sorted(ends) and turns == over and asked == answered


def goes_on(workspace: Path, replies: list[Reply | str], check: Callable[[Talk], None], *more: Event) -> None:
    """The turn goes on to a good end, as the same turn."""

    async def story(talk: Talk) -> None:
        assert talk.session.left is not None and talk.session.left.goes_on
        end = await talk.turn()
        assert (end.turn, end.reason) == ("t_1", "done")
        assert talk.session.left is None
        check(talk)

    run(story, replies, workspace, resume=left(workspace, *more))
    assert keeps_the_laws(log())
    assert sum(isinstance(event, TurnStarted) for event in log()) == 1


def test_a_request_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        assert [event.step for event in log() if isinstance(event, ModelAsked)] == [1, 2]
        assert "make three files" in talk.told()

    goes_on(tmp_path, ["Nothing to make."], check, ASKED)


def test_a_turn_that_had_only_begun_is_begun(tmp_path: Path) -> None:
    goes_on(tmp_path, [Reply(code=CODES[0]), "Made."], lambda talk: None)
    assert files(tmp_path) == {"one": 1}


def test_an_answer_without_any_of_its_actions_is_carried_out(tmp_path: Path) -> None:
    goes_on(tmp_path, ["Made."], lambda talk: None, ASKED, ANSWERED)
    assert files(tmp_path) == {"one": 1, "two": 1, "three": 1}


def test_a_proposed_action_runs_under_its_own_id_and_so_do_those_after_it(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        began = [event.action for event in log() if isinstance(event, ActionStarted)]
        assert began[:2] == ["act_0", "act_1"] and len(began) == 3
        assert len(talk.model.requests) == 1

    goes_on(tmp_path, ["Made."], check, ASKED, ANSWERED, proposed(0), started(0), finished(0), proposed(1))
    assert files(tmp_path) == {"two": 1, "three": 1}  # the first was done before


def test_what_had_begun_is_lost_and_those_after_it_do_not_run(tmp_path: Path) -> None:
    def check(talk: Talk) -> None:
        ends = [event.status for event in log() if isinstance(event, ActionFinished)]
        assert ends == ["ok", "lost", "not_run"]
        results = {message.call_id: message.text for message in talk.model.requests[0].messages if message.call_id}
        assert "cut off while this ran" in results["c1"] and "did not succeed" in results["c2"]

    goes_on(
        tmp_path,
        ["I look first."],
        check,
        ASKED,
        ANSWERED,
        proposed(0),
        started(0),
        finished(0),
        proposed(1),
        started(1),
    )
    assert files(tmp_path) == {}


def test_after_the_last_action_the_model_is_asked(tmp_path: Path) -> None:
    more = [event for n in range(3) for event in (proposed(n), started(n), finished(n))]
    goes_on(tmp_path, ["All there."], lambda talk: None, ASKED, ANSWERED, *more)
    assert files(tmp_path) == {}


def test_a_last_answer_ends_the_turn_without_another_request(tmp_path: Path) -> None:
    last = ModelAnswered(turn="t_1", step=1, text="There is nothing to do.")
    goes_on(tmp_path, [], lambda talk: None, ASKED, last)
    assert [event.text for event in log() if isinstance(event, TurnFinished)] == [last.text]


def test_the_bounds_of_a_turn_count_on(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        assert (await talk.turn()).exit_code == 5

    steps = [
        event
        for n in (1, 2)
        for event in (
            ModelAsked(turn="t_1", step=n, model="m", api_base="", messages=2, size=1),
            ModelAnswered(turn="t_1", step=n, text=f"```python\nprint({n})\n```"),
        )
    ]
    run(story, [Reply(code="print(3)")], tmp_path, resume=left(tmp_path, *steps), max_steps=2)
    assert keeps_the_laws(log())


def test_what_the_person_interrupted_is_not_gone_on_with(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        assert talk.session.left is None
        with pytest.raises(UsageError, match="nothing to do"):
            await talk.turn()

    stop = NoteAdded(text="The person interrupted.", source="person", stops=True)
    run(story, [], tmp_path, resume=left(tmp_path, ASKED, ANSWERED, proposed(0), stop))
    (end,) = [event for event in log() if isinstance(event, TurnFinished)]
    assert end.reason == "interrupted" and files(tmp_path) == {}


def test_another_task_ends_the_turn_first(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        assert (await talk.turn("something else")).reason == "done"
        assert "another task" in str(talk.model.requests[0].messages)

    run(story, ["Fine."], tmp_path, resume=left(tmp_path, ASKED, ANSWERED, proposed(0)))
    assert [event.reason for event in log() if isinstance(event, TurnFinished)] == ["interrupted", "done"]
    assert files(tmp_path) == {} and keeps_the_laws(log())


def test_another_task_after_a_request_that_was_cut_off(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        assert (await talk.turn("something else")).reason == "done"

    run(story, ["Fine."], tmp_path, resume=left(tmp_path, ASKED))
    assert keeps_the_laws(log())


def test_a_session_that_is_only_looked_at_stays_as_it_was(tmp_path: Path) -> None:
    async def looks(talk: Talk) -> None:
        assert talk.session.left is not None and talk.session.left.text == "make three files"

    session = left(tmp_path, ASKED, ANSWERED)
    run(looks, [], tmp_path, resume=session)
    assert not [event for event in log() if isinstance(event, TurnFinished)]
    goes_on_again(tmp_path, session)
    assert files(tmp_path) == {"one": 1, "two": 1, "three": 1}


def test_own_code_that_was_cut_off_asks_no_model(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn()
        assert (end.reason, end.exit_code) == ("done", 1) and talk.model.requests == []

    own = [ActionProposed(turn="t_1", step=0, action=ACTIONS[0]), started(0)]
    run(story, [], tmp_path, resume=left(tmp_path, *own))
    assert keeps_the_laws(log()) and files(tmp_path) == {}


def test_a_model_that_cannot_be_reached_leaves_the_turn_open(tmp_path: Path) -> None:
    """Nothing was gone on with, so the next resume finds it as it was."""
    session = left(tmp_path, ASKED, ANSWERED, proposed(0))

    async def fails() -> None:
        nobody = ModelOptions(api_base="http://127.0.0.1:9/v1", max_retries=0)
        opened = await open_session(settings(llm=nobody), resume=session, workspace=tmp_path)
        watch = opened.watch()
        await opened.send(SubmitInput(text=""))
        async for event in watch:
            if isinstance(event, TurnFinished):
                assert (event.turn, event.exit_code) == ("t_1", 6)
                break
        await opened.close()

    asyncio.run(fails())
    assert not [event for event in log() if isinstance(event, (TurnFinished, ActionFinished))]
    goes_on_again(tmp_path, session)
    assert files(tmp_path) == {"one": 1, "two": 1, "three": 1}


def goes_on_again(workspace: Path, session: str) -> None:
    async def story(talk: Talk) -> None:
        assert (await talk.turn()).reason == "done"

    run(story, ["Made."], workspace, resume=session)
    assert keeps_the_laws(log())
