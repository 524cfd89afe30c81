"""Where snapshots lie: one SQLite file of a home for small contents and trees, and a folder for large ones.

Everything is named by its content and shared by all sessions, so what a home has seen once is never written again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import LogDamaged, StoreError
from ..text.i18n import _

NAME = "snapshots.db"
OBJECTS = "objects"
APPLICATION = 0x52_53_4E_50
BUSY_SECONDS = 30.0
SCHEMA = (
    "CREATE TABLE blobs (id BLOB PRIMARY KEY, size INTEGER NOT NULL, data BLOB)",
    "CREATE TABLE trees (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE roots (session TEXT NOT NULL, tree BLOB NOT NULL, PRIMARY KEY (session, tree)) WITHOUT ROWID",
    "CREATE TABLE workspaces (path BLOB PRIMARY KEY, device INTEGER NOT NULL, inode INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE seen (path BLOB NOT NULL, folder BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (path, folder))"
    " WITHOUT ROWID",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO facts VALUES ('size', 0), ('generation', 0)",
)
VERSION = 1


class Batch:
    """What one snapshot adds; it is written at once, or in parts where it is large."""

    def __init__(self) -> None:
        self.blobs: list[tuple[bytes, int, bytes | None]] = []
        self.trees: list[tuple[bytes, bytes]] = []
        self.size = 0

    def add(self, key: bytes, size: int, data: bytes | None) -> None:
        """A content; `data` None: it lies in the folder already."""
        self.blobs.append((key, size, data))
        self.size += size if data is not None else 0


class Shelf:
    """Usable from any thread. Opened at the first use; opening one that is there takes a millisecond."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / NAME
        self.objects = home / OBJECTS
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._known: set[tuple[str, bytes]] = set()

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        """The connection, held by this thread. Every error of SQLite becomes one of ours here."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                yield self._connection
            except sqlite3.Error as error:
                raise translate(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        try:
            # Never open a file that is there: closing it would drop the locks of other connections.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            raise unusable(self.path, error.strerror or str(error)) from error
        connection = sqlite3.connect(
            str(self.path), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            prepare(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def transaction(self, *, full: bool) -> Generator[sqlite3.Connection]:
        """All or nothing. `full`: on the disk itself before this returns, with all before it. Raises StoreError."""
        with self._open() as connection:
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def fact(self, name: str) -> int:
        """`size`: bytes of all contents; `generation`: how often something was taken away."""
        with self._open() as connection:
            return int(connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

    def write(self, batch: Batch, *, full: bool, root: tuple[str, bytes] | None = None, generation: int = -1) -> bool:
        """Put a batch in. `root`: a session and the tree that it names from now on.

        False, and nothing is written: something was taken away since `generation`.
        """
        if root in self._known:
            root = None
        if not (batch.blobs or batch.trees or root):
            return True
        with self.transaction(full=full) as connection:
            if generation >= 0:
                now = connection.execute("SELECT value FROM facts WHERE name = 'generation'").fetchone()[0]
                if now != generation:
                    return False
            added = 0
            for blob in batch.blobs:
                cursor = connection.execute("INSERT INTO blobs VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING", blob)
                added += blob[1] if cursor.rowcount == 1 else 0
            connection.executemany("INSERT INTO trees VALUES (?, ?) ON CONFLICT (id) DO NOTHING", batch.trees)
            if added:
                connection.execute("UPDATE facts SET value = value + ? WHERE name = 'size'", (added,))
            if root:
                connection.execute("INSERT INTO roots VALUES (?, ?) ON CONFLICT DO NOTHING", root)
        if root:
            self._known.add(root)
        batch.blobs, batch.trees, batch.size = [], [], 0
        return True

    def has(self, key: bytes) -> bool:
        with self._open() as connection:
            return connection.execute("SELECT 1 FROM blobs WHERE id = ?", (key,)).fetchone() is not None

    def tree(self, key: bytes) -> bytes:
        """An encoded node. Raises StoreError where there is none."""
        with self._open() as connection:
            row = connection.execute("SELECT body FROM trees WHERE id = ?", (key,)).fetchone()
        if row is None:
            raise gone()
        return bytes(row[0])

    def content(self, key: bytes) -> bytes | Path:
        """The bytes of a small content, or the file that holds a large one. Raises StoreError where it is gone."""
        with self._open() as connection:
            row = connection.execute("SELECT data FROM blobs WHERE id = ?", (key,)).fetchone()
        if row is None:
            raise gone()
        return bytes(row[0]) if row[0] is not None else self.place(key)

    def place(self, key: bytes) -> Path:
        """Where a large content lies, or would lie."""
        name = key.hex()
        return self.objects / name[:2] / name[2:]

    # --- what was seen of a workspace

    def seen(self, workspace: bytes, device: int, inode: int) -> tuple[int, list[tuple[bytes, bytes]]]:
        """The generation, and what was kept of each folder, if it was of this very folder."""
        with self._open() as connection:
            generation = self.fact("generation")
            row = connection.execute("SELECT device, inode FROM workspaces WHERE path = ?", (workspace,)).fetchone()
            if row != (device, inode):
                return generation, []
            rows = connection.execute("SELECT folder, body FROM seen WHERE path = ?", (workspace,))
            return generation, [(bytes(folder), bytes(body)) for folder, body in rows]

    def keep_seen(
        self,
        workspace: tuple[bytes, int, int],
        changed: Sequence[tuple[bytes, bytes]],
        gone: Iterable[bytes],
        *,
        anew: bool,
        generation: int,
    ) -> None:
        """Write down what was seen; losing it costs only time."""
        with self.transaction(full=False) as connection:
            now = connection.execute("SELECT value FROM facts WHERE name = 'generation'").fetchone()[0]
            if now != generation:
                return
            if anew:
                connection.execute("DELETE FROM seen WHERE path = ?", (workspace[0],))
                connection.execute("INSERT OR REPLACE INTO workspaces VALUES (?, ?, ?)", workspace)
            connection.executemany("DELETE FROM seen WHERE path = ? AND folder = ?", ((workspace[0], f) for f in gone))
            connection.executemany(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", ((workspace[0], f, body) for f, body in changed)
            )

    def give_back(self) -> None:
        """Return the space of what was removed, and leave no copy of it in the journal."""
        with self._open() as connection:
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Settings of a connection, and the tables where there are none yet."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application not in (0, APPLICATION):
        raise LogDamaged(
            _("{path} is not a file of snapshots.", path=path),
            _("The file was left as it is. Move it away, or set INTERPRETER_HOME to another folder."),
        )
    if not application:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        enter_wal(connection)
        connection.execute("BEGIN IMMEDIATE")
        if not connection.execute("PRAGMA application_id").fetchone()[0]:
            for statement in SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    elif (version := connection.execute("PRAGMA user_version").fetchone()[0]) > VERSION:
        raise StoreError(
            _("The snapshots in {path} are of a newer version of this program (format {theirs}).", path=path,
              theirs=version),
            _("Nothing was changed. Install the newer version, or set INTERPRETER_HOME to another folder."),
        )  # fmt: skip
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA cache_size = -16384")


def enter_wal(connection: sqlite3.Connection) -> None:
    """Two first starts at once: SQLite does not wait by itself for a change of the journal mode."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    code = int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
        return LogDamaged(
            _("The snapshots in {path} are damaged: {reason}.", path=path, reason=error),
            _("The log of the sessions is another file and is not touched. Move {path} away to begin anew.", path=path),
        )
    return unusable(path, str(error))


def unusable(path: Path, reason: str) -> StoreError:
    return StoreError(
        _("The snapshots in {path} cannot be read or written: {reason}.", path=path, reason=reason),
        _("What was kept so far stays. Check the disk and the rights of that folder."),
    )


def gone() -> StoreError:
    return StoreError(
        _("This state of the files is no longer kept."),
        _("Nothing was changed. Snapshots are removed together with their session, and do not travel with an export."),
    )
