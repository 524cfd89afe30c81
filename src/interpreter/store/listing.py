"""Readings of the log for the command line, as data: which sessions there are, and what happened in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from ..errors import StoreError
from ..text.clean import clean_text, show_hidden
from ..text.cut import fit
from ..text.i18n import _
from ..text.redact import redact
from ..text.verdicts import unclear
from ..types.base import Value
from ..types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    GrantAdded,
    KernelEvent,
    ModelAnswered,
    ModelFailed,
    NoteAdded,
    SessionResumed,
    SessionStarted,
    Stored,
    TurnFinished,
    TurnStarted,
)
from ..types.tooling import readable
from .guests import Attached, read_guests
from .labels import Labels
from .store import SessionInfo, Store

FIRST_WORDS = 80
"""Columns of a person's first words in a row."""
UNLABELLED = Labels()
State = Literal["running", "waiting", "interrupted", "done"]


class SessionRow(Value):
    id: str
    created: float
    """Unix seconds."""
    updated: float
    workspace: str
    first_words: str
    """The first line of the first task, at most `FIRST_WORDS` columns."""
    turns: int
    state: State
    """waiting: an approval is missing, whoever holds it. running: a living process holds it. interrupted: its last turn
    has no end. done: its last turn ended, however it did."""
    pid: int = 0
    """Of the process that holds it; 0 when none does."""
    size: int = 0
    """Events."""
    name: str = ""
    tags: tuple[str, ...] = ()
    attached: tuple[Attached, ...] = ()
    """Who has joined it from elsewhere."""
    disk: int | None = None
    """Bytes of its events and files; None where they were not counted."""


class Line(Value):
    """One line of a timeline."""

    seq: int
    time: float
    kind: str
    """The event's tag."""
    text: str
    """May hold several lines (code, output)."""


def rows(store: Store, workspace: str | Path | None = None) -> list[SessionRow]:
    """One row for each session, the newest first. Raises StoreError."""
    asking = {asked.session for asked in store.questions() if asked.request.kind == "run"}
    labels = store.labels()
    return [
        row_of(store, info, asks=info.id in asking, labels=labels.get(info.id, Labels()))
        for info in store.sessions(workspace)
    ]


def row_of(store: Store, info: SessionInfo, *, asks: bool = False, labels: Labels = UNLABELLED) -> SessionRow:
    holder = store.holder(info.id)
    milestones = store.milestones(info.id)
    turns = [seq for seq, kind in milestones if kind == "turn_started"]
    return SessionRow(
        id=info.id,
        created=info.created,
        updated=info.updated,
        workspace=info.workspace,
        first_words=first_words(store, info.id, turns[0]) if turns else "",
        turns=len(turns),
        state="waiting" if asks else "running" if holder is not None else state_of(store, info.id, milestones),
        pid=holder.pid if holder is not None else 0,
        size=info.size,
        name=labels.name,
        tags=labels.tags,
        attached=read_guests(store.folder(info.id)) if holder is not None else (),
    )


def first_words(store: Store, session: str, seq: int) -> str:
    try:
        event = next(store.visit(session).events(seq)).event
    except StoreError:
        # One event that cannot be read must not hide the session, nor the others.
        return "?"
    text = event.text if isinstance(event, TurnStarted) else ""
    line = next((line for line in clean_text(redact(text)).splitlines() if line.strip()), "")
    return fit(line.strip(), FIRST_WORDS)


def state_of(store: Store, session: str, milestones: list[tuple[int, str]]) -> State:
    """Of a session that no process holds."""
    ends = [item for item in milestones if item[1] in ("turn_started", "turn_finished")]
    if not ends:
        return "done"
    seq, kind = ends[-1]
    if kind == "turn_started":
        return "interrupted"
    try:
        event = next(store.visit(session).events(seq)).event
    except StoreError:
        return "done"
    return "waiting" if isinstance(event, TurnFinished) and event.reason == "waiting" else "done"


def timeline(events: Iterable[Stored], secrets: Iterable[str] = ()) -> Iterator[Line]:
    """What happened, in order; events of no interest to a reader are left out, secrets are redacted."""
    known = tuple(secrets)
    for stored in events:
        text = told(stored)
        if text:
            kind = str(stored.event.__struct_config__.tag)
            yield Line(seq=stored.seq, time=stored.time, kind=kind, text=redact(clean_text(text), known).rstrip())


def told(stored: Stored) -> str:
    """An event in words for a person; empty for one that says nothing to them."""
    event = stored.event
    match event:
        case SessionStarted():
            return _("Session {id} in {workspace}, {sandbox}", id=event.session, workspace=event.workspace,
                     sandbox=event.sandbox)  # fmt: skip
        case SessionResumed():
            gone = ", ".join(event.gone)
            return _("Resumed; the state of {gone} was gone", gone=gone) if gone else _("Resumed")
        case TurnStarted():
            return f"> {event.text}"
        case ModelAnswered():
            return event.text
        case ModelFailed():
            return _("The model gave no answer: {message}", message=event.message)
        case ActionProposed():
            return f"[{event.action.language}]\n{show_hidden(readable(event.action.language, event.action.code))}"
        case ActionFinished():
            return f"[{event.status}] {event.observation.text}"
        case _:
            return told_of_rest(stored)


def told_of_rest(stored: Stored) -> str:
    event = stored.event
    match event:
        case ActionJudged() if event.decision != "allow":
            rules = ", ".join(reason.rule for reason in event.reasons if reason.decision == event.decision)
            why = rules or "; ".join(map(unclear, event.unknown))
            return _("Judged: {decision} ({rules})", decision=event.decision, rules=why)
        case ApprovalRequested():
            return _("Asked: {what}", what=event.question or event.kind)
        case ApprovalResolved():
            return _("Answered {answer} by {by}", answer=event.answer, by=event.by)
        case KernelEvent():
            reason = f" ({event.reason})" if event.reason else ""
            return _("Kernel {language}: {what}{reason}", language=event.language, what=event.what, reason=reason)
        case GrantAdded():
            return _("Granted: {path} ({access})", path=event.path, access=event.access)
        case NoteAdded():
            return event.text
        case TurnFinished() if event.reason != "done":
            return _("Turn ended: {reason}. {text}", reason=event.reason, text=event.text)
        case _:
            return ""
