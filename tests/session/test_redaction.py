"""Events on their way out: what came from inside is freed of secrets, what was said and approved is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from interpreter.app.known import credential_values, secrets_of
from interpreter.config.settings import Settings
from interpreter.llm.options import ModelOptions
from interpreter.session.hub import Hub
from interpreter.session.redaction import cleaned, public
from interpreter.text.redact import GONE, Redactor
from interpreter.types.account import Act, Chapter, Compacted, Words
from interpreter.types.actions import Action, Completion, Display, ErrorReport, Observation
from interpreter.types.base import code_sha256, to_json
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    CodeDelta,
    Event,
    KernelEvent,
    ModelAnswered,
    ModelFailed,
    NetworkAttempt,
    NoteAdded,
    OutputChunk,
    Progress,
    Stored,
    TextDelta,
    TurnFinished,
    TurnStarted,
)
from interpreter.types.messages import ToolCall
from interpreter.types.rules import Credential
from tests.store.samples import every_kind

KNOWN = "correct-horse-battery-9"
FORM = "ghp_" + "a1B2" * 9
TEXT = f"a {KNOWN} b {FORM} c"
REDACTOR = Redactor([KNOWN])
ACTION = Action(id="a_1", language="python", code=TEXT, sha256=code_sha256(TEXT))

FROM_INSIDE: list[Event] = [
    OutputChunk(action="a", stream="stdout", text=TEXT),
    Progress(what="pip", text=TEXT),
    TurnFinished(turn="t", reason="done", exit_code=0, text=TEXT),
    ModelFailed(turn="t", step=1, error="ModelAuthRefused", message=TEXT, hint=TEXT, partial=TEXT),
    KernelEvent(language="python", kernel="k", what="died", reason=TEXT),
    NetworkAttempt(host=f"{FORM}.example", port=1, decision="denied", by="r", reason=TEXT),
    NoteAdded(text=TEXT),
    ApprovalRequested(approval="p", kind="input", subject=TEXT),
    ActionFinished(
        action="a",
        status="error",
        observation=Observation(text=TEXT, shown=TEXT, facts=(TEXT,)),
        completion=Completion(
            execution="x",
            status="error",
            result=TEXT,
            limit=TEXT,
            context={"names": [TEXT], "n": 1},
            error=ErrorReport(name="E", message=TEXT, traceback=TEXT),
            displays=(Display(mime="text/plain", path="/x", text=TEXT),),
        ),
    ),
]
EXACT: list[Event] = [
    TurnStarted(turn="t", text=TEXT),
    ModelAnswered(turn="t", step=1, text=TEXT, calls=(ToolCall(id="c", name="execute", arguments=TEXT),)),
    NoteAdded(text=TEXT, source="person"),
    ActionProposed(turn="t", step=1, action=ACTION),
    ApprovalResolved(approval="p", answer="edit", by="person", action=ACTION),
]


@pytest.mark.parametrize("event", FROM_INSIDE, ids=lambda event: type(event).__name__)
def test_what_came_from_inside_is_without_secrets(event: Event) -> None:
    text = to_json(cleaned(REDACTOR, event)).decode()
    assert KNOWN not in text and FORM not in text and GONE in text


@pytest.mark.parametrize("event", EXACT, ids=lambda event: type(event).__name__)
def test_what_was_said_and_approved_stays_exact(event: Event) -> None:
    assert cleaned(REDACTOR, event) is event


@pytest.mark.parametrize("event", every_kind(), ids=lambda event: type(event).__name__)
def test_an_event_without_secrets_is_the_same_object(event: Event) -> None:
    assert cleaned(REDACTOR, event) is event
    assert public(REDACTOR, event) is event


@pytest.mark.parametrize("event", EXACT[:3], ids=lambda event: type(event).__name__)
def test_words_are_without_secrets_for_the_public(event: Event) -> None:
    assert KNOWN not in to_json(public(REDACTOR, event)).decode()


@pytest.mark.parametrize("event", EXACT[3:], ids=lambda event: type(event).__name__)
def test_code_for_the_public_hides_known_values_alone_and_keeps_its_hash(event: Event) -> None:
    shown = public(REDACTOR, event)
    assert isinstance(shown, ActionProposed | ApprovalResolved) and shown.action is not None
    assert shown.action.code == f"a {GONE} b {FORM} c", "what only looks like a secret cannot hide code"
    assert shown.action.sha256 == ACTION.sha256


def test_pieces_for_the_public() -> None:
    for event in (TextDelta(turn="t", text=TEXT), CodeDelta(turn="t", index=0, text=TEXT)):
        assert public(REDACTOR, event).text == f"a {GONE} b {FORM} c"  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - both have a text


def test_an_account_for_the_public() -> None:
    told = Chapter(
        words=(Words(text=f"my {KNOWN}", turn="t"),), acts=(Act(line=f"login('{KNOWN}')", language="python"),)
    )
    event = Compacted(answers=2, account=(told, Chapter(steps=3)))
    assert cleaned(REDACTOR, event) is event, "what the person said stays exact in the log"
    shown = public(REDACTOR, event)
    assert KNOWN not in to_json(shown).decode()
    assert isinstance(shown, Compacted) and (shown.answers, shown.account[1]) == (2, Chapter(steps=3))


class Kept:
    def __init__(self) -> None:
        self.events: list[Event] = []

    async def append(self, event: Event, /, *more: Event) -> list[Stored]:
        self.events += [event, *more]
        return []


def test_log_readers_and_watchers_see_the_same() -> None:
    read: list[Event] = []
    log = Kept()

    async def story() -> list[Event]:
        hub = Hub(log, (read.append,), lambda event: cleaned(REDACTOR, event))
        watch = hub.watch()
        await hub.emit(FROM_INSIDE[-1])
        hub.show(FROM_INSIDE[0])
        hub.close()
        return [event async for event in watch]

    seen = asyncio.run(story())
    assert log.events == read == seen[:1] and len(seen) == 2
    assert KNOWN not in to_json(seen).decode() and FORM not in to_json(seen).decode()


def test_what_this_program_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", KNOWN)
    monkeypatch.setenv("PLAIN_NAME", "nothing-secret-1")
    headers = {"X-Api-Key": "header-value-1", "Authorization": "Bearer bearer-value-1", "X-Org": "organisation-1"}
    known = secrets_of(Settings(llm=ModelOptions(api_key="key-value-1", headers=headers)))
    assert {KNOWN, "header-value-1", "bearer-value-1", "key-value-1"} <= set(known)
    assert not {"nothing-secret-1", "organisation-1"} & set(known)
    (tmp_path / "secret").write_text("file-value-1\n")
    sources = ("env:DEPLOY_TOKEN", f"file:{tmp_path}/secret", "env:NOT_THERE", f"file:{tmp_path}/nowhere")
    credentials = [Credential(variable="V", host="x", source=source) for source in sources]
    assert credential_values(credentials) == (KNOWN, "file-value-1")
