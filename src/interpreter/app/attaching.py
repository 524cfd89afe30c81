"""Which session to join, and what is open there: readings of the log for who comes from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..config.settings import Settings
from ..store import Store, default_home
from ..store.listing import timeline
from ..types.events import ActionProposed, Event
from .answering import about
from .known import secrets_of

TAIL = 20
"""Entries of the conversation so far."""


class Found(NamedTuple):
    session: str
    folder: Path
    pid: int
    """Of the process that holds it; 0: nobody does."""


def find(settings: Settings, wanted: str) -> Found:
    """The session of that id; without one the newest that is held, else the newest. Raises SessionUnknown."""
    with Store.open(default_home(), settings.audit_key) as store:
        if not wanted:
            held = (info.id for info in store.sessions() if store.holder(info.id) is not None)
            wanted = next(held, "last")
        info = store.find(wanted)
        holder = store.holder(info.id)
        return Found(info.id, store.folder(info.id), holder.pid if holder is not None else 0)


def so_far(settings: Settings, session: str) -> list[str]:
    """The end of the conversation, an entry each, secrets redacted."""
    with Store.open(default_home(), settings.audit_key) as store:
        lines = list(timeline(store.visit(session).events(), secrets_of(settings)))
    return [line.text for line in lines[-TAIL:]]


def open_now(settings: Settings, session: str) -> list[Event]:
    """The questions of a session that wait for an answer, each after what it is about."""
    found: list[Event] = []
    with Store.open(default_home(), settings.audit_key) as store:
        for asked in store.questions():
            if asked.session == session:
                action = about(store.visit(session), asked)[0]
                if action is not None:
                    found.append(ActionProposed(turn="", step=1, action=action))
                found.append(asked.request)
    return found
