"""Finding words in all sessions: what was said, run and printed.

The index is a file of its own beside the log, brought up to date by each search and never by an append. It holds only
what may be shown (secrets redacted), is never the truth, and may be removed at any time; when something is erased or a
session removed it is thrown away whole, so that nothing of that stays in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StoreError
from ..text.clean import clean_text
from ..text.redact import redact
from ..types.base import Value
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    Event,
    ModelAnswered,
    NoteAdded,
    TurnFinished,
    TurnStarted,
)
from ..types.marks import SessionNamed, SessionTagged
from .database import make_file, translated
from .home import INDEX_NAME, forget_index
from .records import ERASED
from .store import Store

VERSION = 1
LONGEST = 20_000
"""Characters of one text that are indexed; a whole output is on disk and is not."""
SHORTEST = 3
"""Characters that a trigram needs: shorter words, such as most of Chinese, are looked for one text after the other."""
MOST_HITS = 3
"""Places that are told of one session."""
AROUND = 40
"""Characters on each side of what was found."""
MOST_SESSIONS = 50


class Hit(Value):
    """A place where words were found."""

    session: str
    seq: int
    time: float
    """Unix seconds."""
    kind: str
    """The event's tag."""
    step: int
    """The step that it belongs to, else the last one before it; 0 before the first."""
    text: str
    """An excerpt of one line."""
    marks: tuple[tuple[int, int], ...] = ()
    """Where the words stand in it."""


class Found(NamedTuple):
    hits: tuple[Hit, ...]
    sessions: int
    """In how many sessions all words were found, also beyond those that are told."""


def search(store: Store, words: Sequence[str], secrets: Iterable[str] = (), most: int = MOST_SESSIONS) -> Found:
    """Sessions in which every word stands somewhere, the newest first; of each the places with most of the words.

    Capital letters are as small ones. Raises StoreError.
    """
    index = Index(store.home / INDEX_NAME)
    try:
        try:
            index.update(store, tuple(secrets))
            return index.find(store, [word for word in words if word], tuple(secrets), most)
        except sqlite3.DatabaseError:
            # Of another version, or damaged: it is only an index, and is made anew.
            index.close()
            forget_index(store.home)
            index = Index(store.home / INDEX_NAME)
            index.update(store, tuple(secrets))
            return index.find(store, [word for word in words if word], tuple(secrets), most)
    finally:
        index.close()


