"""A real run is recorded and gone through again: offline, the same where nothing changed, and told where it did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interpreter.app import loading, open_session
from interpreter.app.goals import Goal, first_words
from interpreter.app.replaying import Replayed, replay
from interpreter.config.settings import Settings
from interpreter.errors import ConfigError, UsageError
from interpreter.llm.scripted import Reply, ScriptCall, ScriptedModel
from interpreter.recording import recorder as recorder_module
from interpreter.recording.reader import read_recording
from interpreter.recording.recorder import Recorder
from interpreter.recording.values import Begun
from interpreter.text.redact import Redactor
from interpreter.types.events import ApprovalRequested, Event, TurnFinished, TurnStarted
from interpreter.types.goals import Check, Task
from interpreter.types.messages import Message, ModelRequest, ServerFacts, TextPart
from interpreter.types.ops import Op, ResolveApproval, Steer, SubmitInput
from tests.session.helpers import Talk, settings

SECRET = "zx81-very-secret-1"
RULES = "version: 1\nrules:\n- name: no-touch\n  decision: deny\n  reason: Not here.\n  command: touch **\n"


def recorded(
    tmp_path: Path, replies: list[Reply | str], story: Callable[[Talk], Coroutine[Any, Any, None]], **agent: Any
) -> Path:
    """The recording of a real session."""
    work, target = tmp_path / "work", tmp_path / "run.jsonl"
    work.mkdir(exist_ok=True)

    async def whole() -> None:
        chosen = msgspec.structs.replace(settings(**agent), record=str(target.resolve()))
        session = await open_session(chosen, workspace=work, client=ScriptedModel(replies))
        try:
            await story(Talk(session, ScriptedModel([])))
        finally:
            await session.close()

    asyncio.run(asyncio.wait_for(whole(), 60))
    return target


def again(path: Path, chosen: Settings | None = None, **agent: Any) -> Replayed:
    return asyncio.run(asyncio.wait_for(replay(chosen or settings(**agent), path), 30))


async def one_task(talk: Talk) -> None:
    await talk.turn("count")


COUNTING: list[Reply | str] = [
    Reply(text="First.", code="n = 6\nprint(n * 7)"),
    Reply(code="touch made; echo made", language="shell"),
    "It is 42.",
]


def test_the_same_run_needs_nothing_and_changes_nothing(tmp_path: Path) -> None:
    path = recorded(tmp_path, COUNTING, one_task)
    (tmp_path / "work" / "made").unlink()
    found = again(path)
    assert found.same and len(found.requests) == 3 and [one.now for one in found.verdicts] == ["allow", "allow"]
    assert [(end.then, end.now, end.text) for end in found.ends] == [("done (0)", "done (0)", "It is 42.")]
    assert not (tmp_path / "work" / "made").exists()


def test_another_prompt_is_told_with_a_diff(tmp_path: Path) -> None:
    path = recorded(tmp_path, COUNTING, one_task)
    found = again(path, custom_instructions="Be terse.")
    assert not found.same and all("+Be terse." in one.difference for one in found.requests)
    assert found.ends[0].now == "done (0)"


def test_a_policy_that_denies_now_shows(tmp_path: Path) -> None:
    path = recorded(tmp_path, COUNTING, one_task)
    (tmp_path / "rules.yaml").write_text(RULES)
    found = again(path, msgspec.structs.replace(settings(), policy=str(tmp_path / "rules.yaml")))
    first, second = found.verdicts
    assert (first.differs, second.then, second.now, second.reasons[0].rule) == (False, "allow", "deny", "no-touch")
    assert [bool(one.difference) for one in found.requests] == [False, False, True] and not found.same


def test_a_policy_that_allows_now_what_never_ran_has_no_result(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    strict = tmp_path / "rules.yaml"

    async def whole() -> None:
        chosen = msgspec.structs.replace(settings(), record=str((tmp_path / "run.jsonl").resolve()), policy=str(strict))
        session = await open_session(chosen, workspace=tmp_path, client=ScriptedModel(COUNTING[1:]))
        await Talk(session, ScriptedModel([])).turn("touch it")
        await session.close()

    asyncio.run(asyncio.wait_for(whole(), 60))
    found = again(tmp_path / "run.jsonl")
    assert (found.verdicts[0].then, found.verdicts[0].now) == ("deny", "allow") and not found.same
    assert any("holds no result" in line for line in found.requests[1].difference)


def test_answers_edits_steers_and_failures_come_again(tmp_path: Path) -> None:
    replies = [
        Reply(code="print('as proposed')"),
        Reply(code="print('no')"),
        Reply(fault="server_error", times=1, message="broken"),
    ]
    steered: list[str] = []

    def answers(event: Event) -> Op | None:
        if isinstance(event, ApprovalRequested):
            if not steered:
                steered.append("x")
                return ResolveApproval(approval=event.approval, answer="edit", code="print('edited')")
            return ResolveApproval(approval=event.approval, answer="no", reason="not that one")
        return None

    async def story(talk: Talk) -> None:
        await talk.turn("go", on=answers)
        await talk.turn("6 * 7", own_code=False)
        await talk.turn("%%python\nprint(6 * 7)", own_code=True)

    path = recorded(tmp_path, [*replies, "After all."], story, auto_run=False, can_ask=True)
    found = again(path)
    assert found.same, found
    assert [end.now for end in found.ends] == ["model (6)", "done (0)", "done (0)"]
    assert read_recording(path).deeds[0].ran.code == "print('edited')"


def test_what_the_person_said_in_between_comes_at_its_place(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        said: list[str] = []

        def hurry(event: Event) -> Op | None:
            if not said and type(event).__name__ == "ActionStarted":
                said.append("x")
                return Steer(text="and hurry")
            return None

        await talk.turn("go", on=hurry)

    found = again(recorded(tmp_path, [Reply(code="import time; time.sleep(0.3)"), "Done."], story))
    assert found.same, found


def test_secrets_stay_out_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", SECRET)

    async def story(talk: Talk) -> None:
        await talk.turn(f"use {SECRET}")

    path = recorded(tmp_path, [Reply(code=f"print('{SECRET}'[::-1])"), f"It was {SECRET}."], story)
    assert SECRET not in path.read_text()
    found = again(path)
    assert [bool(one.difference) for one in found.requests] == [False, False]


def test_a_recording_has_a_bound_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "LARGEST", 6_000)
    path = recorded(tmp_path, COUNTING, one_task)
    found = again(path)
    assert found.cut and path.stat().st_size < 6_100
    assert json.loads(path.read_text().splitlines()[-1]) == {"type": "cut"}


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    made = Recorder(path, Redactor(), lambda facts: Begun(facts=facts))
    made.apply(TurnStarted(turn="t", text="x"))
    made.asked(
        ModelRequest(messages=(Message(role="user", parts=(TextPart(text="x"),)),)), ServerFacts(api_base="", model="m")
    )
    made.apply(TurnFinished(turn="t", reason="done", exit_code=0))
    made.close()
    whole = read_recording(path)
    assert whole.ends and whole.exchanges[0].outcome is None
    path.write_bytes(path.read_bytes()[:-20])
    assert not read_recording(path).ends


@pytest.mark.parametrize(
    "text", ["", "{}", '{"type": "begun", "format": "other/1"}', "\x00", '{"type":"begun"}\n{"type":"x"}\n\n']
)
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not a recording"):
        read_recording(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recording(tmp_path / "none")


def test_a_recording_without_a_task(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"type":"begun"}\n')
    with pytest.raises(UsageError, match="no task"):
        again(path)


def test_a_session_is_not_submitted_twice(tmp_path: Path) -> None:
    """Two turns of one session are two turns of its replay."""

    async def story(talk: Talk) -> None:
        await talk.turn("one")
        await talk.session.send(SubmitInput(text="two"))
        await asyncio.sleep(0.5)

    found = again(recorded(tmp_path, ["First.", "Second."], story))
    assert found.same and [end.text for end in found.ends] == ["First.", "Second."]


def test_a_goal_run_comes_again_with_its_checks(tmp_path: Path) -> None:
    """Checks are run by the harness of today over the recorded results; another rule shows there as well."""
    finish = ScriptCall(name="finish", arguments={"status": "success", "evidence": "made"})
    replies = [
        Reply(calls=(finish,)),
        Reply(code="touch made", language="shell"),
        Reply(calls=(finish,)),
    ]
    target, work = tmp_path / "run.jsonl", tmp_path / "work"
    work.mkdir()

    async def whole() -> str:
        chosen = msgspec.structs.replace(settings(), record=str(target.resolve()))
        goal = Goal(task=Task(goal="Make it.", checks=(Check(name="there", command="test -e made"),)))
        session = await loading.open_session(chosen, workspace=work, client=ScriptedModel(replies), goal=goal)
        end = await Talk(session, ScriptedModel([])).turn(first_words(session, goal))
        await session.close()
        return end.reason

    assert asyncio.run(asyncio.wait_for(whole(), 60)) == "done"
    (work / "made").unlink()
    found = again(target)
    assert found.same, found
    assert len(found.verdicts) == 6 and not (work / "made").exists()
    (tmp_path / "rules.yaml").write_text(RULES)
    stricter = again(target, msgspec.structs.replace(settings(), policy=str(tmp_path / "rules.yaml")))
    assert [(one.then, one.now) for one in stricter.verdicts if one.differs] == [("allow", "deny")]
    assert stricter.requests[2].difference  # the model is told the denial; the checks say what they said then
