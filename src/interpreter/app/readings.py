"""Readings of the log for the doors: sessions as rows and timelines, exports, saved conversations. Nothing is run."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .. import snapshots
from ..config.settings import Settings
from ..kernels.ending import end_keeper
from ..snapshots.shelf import Shelf
from ..snapshots.snapshots import from_hex
from ..snapshots.tree import changes
from ..store import Store, default_home
from ..store.export import FORMS as FORMS
from ..store.export import export, kept_files
from ..store.listing import Line, SessionRow, rows, timeline
from ..store.outfile import write_out
from ..store.transcript import load, save
from .known import secrets_of

ENDINGS = {
    ".md": "md", ".ipynb": "ipynb", ".html": "html", ".htm": "html", ".py": "py", ".sh": "py", ".json": "json",
    ".jsonl": "jsonl", ".zip": "session", ".session": "session",
}  # fmt: skip
"""What the name of a file says of the form of an exported session."""


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

    def export(self, wanted: str, form: str, language: str = "") -> str:
        """A session as one of `store.export.FORMS`. Raises SessionUnknown, UsageError for another form."""
        with self._store() as store:
            log = store.visit(store.find(wanted).id)
            labels = store.labels().get(log.id)
            name = labels.name if labels is not None else ""
            shelf = Shelf(store.home)

            def changed(before: str, after: str) -> list[str]:
                return [os.fsdecode(change.path) for change in changes(shelf.tree, from_hex(before), from_hex(after))]

            try:
                return export(log.events(), form, self._secrets, kept_files(log.folder), language, name, changed)
            finally:
                shelf.close()

    def export_to(self, wanted: str, form: str, target: Path, language: str = "", *, force: bool = False) -> None:
        """The same, as a file: whole or not at all. Raises UsageError where a file is there; StoreError."""
        text = self.export(wanted, form, language)

        def fill(file: BinaryIO) -> None:
            file.write(text.encode("utf-8", "replace"))

        write_out(target, fill, force=force)

    def delete(self, wanted: str, *, more: bool = False) -> str:
        """Remove a session with all its files, its keeper and kernels ended before; its id. `more`: others follow, and
        what only it named of the snapshots goes with the last one.

        Raises SessionUnknown, SessionBusy, KeeperLost.
        """
        with self._store() as store:
            found = store.find(wanted).id
            store.delete(found, lambda folder: end_keeper(folder / "run"))
            if not more:
                snapshots.prune(store.home, lambda: {info.id for info in store.sessions()})
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
