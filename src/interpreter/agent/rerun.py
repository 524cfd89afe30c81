"""In place of the runner when a recording is gone through again: nothing runs, what was recorded is told."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..types.actions import Action, Observation, Permit
from ..types.events import ActionFinished
from .ports import Emitter

Find = Callable[[Action], ActionFinished | None]
"""The recorded end of an action of this language and code, each given once; None: there is none."""
UNKNOWN = "[The recording holds no result of this: it did not run then.]"


class Rerunner:
    def __init__(self, emitter: Emitter, find: Find) -> None:
        self._emitter, self._find = emitter, find

    async def run(self, permit: Permit, action: Action) -> ActionFinished:
        """Tell the recorded end. The permit is what the rules of today gave; nothing is done with it."""
        assert permit.action == action.id
        return await self._tell(action)

    async def page(self, action: Action, arguments: str) -> ActionFinished:
        return await self._tell(action)

    async def _tell(self, action: Action) -> ActionFinished:
        found = self._find(action)
        if found is None or (found.completion is None and found.status in ("denied", "not_run")):
            event = ActionFinished(
                action=action.id, status="lost", observation=Observation(text=UNKNOWN, shown=UNKNOWN)
            )
        else:
            event = msgspec.structs.replace(found, action=action.id)
        await self._emitter.emit(event)
        return event
