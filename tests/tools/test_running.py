"""Calls carried out: time limits, interrupts, errors of tools, and calls that a session comes back to."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import PermitRefused, ToolError
from interpreter.session.course import Course
from interpreter.session.effects import irreversible
from interpreter.store import Store, default_home
from interpreter.tools.context import ToolContext, ToolResult
from interpreter.tools.definition import tool
from interpreter.tools.registry import Registry
from interpreter.tools.running import ToolRunner
from interpreter.types.actions import Action, Completion, Permit
from interpreter.types.base import code_sha256, new_id
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    Event,
    ModelAnswered,
    ModelAsked,
    SessionStarted,
    TurnStarted,
)
from interpreter.types.messages import ToolCall
from interpreter.types.tooling import call_code
from interpreter.types.walls import Limits
from tests.session.helpers import Talk, run

from .lend import go
from .test_session import FILES


@tool(access="read", timeout=0.3)
def slow(ctx: ToolContext, seconds: float) -> str:
    """Wait."""
    time.sleep(seconds)
    return "done"


@tool(access="read", timeout=30)
async def waiting(ctx: ToolContext) -> str:
    """Wait for ever."""
    await asyncio.Event().wait()
    return ""


@tool(access="read")
def failing(ctx: ToolContext, how: str) -> Any:
    """Fail.

    Args:
        how: In which way.
    """
    if how == "bug":
        raise ZeroDivisionError("one / none")
    if how == "said":
        raise ToolError("It is not there.", "Look elsewhere.")
    if how == "value":
        return {"a": [1, 2], "b": "ü"}
    if how == "both":
        return ToolResult(text="for the model", value={"for": "code"})
    return "y" * 1000


class Quiet:
    def __init__(self) -> None:
        self.said = b""

    def output(self, stream: str, data: bytes, skipped: int) -> None:
        self.said += data


class Runs:
    def __init__(self, folder: Path) -> None:
        self.runner = ToolRunner(
            Registry([slow, waiting, failing]), folder / "calls", lambda one, action: ToolContext()
        )
        self.sink = Quiet()

    async def call(
        self, name: str, parent: str = "", edited: str = "", output: int = 1 << 20, **arguments: Any
    ) -> Completion:
        code = edited or call_code(name, arguments)
        action = Action(id=new_id("a"), language="tool", code=code, sha256=code_sha256(code), parent=parent)
        self.action = action
        permit = Permit(action=action.id, language="tool", sha256=action.sha256, by="test")
        return await self.runner.execute(permit, action, new_id("x"), self.sink, Limits(output=output))


def test_a_value_becomes_an_output(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    done = go(runs.call("failing", how="value"))
    text = Path(done.output.path).read_text()
    assert done.status == "ok" and text == '{\n "a": [\n  1,\n  2\n ],\n "b": "ü"\n}'
    assert done.output.size == len(text.encode()) and runs.sink.said == text.encode()
    assert Path(done.output.path).stat().st_mode & 0o777 == 0o600
    both = go(runs.call("failing", parent="act_x", how="both"))
    assert Path(both.output.path).read_text() == "for the model"
    assert runs.runner.take(runs.action.id) == {"for": "code"} and runs.runner.take(runs.action.id) is None
    cut = go(runs.call("failing", how="long", output=100))
    assert (cut.output.size, cut.output.dropped) == (100, 900)
    go(runs.runner.collect(cut.execution))
    assert not Path(cut.output.path).exists()


@pytest.mark.parametrize(
    ("how", "name", "message"),
    [("said", "ToolError", "It is not there.\nLook elsewhere."),
     ("bug", "ToolFailed",
      "The tool itself failed, which is not the fault of your call: ZeroDivisionError: one / none")],
)  # fmt: skip
def test_what_a_tool_raises_is_its_completion(tmp_path: Path, how: str, name: str, message: str) -> None:
    done = go(Runs(tmp_path).call("failing", how=how))
    assert done.status == "error" and done.error is not None
    assert (done.error.name, done.error.message) == (name, message)


@pytest.mark.parametrize(
    "code", ["{}", "nonsense", '{"tool":"no_such"}', '{"tool":"slow","arguments":{"seconds":"x"}}']
)
def test_what_a_person_edited_into_nonsense_is_said(tmp_path: Path, code: str) -> None:
    done = go(Runs(tmp_path).call("slow", edited=code))
    assert done.status == "error" and done.error is not None and done.error.name == "ToolError"


def test_a_call_has_an_end(tmp_path: Path) -> None:
    async def story() -> None:
        began = time.monotonic()
        done = await Runs(tmp_path).call("slow", seconds=1.0)
        assert (done.status, done.limit) == ("timeout", "0.3 s")
        assert time.monotonic() - began < 0.9

    go(story())


def test_a_call_is_interrupted(tmp_path: Path) -> None:
    async def story() -> None:
        runs = Runs(tmp_path)
        work = asyncio.ensure_future(runs.call("waiting"))
        await asyncio.sleep(0.05)
        await runs.runner.interrupt()
        assert (await work).status == "interrupted"
        assert (await runs.call("failing", how="value")).status == "ok"
        await runs.runner.close()

    go(story())


def test_only_what_was_permitted_is_called(tmp_path: Path) -> None:
    async def story() -> None:
        runs = Runs(tmp_path)
        code = call_code("failing", {"how": "value"})
        action = Action(id="a", language="tool", code=code, sha256=code_sha256(code))
        for permit in (
            Permit(action="b", language="tool", sha256=action.sha256, by="x"),
            Permit(action="a", language="shell", sha256=action.sha256, by="x"),
            Permit(action="a", language="tool", sha256=code_sha256("other"), by="x"),
        ):
            with pytest.raises(PermitRefused):
                await runs.runner.execute(permit, action, "x_1", runs.sink, Limits())
        good = Permit(action="a", language="tool", sha256=action.sha256, by="x")
        await runs.runner.execute(good, action, "x_1", runs.sink, Limits())
        with pytest.raises(PermitRefused):
            await runs.runner.execute(good, action, "x_2", runs.sink, Limits())

    go(story())


# --- coming back

CODE = call_code("read_file", {"path": "a.txt"})
CALLED = Action(id="act_1", language="tool", code=CODE, sha256=code_sha256(CODE), call_id="c1")
OUTER = Action(id="act_0", language="python", code="1", sha256=code_sha256("1"), call_id="c0")
INNER = Action(id="act_2", language="tool", code=CODE, sha256=code_sha256(CODE), call_id="x_0/1", parent="act_0")
ASKED = ModelAsked(turn="t_1", step=1, model="m", api_base="", messages=2, size=10)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path_factory.mktemp("home")))


def comes_back(workspace: Path, check: Callable[[Talk, list[Event]], None], *more: Event) -> None:
    (workspace / "a.txt").write_text("one\n")
    with Store.open(default_home()) as store:
        store.create("s_left", workspace).append_now(
            SessionStarted(session="s_left", workspace=str(workspace), sandbox="x", version="0", system="You are ..."),
            TurnStarted(turn="t_1", text="go"),
            ASKED,
            *more,
        )

    async def story(talk: Talk) -> None:
        end = await talk.turn()
        assert end.reason == "done", end
        with Store.open(default_home()) as store:
            check(talk, [stored.event for stored in store.visit("s_left").events()])

    run(story, ["I see.", "Yes."], workspace, resume="s_left", tools=FILES)


def begun(action: Action, execution: str) -> ActionStarted:
    return ActionStarted(
        action=action.id, execution=execution, kernel=action.language, language=action.language, sandbox="",
        parent=action.parent,
    )  # fmt: skip


def answered(name: str, call_id: str, arguments: str) -> ModelAnswered:
    calls = (ToolCall(id=call_id, name=name, arguments=arguments),)
    return ModelAnswered(turn="t_1", step=1, text="", calls=calls, finish="tool_calls")


def test_a_call_that_had_begun_is_reported_and_not_repeated(tmp_path: Path) -> None:
    def check(talk: Talk, log: list[Event]) -> None:
        ends = [event for event in log if isinstance(event, ActionFinished)]
        assert [(end.action, end.status) for end in ends] == [("act_1", "lost")]
        assert sum(isinstance(event, ActionStarted) for event in log) == 1
        assert "was not run again" in "".join(message.text for message in talk.model.requests[0].messages)

    comes_back(
        tmp_path, check, answered("read_file", "c1", '{"path": "a.txt"}'),
        ActionProposed(turn="t_1", step=1, action=CALLED), begun(CALLED, "x_1"),
    )  # fmt: skip


def test_a_call_that_had_not_begun_is_carried_out(tmp_path: Path) -> None:
    def check(talk: Talk, log: list[Event]) -> None:
        ends = [(event.action, event.status) for event in log if isinstance(event, ActionFinished)]
        assert ends == [("act_1", "ok")]

    comes_back(
        tmp_path, check, answered("read_file", "c1", '{"path": "a.txt"}'),
        ActionProposed(turn="t_1", step=1, action=CALLED),
    )  # fmt: skip


def test_a_call_by_code_is_ended_with_its_code(tmp_path: Path) -> None:
    def check(talk: Talk, log: list[Event]) -> None:
        ends = {event.action: event.status for event in log if isinstance(event, ActionFinished)}
        assert ends == {"act_0": "lost", "act_2": "lost", "act_3": "not_run"}
        assert sum(isinstance(event, ActionStarted) for event in log) == 2

    unbegun = Action(id="act_3", language="tool", code=CODE, sha256=code_sha256(CODE), call_id="x_0/2", parent="act_0")
    comes_back(
        tmp_path, check, answered("execute", "c0", '{"language": "python", "code": "1"}'),
        ActionProposed(turn="t_1", step=1, action=OUTER), begun(OUTER, "x_0"),
        ActionProposed(turn="t_1", step=1, action=INNER), begun(INNER, "x_2"),
        ActionProposed(turn="t_1", step=1, action=unbegun),
    )  # fmt: skip


def test_a_thread_that_does_not_end_keeps_no_program_from_ending(tmp_path: Path) -> None:
    program = """
