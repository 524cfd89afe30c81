"""Readings of the log for the doors: sessions as rows and timelines, exports, saved conversations. Nothing is run."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..config.settings import Settings
from ..kernels.ending import end_keeper
from ..store import Store, default_home
from ..store.export import export
from ..store.listing import Line, SessionRow, rows, timeline
from ..store.transcript import load, save
from .known import secrets_of


class Readings:
    """The sessions of this person. Each call opens the log and closes it again."""

    def __init__(self, settings: Settings) -> None:
        self._audit_key = settings.audit_key
        self._secrets = secrets_of(settings)

    def rows(self, workspace: Path | None = None) -> list[SessionRow]:
        """The newest first; only those of a folder where one is given. Raises StoreError."""
        with self._store() as store:
            return rows(store, workspace)

    def find(self, wanted: str) -> str:
        """The id for an id, its beginning, or `last`. Raises SessionUnknown."""
        with self._store() as store:
            return store.find(wanted).id

    def timeline(self, wanted: str) -> list[Line]:
        """What happened in a session, secrets redacted. Raises SessionUnknown, LogDamaged."""
        with self._store() as store:
            log = store.visit(store.find(wanted).id)
            return list(timeline(log.events(), self._secrets))

    def export(self, wanted: str, form: str) -> str:
        """A session as `md`, `ipynb`, `json` or `jsonl`. Raises SessionUnknown, UsageError for another form."""
        with self._store() as store:
            log = store.visit(store.find(wanted).id)
            return export(log.events(), form, self._secrets)

    def delete(self, wanted: str) -> str:
        """Remove a session with all its files, its keeper and kernels ended before; its id.

        Raises SessionUnknown, SessionBusy, KeeperLost.
        """
        with self._store() as store:
            found = store.find(wanted).id
            store.delete(found, lambda folder: end_keeper(folder / "run"))
            return found

    def save(self, session: str, path: Path) -> int:
        """Write the conversation as JSON; the number of its messages. Raises StoreError."""
        with self._store() as store:
            return len(save(path, store.visit(session).events(), session, self._secrets).messages)

    def saved(self, path: Path) -> Path:
        """The same path, once it is known to hold a conversation. Raises ConfigError, StoreError."""
        with self._store() as store:
            sessions = store.sessions()
        load(path, sessions[0].id if sessions else "")
        return path

    @contextmanager
    def _store(self) -> Generator[Store]:
        store = Store.open(default_home(), self._audit_key)
        try:
            yield store
        finally:
            store.close()
