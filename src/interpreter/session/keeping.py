"""The workspace's files, kept before each step that may write: looked at while the model thinks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .. import snapshots
from ..agent.ports import Emitter
from ..aio import Tasks
from ..errors import StoreError
from ..snapshots import SnapshotOptions
from ..types.actions import Action, Permit
from ..types.events import ActionFinished, Event, ModelAsked
from ..types.rewinding import Rewound, SnapshotTaken

PATIENCE = 20
"""A look counts for this many times its own duration; after that the person may have changed something, and it is taken
again. So it costs at most one part in twenty of the time that the model and the person take."""
GRAIN = 0.01
"""Seconds for which any look counts."""
WAIT = 0.01
"""Seconds after a question to the model in which it is sent; no model answers sooner."""


class FileKeeper:
    """Of one session. It follows the session's events, so that a look begins as soon as the model has been asked."""

    def __init__(
        self,
        home: Path,
        workspace: Path,
        session: str,
        options: SnapshotOptions,
        tasks: Tasks,
    ) -> None:
        self._place = (home, workspace, session, options)
        self._enabled, self._tasks = options.enabled, tasks
        self.planning: Callable[[], bool] = lambda: False
        """Whether nothing but what only reads is admitted now."""
        self.reading: Callable[[Action], bool] = lambda _action: False
        """Whether an action changes no files; set where that can be told."""
        self._loading = threading.Lock()
        self._snapshots: snapshots.Snapshots | None = None
        self._look: asyncio.Task[snapshots.Taken] | None = None
        self._wanted = asyncio.Event()
        """Set when a step waits for the look."""
        self._since = 0.0
        """When the last step ended: an older look does not count."""
        self._owed = False
        """A step has run since the last snapshot that is in the log."""
        self._uncovered: tuple[str, ...] = ()

    def open(self) -> snapshots.Snapshots:
        """The snapshots of this workspace. They are loaded by whoever needs them first, in a thread."""
        with self._loading:
            if self._snapshots is None:
                self._snapshots = snapshots.Snapshots(*self._place)
            return self._snapshots

    def apply(self, event: Event) -> None:
        """A reader of the hub."""
        match event:
            case ModelAsked():
                self._begin()
            case ActionFinished() if event.completion is not None:
                self._owed = self._owed or self._enabled
                self._since = time.monotonic()
            case Rewound():
                self._since, self._owed = time.monotonic(), False
            case _:
                pass

    def _begin(self) -> None:
        if self._enabled and not self.planning() and (self._look is None or self._look.done()):
            self._wanted.clear()
            self._look = self._tasks.start(self._soon())
            self._look.add_done_callback(heard)

    async def _soon(self) -> snapshots.Taken:
        # The question to the model goes out first: nothing else waits for the look.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), WAIT)
        return await self.take()

    def _take(self) -> snapshots.Taken:
        return self.open().take()

    async def take(self) -> snapshots.Taken:
        """The state as it is now. Raises StoreError."""
        return await asyncio.to_thread(self._take)

    async def before(self, action: Action, permit: Permit) -> SnapshotTaken | None:
        """What is to be in the log before a step; None where the step only reads, or nothing is to be kept."""
        if not self._enabled or (self.planning() and permit.by != "person") or self.reading(action):
            return None
        return await self._taken(action.id)

    async def _taken(self, action: str) -> SnapshotTaken:
        try:
            early = await self._latest()
            taken = early
            if time.monotonic() - taken.begun > PATIENCE * taken.duration + GRAIN:
                taken = await self.take()
        except StoreError as error:
            return SnapshotTaken(action=action, missed=str(error))
        after = early.tree if self._owed and early.tree != taken.tree else ""
        self._owed = False
        told = taken.uncovered if taken.uncovered != self._uncovered else ()
        self._uncovered = taken.uncovered
        return SnapshotTaken(
            action=action, tree=taken.tree, files=taken.files, size=taken.size, uncovered=told, after=after
        )

    async def _latest(self) -> snapshots.Taken:
        """A look that began after the last step had ended. Raises StoreError."""
        if self._look is not None:
            self._wanted.set()
            try:
                taken = await asyncio.shield(self._look)
            except StoreError:
                return await self.take()
            if taken.begun >= self._since:
                return taken
        return await self.take()

    async def last(self, emitter: Emitter) -> None:
        """At a session's end: how the last step left the files."""
        if self._owed:
            try:
                await emitter.emit(await self._taken(""))
            except StoreError:
                return  # the log is full or closed; the next snapshot tells

    def close(self) -> None:
        """May be called twice."""
        if self._snapshots is not None:
            self._snapshots.close()


def heard(look: asyncio.Task[snapshots.Taken]) -> None:
    """A look that fails is told by the step that needs it."""
    if not look.cancelled():
        look.exception()
