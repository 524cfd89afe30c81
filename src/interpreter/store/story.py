"""The conversation of a session, as the exports tell it: what was said and what ran, without what was taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from ..types.actions import Action, Completion, Display
from ..types.base import Value
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalResolved,
    ConversationReset,
    ConversationUndone,
    ModelAnswered,
    ModelFailed,
    NoteAdded,
    Stored,
    TurnFinished,
    TurnStarted,
)


class Said(Value, tag="said"):
    role: Literal["user", "assistant"]
    text: str
    turn: str = ""
    time: float = 0.0
    images: tuple[str, ...] = ()


class Ran(Value, tag="ran"):
    """An action: code that was shown, and how it ended."""

    action: str
    language: str
    code: str
    """As it ran, if the person edited it."""
    turn: str = ""
    time: float = 0.0
    status: str = ""
    """Of `ActionFinished`; empty while it has not ended."""
    text: str = ""
    """What the model read of it."""
    completion: Completion | None = None

    @property
    def displays(self) -> tuple[Display, ...]:
        return self.completion.displays if self.completion is not None else ()


class Ended(Value, tag="ended"):
    """A turn that did not end well."""

    reason: str
    text: str
    turn: str = ""
    time: float = 0.0


Entry = Said | Ran | Ended


def story(events: Iterable[Stored]) -> list[Entry]:
    """What of the log is still part of the conversation, in order."""
    teller = Teller()
    for stored in events:
        teller.apply(stored)
    return teller.entries()


class Teller:
    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._place: dict[str, int] = {}
        self._codes: dict[str, list[str]] = {}
        """Codes of each turn, to take them out of the text that they were read from."""

    def apply(self, stored: Stored) -> None:
        when, event = stored.time, stored.event
        match event:
            case TurnStarted():
                self._add(Said(role="user", text=event.text, turn=event.turn, time=when, images=event.images))
            case ModelAnswered() if event.text.strip():
                self._add(Said(role="assistant", text=event.text, turn=event.turn, time=when))
            case ModelFailed() if event.partial.strip():
                self._add(Said(role="assistant", text=event.partial, turn=event.turn, time=when))
            case ActionProposed():
                self._propose(event, when)
            case ApprovalResolved() if event.action is not None:
                self._edit(event.action)
            case ActionFinished():
                self._finish(event)
            case NoteAdded() if event.source == "person":
                self._add(Said(role="user", text=event.text, time=when, turn=self._turn()))
            case TurnFinished() if event.reason != "done" and event.text:
                self._add(Ended(reason=event.reason, text=event.text, turn=event.turn, time=when))
            case ConversationUndone():
                self._undo(event.turn)
            case ConversationReset():
                self._entries, self._place = [], {}
            case _:
                pass

    def entries(self) -> list[Entry]:
        told: list[Entry] = []
        for entry in self._entries:
            if isinstance(entry, Said) and entry.role == "assistant":
                text = without_blocks(entry.text, self._codes.get(entry.turn, []))
                if text.strip():
                    told.append(Said(role=entry.role, text=text, turn=entry.turn, time=entry.time))
            else:
                told.append(entry)
        return told

    def _turn(self) -> str:
        return self._entries[-1].turn if self._entries else ""

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def _propose(self, event: ActionProposed, when: float) -> None:
        action = event.action
        if not action.call_id:
            self._codes.setdefault(event.turn, []).append(action.code)
        self._place[action.id] = len(self._entries)
        self._add(Ran(action=action.id, language=action.language, code=action.code, turn=event.turn, time=when))

    def _edit(self, action: Action) -> None:
        place = self._place.get(action.id)
        if place is not None:
            old = self._entries[place]
            self._entries[place] = Ran(
                action=action.id, language=action.language, code=action.code, turn=old.turn, time=old.time
            )

    def _finish(self, event: ActionFinished) -> None:
        place = self._place.get(event.action)
        old = self._entries[place] if place is not None else None
        if place is not None and isinstance(old, Ran):
            self._entries[place] = Ran(
                action=old.action, language=old.language, code=old.code, turn=old.turn, time=old.time,
                status=event.status, text=event.observation.text, completion=event.completion,
            )  # fmt: skip

    def _undo(self, turn: str) -> None:
        for place, entry in enumerate(self._entries):
            if entry.turn == turn:
                del self._entries[place:]
                self._place = {action: at for action, at in self._place.items() if at < place}
                return


def without_blocks(text: str, codes: Iterable[str]) -> str:
    """The text without the fenced blocks that hold just these codes: they are told as actions."""
    for code in codes:
        core = re.escape(code.strip("\n"))
        if core:
            text = re.sub(rf"(?m)^[ \t]*(`{{3,}}|~~~)[^\n]*\n\n*{core}\n*[ \t]*\1[ \t]*(?:\n|\Z)", "", text, count=1)
    return text
