"""The model's history as a reading of the log."""

from __future__ import annotations

from interpreter.agent.history import History
from interpreter.agent.render import stub
from interpreter.types.actions import Action, Observation
from interpreter.types.base import code_sha256, new_id
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalResolved,
    Compacted,
    ConversationReset,
    ConversationUndone,
    Event,
    ModelAnswered,
    NoteAdded,
    SessionResumed,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import Message, ToolCall


def feed(*events: Event) -> History:
    history = History()
    history.apply(SessionStarted(session="s", workspace="/w", sandbox="host", version="0", system="SYSTEM"))
    for event in events:
        history.apply(event)
    return history


def action(code: str, call: str = "") -> Action:
    return Action(id=new_id("a"), language="python", code=code, sha256=code_sha256(code), call_id=call)


def asked(turn: str, text: str) -> Event:
    return TurnStarted(turn=turn, text=text)


def step(turn: str, code: str, output: str, *, native: bool = True) -> list[Event]:
    call = new_id("call") if native else ""
    proposed = action(code, call)
    calls = (ToolCall(id=call, name="execute", arguments="{}"),) if native else ()
    return [
        ModelAnswered(turn=turn, step=1, text="" if native else f"```python\n{code}\n```", calls=calls),
        ActionProposed(turn=turn, step=1, action=proposed),
        ActionFinished(action=proposed.id, status="ok", observation=Observation(text=output, shown="")),
    ]


def told(history: History) -> list[tuple[str, str]]:
    return [(m.role, m.text) for m in history.messages()]


def test_native_results_answer_their_calls() -> None:
    history = feed(asked("t1", "sum"), *step("t1", "1+1", "2"), ModelAnswered(turn="t1", step=2, text="It is 2."))
    assert told(history) == [
        ("system", "SYSTEM"),
        ("user", "sum"),
        ("assistant", ""),
        ("tool", "2"),
        ("assistant", "It is 2."),
    ]
    messages = history.messages()
    assert messages[3].call_id == messages[2].calls[0].id


def test_results_of_fenced_code_come_back_in_a_user_message() -> None:
    history = feed(asked("t1", "sum"), *step("t1", "1+1", "2", native=False))
    assert told(history)[-1] == ("user", "Result of your python code:\n2")


def test_the_prefix_is_the_same_objects_from_request_to_request() -> None:
    history = feed(asked("t1", "sum"), *step("t1", "1+1", "2"))
    before = history.messages()
    for event in [*step("t1", "2+2", "4"), NoteAdded(text="careful")]:
        history.apply(event)
    after = history.messages()
    assert all(new is old for old, new in zip(before[1:], after[1:], strict=False))
    assert len(after) == len(before) + 3


def test_calls_without_a_result_are_settled_before_the_next_turn() -> None:
    call = ToolCall(id="c1", name="execute", arguments="{}")
    history = feed(asked("t1", "a"), ModelAnswered(turn="t1", step=1, text="", calls=(call,)), asked("t2", "b"))
    assert [(m.role, m.call_id) for m in history.messages()][-2:] == [("tool", "c1"), ("user", "")]


def test_an_approval_that_came_later_replaces_the_not_run() -> None:
    call = ToolCall(id="c1", name="execute", arguments="{}")
    first, second = action("x", "c1"), action("x", "c1")
    history = feed(
        asked("t1", "a"),
        ModelAnswered(turn="t1", step=1, text="", calls=(call,)),
        ActionProposed(turn="t1", step=1, action=first),
        ActionFinished(action=first.id, status="not_run", observation=Observation(text="Not run", shown="")),
        TurnFinished(turn="t1", reason="waiting", exit_code=4),
        asked("t2", ""),
        ActionProposed(turn="t2", step=1, action=second),
        ActionFinished(action=second.id, status="ok", observation=Observation(text="42", shown="")),
    )
    assert told(history) == [("system", "SYSTEM"), ("user", "a"), ("assistant", ""), ("tool", "42")]


def test_an_edit_is_told_with_the_edited_code() -> None:
    proposed = action("rm()", "c1")
    edited = Action(id=proposed.id, language="python", code="ls()", sha256=code_sha256("ls()"), call_id="c1")
    history = feed(
        asked("t1", "a"),
        ModelAnswered(turn="t1", step=1, text="", calls=(ToolCall(id="c1", name="execute", arguments="{}"),)),
        ActionProposed(turn="t1", step=1, action=proposed),
        ApprovalResolved(approval="ap", answer="edit", by="person", action=edited),
        ActionFinished(action=proposed.id, status="ok", observation=Observation(text="files", shown="")),
    )
    assert told(history)[-2] == ("tool", "files")
    assert "ls()" in told(history)[-1][1]


def test_own_code_is_told_as_the_persons() -> None:
    own = action("ls")
    history = feed(
        asked("t1", "%% ls"),
        ActionProposed(turn="t1", step=0, action=own),
        ActionFinished(action=own.id, status="ok", observation=Observation(text="a.csv", shown="")),
    )
    assert "The person ran this python code themselves:\nls\nResult:\na.csv" in told(history)[-1][1]


def test_undo_takes_back_a_turn_and_all_after_it() -> None:
    history = feed(
        asked("t1", "one"), ModelAnswered(turn="t1", step=1, text="1"),
        asked("t2", "two"), ModelAnswered(turn="t2", step=1, text="2"),
        ConversationUndone(turn="t2"), asked("t3", "three"),
    )  # fmt: skip
    assert told(history) == [("system", "SYSTEM"), ("user", "one"), ("assistant", "1"), ("user", "three")]


def test_reset_forgets_everything_but_the_system() -> None:
    history = feed(asked("t1", "one"), ModelAnswered(turn="t1", step=1, text="1"), ConversationReset())
    assert told(history) == [("system", "SYSTEM")]


def test_compaction_keeps_head_tail_and_id_and_the_persons_words() -> None:
    long = "first line\n" + "x" * 3000 + "\n[... 9 lines cut; full output: out1 ...]\nlast line"
    events = step("t1", "print()", long)
    proposed = events[1]
    assert isinstance(proposed, ActionProposed)
    history = feed(asked("t1", "my words"), *events, ModelAnswered(turn="t1", step=2, text="done"))
    history.apply(Compacted(actions=(proposed.action.id,)))
    text = told(history)[3][1]
    assert len(text) < 400
    assert text.startswith("first line")
    assert "full output: out1" in text
    assert text.endswith("last line")
    history.apply(Compacted(dropped=(proposed.action.id,)))
    assert not any(m.role == "tool" or m.calls for m in history.messages())
    assert "my words" in told(history)[1][1]
    assert "- python: print() -> first line" in told(history)[1][1]


def test_a_short_result_is_its_own_stub() -> None:
    assert stub("short") == "short"


def test_the_loss_of_state_is_told_on_resume() -> None:
    history = feed(asked("t1", "a"), SessionResumed(gone=("python",), unfinished=("a1",)))
    text = told(history)[-1][1]
    assert "python state" in text
    assert "was not run again" in text


def roles(messages: tuple[Message, ...]) -> list[str]:
    return [m.role for m in messages]


def test_user_messages_never_follow_one_another() -> None:
    history = feed(asked("t1", "a"), NoteAdded(text="n1"), NoteAdded(text="n2", source="person"), asked("t2", "b"))
    assert roles(history.messages()) == ["system", "user"]
