"""A copy of the whole home in one file, consistent while sessions run, and verified before it counts.

The log is copied by SQLite's own backup, which sees one moment of it; then the files are copied that this copy names.
Every file is content that never changes once it has its name, so what is appended meanwhile does no harm.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import tempfile
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import LogDamaged, StoreError
from ..text.i18n import _
from .audit import verify
from .blobs import file_sha256
from .database import translated
from .home import LOG_NAME, make_private, reason_of
from .outfile import write_out
from .parcel import FOLDERS, names_in
from .seals import KEY_NAME, SEALS_NAME
from .store import Store

NAME = re.compile(r"interpreter-\d{8}-\d{6}(?:-\d+)?\.zip")
"""Of a backup in a folder of backups: what `keep` may remove."""
BESIDE = (SEALS_NAME, KEY_NAME, "policy.yaml")
TRIES = 3
"""How often it begins anew because a session was removed meanwhile."""


class Backup(NamedTuple):
    path: Path
    sessions: int
    size: int
    """Bytes of the file."""
    removed: tuple[Path, ...] = ()
    """Older backups that made room."""
    damaged: tuple[str, ...] = ()
    """Sessions that are not whole, in the home itself already: they are in the backup as they are."""


class Moved(Exception):
    """A session was removed while it was being copied."""


def backup(store: Store, target: Path, keep: int = 0, *, force: bool = False) -> Backup:
    """Copy everything into one file, verify the copy, and put it in its place.

    Args:
        target: a file; a folder: a new file in it, named by the moment.
        keep: of a folder: how many backups stay, the newest; 0: all of them.
        force: replace a file that is there.

    Raises UsageError where a file is there, StoreError where it cannot be read or written, LogDamaged where the copy is
    not what the home holds. The file that was there, and the older backups, are then as they were.
    """
    folder = target if target.is_dir() else None
    path = place_in(folder) if folder is not None else target
    found: list[tuple[int, tuple[str, ...]]] = []

    def fill(file: BinaryIO) -> None:
        for attempt in range(TRIES):
            try:
                file.seek(0)
                file.truncate()
                found.append(write_copy(store, file))
                return
            except Moved as error:
                if attempt == TRIES - 1:
                    raise StoreError(
                        _("Sessions were removed again and again while they were copied."),
                        _("Nothing was written. Make the backup when that is over."),
                    ) from error

    write_out(path, fill, force=force, private=True)
    removed: list[Path] = []
    if folder is not None and keep > 0:
        old = sorted(item for item in folder.iterdir() if NAME.fullmatch(item.name) and item != path)
        for item in old[: max(0, len(old) + 1 - keep)]:
            item.unlink(missing_ok=True)
            removed.append(item)
    sessions, damaged = found[-1]
    return Backup(path, sessions, path.stat().st_size, tuple(removed), damaged)


def place_in(folder: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path, number = folder / f"interpreter-{stamp}.zip", 1
    while path.exists():
        path, number = folder / f"interpreter-{stamp}-{number}.zip", number + 1
    return path


def write_copy(store: Store, out: BinaryIO) -> tuple[int, tuple[str, ...]]:
    """How many sessions there are, and which are not whole. Raises Moved, StoreError, LogDamaged."""
    before = {check.session for check in verify(store).sessions if not check.whole}
    with tempfile.TemporaryDirectory(prefix="backup-", dir=store.home) as place:
        copy = Path(place) / "home"
        make_private(copy)
        make_private(copy / "sessions")
        # The seals first: the log is then ahead of them, never behind.
        for name in BESIDE:
            if (store.home / name).is_file():
                shutil.copyfile(store.home / name, copy / name)
                (copy / name).chmod(0o600)
        copy_log(store.home / LOG_NAME, copy / LOG_NAME)
        with closing(zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=5)) as archive:
            with Store.open(copy) as copied:
                sessions = copied.sessions()
                for info in sessions:
                    for name, digest in copied.visit(info.id).blob_hashes():
                        add_blob(archive, store.folder(info.id), info.id, name, digest)
                    add_others(archive, store.folder(info.id), info.id)
                    if not store.folder(info.id).is_dir():
                        raise Moved
                damaged = tuple(check.session for check in verify(copied).sessions if not check.whole)
            if set(damaged) - before:
                raise Moved
            for name in (LOG_NAME, *BESIDE):
                if (copy / name).is_file():
                    add(archive, name, copy / name)
    check_zip(out)
    return len(sessions), damaged


def copy_log(source: Path, target: Path) -> None:
    """One moment of the log, whoever writes to it. Raises StoreError, LogDamaged."""
    with translated(source), closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=5.0)) as old:
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.close(descriptor)
        with closing(sqlite3.connect(target)) as new:
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
            if (told := new.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise LogDamaged(
                    _("The copy of the log is not whole: {reason}.", reason=told),
                    _("Nothing was written, and the log was left as it is: interpreter audit verify"),
                )


def add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.external_attr = (stat.S_IFREG | 0o600) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        with archive.open(info, "w", force_zip64=size > 1 << 30) as inside:
            shutil.copyfileobj(file, inside, 1 << 20)


def add_blob(archive: zipfile.ZipFile, folder: Path, session: str, name: str, digest: str) -> None:
    """A file that the log names, when it is what the log says; one that lies in the log as well may be missing."""
    path = folder / "blobs" / name
    try:
        if path.is_symlink() or file_sha256(path) != digest:
            return
        add(archive, f"sessions/{session}/blobs/{name}", path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            _("{path} cannot be read: {reason}.", path=path, reason=reason_of(error)), _("No backup was made.")
        ) from error


def add_others(archive: zipfile.ZipFile, folder: Path, session: str) -> None:
    """Rich results, segments of outputs and checkpoints: they have no row of their own."""
    there = {name for name in archive.namelist() if name.startswith(f"sessions/{session}/")}
    for inside in FOLDERS:
        for name in names_in(folder, inside):
            whole = f"sessions/{session}/{name}"
            wanted = inside != "blobs" or name.endswith(".idx")
            if wanted and whole not in there and not (folder / name).is_symlink():
                try:
                    add(archive, whole, folder / name)
                except FileNotFoundError:
                    continue  # an older checkpoint gave way to a newer one meanwhile


def check_zip(out: BinaryIO) -> None:
    """Read the copy once more from the first byte to the last. Raises LogDamaged."""
    out.flush()
    with zipfile.ZipFile(out) as archive:
        if (bad := archive.testzip()) is not None:
            raise LogDamaged(
                _("The copy of the log is not whole: {reason}.", reason=bad),
                _("Nothing was written, and the log was left as it is: interpreter audit verify"),
            )
