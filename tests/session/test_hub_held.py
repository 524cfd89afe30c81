"""Events that are held: stored right before the next one, together with it, and seen by nobody before that."""

from __future__ import annotations

import asyncio

import pytest

from interpreter.errors import StoreError
from interpreter.session.hub import Hub
from interpreter.types.events import ActionJudged, Event, NoteAdded, Stored


class Log:
    def __init__(self) -> None:
        self.appended: list[tuple[str, ...]] = []
        self.full = False

    async def append(self, event: Event, /, *more: Event) -> list[Stored]:
        if self.full:
            raise StoreError("the disk is full")
        self.appended.append(tuple(type(one).__name__ for one in (event, *more)))
        return []


def test_a_held_event_is_stored_with_the_next_one_and_before_it() -> None:
    log, seen = Log(), list[str]()
    hub = Hub(log, (lambda event: seen.append(type(event).__name__),))
    hub.hold(ActionJudged(action="a", decision="allow"))
    assert log.appended == [] and seen == []
    asyncio.run(hub.emit(NoteAdded(text="x")))
    asyncio.run(hub.emit(NoteAdded(text="y")))
    assert log.appended == [("ActionJudged", "NoteAdded"), ("NoteAdded",)]
    assert seen == ["ActionJudged", "NoteAdded", "NoteAdded"]


def test_nobody_sees_what_the_log_did_not_take() -> None:
    log, seen = Log(), list[Event]()
    hub = Hub(log, (seen.append,))
    log.full = True
    hub.hold(ActionJudged(action="a", decision="allow"))
    with pytest.raises(StoreError):
        asyncio.run(hub.emit(NoteAdded(text="x")))
    assert seen == []
