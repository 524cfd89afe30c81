"""One SQLite file in WAL mode: opening it safely, transactions, and foreign errors translated at one seam."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import LogDamaged, StoreError
from ..text.i18n import _
from . import room
from .home import narrow, reason_of
from .migrations import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 5.0
"""How long a transaction waits for another process before it gives up."""


class Database:
    """A connection that writes and, for a file, a second one that reads. Usable from any thread.

    Args:
        path: the file; None for a database in memory.

    Raises:
        StoreError: the file cannot be opened or written, or is of a newer version.
        LogDamaged: the file is not a log, or is damaged. It is left as it is.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._reader: sqlite3.Connection | None = None
        self._wal: int | None = None
        self._full = True
        self._closed = False
        self.unsynced = False
        """True while a transaction is committed that a loss of power could still take back."""
        with translated(path):
            if path is not None:
                make_file(path)
            small = path if path is not None and room.small_blocks(path) else None
            if small is not None:
                room.check(small)
            self._writer = connect(path)
            try:
                self._prepare()
                if small is not None:
                    room.hold(small)
            except BaseException:
                self._writer.close()
                raise

    def _prepare(self) -> None:
        version = self._check()
        if self.path is not None and self._value("PRAGMA journal_mode") != "wal":
            self._enter_wal()
        for pragma in ("foreign_keys = ON", "synchronous = FULL", "secure_delete = ON"):
            self._writer.execute(f"PRAGMA {pragma}")
        if sys.platform == "darwin":
            self._writer.execute("PRAGMA fullfsync = ON")
        if version < len(MIGRATIONS):
            self._migrate()

    def _check(self) -> int:
        """The log's version, read before anything is written into the file."""
        # At one moment: between two looks another first start may have made the log.
        self._writer.execute("BEGIN")
        tables = self._value("SELECT count(*) FROM sqlite_master")
        application, version = self._value("PRAGMA application_id"), self._value("PRAGMA user_version")
        self._writer.execute("COMMIT")
        if application != APPLICATION_ID:
            if application or version or tables:
                raise alien(self.path)
            self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            return 0
        if version > len(MIGRATIONS):
            raise StoreError(
                _(
                    "The log {path} is of a newer version of this program (format {theirs}; this one reads {ours}).",
                    path=self.path,
                    theirs=version,
                    ours=len(MIGRATIONS),
                ),
                _("Nothing was changed. Install the newer version, or set INTERPRETER_HOME to another folder."),
            )
        return int(version)

    def _enter_wal(self) -> None:
        # Two first starts at once: SQLite does not wait by itself for a change of the journal mode.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def _migrate(self) -> None:
        with self._transaction():
            version = self._value("PRAGMA user_version")
            for step in MIGRATIONS[version:]:
                for statement in step:
                    self._writer.execute(statement)
            self._writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version = {max(version, len(MIGRATIONS))}")

    def _value(self, sql: str) -> Any:
        return self._writer.execute(sql).fetchone()[0]

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield self._writer
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def transaction(self, *, full: bool) -> Generator[sqlite3.Connection]:
        """All or nothing, alone among all writers. `full`: on the disk itself before this returns, with all before it.

        Raises StoreError, LogDamaged.
        """
        with self._write_lock, translated(self.path):
            self._still_open()
            self._set_level(full)
            with self._transaction() as connection:
                yield connection
            self.unsynced = not full

    def _set_level(self, full: bool) -> None:
        if full != self._full:
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            self._full = full

    def sync(self) -> None:
        """Bring what was committed without `full` to the disk itself."""
        if self.path is None or not self.unsynced:
            return
        with self._write_lock:
            try:
                # SQLite holds no locks on this file, so a descriptor of our own does them no harm.
                if self._wal is None:
                    self._wal = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
                os.fsync(self._wal)
            except OSError as error:
                raise unwritable(self.path, reason_of(error)) from error
            self.unsynced = False

    def query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT. Raises StoreError, LogDamaged."""
        with translated(self.path):
            if self.path is None:
                with self._write_lock:
                    self._still_open()
                    return self._writer.execute(sql, values).fetchall()
            with self._read_lock:
                self._still_open()
                if self._reader is None:
                    self._reader = connect(self.path)
                    self._reader.execute("PRAGMA query_only = ON")
                return self._reader.execute(sql, values).fetchall()

    def give_back(self) -> None:
        """Return the space of deleted rows, and leave no copy of them in the journal."""
        with self._write_lock, translated(self.path):
            # `execute` would take one step, which frees one page.
            self._writer.executescript("PRAGMA incremental_vacuum")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _still_open(self) -> None:
        if self._closed:
            raise StoreError(_("The log is closed."))

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._closed = True
            if self._reader is not None:
                self._reader.close()
            self._writer.close()
            if self._wal is not None:
                os.close(self._wal)
                self._wal = None


def connect(path: Path | None) -> sqlite3.Connection:
    name = ":memory:" if path is None else str(path)
    return sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def make_file(path: Path) -> None:
    """An empty file for its owner alone; SQLite gives its companions the same mode."""
    try:
        # Never open a file that is there: closing it would drop the locks of this process's other connections.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except FileExistsError:
        if path.is_file():
            narrow(path)
    except OSError as error:
        raise unwritable(path, reason_of(error)) from error


@contextmanager
def translated(path: Path | None) -> Generator[None]:
    """Every sqlite3 error becomes one of ours here and nowhere else."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error


def primary_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def translate(error: sqlite3.Error, path: Path | None) -> StoreError:
    code = primary_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return alien(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
        return LogDamaged(
            _("The log {path} is damaged: {reason}.", path=path, reason=error),
            _(
                "The file was left as it is. Save what can be saved with `sqlite3 {path} .recover`, then move the file "
                "and its -wal and -shm companions away and start again.",
                path=path,
            ),
        )
    if code == sqlite3.SQLITE_FULL:
        return room.full(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            _("Another program keeps the log {path} locked.", path=path),
            _("Nothing was changed. End the other program, then try again."),
        )
    return unwritable(path, str(error))


def alien(path: Path | None) -> LogDamaged:
    return LogDamaged(
        _("{path} is not a log of this program.", path=path),
        _("The file was left as it is. Move it away, or set INTERPRETER_HOME to another folder."),
    )


def unwritable(path: Path | None, reason: str) -> StoreError:
    return StoreError(
        _("The log {path} cannot be read or written: {reason}.", path=path, reason=reason),
        _("Everything logged so far is kept. Check the disk and the rights of that folder, or set INTERPRETER_HOME."),
    )
