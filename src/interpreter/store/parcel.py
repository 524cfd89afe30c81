"""A session as one file, to be opened on another machine: its events with their chain, its outputs, its checkpoints.

A zip: `events.jsonl` (a row of the log a line, bodies exact), the session's files under their names, and
`manifest.json`, which names each of them with size and hash. What reads it is `unparcel`.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from ..text.redact import Redactor, redact, redact_all
from ..types.base import Value, to_json
from ..types.events import ActionFinished
from . import records
from .log import Row, SessionLog

FORMAT = "reinterpreter-session/1"
EVENTS, MANIFEST = "events.jsonl", "manifest.json"
PIECE = 1 << 20
NAME = re.compile(r"(?:blobs|run/outputs|checkpoints(?:/[A-Za-z0-9][\w-]{0,63})?)/[A-Za-z0-9][\w.-]{0,199}", re.ASCII)
"""Names of files in a session; none of them leads out of it."""
LARGEST_CLEANED = 64 << 20
"""Bytes of a file that is looked through for secrets."""
FOLDERS = ("blobs", "run/outputs", "checkpoints")


class Entry(Value):
    name: str
    size: int
    sha256: str


class Manifest(Value):
    format: str
    session: str
    workspace: str
    created: float
    """Unix seconds."""
    events: int
    head: str
    """Hash of the last event, in hexadecimal."""
    files: tuple[Entry, ...]
    version: str = ""
    redacted: bool = False
    without: tuple[str, ...] = ()
    """`outputs`, `checkpoints`: left out as it was asked for."""
    missing: tuple[str, ...] = ()
    """Files that the session no longer had, or that hold secrets and were left out."""


class Wanted(NamedTuple):
    """What of a session is taken along."""

    outputs: bool = True
    checkpoints: bool = True
    redacted: bool = False
    """Without secrets: to be read and shown. The chain is then a new one, and the code may say `[redacted]`."""


def write_parcel(log: SessionLog, created: float, out: BinaryIO, wanted: Wanted, secrets: tuple[str, ...]) -> Manifest:
    """Write a session as it is now; what is appended meanwhile is not part of it.

    Args:
        secrets: known values, for a redacted one.

    Raises StoreError, LogDamaged, OSError.
    """
    writer = Writer(zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=5))
    keep = cleanness(secrets) if wanted.redacted else None
    lines = Lines(log, secrets if wanted.redacted else None)
    writer.add(EVENTS, lines.pieces())
    for folder in FOLDERS:
        if (folder == "checkpoints" and (wanted.redacted or not wanted.checkpoints)) or (
            folder != "checkpoints" and not wanted.outputs
        ):
            continue
        for name in names_in(log.folder, folder):
            if folder == "run/outputs" and name.rsplit("/", 1)[-1] not in lines.shown:
                continue
            writer.add_file(log.folder, name, keep)
    if wanted.outputs:
        for name, data in log.small_blobs():
            if f"blobs/{name}" not in writer.names and (keep is None or keep(data)):
                writer.add(f"blobs/{name}", iter((data,)))
    kinds = (("outputs", wanted.outputs), ("checkpoints", wanted.checkpoints and not wanted.redacted))
    manifest = Manifest(
        format=FORMAT, session=log.id, workspace=log.workspace, created=created, events=lines.count,
        head=lines.head.hex(), files=tuple(writer.entries), version=lines.version, redacted=wanted.redacted,
        without=tuple(name for name, taken in kinds if not taken), missing=tuple(writer.missing),
    )  # fmt: skip
    writer.finish(to_json(manifest))
    return manifest


class Lines:
    """The rows of a log as lines; what they add up to is known when they have been read."""

    def __init__(self, log: SessionLog, secrets: tuple[str, ...] | None) -> None:
        self._log, self._secrets = log, secrets
        self._last = log.size
        self.head = records.genesis(log.id)
        self.count = 0
        self.version = ""
        self.shown: set[str] = set()
        """Names of files that rich results lie in."""

    def pieces(self) -> Iterator[bytes]:
        for given in self._log.rows(self._last):
            row = given if self._secrets is None else self._redacted(given)
            self.head, self.count = row.hash, row.seq
            self._note(row)
            fields = {
                "seq": row.seq, "time": row.time, "type": row.type,
                "body": row.body.decode() if row.body is not None else None,
                "sha256": row.digest.hex(), "hash": row.hash.hex(),
            }  # fmt: skip
            yield json.dumps(fields, ensure_ascii=False).encode() + b"\n"

    def _note(self, row: Row) -> None:
        if row.type == "action_finished" and row.body is not None:
            event = records.decode(self._log.id, row.seq, row.time, row.type, row.body, None).event
            if isinstance(event, ActionFinished) and event.completion is not None:
                self.shown |= {display.path.rsplit("/", 1)[-1] for display in event.completion.displays}
        elif row.type == "session_started" and row.body is not None:
            self.version = str(msgspec.json.decode(row.body).get("version", ""))

    def _redacted(self, row: Row) -> Row:
        if row.body is None:
            body, digest = None, row.digest
        else:
            body = to_json(redact_all(msgspec.json.decode(row.body), self._secrets or ()))
            digest = sha256(body).digest()
        return Row(row.seq, row.time, row.type, body, digest,
                   records.link(self.head, row.seq, row.time, row.type, digest))  # fmt: skip


class Writer:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.entries: list[Entry] = []
        self.missing: list[str] = []
        self.names: set[str] = set()

    def add(self, name: str, pieces: Iterator[bytes], size: int = 0) -> None:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        digest, count = sha256(), 0
        with self._archive.open(info, "w", force_zip64=size > 1 << 30 or name == EVENTS) as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                count += len(piece)
        self.entries.append(Entry(name=name, size=count, sha256=digest.hexdigest()))
        self.names.add(name)

    def add_file(self, folder: Path, name: str, keep: Callable[[bytes], bool] | None) -> None:
        try:
            descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            self.missing.append(name)
            return
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                return
            if keep is not None:
                # Too large to be looked through is as good as not clean.
                if facts.st_size > LARGEST_CLEANED or not keep(file.read()):
                    self.missing.append(name)
                    return
                file.seek(0)
            self.add(name, iter(lambda: file.read(PIECE), b""), facts.st_size)

    def finish(self, manifest: bytes) -> None:
        info = zipfile.ZipInfo(MANIFEST)
        info.external_attr = (stat.S_IFREG | 0o600) << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        self._archive.writestr(info, manifest)
        self._archive.close()


def names_in(folder: Path, inside: str) -> list[str]:
    """Names of the files below one folder of a session, in order."""
    found: list[str] = []
    for place, folders, files in os.walk(folder / inside):
        folders.sort()
        here = Path(place).relative_to(folder).as_posix()
        found += [f"{here}/{name}" for name in sorted(files) if NAME.fullmatch(f"{here}/{name}")]
    return [name for name in found if not name.endswith((".masked", ".part"))]


def cleanness(secrets: tuple[str, ...]) -> Callable[[bytes], bool]:
    """Tells of a file's bytes whether nothing in them looks like a secret."""
    redactor = Redactor(secrets)

    def clean(data: bytes) -> bool:
        if redactor.mask(data) != data:
            return False
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return True
        return redact(text, secrets) == text

    return clean