import asyncio, time
from interpreter.aio.threads import in_thread
async def main():
    assert await in_thread(lambda a, b=0: a + b, 1, b=2) == 3
    try:
        await in_thread(lambda: 1 / 0)
    except ZeroDivisionError:
        print("raised")
    try:
        async with asyncio.timeout(0.1):
            await in_thread(time.sleep, 60)
    except TimeoutError:
        print("gone on")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "raised\ngone on\n"


def test_what_calls_did_is_told_before_a_step_is_taken_back() -> None:
    course = Course()
    outer = Action(id="a", language="python", code="x", sha256="")
    inner = Action(id="b", language="tool", code=call_code("deploy", {"name": "web"}), sha256="", parent="a")
    looked = Action(id="c", language="tool", code=call_code("read_file", {"path": "x"}), sha256="")
    own = Action(id="d", language="tool", code=call_code("notify", {"text": "hi"}), sha256="")
    for action in (outer, inner, looked, own):
        course.apply(ActionProposed(turn="t", step=1, action=action))
        course.apply(begun(action, f"x_{action.id}"))
    assert [step.number for step in course.steps] == [1, 2, 3]
    told = irreversible(course.steps, Path("/w"))
    assert told == ('step 1: called the tool deploy(name="web")', 'step 3: called the tool notify(text="hi")')
    assert course.before(3).kernels.keys() == {"python"}
