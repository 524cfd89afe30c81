"""One session's log: events in their order, and the blobs that they name."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import StoreError
from ..text.i18n import _
from ..types.actions import OutputRef
from ..types.events import DURABLE, ApprovalResolved, Event, SessionClosed, SessionImported, Stored, TurnFinished
from . import questions, records
from .blobs import Blobs
from .database import Database
from .home import forget_index
from .lock import SessionLock
from .masking import Masks
from .migrations import MARKS, MILESTONES
from .placing import placed
from .records import Verdict
from .seals import Seals
from .writer import Writer

PAGE = 500


class Row(NamedTuple):
    """A row of the log, as it stands there."""

    seq: int
    time: int
    """Microseconds since 1970."""
    type: str
    body: bytes | None
    digest: bytes
    hash: bytes


SEALED = (TurnFinished, SessionClosed, SessionImported)
"""Events after which the head of the chain is sealed."""


class SessionLog:
    """A session, to be read and appended to. `Store` makes it.

    A log that is *held* has a lock: one process works on the session. A log that is only visited may append as well
    (an approval from another terminal); its events take their place in the same order.
    """

    def __init__(
        self, database: Database, writer: Writer, key: int, session: str, workspace: str, folder: Path,
        lock: SessionLock | None, seals: Seals | None = None, masks: Masks | None = None,
    ) -> None:  # fmt: skip
        self.id = session
        self.workspace = workspace
        self.folder = folder
        """The session's own folder, for its owner alone: blobs, the keeper's run folder, scratch."""
        self._database = database
        self._writer = writer
        self._key = key
        self._lock = lock
        self._seals = seals
        self._answers = questions.Answers(key, session)
        self._blobs = Blobs(database, key, self._blob_folder, masks)

    @property
    def held(self) -> bool:
        return self._lock is not None

    @property
    def size(self) -> int:
        """The seq of the last event; 0 in an empty log. Raises StoreError."""
        rows = self._database.query("SELECT max(seq) FROM events WHERE session = ?", (self._key,))
        return int(rows[0][0] or 0)

    async def append(self, event: Event, *more: Event) -> list[Stored]:
        """Store events, all or none, in this order.

        When it returns they survive the death of the process; if one of them is of `types.events.DURABLE`, all of
        them and all before them survive a loss of power as well, the others within 50 ms.
        A caller that is cancelled stops waiting; the events are stored all the same.

        Raises:
            AlreadyAnswered: an answer to a question that has one. Nothing of this call is stored.
            StoreError: a live event, a full disk, a log that cannot be written. Nothing of this call is stored.
            SessionUnknown: the session was deleted.
        """
        return await self._writer.run(self._appender((event, *more)))

    def append_now(self, event: Event, *more: Event) -> list[Stored]:
        """The same, for a program without an event loop."""
        return self._appender((event, *more))()

    def _appender(self, events: Sequence[Event]) -> Appender:
        pairs = [(event, records.encode(event)) for event in events]
        return Appender(self._database, self._key, self.id, pairs, self._answers, self._seals)

    def events(self, from_seq: int = 1, *, without: Collection[str] = (), until: int = 0) -> Iterator[Stored]:
        """Every event from `from_seq` on, read in pages: also those appended while it runs.

        Args:
            without: types that are left out as long as they stand before seq `until`: who takes a session up again
                needs not decode a third of a long log.

        Raises LogDamaged for an event that cannot be read; those before it have been given by then.
        """
        following, foreign = from_seq, self.imported()
        while True:
            rows = self._database.query(
                "SELECT seq, time, type, body, hash FROM events WHERE session = ? AND seq >= ? ORDER BY seq LIMIT ?",
                (self._key, following, PAGE),
            )
            for seq, moment, kind, body, chained in rows:
                following = seq + 1
                if seq < until and kind in without:
                    continue
                stored = records.decode(self.id, seq, moment, kind, body, chained)
                here = placed(stored.event, self.folder, foreign=seq <= foreign)
                yield stored if here is stored.event else msgspec.structs.replace(stored, event=here)
            if len(rows) < PAGE:
                return

    def hash_at(self, seq: int) -> str:
        """The hash of one event, in hexadecimal; empty where there is none. Raises StoreError."""
        rows = self._database.query("SELECT hash FROM events WHERE session = ? AND seq = ?", (self._key, seq))
        return rows[0][0].hex() if rows and isinstance(rows[0][0], bytes) else ""

    def imported(self) -> int:
        """The seq up to which the session came from a file; 0 for one that began here."""
        rows = self._database.query(
            f"SELECT max(seq) FROM events INDEXED BY marks WHERE session = ? AND type IN ({MARKS})"
            " AND type = 'session_imported'",
            (self._key,),
        )
        return int(rows[0][0] or 0)

    def rows(self, last: int) -> Iterator[Row]:
        """The rows up to `last`, as they stand in the log. Raises StoreError; LogDamaged for what is no row."""
        following = 1
        while following <= last:
            found = self._database.query(
                "SELECT seq, time, type, body, body_sha256, hash FROM events"
                " WHERE session = ? AND seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
                (self._key, following, last, PAGE),
            )
            for seq, moment, kind, body, digest, chained in found:
                if not isinstance(digest, bytes) or not isinstance(chained, bytes):
                    raise records.unreadable(self.id, int(seq), str(kind), TypeError(_("its hash is no hash")))
                yield Row(int(seq), int(moment), str(kind), body, digest, chained)
                following = int(seq) + 1
            if len(found) < PAGE:
                return

    def small_blobs(self) -> Iterator[tuple[str, bytes]]:
        """Names and bytes of the files that lie in the log as well."""
        rows = self._database.query(
            "SELECT name FROM blobs WHERE session = ? AND data IS NOT NULL ORDER BY name", (self._key,)
        )
        for (name,) in rows:
            found = self._database.query("SELECT data FROM blobs WHERE session = ? AND name = ?", (self._key, name))
            if found:
                yield str(name), bytes(found[0][0])

    def blob_hashes(self) -> list[tuple[str, str]]:
        """Names and SHA-256 of the session's files, as the log has them. Raises StoreError."""
        return [
            (str(name), str(digest))
            for name, digest in self._database.query(
                "SELECT name, sha256 FROM blobs WHERE session = ? ORDER BY name", (self._key,)
            )
        ]

    def answer_to(self, approval: str) -> Stored | None:
        """The answer that a question has got, by whichever program; None while it has none. Raises StoreError."""
        return self._answers.find(self._database.query, approval)

    def verify(self, marks: Container[int] = ()) -> Verdict:
        """Walk the chain from the first event to the last. Raises StoreError when the log cannot be read.

        Args:
            marks: seqs whose hashes the verdict is to hold.
        """
        before, expected = records.genesis(self.id), 1
        erased: list[int] = []
        marked: dict[int, str] = {}
        while True:
            rows = self._database.query(
                "SELECT seq, time, type, body, body_sha256, hash FROM events WHERE session = ? AND seq >= ?"
                " ORDER BY seq LIMIT ?",
                (self._key, expected, PAGE),
            )
            for row in rows:
                if problem := records.misfit(before, expected, *row):
                    return Verdict(
                        whole=False,
                        events=self.size,
                        broken_at=expected,
                        problem=problem,
                        hash=before.hex(),
                        erased=tuple(erased),
                        marks=marked,
                    )
                before = bytes(row[5])
                if row[3] is None:
                    erased.append(expected)
                if expected in marks:
                    marked[expected] = before.hex()
                expected += 1
            if len(rows) < PAGE:
                return Verdict(whole=True, events=expected - 1, hash=before.hex(), erased=tuple(erased), marks=marked)

    async def erase(self, seqs: Sequence[int]) -> None:
        """Take the bodies of these events away for ever; their places and hashes stay, and the chain holds."""
        await self._writer.run(lambda: self._erase(tuple(seqs)))

    def _erase(self, seqs: tuple[int, ...]) -> None:
        with self._database.transaction(full=True) as connection:
            connection.executemany(
                "UPDATE events SET body = NULL WHERE session = ? AND seq = ?", [(self._key, seq) for seq in seqs]
            )
        forget_index(self.folder.parent.parent)
        self._database.give_back()

    def milestones(self) -> list[tuple[int, str]]:
        """Seq and type of the events that mark the session's course, from a small index of their own."""
        rows = self._database.query(
            f"SELECT seq, type FROM events INDEXED BY milestones WHERE session = ? AND type IN ({MILESTONES})",
            (self._key,),
        )
        return sorted((int(seq), str(kind)) for seq, kind in rows)

    def put_bytes(self, data: bytes, suffix: str = ".bin") -> OutputRef:
        """Keep bytes as a blob; durable with the next durable event. Raises StoreError."""
        return self._blobs.put_bytes(data, suffix)

    def put_file(self, path: str | Path, sha256: str = "") -> OutputRef:
        """Move a finished file (and the `.idx` beside it) into the session, under its hash.

        Args:
            path: a regular file, best in the session's own folder; links are not followed.
            sha256: what its writer computed. Small files are checked against it; empty: computed here.

        An empty file is removed, and the reference has no path. The same call after a crash gives the same reference.
        It is durable with the next durable event. Large ones wait for the disk here: an event loop calls it through
        `asyncio.to_thread`. Raises StoreError.
        """
        return self._blobs.put_file(Path(path), sha256)

    def put_output(self, ref: OutputRef) -> OutputRef:
        """`put_file` for a completion's output; what was dropped stays told."""
        if not ref.path:
            return ref
        return msgspec.structs.replace(self.put_file(ref.path, ref.sha256), dropped=ref.dropped)

    def read_blob(self, ref: OutputRef, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a blob from `offset` on. Raises StoreError; LogDamaged when the file is gone."""
        return self._blobs.read(ref, offset, length) if ref.path else b""

    def restore_blobs(self) -> int:
        return self._blobs.restore()

    def _blob_folder(self) -> Path:
        return self.folder / "blobs"

    def close(self) -> None:
        """Let go of the session. Appends that were called before are still written."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class Appender:
    """One append, ready to run on any thread."""

    def __init__(
        self,
        database: Database,
        key: int,
        session: str,
        pairs: Sequence[tuple[Event, records.Encoded]],
        answers: questions.Answers,
        seals: Seals | None = None,
    ) -> None:
        self._database, self._key, self._session, self._pairs = database, key, session, pairs
        self._answers, self._seals = answers, seals

    def __call__(self) -> list[Stored]:
        # A seal on the disk may never name an event that a loss of power could still take.
        seal = self._seals is not None and any(isinstance(event, SEALED) for event, _encoded in self._pairs)
        full = seal or any(isinstance(event, DURABLE) for event, _encoded in self._pairs)
        with self._database.transaction(full=full) as connection:
            for event, _encoded in self._pairs:
                if isinstance(event, ApprovalResolved):
                    self._answers.refuse_second(connection, event.approval)
            stored = records.append(connection, self._key, self._session, self._pairs)
        if self._seals is not None and seal:
            try:
                self._seals.seal(self._session, stored[-1].seq, stored[-1].hash)
                self._seals.problem = None
            except StoreError as error:
                # The events are stored. `audit verify` tells what no seal covers; the next one covers it.
                self._seals.problem = error
        return stored
