"""A conversation of another program, or of another machine, told to a new session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..types.base import new_id
from ..types.events import Event, ModelAnswered, NoteAdded, TurnFinished, TurnStarted


def seed(messages: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
    """The events that give a session's history these messages (role, type, format, content).

    Earlier code becomes a fenced block of the assistant's, its output a note: nothing of it counts as run here.
    """
    turn = ""
    for message in messages:
        role, kind, content = message.get("role"), message.get("type", "message"), message.get("content")
        text = content if isinstance(content, str) else ""
        if role == "user" and kind == "message":
            if turn:
                yield TurnFinished(turn=turn, reason="done", exit_code=0)
            turn = new_id("t")
            yield TurnStarted(turn=turn, text=text)
        elif not text:
            continue
        elif role == "assistant" and kind == "code":
            yield ModelAnswered(turn=turn, step=1, text=f"```{message.get('format') or ''}\n{text}\n```")
        elif role == "assistant":
            yield ModelAnswered(turn=turn, step=1, text=text)
        elif role == "computer":
            yield NoteAdded(text=f"Output of that code, in the earlier conversation:\n{text[:2000]}")
        else:
            yield NoteAdded(text=text[:4000], source="person")
    if turn:
        yield TurnFinished(turn=turn, reason="done", exit_code=0)
