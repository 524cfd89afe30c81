"""One conversation, whole: a scripted model, a real log, a real keeper, a real kernel, the walls of this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from interpreter.agent.compaction import Gauge, budget
from interpreter.agent.render import weigh
from interpreter.errors import UsageError
from interpreter.llm.options import ModelOptions
from interpreter.llm.scripted import Reply, Script, ScriptCall
from interpreter.store import Store, default_home
from interpreter.types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointSaved,
    Event,
    KernelEvent,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    NoteAdded,
    OutputChunk,
    SessionClosed,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import ImagePart, TextPart
from interpreter.types.ops import Interrupt, Op, ResolveApproval, Steer, SubmitInput, Undo
from interpreter.types.rewinding import SnapshotTaken

from .helpers import Talk, run


def stored(session: str) -> list[Event]:
    with Store.open(default_home()) as store:
        log = store.visit(session)
        assert log.verify().whole
        return [entry.event for entry in log.events()]


def test_say_it_see_it_run_it_fix_it(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("compute")
        assert (end.reason, end.exit_code, end.text, end.steps) == ("done", 0, "It is 42.", 3)
        assert [f.status for f in talk.of(ActionFinished)] == ["error", "ok"]
        assert "NameError" in talk.told(1)
        assert talk.told(2) == "42"
        assert end.usage.prompt > 0

    session = run(story, [Reply(code="y = nothing"), Reply(code="x = 41\nx + 1"), "It is 42."], tmp_path)
    kinds = [type(e) for e in stored(session) if not isinstance(e, (KernelEvent, CheckpointSaved))]
    step = [ModelAsked, ModelAnswered, ActionProposed, ActionJudged, SnapshotTaken, ActionStarted, ActionFinished]
    last = [ModelAsked, ModelAnswered, TurnFinished, SnapshotTaken, SessionClosed]
    assert kinds == [SessionStarted, TurnStarted, *step, *step, *last]


def test_the_state_of_a_kernel_lasts_through_turns(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("one")
        await talk.turn("two")
        assert talk.told() == "7"

    run(story, [Reply(code="x = 7"), "set", Reply(code="print(x)"), "7"], tmp_path)


def test_several_actions_run_in_order_and_stop_at_the_first_failure(tmp_path: Path) -> None:
    text = "```python\nopen('a', 'w').close()\n```\n```python\n1/0\n```\n```python\nopen('c', 'w').close()\n```"

    async def story(talk: Talk) -> None:
        await talk.turn("three")
        assert [f.status for f in talk.of(ActionFinished)] == ["ok", "error", "not_run"]
        assert len(talk.of(ActionProposed)) == 3

    run(story, [Reply(text=text), "done"], tmp_path)
    assert (tmp_path / "a").exists()
    assert not (tmp_path / "c").exists()


def test_failures_in_a_row_end_with_1(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("fail")
        assert (end.reason, end.exit_code) == ("failed", 1)
        assert len(talk.of(ActionFinished)) == 4

    run(story, [Reply(code=f"raise ValueError({n})") for n in range(9)], tmp_path)


def test_the_same_code_three_times_is_stopped(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("loop")
        assert end.reason == "failed"
        assert len(talk.of(ActionFinished)) == 3
        assert any("exactly this code" in note.text for note in talk.of(NoteAdded))

    run(story, [Reply(code="print('again')", times=9)], tmp_path)


def test_an_unreadable_call_goes_back_word_for_word_and_is_mended(tmp_path: Path) -> None:
    broken = Reply(calls=(ScriptCall(name="execute", arguments='{"language": "python"}'),))

    async def story(talk: Talk) -> None:
        end = await talk.turn("mend")
        assert end.exit_code == 0
        assert "code" in talk.told(1)
        assert len(talk.of(ActionFinished)) == 1

    run(story, [broken, Reply(code="print(1)"), "done"], tmp_path)


def test_without_anybody_to_ask_nothing_runs_and_the_session_waits(tmp_path: Path) -> None:
    async def asks(talk: Talk) -> None:
        end = await talk.turn("write")
        assert (end.reason, end.exit_code) == ("waiting", 4)
        assert f"interpreter --resume {talk.session.id} -y" in end.text
        assert [f.status for f in talk.of(ActionFinished)] == ["not_run"]
        assert talk.of(ActionStarted) == []

    session = run(asks, [Reply(code="open('made', 'w').close()")], tmp_path, auto_run=False)
    assert not (tmp_path / "made").exists()

    async def goes_on(talk: Talk) -> None:
        assert len(talk.session.pending) == 1
        end = await talk.turn("")
        assert (end.reason, end.text) == ("done", "made it")
        assert "not" not in talk.told().lower()

    run(goes_on, ["made it"], tmp_path, resume=session)
    assert (tmp_path / "made").exists()


def answering(**answer: str) -> dict[str, object]:
    def on(event: Event) -> Op | None:
        if isinstance(event, ApprovalRequested):
            return ResolveApproval(approval=event.approval, **answer)  # pyright: ignore[reportArgumentType]
        return None

    return {"on": on}


def test_what_runs_is_what_the_person_edited(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("x", **answering(answer="edit", code="print('edited')"))  # pyright: ignore[reportArgumentType]
        assert end.exit_code == 0
        assert "edited" in talk.of(ActionFinished)[0].observation.text
        assert "print('edited')" in talk.told()

    run(story, [Reply(code="print('proposed')"), "ok"], tmp_path, auto_run=False, can_ask=True)


def test_a_no_with_a_reason_goes_on_and_a_plain_no_ends(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("x", **answering(answer="no", reason="too slow"))  # pyright: ignore[reportArgumentType]
        assert end.reason == "done"
        assert "too slow" in talk.told()
        end = await talk.turn("y", **answering(answer="no"))  # pyright: ignore[reportArgumentType]
        assert (end.reason, end.exit_code) == ("denied", 3)

    run(story, [Reply(code="a()"), "fine", Reply(code="b()")], tmp_path, auto_run=False, can_ask=True)


def test_interrupt_stops_running_code_and_keeps_the_state(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        def stop(event: Event) -> Op | None:
            return Interrupt() if isinstance(event, OutputChunk) else None

        end = await talk.turn("long", on=stop)
        assert (end.reason, end.exit_code) == ("interrupted", 130)
        assert [f.status for f in talk.of(ActionFinished)] == ["interrupted"]
        await talk.turn("again")
        assert talk.told() == "5"
        assert any("interrupted" in m.text for m in talk.model.requests[-1].messages)

    code = "x = 5\nprint('on', flush=True)\nwhile True: pass"
    run(story, [Reply(code=code), Reply(code="print(x)"), "5"], tmp_path)


def test_interrupt_while_the_model_speaks(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        def stop(event: Event) -> Op | None:
            return Interrupt() if type(event).__name__ == "TextDelta" else None

        end = await talk.turn("talk", on=stop)
        assert end.reason == "interrupted"
        assert [f.error for f in talk.of(ModelFailed)] == ["Interrupted"]
        assert talk.model.cancelled == 1

    run(story, [Reply(text="word " * 1000, pace=0.05)], tmp_path)


def test_a_steer_is_read_before_the_next_answer(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        def steer(event: Event) -> Op | None:
            return Steer(text="use metres") if isinstance(event, ActionStarted) else None

        await talk.turn("measure", on=steer)
        assert talk.told() == "use metres"

    run(story, [Reply(code="1"), "done"], tmp_path)


def test_undo_takes_back_turns(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("first words")
        await talk.turn("second words")
        await talk.session.send(Undo(turns=1))
        await talk.turn("third words")
        asked = [m.text for m in talk.model.requests[-1].messages if m.role == "user"]
        assert asked == ["first words", "third words"]
        with pytest.raises(UsageError):
            await talk.session.send(Undo(turns=9))

    run(story, ["1", "2", "3"], tmp_path)


def test_own_code_runs_without_a_model(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("%%python\nprint(6 * 7)", own_code=True)
        assert end.exit_code == 0
        assert talk.of(ActionFinished)[0].observation.text == "42"
        assert talk.model.requests == []

    run(story, ["unused"], tmp_path, auto_run=False)


def test_text_that_looks_like_own_code_is_only_text_unless_it_was_typed(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("%% touch made")
        assert end.text == "I read it."
        assert talk.of(ActionProposed) == []

    run(story, ["I read it."], tmp_path, auto_run=False)
    assert not (tmp_path / "made").exists()


def test_one_turn_at_a_time(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.session.send(SubmitInput(text="a"))
        with pytest.raises(UsageError):
            await talk.session.send(SubmitInput(text="b"))

    run(story, [Reply(text="slow", delay=5)], tmp_path)


@pytest.mark.parametrize("fault", ["unreachable", "auth", "unknown_model", "server_error", "break", "html", "empty"])
def test_a_model_that_fails_ends_the_turn_with_6_and_keeps_the_session(fault: str, tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("x")
        assert (end.reason, end.exit_code) == ("model", 6)
        assert len(talk.of(ModelFailed)) == 1
        assert end.text
        end = await talk.turn("again")
        assert end.reason == "done"

    run(story, [Reply(text="some words", fault=fault, after=1), "fine"], tmp_path)  # pyright: ignore[reportArgumentType]


def test_every_action_and_every_turn_has_exactly_one_end(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("x", **answering(answer="no"))  # pyright: ignore[reportArgumentType]
        await talk.turn("y", **answering(answer="yes"))  # pyright: ignore[reportArgumentType]

    text = "```python\n1\n```\n```python\n2\n```"
    session = run(story, [text, text, "done"], tmp_path, auto_run=False, can_ask=True)
    events = stored(session)
    proposed = [e.action.id for e in events if isinstance(e, ActionProposed)]
    finished = [e.action for e in events if isinstance(e, ActionFinished)]
    assert sorted(proposed) == sorted(finished)
    assert len(set(proposed)) == 4
    asked = [e.approval for e in events if isinstance(e, ApprovalRequested)]
    resolved = [e.approval for e in events if isinstance(e, ApprovalResolved)]
    assert sorted(asked) == sorted(resolved)
    started = [e.turn for e in events if isinstance(e, TurnStarted)]
    assert started == [e.turn for e in events if isinstance(e, TurnFinished)]


def test_twelve_steps_with_large_outputs_fit_a_window_of_8192(tmp_path: Path) -> None:
    steps = [Reply(code=f"print('step {n}')\nfor i in range(3000): print('row', i, 'of', {n})") for n in range(12)]

    async def story(talk: Talk) -> None:
        end = await talk.turn("the words of the person")
        assert (end.reason, end.steps) == ("done", 13)
        for request in talk.model.requests:
            assert Gauge(260).tokens(sum(weigh(m) for m in request.messages)) <= budget(8192, 4096)
            assert "the words of the person" in request.messages[1].text
        newest = talk.told()
        assert "step 11" in newest
        assert "out12" in newest
        assert len(newest) <= 3_200

    script = Script(replies=(*steps, "all done"), context_window=8192)
    run(story, script, tmp_path, llm=ModelOptions(max_tokens=4096))


def test_what_was_cut_can_be_read_on(tmp_path: Path) -> None:
    call = ScriptCall(name="read_output", arguments={"id": "out1", "offset": 20_000})

    async def story(talk: Talk) -> None:
        await talk.turn("page")
        assert "row 1500" in talk.told() or "next offset" in talk.told()
        assert "next offset:" in talk.told()

    run(story, [Reply(code="for i in range(9000): print('row', i)"), Reply(calls=(call,)), "done"], tmp_path)


def test_a_model_that_sees_is_shown_what_was_drawn(tmp_path: Path) -> None:
    png = (
        "import base64\n"
        "class Picture:\n"
        "    def _repr_png_(self):\n"
        "        return base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk'\n"
        "            '+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')\n"
        "Picture()"
    )

    async def sees(talk: Talk) -> None:
        await talk.turn("draw")
        parts = talk.model.requests[-1].messages[-1].parts
        images = [part for part in parts if isinstance(part, ImagePart)]
        assert [(image.mime, image.data[:8]) for image in images] == [("image/png", b"\x89PNG\r\n\x1a\n")]
        shown = talk.of(ActionFinished)[0].completion
        assert shown is not None
        assert Path(shown.displays[0].path).is_file()

    async def reads(talk: Talk) -> None:
        await talk.turn("draw")
        assert all(isinstance(p, TextPart) for m in talk.model.requests[-1].messages for p in m.parts)
        assert "image/png" in talk.told()

    run(sees, [Reply(code=png), "a dot"], tmp_path, vision=True)
    run(reads, [Reply(code=png), "a dot"], tmp_path)


def test_an_interrupt_that_is_itself_cut_off_still_stops_what_runs(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        watch = talk.session.watch()
        await talk.session.send(SubmitInput(text="wait"))
        async for event in watch:
            if isinstance(event, OutputChunk):
                break
        interrupting = asyncio.create_task(talk.session.send(Interrupt()))
        await asyncio.sleep(0)
        interrupting.cancel()  # Ctrl-C twice, quickly
        await talk.session.close(keep_kernels=True)

    session = run(story, [Reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)")], tmp_path)
    ends = [event for event in stored(session) if isinstance(event, TurnFinished)]
    assert [end.reason for end in ends] == ["interrupted"]
