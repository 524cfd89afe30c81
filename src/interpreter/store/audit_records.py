"""The audit trail as flat records: one for each action, whatever became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from ..errors import UsageError
from ..text.clean import clean_text
from ..text.i18n import _
from ..text.redact import redact
from ..types.actions import Action, Completion
from ..types.base import Value
from ..types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    GrantAdded,
    ModelAsked,
    NetworkAttempt,
    Quarantined,
    SessionResumed,
    SessionStarted,
    Stored,
)

SCHEMA = 1
AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class AuditRecord(Value, omit_defaults=False):
    """One action. Every field is in every record, none holds another object; null: it does not apply, or is not known.

    Lists are joined by `, `. Texts are redacted.
    """

    schema: int = SCHEMA
    time: str = ""
    """When it was proposed (RFC 3339, UTC)."""
    session: str = ""
    seq: int = 0
    """Of the proposal, in the session's log."""
    action: str = ""
    turn: str = ""
    step: int = 0
    origin: str = "model"
    """model, or person: code that the person typed."""
    model: str | None = None
    user: str | None = None
    """The account of the system in which it ran."""
    uid: int | None = None
    host: str | None = None
    version: str | None = None
    workspace: str | None = None
    language: str = ""
    code_sha256: str = ""
    """Of the code as it was to run, before redaction."""
    code: str = ""
    code_first_line: str = ""
    edited: bool = False
    """The person changed it before they said yes."""
    verdict: str | None = None
    """allow, ask, deny: what the rules said."""
    rule: str | None = None
    layer: str | None = None
    reason: str | None = None
    rules: str | None = None
    """Every rule that had a part."""
    unknown: str | None = None
    mode: str | None = None
    approval: str | None = None
    """Its id, where it was asked for."""
    answer: str | None = None
    """yes, no, edit, always, cancelled; null while nobody has answered."""
    approved_by: str | None = None
    approved_channel: str | None = None
    approved_time: str | None = None
    walls: str | None = None
    kernel: str | None = None
    execution: str | None = None
    started: str | None = None
    """Null: it never began."""
    finished: str | None = None
    status: str = "unfinished"
    """Of its end; unfinished: the log has none."""
    exit_status: int | None = None
    error: str | None = None
    limit: str | None = None
    duration_seconds: float | None = None
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    output_bytes: int | None = None
    output_sha256: str | None = None
    output_dropped_bytes: int | None = None
    network_attempts: int = 0
    network_denied: int = 0
    network_hosts: str | None = None
    """`host:port decision`, each once."""
    grants: str | None = None
    """What had been granted when it was proposed."""
    quarantined: str | None = None


def audit_records(events: Iterable[Stored], secrets: Iterable[str] = ()) -> list[AuditRecord]:
    """The records of one session, in the order of its proposals.

    Args:
        secrets: values to take out beside what looks like a secret.
    """
    recorder = Recorder(tuple(secrets))
    for stored in events:
        recorder.apply(stored)
    return list(recorder.records.values())


