"""A session's files, named by the SHA-256 of what is in them.

Small ones also lie in the log itself: the commit of the completion that names them makes them durable, with no
further wait for the disk, and a file that a loss of power took is written again from there. Large ones are synced.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from ..errors import LogDamaged, StoreError
from ..text.i18n import _
from ..types.actions import OutputRef
from .database import Database
from .home import make_private, reason_of
from .masking import Masks, copy_masked, file_holds_known

INLINE = 1 << 16
"""Bytes up to which a blob also lies in the log."""
PIECE = 1 << 20
ALIAS = ".masked"
"""Suffix of a file that says under which name an output lies from which secrets were taken."""


class Blobs:
    """The blobs of one session. Usable from any thread; large blobs wait for the disk."""

    def __init__(self, database: Database, key: int, folder: Callable[[], Path], masks: Masks | None = None) -> None:
        self._masks = masks
        self._database = database
        self._key = key
        self._folder = folder

    def put_bytes(self, data: bytes, suffix: str) -> OutputRef:
        digest = sha256(data).hexdigest()
        target = self._folder() / f"{digest}{suffix}"
        with told(target):
            if not (target.exists() and target.stat().st_size == len(data)):
                write_whole(target, data, durable=len(data) > INLINE)
        self._record(target, digest, data if len(data) <= INLINE else None, None, len(data))
        return OutputRef(path=str(target), size=len(data), sha256=digest)

    def put_file(self, source: Path, digest: str) -> OutputRef:
        """Move a finished file, and the segments beside it, into the session. May be called again after a crash."""
        folder = self._folder()
        with told(source):
            facts = facts_of(source)
            if facts is None:
                return self._again(folder, source, digest)
            segments = source.with_suffix(".idx")
            if facts.st_size == 0:
                segments.unlink(missing_ok=True)
                source.unlink()
                return OutputRef(size=0, sha256=sha256(b"").hexdigest())
            data = source.read_bytes() if facts.st_size <= INLINE else None
            found = sha256(data).hexdigest() if data is not None else digest or file_sha256(source)
            if digest and found != digest:
                raise StoreError(
                    _("The output file {path} is not what was announced (its hash differs).", path=source),
                    _("It was left where it is."),
                )
            index = segments.read_bytes() if facts_of(segments) is not None else None
            if (masked := self._masked(folder, source, found, data, index)) is not None:
                return masked
            target = free_place(folder, found, source.suffix, facts.st_size, index)
            if data is None:
                sync_file(source)
            move_beside(segments, target.with_suffix(".idx"), index, durable=data is None)
            move(source, target)
            if data is None:
                sync_folder(folder)
        self._record_or_sync(target, found, data, index, facts.st_size)
        return OutputRef(path=str(target), size=facts.st_size, sha256=found)

    def _masked(
        self, folder: Path, source: Path, digest: str, data: bytes | None, index: bytes | None
    ) -> OutputRef | None:
        """Keep a copy without secrets instead of the file; None where there are none in it.

        Small outputs are searched for known values and unmistakable forms, large ones for known values alone.
        """
        if self._masks is None or source.suffix != ".out":
            return None
        partial = folder / f"{digest}.{os.getpid()}.part"
        if data is not None:
            if (clean := self._masks.mask(data)) == data:
                return None
            write_whole(partial, clean, durable=False)
            data, found = clean, sha256(clean).hexdigest()
        else:
            if not file_holds_known(source, self._masks):
                return None
            found = copy_masked(source, partial, self._masks)
        size = partial.stat().st_size
        target = free_place(folder, found, source.suffix, size, index)
        partial.replace(target)
        # The keeper knows the file by its first hash: after a crash it is found again by that.
        write_whole(folder / f"{digest}{ALIAS}", target.name.encode(), durable=data is None)
        segments = source.with_suffix(".idx")
        move_beside(segments, target.with_suffix(".idx"), index, durable=data is None)
        source.unlink()
        if data is None:
            sync_folder(folder)
        self._record_or_sync(target, found, data, index, size)
        return OutputRef(path=str(target), size=size, sha256=found)

    def _again(self, folder: Path, source: Path, digest: str) -> OutputRef:
        """The file is gone: perhaps it was moved, and the program died before it could say so."""
        target = folder / f"{digest}{source.suffix}"
        alias = folder / f"{digest}{ALIAS}"
        if digest and facts_of(alias) is not None:
            target = folder / alias.read_text()
            digest = file_sha256(target) if facts_of(target) is not None else digest
        facts = facts_of(target) if digest else None
        if facts is None:
            raise StoreError(
                _("The output file {path} is gone.", path=source),
                _("The session is kept; only this output is lost."),
            )
        data = target.read_bytes() if facts.st_size <= INLINE else None
        segments = target.with_suffix(".idx")
        self._record(target, digest, data, segments.read_bytes() if segments.exists() else None, facts.st_size)
        return OutputRef(path=str(target), size=facts.st_size, sha256=digest)

    def _record(self, target: Path, digest: str, data: bytes | None, index: bytes | None, size: int) -> None:
        if index is not None and len(index) > INLINE:
            index = None
        with self._database.transaction(full=False) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO blobs (session, name, sha256, size, data, segments) VALUES (?, ?, ?, ?, ?, ?)",
                (self._key, target.name, digest, size, data, index),
            )

    def _record_or_sync(self, target: Path, digest: str, data: bytes | None, index: bytes | None, size: int) -> None:
        """The file has been moved: where the log cannot take its copy (a full disk), the file itself has to last."""
        try:
            self._record(target, digest, data, index, size)
        except StoreError:
            with told(target):
                sync_file(target)
                sync_folder(target.parent)

    def restore(self) -> int:
        """Write small files again that a loss of power took; how many."""
        restored = 0
        folder = self._folder()
        with told(folder):
            make_private(folder)
        rows = self._database.query(
            "SELECT name, sha256, data, segments FROM blobs WHERE session = ? AND data IS NOT NULL", (self._key,)
        )
        for name, digest, data, segments in rows:
            target = folder / name
            with told(target):
                if facts_of(target) is None or sha256(target.read_bytes()).hexdigest() != digest:
                    write_whole(target, data, durable=False)
                    restored += 1
                index = target.with_suffix(".idx")
                if segments is not None and (facts_of(index) is None or index.read_bytes() != segments):
                    write_whole(index, segments, durable=False)
        return restored

    def read(self, ref: OutputRef, offset: int, length: int | None) -> bytes:
        """Bytes of a blob; also when the home was moved since the path was written."""
        path = Path(ref.path)
        if facts_of(path) is None:
            path = self._folder() / path.name
        facts = facts_of(path)
        # A loss of power can leave the name and take the content: such a file counts as missing.
        if facts is not None and facts.st_size >= ref.size:
            with told(path), path.open("rb") as file:
                file.seek(offset)
                return file.read() if length is None else file.read(length)
        rows = self._database.query(
            "SELECT data FROM blobs WHERE session = ? AND sha256 = ? AND data IS NOT NULL", (self._key, ref.sha256)
        )
        if not rows:
            raise LogDamaged(
                _("The output file {path} is missing.", path=ref.path),
                _("The session is kept; only this output is lost."),
            )
        data = bytes(rows[0][0])
        return data[offset:] if length is None else data[offset : offset + length]


def told(path: Path) -> Told:
    return Told(path)


class Told:
    """The seam for errors of the file system."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(
                _("{path} cannot be kept or read: {reason}.", path=self._path, reason=reason_of(error)),
                _("Everything logged so far is kept. Check the space and the rights, then resume the session."),
            ) from error


