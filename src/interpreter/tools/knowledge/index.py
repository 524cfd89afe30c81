"""The index: documents and their passages in one SQLite file of the tool's home, brought up to date before a search."""

from __future__ import annotations

import array
import math
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from operator import mul
from pathlib import Path
from typing import NamedTuple

from ...text.redact import PLAIN
from .folders import Seen, kind_of, look, read
from .grams import grams, query_of
from .passages import Pdf, Unreadable, passages_of
from .pdf import Later

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(
  id INTEGER PRIMARY KEY, folder TEXT, path TEXT, size INTEGER, changed INTEGER, number INTEGER, problem TEXT,
  UNIQUE(folder, path));
CREATE TABLE IF NOT EXISTS passages(
  id INTEGER PRIMARY KEY, document INTEGER, line INTEGER, heading TEXT, text TEXT);
CREATE INDEX IF NOT EXISTS of_document ON passages(document);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(heading, text, content='', tokenize='porter unicode61');
CREATE TABLE IF NOT EXISTS vectors(passage INTEGER, model TEXT, vector BLOB, PRIMARY KEY(passage, model));
"""
MOST_PASSAGES = 200_000
CANDIDATES = 60
SCANNED = 5000
"""Vectors that are compared one by one; with more of them, only those of what the words find."""


class Hit(NamedTuple):
    passage: int
    folder: str
    path: str
    line: int
    heading: str
    text: str


class Refreshed(NamedTuple):
    documents: int
    read: int
    """How many were new or changed."""
    problems: tuple[str, ...]
    """What could not be read, and why."""


class Index:
    """Not for use from two threads at once. Raises OSError, sqlite3.Error when it cannot be opened."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(file, timeout=20, isolation_level=None)
        file.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=WAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            # Everything in it can be made again.
            for name in ("words", "vectors", "passages", "documents"):
                self._db.execute(f"DROP TABLE IF EXISTS {name}")
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def close(self) -> None:
        self._db.close()

    def refresh(self, folders: Iterable[str], pdf: Pdf) -> Refreshed:
        """Read what is new or changed, forget what is gone; a folder that cannot be opened is told as a problem."""
        problems: list[str] = []
        count = fresh = later = 0
        wanted = list(dict.fromkeys(folders))
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._forget_others(wanted)
            for folder in wanted:
                known = {
                    row[0]: Seen(*row[:4]) for row in
                    self._db.execute("SELECT path, size, changed, number FROM documents WHERE folder=?", (folder,))
                }  # fmt: skip
                try:
                    seen = {one.path: one for one in look(folder)}
                except OSError as error:
                    problems.append(f"{folder}: {error.strerror or error}")
                    continue
                for path in known.keys() - seen.keys():
                    self._remove(folder, path)
                for path, one in seen.items():
                    if known.get(path) == one:
                        continue
                    try:
                        self._put(folder, one, pdf)
                        fresh += 1
                    except Later:
                        later += 1
                count += len(seen)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        rows = self._db.execute("SELECT folder, path, problem FROM documents WHERE problem<>'' LIMIT 5").fetchall()
        problems += [f"{path}: {problem}" for _folder, path, problem in rows]
        if later:
            problems.append(f"{later} documents for want of time; the next search goes on with them")
        return Refreshed(count, fresh, tuple(problems))

    def _forget_others(self, folders: Sequence[str]) -> None:
        marks = ",".join("?" * len(folders))
        query = f"SELECT folder, path FROM documents WHERE folder NOT IN ({marks})"
        for folder, path in self._db.execute(query, folders).fetchall():
            self._remove(folder, path)

    def _remove(self, folder: str, path: str) -> None:
        found = self._db.execute("SELECT id FROM documents WHERE folder=? AND path=?", (folder, path)).fetchone()
        if found is None:
            return
        rows = self._db.execute("SELECT id, heading, text FROM passages WHERE document=?", found).fetchall()
        for row, heading, text in rows:
            words = (row, *indexed(path, heading, text))
            self._db.execute("INSERT INTO words(words, rowid, heading, text) VALUES('delete', ?, ?, ?)", words)
            self._db.execute("DELETE FROM vectors WHERE passage=?", (row,))
        self._db.execute("DELETE FROM passages WHERE document=?", found)
        self._db.execute("DELETE FROM documents WHERE id=?", found)

    def _put(self, folder: str, one: Seen, pdf: Pdf) -> None:
        """Raises Later: what is known of it stays as it is."""
        problem, passages = "", []
        try:
            passages = passages_of(kind_of(one.path), read(folder, one.path), pdf)
        except (OSError, Unreadable) as error:
            problem = str(error)[:200]
        self._remove(folder, one.path)
        row = self._db.execute(
            "INSERT INTO documents(folder, path, size, changed, number, problem) VALUES(?, ?, ?, ?, ?, ?)",
            (folder, *one, problem),
        ).lastrowid
        held = self._db.execute("SELECT count(*) FROM passages").fetchone()[0] if len(passages) else 0
        for passage in passages[: max(0, MOST_PASSAGES - held)]:
            # A secret in a runbook stays in the runbook.
            heading, text = PLAIN.sure(passage.heading), PLAIN.sure(passage.text)
            number = self._db.execute(
                "INSERT INTO passages(document, line, heading, text) VALUES(?, ?, ?, ?)",
                (row, passage.line, heading, text),
            ).lastrowid
            words = (number, *indexed(one.path, heading, text))
            self._db.execute("INSERT INTO words(rowid, heading, text) VALUES(?, ?, ?)", words)

    def by_words(self, query: str, most: int = CANDIDATES) -> list[int]:
        """Passages that hold words of the query, the best first; a heading counts three times."""
        expression = query_of(query)
        if not expression:
            return []
        rows = self._db.execute(
            "SELECT rowid FROM words WHERE words MATCH ? ORDER BY bm25(words, 3.0, 1.0) LIMIT ?", (expression, most)
        )
        return [row[0] for row in rows]

    def without_vector(self, model: str, most: int) -> list[tuple[int, str]]:
        """Passages that have no vector of this model yet, with what is to be embedded."""
        rows = self._db.execute(
            "SELECT p.id, p.heading, p.text FROM passages p LEFT JOIN vectors v ON v.passage=p.id AND v.model=?"
            " WHERE v.passage IS NULL ORDER BY p.id LIMIT ?",
            (model, most),
        )
        return [(row[0], f"{row[1]}\n{row[2]}".strip()) for row in rows]

    def put_vectors(self, model: str, vectors: Iterable[tuple[int, Sequence[float]]]) -> None:
        rows = [(passage, model, packed(vector)) for passage, vector in vectors]
        self._db.executemany("INSERT OR REPLACE INTO vectors VALUES(?, ?, ?)", rows)

    def by_vector(self, model: str, wanted: Sequence[float], among: Sequence[int]) -> list[int]:
        """Passages near the wanted vector, the nearest first; of very many, only those among what words have found."""
        total = self._db.execute("SELECT count(*) FROM vectors WHERE model=?", (model,)).fetchone()[0]
        query = "SELECT passage, vector FROM vectors WHERE model=?"
        if total > SCANNED:
            query += f" AND passage IN ({','.join(str(int(one)) for one in among) or '0'})"
        aim = unit(wanted)
        scored: list[tuple[float, int]] = []
        with closing(self._db.execute(query, (model,))) as rows:
            for passage, blob in rows:
                vector = array.array("f", blob)
                if len(vector) == len(aim):
                    scored.append((sum(map(mul, vector, aim)), passage))
        return [passage for _score, passage in sorted(scored, reverse=True)[:CANDIDATES]]

    def hits(self, passages: Iterable[int]) -> list[Hit]:
        found: list[Hit] = []
        for passage in passages:
            row = self._db.execute(
                "SELECT p.id, d.folder, d.path, p.line, p.heading, p.text FROM passages p"
                " JOIN documents d ON d.id=p.document WHERE p.id=?",
                (passage,),
            ).fetchone()
            if row is not None:
                found.append(Hit(*row))
        return found


def indexed(path: str, heading: str, text: str) -> tuple[str, str]:
    """What the full-text index holds of a passage. The path counts like a heading: it often says what it is about."""
    return " ".join(grams(f"{heading} {path}")), " ".join(grams(text))


def unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(map(mul, vector, vector))) or 1.0
    return [one / length for one in vector]


def packed(vector: Sequence[float]) -> bytes:
    return array.array("f", unit(vector)).tobytes()


def fused(*ranks: Sequence[int]) -> list[int]:
    """Several orders as one: what stands high in any of them stands high."""
    points: dict[int, float] = {}
    for order in ranks:
        for place, one in enumerate(order):
            points[one] = points.get(one, 0.0) + 1.0 / (30 + place)
    return sorted(points, key=lambda one: -points[one])