class Recorder:
    def __init__(self, secrets: tuple[str, ...]) -> None:
        self.records: dict[str, AuditRecord] = {}
        """By action."""
        self._secrets = secrets
        self._now = AuditRecord()
        """What is so for whatever is proposed next."""
        self._grants: dict[str, str] = {}
        self._questions: dict[str, str] = {}
        """Approval to action."""
        self._begun = ""
        """The action that began last: what the network sees is put down to it."""

    def apply(self, stored: Stored) -> None:
        event = stored.event
        match event:
            case SessionStarted():
                self._now = msgspec.structs.replace(
                    self._now,
                    session=event.session,
                    version=event.version or None,
                    workspace=event.workspace,
                    walls=event.sandbox,
                )
                self._who(event)
            case SessionResumed():
                self._who(event)
            case ModelAsked():
                self._now = msgspec.structs.replace(self._now, model=event.model or None)
            case GrantAdded():
                name = f"{event.tool}: {event.path}" if event.tool else event.path
                self._grants[name] = event.access
            case ActionProposed():
                self._propose(event, stored)
            case _:
                self._follow(event, stored.time)

    def _who(self, event: SessionStarted | SessionResumed) -> None:
        if event.user or event.host:
            self._now = msgspec.structs.replace(
                self._now, user=event.user or None, uid=event.uid, host=event.host or None
            )

    def _propose(self, event: ActionProposed, stored: Stored) -> None:
        grants = ", ".join(f"{name} ({access})" for name, access in self._grants.items())
        self.records[event.action.id] = msgspec.structs.replace(
            self._now,
            time=rfc3339(stored.time),
            session=stored.session,
            seq=stored.seq,
            action=event.action.id,
            turn=event.turn,
            step=event.step,
            origin=origin_of(event),
            model=self._now.model if event.step and not event.action.source else None,
            walls=None,
            grants=grants or None,
        )
        self._code(event.action)

    def _code(self, action: Action, *, edited: bool = False) -> None:
        text = self._safe(action.code)
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        self._set(action.id, language=action.language, code_sha256=action.sha256, code=text,
                  code_first_line=clean_text(first)[:200], edited=edited)  # fmt: skip

    def _follow(self, event: Event, moment: float) -> None:
        match event:
            case ActionJudged():
                self._judge(event)
            case ApprovalRequested() if event.kind == "run":
                self._questions[event.approval] = event.action
                self._set(event.action, approval=event.approval)
            case ApprovalResolved() if event.approval in self._questions:
                self._resolve(event, moment)
            case ActionStarted():
                self._begun = event.parent or event.action
                self._set(event.action, walls=event.sandbox, kernel=event.kernel, execution=event.execution,
                          started=rfc3339(moment))  # fmt: skip
            case ActionFinished():
                self._finish(event, moment)
            case NetworkAttempt():
                self._network(event)
            case Quarantined() if event.action in self.records:
                path = self._safe(event.path)
                self._set(event.action, quarantined=joined(self.records[event.action].quarantined, path))
            case _:
                pass

    def _judge(self, event: ActionJudged) -> None:
        first = event.reasons[0] if event.reasons else None
        self._set(
            event.action,
            verdict=event.decision,
            mode=event.mode,
            rule=first.rule if first else None,
            layer=first.layer if first else None,
            reason=self._safe(first.text) if first else None,
            rules=", ".join(dict.fromkeys(reason.rule for reason in event.reasons)) or None,
            unknown=self._safe(", ".join(event.unknown)) or None,
        )

    def _resolve(self, event: ApprovalResolved, moment: float) -> None:
        action = self._questions[event.approval]
        self._set(action, answer=event.answer, approved_by=event.by, approved_channel=event.channel or None,
                  approved_time=rfc3339(moment))  # fmt: skip
        if event.action is not None:
            self._code(event.action, edited=True)

    def _finish(self, event: ActionFinished, moment: float) -> None:
        self._set(event.action, status=event.status, finished=rfc3339(moment))
        if event.completion is not None:
            self._complete(event.action, event.completion)

    def _complete(self, action: str, done: Completion) -> None:
        error = f"{done.error.name}: {done.error.message}" if done.error is not None else ""
        self._set(
            action,
            exit_status=done.exit_status,
            error=self._safe(clean_text(error))[:1000] or None,
            limit=done.limit or None,
            duration_seconds=round(done.duration, 6),
            cpu_seconds=round(done.resources.cpu, 6),
            memory_bytes=done.resources.memory,
            output_bytes=done.output.size,
            output_sha256=done.output.sha256 or None,
            output_dropped_bytes=done.output.dropped,
        )

    def _network(self, event: NetworkAttempt) -> None:
        record = self.records.get(self._begun)
        if record is None:
            return
        known = record.network_hosts.split(", ") if record.network_hosts else []
        told = self._safe(f"{event.host}:{event.port} {event.decision}")
        self._set(
            self._begun,
            network_attempts=record.network_attempts + 1,
            network_denied=record.network_denied + (event.decision == "denied"),
            network_hosts=", ".join([*known, *([] if told in known else [told])]),
        )

    def _safe(self, text: str) -> str:
        return redact(text, self._secrets)

    def _set(self, action: str, **fields: object) -> None:
        if action in self.records:
            self.records[action] = msgspec.structs.replace(self.records[action], **fields)


def joined(first: str | None, second: str) -> str:
    return f"{first}, {second}" if first else second


def rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def changed_since(record: AuditRecord, since: float) -> bool:
    """Whether it ended, or was proposed, at that moment or later; one without an end always counts."""
    return record.finished is None or record.finished >= rfc3339(since) or record.time >= rfc3339(since)


def read_since(text: str, now: float) -> float:
    """Unix seconds of `2026-11-21`, `2026-11-21T08:00:00Z`, or an age such as `90m`, `12h`, `7d`.

    A time without a zone is this machine's. Raises UsageError.
    """
    if age := re.fullmatch(r"(\d{1,9})([smhdw])", text.strip()):
        return now - timedelta(seconds=int(age[1]) * AGES[age[2]]).total_seconds()
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            _("{text} is no moment.", text=repr(text)),
            _("Write a date, a time as 2026-11-21T08:00:00Z, or an age as 90m, 12h or 7d."),
        ) from None


def origin_of(event: ActionProposed) -> str:
    """Who wanted the action."""
    if event.action.purpose:
        return "harness"
    return "skill" if event.action.source else "model" if event.step else "person"