def facts_of(path: Path) -> os.stat_result | None:
    """Of a regular file, links not followed; None for anything else."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return facts if stat.S_ISREG(facts.st_mode) else None


def file_sha256(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def free_place(folder: Path, digest: str, suffix: str, size: int, index: bytes | None) -> Path:
    """Where a file of this content and these segments lies or may lie: the same bytes may have come otherwise."""
    number = 0
    while True:
        target = folder / (f"{digest}-{number}{suffix}" if number else f"{digest}{suffix}")
        facts = facts_of(target)
        if facts is None:
            return target
        there = target.with_suffix(".idx")
        if facts.st_size == size and (there.read_bytes() if facts_of(there) is not None else None) == index:
            return target
        number += 1


def move_beside(source: Path, target: Path, data: bytes | None, *, durable: bool) -> None:
    if data is None:
        return
    if durable:
        sync_file(source)
    move(source, target)


def move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = target.with_name(target.name + ".part")
        with source.open("rb") as old, partial.open("wb") as new:
            while piece := old.read(PIECE):
                new.write(piece)
            new.flush()
            os.fsync(new.fileno())
        partial.replace(target)
        source.unlink()
    target.chmod(0o600)


def write_whole(target: Path, data: bytes, *, durable: bool) -> None:
    """All of it or nothing under that name."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(target.parent)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
