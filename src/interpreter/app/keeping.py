"""Looking after old sessions, for the doors: names, tags, finding, pruning, backups. Nothing is run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from ..errors import InterpreterError, UsageError
from ..store import Store, default_home
from ..store.audit_records import read_since
from ..store.backup import Backup, backup
from ..store.labels import checked, named, tagged
from ..store.listing import SessionRow, rows
from ..store.outfile import write_out
from ..store.parcel import Manifest, write_parcel
from ..store.parcel import Wanted as Wanted
from ..store.pruning import Bounds as Bounds
from ..store.pruning import candidates, disk_of
from ..store.search import Found as Found
from ..store.search import search
from ..store.unparcel import LARGEST, Imported, read_parcel
from ..text.i18n import _
from .readings import ENDINGS, FORMS, Readings


class Keeping(Readings):
    """The sessions of this person. Each call opens the log and closes it again."""

    def parcel_to(self, wanted: str, target: Path | None, take: Wanted, *, force: bool = False) -> Manifest:
        """A session as one file that `take_in` opens; None: to standard output. Raises SessionUnknown, StoreError."""
        with self._store() as store:
            info = store.find(wanted)
            log = store.visit(info.id)
            told: list[Manifest] = []

            def fill(file: BinaryIO) -> None:
                told.append(write_parcel(log, info.created, file, take, self._secrets))

            if target is None:
                fill(sys.stdout.buffer)
            else:
                write_out(target, fill, force=force, private=True)
            return told[0]

    def write(self, wanted: str, target: Path, form: str, take: Wanted | None = None, *, force: bool = False) -> None:
        """A session as a file of a form, by the name of the file where none is said. `take`: of the form session alone.

        Raises UsageError: there is no such form, or a file is there; StoreError.
        """
        form = form or ENDINGS.get(target.suffix.lower(), "md")
        if form not in (*FORMS, "session"):
            choices = ", ".join((*FORMS, "session"))
            raise UsageError(_("{flag} should be one of {choices}.", flag="form", choices=choices))
        if take is not None and form != "session":
            raise UsageError(
                _("What is left out can be said of the form session; from the others secrets are taken out.")
            )
        if form == "session":
            self.parcel_to(wanted, target, take or Wanted(), force=force)
        else:
            language = "" if form != "py" else "shell" if target.suffix == ".sh" else "python"
            self.export_to(wanted, form, target, language, force=force)

    def take_in(self, path: Path, workspace: Path, *, checkpoints: bool = False, largest: int = LARGEST) -> Imported:
        """A session out of a file. Raises what `store.unparcel.read_parcel` raises; nothing is imported then."""
        with self._store() as store:
            return read_parcel(store, path, workspace, checkpoints=checkpoints, largest=largest)

    def labelled(self, tag: str = "", *, sizes: bool = False) -> list[SessionRow]:
        """Rows, the newest first; only those with a tag where one is given. Raises StoreError."""
        with self._store() as store:
            found = [row for row in rows(store) if not tag or tag in row.tags]
            return with_sizes(store, found) if sizes else found

    def name(self, wanted: str, name: str) -> str:
        """Name a session, or take its name away with an empty one; its id. Raises SessionUnknown, UsageError."""
        name = checked(name, name=True) if name else ""
        with self._store() as store:
            session = store.find(wanted).id
            labels = store.labels()
            taken = next((other for other, known in labels.items() if name and known.name == name), session)
            if taken != session:
                raise UsageError(
                    _("Session {id} is called {name} already.", id=taken, name=name),
                    _("Choose another name, or take that one away: interpreter sessions name {id} --remove", id=taken),
                )
            if session not in labels or labels[session].name != name:
                store.visit(session).append_now(named(name))
            return session

    def tag(self, wanted: str, added: Sequence[str], removed: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """Put tags on a session and take others off; its id and its tags now. Raises SessionUnknown, UsageError."""
        put = [checked(word, name=False) for word in added]
        off = [checked(word, name=False) for word in removed]
        with self._store() as store:
            session = store.find(wanted).id
            before = store.labels().get(session)
            there = before.tags if before is not None else ()
            put = [word for word in dict.fromkeys(put) if word not in there]
            off = [word for word in dict.fromkeys(off) if word in there]
            if put or off:
                store.visit(session).append_now(tagged(put, off))
            after = store.labels().get(session)
            return session, after.tags if after is not None else ()

    def search(self, words: Sequence[str]) -> Found:
        """Where these words stand in all sessions. Raises StoreError."""
        with self._store() as store:
            return search(store, words, self._secrets)

    def backup(self, target: Path, keep: int = 0, *, force: bool = False) -> Backup:
        """Copy the whole home into one file, while sessions run. Raises UsageError, StoreError, LogDamaged."""
        with self._store() as store:
            return backup(store, target, keep, force=force)

    def prunable(self, bounds: Bounds) -> list[SessionRow]:
        """Sessions beyond these bounds that may go, with their sizes. Raises StoreError."""
        with self._store() as store:
            return candidates(with_sizes(store, rows(store)), bounds)

    def prune(self, found: Sequence[SessionRow]) -> tuple[list[str], list[InterpreterError]]:
        """Remove these; the ids of those that are gone, and why others are not."""
        gone: list[str] = []
        failed: list[InterpreterError] = []
        for row in found:
            try:
                gone.append(self.delete(row.id, more=row is not found[-1]))
            except InterpreterError as error:
                failed.append(error)
        return gone, failed


def with_sizes(store: Store, found: Sequence[SessionRow]) -> list[SessionRow]:
    return [msgspec.structs.replace(row, disk=store.log_size(row.id) + disk_of(store.folder(row.id))) for row in found]


def age_of(text: str) -> float:
    """Unix seconds of a moment or an age such as `30d`. Raises UsageError."""
    return read_since(text, time.time())


def is_name(word: str) -> bool:
    """Whether a session is called exactly that. Never raises: who asks does not yet know whether there is a log."""
    if not word or Path(word).name != word or len(word) > 64 or any(char.isspace() for char in word):
        return False
    try:
        with Store.open(default_home()) as store:
            return any(known.name == word for known in store.labels().values())
    except InterpreterError:
        return False