class Index:
    def __init__(self, path: Path) -> None:
        with translated(path):
            make_file(path)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            self._prepare()
        except sqlite3.DatabaseError:
            self._db.close()
            forget_index(path.parent)
            make_file(path)
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._prepare()

    def _prepare(self) -> None:
        execute = self._db.execute
        execute("PRAGMA synchronous = OFF")  # it can be made anew
        if execute("PRAGMA user_version").fetchone()[0] == VERSION:
            self._trigrams = "fts5" in str(execute("SELECT sql FROM sqlite_master WHERE name = 'texts'").fetchone())
            return
        execute("BEGIN IMMEDIATE")
        execute("CREATE TABLE seen (session TEXT PRIMARY KEY, seq INTEGER, hash TEXT, steps INTEGER)")
        execute(
            "CREATE TABLE places (id INTEGER PRIMARY KEY, session TEXT, seq INTEGER, time REAL, kind TEXT,"
            " step INTEGER, action TEXT)"
        )
        execute("CREATE INDEX of_session ON places (session)")
        execute("CREATE INDEX of_action ON places (action) WHERE action != ''")
        self._trigrams = True
        try:
            execute("CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize = 'trigram')")
        except sqlite3.OperationalError:
            # An SQLite without it: every text is looked at.
            self._trigrams = False
            execute("CREATE TABLE texts (rowid INTEGER PRIMARY KEY, text TEXT)")
        execute(f"PRAGMA user_version = {VERSION}")
        execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def update(self, store: Store, secrets: tuple[str, ...]) -> None:
        """Read what the log has got since the last search."""
        execute = self._db.execute
        there = store.heads()
        execute("BEGIN IMMEDIATE")
        seen = {row[0]: (row[1], row[2], row[3]) for row in execute("SELECT session, seq, hash, steps FROM seen")}
        for session in seen.keys() - there.keys():
            self._drop(session)
        for session, (size, chained) in there.items():
            seq, known, steps = seen.get(session, (0, "", 0))
            if (seq, known) == (size, chained):
                continue
            log = store.visit(session)
            if seq and log.hash_at(seq) != known:
                # Another log under the same id: a backup was put back, a session was removed and imported again.
                self._drop(session)
                seq, steps = 0, 0
            last, newest = seq, known
            try:
                for stored in log.events(seq + 1):
                    steps = self._add(stored.session, stored.seq, stored.time, stored.event, steps, secrets)
                    last, newest = stored.seq, stored.hash
            except StoreError:
                pass  # what cannot be read is left out; `audit verify` tells of it
            execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", (session, last, newest, steps))
        execute("COMMIT")

    def _add(self, session: str, seq: int, moment: float, event: Event, steps: int, secrets: tuple[str, ...]) -> int:
        if isinstance(event, ActionStarted) and not event.parent:
            steps += 1
            self._db.execute("UPDATE places SET step = ? WHERE action = ?", (steps, event.action))
        action = event.action.id if isinstance(event, ActionProposed) else ""
        if (text := searchable(event)) and text != ERASED:
            clean = redact(clean_text(text[:LONGEST]), secrets)
            cursor = self._db.execute(
                "INSERT INTO places (session, seq, time, kind, step, action) VALUES (?, ?, ?, ?, ?, ?)",
                (session, seq, moment, str(event.__struct_config__.tag), steps, action),
            )
            self._db.execute("INSERT INTO texts (rowid, text) VALUES (?, ?)", (cursor.lastrowid, clean))
        return steps

    def _drop(self, session: str) -> None:
        execute = self._db.execute
        execute("DELETE FROM texts WHERE rowid IN (SELECT id FROM places WHERE session = ?)", (session,))
        execute("DELETE FROM places WHERE session = ?", (session,))
        execute("DELETE FROM seen WHERE session = ?", (session,))

    def find(self, store: Store, words: Sequence[str], secrets: tuple[str, ...], most: int) -> Found:
        """Raises sqlite3.Error."""
        by_word = [self._with(word) for word in words]
        if not by_word:
            return Found((), 0)
        common = {session for _place, session in by_word[0]}
        for places in by_word[1:]:
            common &= {session for _place, session in places}
        order = [info.id for info in store.sessions() if info.id in common]
        counts: dict[str, dict[int, int]] = {session: {} for session in order[:most]}
        for places in by_word:
            for place, session in places:
                if session in counts:
                    counts[session][place] = counts[session].get(place, 0) + 1
        hits: list[Hit] = []
        for session, found in counts.items():
            best = sorted(found, key=lambda place: (-found[place], -place))[:MOST_HITS]
            hits += [self._hit(session, place, words, secrets) for place in sorted(best)]
        return Found(tuple(hits), len(order))

    def _with(self, word: str) -> list[tuple[int, str]]:
        """Places, with their sessions, whose text has the word."""
        if self._trigrams and len(word) >= SHORTEST:
            sql, value = "texts MATCH ?", '"' + word.replace('"', '""') + '"'
        else:
            sql, value = "text LIKE ? ESCAPE '\\'", f"%{escaped(word)}%"
        rows: list[Any] = self._db.execute(
            f"SELECT places.id, places.session FROM texts JOIN places ON places.id = texts.rowid WHERE {sql}", (value,)
        ).fetchall()
        return [(int(place), str(session)) for place, session in rows]

    def _hit(self, session: str, place: int, words: Sequence[str], secrets: tuple[str, ...]) -> Hit:
        seq, moment, kind, step, text = self._db.execute(
            "SELECT seq, time, kind, step, text FROM places JOIN texts ON texts.rowid = places.id WHERE places.id = ?",
            (place,),
        ).fetchone()
        # What is known as a secret now may not have been when this was read.
        excerpt, marks = excerpt_of(redact(str(text), secrets), words)
        return Hit(session=session, seq=seq, time=moment, kind=kind, step=step, text=excerpt, marks=marks)


def escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def excerpt_of(text: str, words: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The stretch around the first word, on one line, and where words stand in it."""
    flat = " ".join(text.split())
    low = flat.lower()
    low = low if len(low) == len(flat) else flat
    wanted = [" ".join(word.lower().split()) for word in words]
    first = min((at for word in wanted if (at := low.find(word)) >= 0), default=0)
    longest = max((len(word) for word in wanted), default=0)
    start = max(0, first - AROUND)
    stop = min(len(flat), first + longest + 2 * AROUND)
    before, after = "…" if start else "", "…" if stop < len(flat) else ""
    marks: list[tuple[int, int]] = []
    for word in wanted:
        at = low.find(word, start, stop) if word else -1
        while at >= 0:
            marks.append((at - start + len(before), at - start + len(before) + len(word)))
            at = low.find(word, at + len(word), stop)
    return before + flat[start:stop] + after, tuple(sorted(set(marks)))


def searchable(event: Event) -> str:
    """The text of an event that a person may look for."""
    match event:
        case TurnStarted() | NoteAdded():
            return event.text
        case ModelAnswered():
            return event.text if event.prose is None else event.prose
        case ActionProposed():
            return event.action.code
        case ApprovalResolved() if event.action is not None:
            return event.action.code
        case ActionFinished():
            return event.observation.text
        case TurnFinished() if event.reason != "done":
            return event.text
        case SessionNamed():
            return event.name
        case SessionTagged():
            return " ".join(event.added)
        case _:
            return ""
