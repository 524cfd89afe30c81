"""The one way out of a session: first the log, then the watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from ..types.events import LIVE, Event, KernelEvent, NoteAdded, SessionClosed, SessionResumed, SessionStarted, Stored

OPENING = (SessionStarted, SessionResumed, KernelEvent, NoteAdded)
"""What the first watch is told of the time before it."""


class Log(Protocol):
    """What the hub needs of the store."""

    async def append(self, event: Event, /, *more: Event) -> list[Stored]: ...


class Watch:
    """A subscription. It counts from the moment it is made, not from its first read."""

    MOST_LIVE = 10_000
    """Live events that may wait for a slow watcher; beyond that they are left out. Stored events never are."""

    def __init__(self, on_end: Callable[[Watch], None]) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._on_end = on_end

    def put(self, event: Event | None) -> None:
        if isinstance(event, LIVE) and self._queue.qsize() >= self.MOST_LIVE:
            return
        self._queue.put_nowait(event)

    @property
    def behind(self) -> int:
        """Events that wait to be read."""
        return self._queue.qsize()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if event is None:
            self._on_end(self)
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        self._on_end(self)
        self._queue.put_nowait(None)


class Hub:
    def __init__(
        self,
        log: Log,
        readers: tuple[Callable[[Event], None], ...] = (),
        clean: Callable[[Event], Event] = lambda event: event,
    ) -> None:
        self._log = log
        self._clean = clean
        """Takes secrets out, before anybody sees the event."""
        self._readers = readers
        self._watches: list[Watch] = []
        self._held: list[Event] = []
        self._opening: list[Event] | None = []
        """What was emitted while the session was opened: nobody could watch yet, so the first watch begins with it."""

    async def emit(self, event: Event, *more: Event) -> None:
        """Store, then let the readings (history) and the watchers see it. Several are stored together, all or none.

        Raises:
            StoreError: the log did not take it; nobody has seen it.
        """
        held, self._held = self._held, []
        events = [*held, *(self._clean(one) for one in (event, *more))]
        await self._log.append(*events)
        for one in events:
            self.relay(one)

    def hold(self, event: Event) -> None:
        """Store it with the next event that is emitted, before that one: each wait for the log takes its time."""
        self._held.append(self._clean(event))

    def relay(self, event: Event) -> None:
        """Let the readings and the watchers see what is in the log already: another program wrote it."""
        for reader in self._readers:
            reader(event)
        self._send(event)

    def show(self, event: Event) -> None:
        """Show a live-only event."""
        self._send(self._clean(event))

    def watch(self) -> Watch:
        watch = Watch(self._drop)
        self._watches.append(watch)
        opening, self._opening = self._opening or [], None
        for event in opening:
            watch.put(event)
        return watch

    def close(self) -> None:
        for watch in list(self._watches):
            watch.put(None)

    def _send(self, event: Event) -> None:
        if self._opening is not None and isinstance(event, OPENING):
            self._opening.append(event)
        for watch in self._watches:
            watch.put(event)
        if isinstance(event, SessionClosed):
            self.close()

    def _drop(self, watch: Watch) -> None:
        if watch in self._watches:
            self._watches.remove(watch)
