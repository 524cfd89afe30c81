"""`--log-format json`: one flat line of JSON for each event on standard error, for Loki, Elasticsearch and the like."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...session.redaction import public
from ...text.clean import clean_text
from ...text.commands import harmless_json
from ...text.redact import Redactor, redact, secret_values
from ...types.base import to_json
from ...types.events import (
    LIVE,
    ActionFinished,
    Event,
    ModelFailed,
    SessionStarted,
    TurnFinished,
    event_name,
)
from ..contract import Question, View
from ..say import Form
from .questions import question_text

MOST = 2_000
"""Characters of one field."""
MOST_ITEMS = 20
Flat = dict[str, str | int | float | bool]


class Beside:
    """Shows everything in both; a question is drawn by the second, which people read."""

    def __init__(self, first: View, second: View) -> None:
        self._first, self._second = first, second

    def show(self, event: Event) -> None:
        self._first.show(event)
        self._second.show(event)

    def ask(self, question: Question) -> None:
        self._second.ask(question)

    def note(self, text: str) -> None:
        self._second.note(text)

    def end(self) -> None:
        self._first.end()
        self._second.end()


class LogLines:
    """Events as lines; the answer alone goes to standard output, where `answers` says so."""

    def __init__(self, *, answers: bool = True) -> None:
        self._session, self._answers = "", answers
        self._values = secret_values(os.environ)
        self._redactor = Redactor(self._values)
        Form.write = self.note

    def name(self, session: str) -> None:
        """The session that the lines are about: its events began before this view watched."""
        self._session = session

    def show(self, event: Event) -> None:
        if isinstance(event, LIVE):
            return
        if isinstance(event, SessionStarted):
            self._session = event.session
        fields = flat(msgspec.to_builtins(public(self._redactor, event)))
        self._write(level_of(event), event_name(event), fields)
        if isinstance(event, TurnFinished) and event.reason == "done" and event.text and self._answers:
            sys.stdout.write(clean_text(event.text).rstrip("\n") + "\n")
            sys.stdout.flush()

    def ask(self, question: Question) -> None:
        self.note(question_text(question))

    def note(self, text: str) -> None:
        self._write("info", "note", {"message": text[:MOST]})

    def beside(self, view: View) -> Beside:
        """The same, with a view for standard output."""
        return Beside(view, self)

    def set_verbose(self, on: bool) -> None:
        """Everything is told anyway."""

    def end(self) -> None:
        """Nothing is held back."""

    def _write(self, level: str, event: str, fields: Flat) -> None:
        line: dict[str, Any] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level}
        line |= {"event": event, **({"session": self._session} if self._session else {})}
        for name, value in fields.items():
            if name not in line:
                line[name] = redact(value, self._values) if isinstance(value, str) else value
        try:
            sys.stderr.write(harmless_json(to_json(line)).decode("utf-8", "replace") + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass


def level_of(event: Event) -> str:
    match event:
        case ModelFailed():
            return "error"
        case ActionFinished():
            return "info" if event.status == "ok" else "warning"
        case TurnFinished():
            return "info" if event.reason == "done" else "error"
        case _:
            return "info"


def flat(value: dict[str, Any], before: str = "") -> Flat:
    """Nested fields by their path (`observation_text`), lists of words as one, of other things as their number."""
    found: Flat = {}
    for name, item in value.items():
        if name == "type" and not before:
            continue
        path = before + name
        match item:
            case None:
                continue
            case dict():
                found |= flat(item, path + "_")  # pyright: ignore[reportUnknownArgumentType]
            case list() | tuple():
                items: list[Any] = list(item)  # pyright: ignore[reportUnknownArgumentType]
                if all(isinstance(one, str) for one in items):
                    if items:
                        found[path] = ", ".join(items[:MOST_ITEMS])[:MOST]
                else:
                    found[path + "_count"] = len(items)
            case str():
                if item:
                    found[path] = item if len(item) <= MOST else item[:MOST] + "…"
            case _:
                found[path] = item
    return found
