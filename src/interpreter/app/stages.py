"""The stages of sessions that nobody works in: shown, committed and dropped from outside a conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ..config.settings import Settings
from ..errors import UsageError
from ..kernels.ending import end_keeper
from ..store import SessionLog, Store, default_home
from ..text.i18n import _
from ..types.ops import StageCommit, StageDrop
from ..types.staging import Change
from .layers import open_stage
from .staged import Staged


class Seen(NamedTuple):
    """The stage of one session."""

    session: str
    workspace: str
    changes: list[Change]


class Stages:
    """Each call opens the log and closes it again. `wanted`: an id, its beginning, or `last`: of those with a stage.

    Raises SessionUnknown, SessionBusy, StageError, UsageError where a session has no stage.
    """

    def __init__(self, settings: Settings) -> None:
        self._audit_key = settings.audit_key

    def seen(self, wanted: str, paths: Sequence[str] = ()) -> Seen:
        with self._log(wanted, hold=False) as (log, staged):
            changes = asyncio.run(staged.changes())
            return Seen(log.id, log.workspace, staged.below(changes, paths))

    def diff(self, wanted: str, paths: Sequence[str] = ()) -> list[str]:
        with self._log(wanted, hold=False) as (_log, staged):
            changes = asyncio.run(staged.changes())
            return list(staged.diff(staged.below(changes, paths)))

    def finish(self, wanted: str) -> bool:
        """Bring a commit to its end that was cut off; whether there was one."""
        with self._log(wanted, hold=True) as (log, staged):
            return asyncio.run(staged.finish(lambda: (stored.event for stored in log.events())))

    def abandon(self, wanted: str) -> tuple[int, int]:
        """Give up what is left of such a commit; the steps that are done, and of how many."""
        with self._log(wanted, hold=True) as (log, staged):
            return asyncio.run(staged.abandon(lambda: (stored.event for stored in log.events())))

    def pending(self, wanted: str) -> bool:
        """Whether a commit was cut off."""
        with self._store() as store:
            stage = open_stage(store.folder(self._find(store, wanted)))
            return stage is not None and stage.prepared

    def commit(self, wanted: str, paths: Sequence[str] = (), seen: str = "") -> None:
        with self._log(wanted, hold=True) as (_log, staged):
            asyncio.run(staged.commit(StageCommit(paths=tuple(paths), seen=seen)))

    def drop(self, wanted: str, paths: Sequence[str] = ()) -> None:
        with self._log(wanted, hold=True) as (_log, staged):
            asyncio.run(staged.drop(StageDrop(paths=tuple(paths))))

    @contextmanager
    def _log(self, wanted: str, *, hold: bool) -> Generator[tuple[SessionLog, Staged]]:
        with self._store() as store:
            found = self._find(store, wanted)
            log = store.resume(found) if hold else store.visit(found)
            try:
                stage = open_stage(log.folder)
                if stage is None:
                    raise UsageError(
                        _("Session {id} is not staged.", id=found), _("A staged one begins with: interpreter --stage")
                    )

                async def end() -> tuple[str, ...]:
                    await asyncio.to_thread(end_keeper, log.folder / "run")
                    return ()

                yield log, Staged(stage, log.workspace, log.append, end, None)
            finally:
                log.close()

    def _find(self, store: Store, wanted: str) -> str:
        if wanted != "last":
            return store.find(wanted).id
        for info in store.sessions():
            if (store.folder(info.id) / "stage" / "state.json").exists():
                return info.id
        raise UsageError(_("There is no staged session."), _("One begins with: interpreter --stage"))

    @contextmanager
    def _store(self) -> Generator[Store]:
        store = Store.open(default_home(), self._audit_key)
        try:
            yield store
        finally:
            store.close()
