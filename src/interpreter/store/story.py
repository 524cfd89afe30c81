"""The conversation of a session, as the exports tell it: what was said and what ran, without what was taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from ..types.actions import Completion, Display
from ..types.base import Value
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
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
from ..types.rewinding import Rewound


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
    step: int = 0
    """The number of its ActionStarted in the session; 0 while it has not begun."""
    own: bool = False
    """The person's own code, not the model's."""
    source: str = ""
    """Of what the harness ran itself: `source` or `purpose` of its `Action`."""
    gone: bool = False
    """Its files or variables were brought back to what they were before it."""

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
        self._steps = 0

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
                self._change(event.action.id, language=event.action.language, code=event.action.code)
            case ActionStarted() if not event.parent:
                self._steps += 1
                self._change(event.action, step=self._steps)
            case ActionFinished():
                self._change(event.action, status=event.status, text=event.observation.text,
                             completion=event.completion)  # fmt: skip
            case NoteAdded() if event.source == "person":
                self._add(Said(role="user", text=event.text, time=when, turn=self._turn()))
            case TurnFinished() if event.reason != "done" and event.text:
                self._add(Ended(reason=event.reason, text=event.text, turn=event.turn, time=when))
            case ConversationUndone():
                self._undo(event.turn)
            case Rewound() if not event.failed:
                self._rewound(event)
            case Rewound() if event.action in self._place:
                self._cut(self._place[event.action] + 1)
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
        self._add(
            Ran(action=action.id, language=action.language, code=action.code, turn=event.turn, time=when,
                own=not event.step, source=action.source or action.purpose)
        )  # fmt: skip

    def _change(self, action: str, **fields: object) -> None:
        place = self._place.get(action)
        if place is not None and isinstance(old := self._entries[place], Ran):
            self._entries[place] = msgspec.structs.replace(old, **fields)

    def _rewound(self, event: Rewound) -> None:
        """Whole turns were undone by the event before; here the rest of a turn goes."""
        place = self._place.get(event.action)
        if place is not None:
            del self._entries[place + 1 :]
            self._place = {action: at for action, at in self._place.items() if at <= place}
        for at, entry in enumerate(self._entries):
            if isinstance(entry, Ran) and entry.step > event.step:
                self._entries[at] = msgspec.structs.replace(entry, gone=True)

    def _undo(self, turn: str) -> None:
        for place, entry in enumerate(self._entries):
            if entry.turn == turn:
                self._cut(place)
                return

    def _cut(self, place: int) -> None:
        del self._entries[place:]
        self._place = {action: at for action, at in self._place.items() if at < place}


def without_blocks(text: str, codes: Iterable[str]) -> str:
    """The text without the fenced blocks that hold just these codes: they are told as actions."""
    for code in codes:
        core = re.escape(code.strip("\n"))
        if core:
            text = re.sub(rf"(?m)^[ \t]*(`{{3,}}|~~~)[^\n]*\n\n*{core}\n*[ \t]*\1[ \t]*(?:\n|\Z)", "", text, count=1)
    return text
