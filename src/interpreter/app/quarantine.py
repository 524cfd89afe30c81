"""The look after each step, as a remedy of the runner: what was taken away is an event, and the model is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..agent.ports import Emitter
from ..aio import Tasks
from ..errors import StoreError
from ..sandbox.watch import Taken, Watch
from ..types.actions import Action, Completion
from ..types.events import Quarantined

MOST_TOLD = 5


class Quarantine:
    def __init__(self, watch: Watch, emitter: Emitter, tasks: Tasks) -> None:
        self._watch, self._emitter, self._tasks = watch, emitter, tasks
        self._begun: asyncio.Future[None] | None = None
        self._looking = asyncio.Lock()
        self._late: list[Taken] = []

    def begin(self) -> None:
        """Learn what is there; the first look waits for it."""
        self._begun = self._tasks.start(asyncio.to_thread(self._watch.begin))

    async def __call__(self, action: Action, completion: Completion) -> str:
        """Look, and say to the model what was taken away; empty where there was nothing."""
        del completion
        taken = await self._look(action.id)
        if not self._watch.through:
            self._tasks.start(self._rest(action.id))
        taken, self._late = [*self._late, *taken], []
        return told(taken)

    async def last(self, *, alive: bool = True) -> None:
        """The look at a session's end, through everything.

        Where no kernel lives on, what changes from now on is the person's own doing, and a resumed session begins anew.
        """
        await self._look("", whole=True)
        if not alive:
            self._watch.forget()

    async def _rest(self, action: str) -> None:
        """What a large folder holds beyond the first look, while the model thinks."""
        self._late += await self._look(action, whole=True)

    async def _look(self, action: str, *, whole: bool = False) -> list[Taken]:
        async with self._looking:
            if self._begun is not None:
                await self._begun
            taken = await asyncio.to_thread(self._watch.check, whole=whole)
        for one in taken:
            event = Quarantined(action=action, path=one.path, kept=one.kept, reason=one.reason)
            try:
                await self._emitter.emit(event)
            except StoreError:
                self._emitter.show(event)
        return taken


def told(taken: Sequence[Taken]) -> str:
    """For the model: short, and what to do instead."""
    if not taken:
        return ""
    lines = [
        f"{one.path} ({one.reason}; {'what stood there before was put back' if one.restored else 'it is gone'})"
        for one in taken[:MOST_TOLD]
    ]
    more = f" and {len(taken) - MOST_TOLD} more" if len(taken) > MOST_TOLD else ""
    return (
        "The sandbox took away what would run by itself later: " + "; ".join(lines) + more + ". Do not make it again: "
        "the person can open such a path by name (--writable PATH, or --grant git for commits)."
    )
