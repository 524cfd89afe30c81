"""All sessions of one home: one SQLite file for their logs, and a folder for each one's files."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import SessionUnknown, StoreError
from ..text.i18n import _
from ..types.base import Value, new_id
from ..types.events import Event, Stored
from . import questions, records
from .database import Database
from .home import LOCK_NAME, LOG_NAME, forget_index, make_private, prepare_home, reason_of, remove_tree
from .labels import Labels, labels
from .lock import Holder, SessionLock, holder_of
from .log import Row, SessionLog
from .masking import Masks
from .migrations import MARK_TYPES, MARKS
from .questions import Asked
from .seals import Seals
from .writer import Writer

SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SHOWN_MATCHES = 5


class SessionInfo(Value):
    """A session as the log knows it."""

    id: str
    workspace: str
    created: float
    """Unix seconds."""
    updated: float
    """Of its last event, else of its creation."""
    size: int
    """How many events it has."""


class Store:
    """The log. Opening takes about a millisecond; nothing is read before it is asked for."""

    def __init__(
        self, home: Path, database: Database, *, temporary: bool = False, audit_key: Path | None = None
    ) -> None:
        self.home = home
        self.seals = None if temporary else Seals(home, audit_key)
        """Of this home; None for a log that lives in memory."""
        self.masks: Masks | None = None
        """Takes secrets out of outputs before they are kept; None: they are kept as they came."""
        self._database = database
        self._writer = Writer(database)
        self._temporary = temporary
        self._held: list[SessionLog] = []
        self._closed = False

    @classmethod
    def open(cls, home: str | Path, audit_key: str = "") -> Store:
        """Open the log of a home, or begin one.

        Args:
            home: the folder.
            audit_key: the file of the key that seals the log; empty: `audit.key` in the home. It is read when it is
                needed first, or by `seals.ready()`.

        Raises:
            StoreError: the home cannot be used, or its log is of a newer version.
            LogDamaged: the file at the log's place is damaged or is no log. It is left as it is.
        """
        path = Path(home).absolute()
        prepare_home(path)
        key = Path(audit_key).expanduser().absolute() if audit_key else None
        return cls(path, Database(path / LOG_NAME), audit_key=key)

    @classmethod
    def memory(cls) -> Store:
        """A log that lives in this process alone; its files are in a temporary folder until `close`."""
        folder = Path(os.environ.get("TMPDIR") or "/tmp") / new_id("interpreter")
        try:
            make_private(folder)
        except OSError as error:
            raise StoreError(
                _("The temporary folder {path} cannot be made: {reason}.", path=folder, reason=reason_of(error))
            ) from error
        return cls(folder, Database(None), temporary=True)

    @property
    def unsynced(self) -> bool:
        """True while an event is stored that a loss of power could still take."""
        return self._database.unsynced

    def folder(self, session_id: str) -> Path:
        return self.home / "sessions" / session_id

    def create(self, session_id: str, workspace: str | Path) -> SessionLog:
        """A new session, held by this process. Raises StoreError when the id is taken or cannot be a name."""
        if not SESSION_ID.fullmatch(session_id):
            raise StoreError(_("{id} cannot be the id of a session.", id=repr(session_id)))
        lock = self._hold(session_id)
        try:
            with self._database.transaction(full=False) as connection:
                cursor = connection.execute(
                    "INSERT INTO sessions (id, workspace, created) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (session_id, name_of(workspace), time.time_ns() // 1000),
                )
                if cursor.rowcount != 1:
                    raise StoreError(_("There is already a session {id}.", id=session_id))
                key = cursor.lastrowid or 0
        except BaseException:
            lock.release()
            raise
        return self._log(key, session_id, name_of(workspace), lock)

    def adopt(
        self,
        session_id: str,
        workspace: str | Path,
        created: float,
        put: Callable[[Path], None],
        rows: Iterable[Row],
        more: Sequence[Event],
    ) -> SessionLog:
        """Take in a session that came from elsewhere, whole or not at all; held by this process.

        Args:
            put: called with the session's folder, to put its files there.
            rows: its events with their chain, already verified.
            more: stored with them, and sealed: what closes it, and that it was imported.

        Raises StoreError when the id is taken or the log cannot be written, and what `put` raises.
        """
        lock = self._hold(session_id)
        try:
            if self._database.query("SELECT 1 FROM sessions WHERE id = ?", (session_id,)):
                raise StoreError(_("There is already a session {id}.", id=session_id))
            try:
                put(self.folder(session_id))
                with self._database.transaction(full=True) as connection:
                    key = records.adopt(connection, session_id, name_of(workspace), created, rows)
                    pairs = [(event, records.encode(event)) for event in more]
                    last = records.append(connection, key, session_id, pairs)[-1]
            except BaseException:
                remove_tree(self.folder(session_id))
                raise
            if self.seals is not None:
                self.seals.seal(session_id, last.seq, last.hash)
        except BaseException:
            lock.release()
            raise
        return self._log(key, session_id, name_of(workspace), lock)

    def resume(self, session_id: str) -> SessionLog:
        """A session held by this process, at its last event.

        Raises:
            SessionUnknown: there is none of exactly this id (`find` takes beginnings).
            SessionBusy: another process holds it.
        """
        key, workspace = self._row(session_id)
        lock = self._hold(session_id)
        try:
            # It may have been deleted before the lock was ours.
            key, workspace = self._row(session_id)
            log = self._log(key, session_id, workspace, lock)
            if lock.rebooted:
                log.restore_blobs()
        except BaseException:
            lock.release()
            raise
        return log

    def visit(self, session_id: str) -> SessionLog:
        """A session not held: to read it, or to append an answer while another process works on it."""
        key, workspace = self._row(session_id)
        return self._log(key, session_id, workspace, None)

    def _hold(self, session_id: str) -> SessionLock:
        folder = self.folder(session_id)
        try:
            make_private(folder.parent)
            make_private(folder)
            make_private(folder / "blobs")
        except OSError as error:
            raise StoreError(
                _("The session's folder {path} cannot be made: {reason}.", path=folder, reason=reason_of(error)),
                _("Everything logged so far is kept. Check the space and the rights in {home}.", home=self.home),
            ) from error
        return SessionLock(folder / LOCK_NAME, session_id)

    def _log(self, key: int, session_id: str, workspace: str, lock: SessionLock | None) -> SessionLog:
        log = SessionLog(
            self._database, self._writer, key, session_id, workspace, self.folder(session_id), lock, self.seals,
            self.masks,
        )  # fmt: skip
        if lock is not None:
            self._held = [*(held for held in self._held if held.held), log]
        return log

    def _row(self, session_id: str) -> tuple[int, str]:
        if not SESSION_ID.fullmatch(session_id):
            raise self._unknown(session_id)
        rows = self._database.query("SELECT key, workspace FROM sessions WHERE id = ?", (session_id,))
        if not rows:
            raise self._unknown(session_id)
        return int(rows[0][0]), str(rows[0][1])

    def sessions(self, workspace: str | Path | None = None) -> list[SessionInfo]:
        """Every session that has an event, the newest first. Raises StoreError."""
        wanted = None if workspace is None else name_of(workspace)
        rows = self._database.query(
            # CROSS: each session's last event by its key, never a walk through all events.
            "SELECT s.id, s.workspace, s.created, e.time, e.seq, e.type, s.key FROM sessions s CROSS JOIN events e"
            " ON e.session = s.key AND e.seq = (SELECT max(seq) FROM events WHERE session = s.key)"
            " WHERE ? IS NULL OR s.workspace = ? ORDER BY e.time DESC, s.key DESC",
            (wanted, wanted),
        )
        if not any(row[5] in MARK_TYPES for row in rows):
            return [info_of(row[:5]) for row in rows]
        # A name or a tag is no use of the session: what came before it counts.
        found = [(self._last_use(row[6], row[3]) if row[5] in MARK_TYPES else row[3], row) for row in rows]
        found.sort(key=lambda pair: (pair[0], pair[1][6]), reverse=True)
        return [info_of((*row[:3], moment, row[4])) for moment, row in found]

    def _last_use(self, key: int, otherwise: int) -> int:
        rows = self._database.query(
            f"SELECT time FROM events WHERE session = ? AND type NOT IN ({MARKS}) ORDER BY seq DESC LIMIT 1", (key,)
        )
        return int(rows[0][0]) if rows else otherwise

    def labels(self) -> dict[str, Labels]:
        """Names and tags, by the ids of the sessions that have any. Raises StoreError."""
        return labels(self._database.query)

    def heads(self) -> dict[str, tuple[int, str]]:
        """Seq and hash of each session's last event, by its id. Raises StoreError."""
        rows = self._database.query(
            "SELECT s.id, e.seq, e.hash FROM sessions s CROSS JOIN events e"
            " ON e.session = s.key AND e.seq = (SELECT max(seq) FROM events WHERE session = s.key)"
        )
        return {row[0]: (row[1], row[2].hex() if isinstance(row[2], bytes) else "") for row in rows}

    def log_size(self, session_id: str) -> int:
        """Bytes of a session's events, and of the files that lie in the log as well. Raises SessionUnknown."""
        key, _workspace = self._row(session_id)
        events = self._database.query("SELECT sum(length(body) + 200) FROM events WHERE session = ?", (key,))
        blobs = self._database.query("SELECT sum(length(data)) FROM blobs WHERE session = ?", (key,))
        return int(events[0][0] or 0) + int(blobs[0][0] or 0)

    def info(self, session_id: str) -> SessionInfo:
        """Raises SessionUnknown."""
        self._row(session_id)
        rows = self._database.query(
            "SELECT s.id, s.workspace, s.created, max(e.time), max(e.seq) FROM sessions s"
            " LEFT JOIN events e ON e.session = s.key WHERE s.id = ? GROUP BY s.key",
            (session_id,),
        )
        return info_of(rows[0])

    def find(self, wanted: str, workspace: str | Path | None = None) -> SessionInfo:
        """The session that a person means: `last`, an id, a name, or the beginning of an id (its prefix or not).

        Args:
            workspace: only sessions of this folder, as it was given to `create`.

        Raises SessionUnknown when there is none or more than one.
        """
        among = self.sessions(workspace)
        if wanted == "last":
            if among:
                return among[0]
            raise SessionUnknown(
                _("There is no session to resume here yet."), _("`interpreter sessions list` shows all of them.")
            )
        for info in among:
            if info.id == wanted:
                return info
        names: dict[str, str] = {}
        for session, known in self.labels().items():
            if known.name:
                names.setdefault(known.name, session)  # one that came later by an import takes no name away
        if session := names.get(unicodedata.normalize("NFC", wanted)):
            for info in among:
                if info.id == session:
                    return info
        matches = [i for i in among if wanted and begins(i.id, wanted)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = ", ".join(info.id for info in matches[:SHOWN_MATCHES])
            raise SessionUnknown(
                _("More than one session begins with {wanted}: {names}.", wanted=wanted, names=shown),
                _("Give more of the id."),
            )
        raise self._unknown(wanted)

    def milestones(self, session_id: str) -> list[tuple[int, str]]:
        """Seq and type of the events that mark a session's course, from a small index of their own."""
        return self.visit(session_id).milestones()

    def questions(self) -> list[Asked]:
        """Every question of every session that has no answer yet. Raises StoreError."""
        return questions.open_questions(self._database.query)

    def answered(self, approval: str) -> Stored | None:
        """The answer to the question of this id, in whichever session; None where there is none. Raises StoreError."""
        return questions.answered(self._database.query, approval)

    def holder(self, session_id: str) -> Holder | None:
        """The process that holds a session now; None when none does."""
        return holder_of(self.folder(session_id) / "lock")

    def delete(self, session_id: str, before: Callable[[Path], None] = lambda folder: None) -> None:
        """Remove a session with everything in it, for ever.

        Args:
            before: called with the session's folder while nobody else can work on it: ends what still writes there.

        Raises SessionUnknown, SessionBusy, StoreError, and what `before` raises; nothing is removed then.
        """
        key, _workspace = self._row(session_id)
        lock = self._hold(session_id)
        try:
            before(self.folder(session_id))
            if self.seals is not None:
                # First, so that a session that is gone without this shows as removed by somebody else.
                self.seals.seal(session_id, 0, "", "deleted")
            with self._database.transaction(full=True) as connection:
                connection.execute("DELETE FROM sessions WHERE key = ?", (key,))
            self._database.give_back()
            forget_index(self.home)
            remove_tree(self.folder(session_id))
        except OSError as error:
            raise StoreError(
                _("The session's folder {path} could not be removed: {reason}.",
                  path=self.folder(session_id), reason=reason_of(error)),
                _("Its log is deleted; remove the folder by hand."),
            ) from error  # fmt: skip
        finally:
            lock.release()

    def _unknown(self, wanted: str) -> SessionUnknown:
        return SessionUnknown(
            _("There is no session {id}.", id=name_of(wanted)),
            _("`interpreter sessions list` shows those that there are."),
        )

    def close(self) -> None:
        """Write what was appended, let go of every session, and close the log. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._database.close()
        for log in self._held:
            log.close()
        if self._temporary:
            remove_tree(self.home)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()


def name_of(workspace: str | Path) -> str:
    """A folder's name as text that can be stored, also where its bytes are no UTF-8."""
    return str(workspace).encode("utf-8", "replace").decode()


def begins(session_id: str, wanted: str) -> bool:
    return session_id.startswith(wanted) or session_id.partition("_")[2].startswith(wanted)


def info_of(row: tuple[Any, ...]) -> SessionInfo:
    name, workspace, created, updated, size = row
    return SessionInfo(
        id=name,
        workspace=workspace,
        created=created / 1e6,
        updated=(updated if updated is not None else created) / 1e6,
        size=size or 0,
    )
