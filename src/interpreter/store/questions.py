"""Questions in the log and their one answer: which are open, and who answered."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import AlreadyAnswered, StoreError
from ..text.i18n import _
from ..types.base import Value
from ..types.events import ApprovalRequested, ApprovalResolved, Stored
from . import records
from .migrations import QUESTIONS

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]

OF_ONE = (
    "SELECT seq, time, type, body, hash FROM events INDEXED BY questions"
    f" WHERE session = ? AND seq > ? AND type IN ({QUESTIONS}) ORDER BY seq"
)
AT = "SELECT seq, time, type, body, hash FROM events WHERE session = ? AND seq = ?"
OF_ALL = (
    "SELECT s.key, e.seq, e.time, e.type, e.body, e.hash, s.id FROM events e INDEXED BY questions"
    f" JOIN sessions s ON s.key = e.session WHERE e.type IN ({QUESTIONS}) ORDER BY e.session, e.seq"
)


class Asked(Value):
    """A question that has no answer yet."""

    session: str
    seq: int
    time: float
    """Unix seconds at which it was asked."""
    request: ApprovalRequested


class Answers:
    """The answers of one session. Each row is looked at once, so that the thousandth question costs what the first did.

    Usable from any thread.
    """

    def __init__(self, key: int, session: str) -> None:
        self._key, self._session = key, session
        self._lock = threading.Lock()
        self._read = 0
        """Seq of the last row that was looked at."""
        self._seqs: dict[str, int] = {}
        """Of the newest answer to each question."""

    def find(self, query: Query, approval: str) -> Stored | None:
        """The newest answer to this question, by whichever program; None where it has none. Raises StoreError."""
        with self._lock:
            for row in query(OF_ONE, (self._key, self._read)):
                self._read = row[0]
                self._note(row, approval)
            seq = self._seqs.get(approval)
        return _answer(query(AT, (self._key, seq)), self._session, approval) if seq is not None else None

    def _note(self, row: tuple[Any, ...], approval: str) -> None:
        seq, moment, kind, body, chained = row
        if kind != "approval_resolved" or body is None:
            return
        try:
            event = records.decode(self._session, seq, moment, kind, body, chained).event
        except StoreError:
            if approval.encode() in body:
                raise
            return
        if isinstance(event, ApprovalResolved):
            self._seqs[event.approval] = seq

    def refuse_second(self, connection: sqlite3.Connection, approval: str) -> None:
        """Inside a transaction that is to store an answer: raises AlreadyAnswered where there is one."""

        def query(sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
            return connection.execute(sql, values).fetchall()

        found = self.find(query, approval)
        if found is not None:
            raise AlreadyAnswered(*already(found))


def _answer(rows: Sequence[tuple[Any, ...]], session: str, approval: str) -> Stored | None:
    for seq, moment, kind, body, chained in rows:
        if kind != "approval_resolved" or body is None or approval.encode() not in body:
            continue
        stored = records.decode(session, seq, moment, kind, body, chained)
        if isinstance(stored.event, ApprovalResolved) and stored.event.approval == approval:
            return stored
    return None


def open_questions(query: Query) -> list[Asked]:
    """Every question of every session that has no answer, the oldest of each session first.

    One that cannot be read is left out: it must not hide the others.
    """
    found: dict[str, Asked] = {}
    answered: set[str] = set()
    for _key, seq, moment, kind, body, chained, session in query(OF_ALL, ()):
        try:
            event = records.decode(session, seq, moment, kind, body, chained).event
        except StoreError:
            continue
        if isinstance(event, ApprovalRequested):
            found[event.approval] = Asked(session=session, seq=seq, time=moment / 1e6, request=event)
        elif isinstance(event, ApprovalResolved):
            answered.add(event.approval)
    return [asked for asked in found.values() if asked.request.approval not in answered]


def answered(query: Query, approval: str) -> Stored | None:
    """The answer to the question of this id, in whichever session."""
    for _key, *row, session in query(OF_ALL, ()):
        if (found := _answer([tuple(row)], session, approval)) is not None:
            return found
    return None


def already(found: Stored) -> tuple[str, str]:
    """In words: who answered a question, what and when."""
    event = found.event
    assert isinstance(event, ApprovalResolved)
    if event.answer == "cancelled":
        return _("The question {id} was withdrawn.", id=event.approval), _("Nothing was changed.")
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.time))
    what = _(
        "The question {id} was answered already: {answer}, by {by}, {time}.",
        id=event.approval, answer=event.answer, by=event.by, time=moment,
    )  # fmt: skip
    return what, _("Nothing was changed: the first answer counts.")
