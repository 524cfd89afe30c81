"""Taking in a session that was exported as one file. Everything is checked before anything is written; nothing is run.

The file may come from anybody: sizes are bounded, names are those of a session's files and no others, links and
duplicates are refused, and every hash and the chain must hold.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import ConfigError, LogDamaged, SessionUnknown, StoreError, UsageError
from ..text.cut import human_size
from ..text.i18n import _
from ..types.base import from_json
from ..types.events import LIVE, CheckpointSaved, SessionImported, SessionStarted, event_name
from . import records
from .blobs import sync_folder
from .home import LOCK_NAME, empty, make_private, reason_of
from .log import Row
from .loose import Loose
from .parcel import EVENTS, FORMAT, MANIFEST, NAME, PIECE, Manifest
from .store import SESSION_ID, Store
from .who import who

LARGEST = 4 << 30
"""Bytes that a session may have when it is unpacked, unless more is allowed."""
LARGEST_MANIFEST = 64 << 20
LONGEST_LINE = 64 << 20
MOST_FILES = 200_000
LATEST = 1e11
"""Seconds since 1970, thousands of years from now."""
BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)
"""What unpacking says of a part that is damaged."""
SPARE = 64 << 20
"""Bytes that stay free on the disk."""


class Imported(NamedTuple):
    session: str
    new: bool
    """False: it was here already, with the same content."""
    events: int
    redacted: bool
    checkpoints: bool
    """Whether it has checkpoints now."""
    left: bool
    """Whether the file holds checkpoints that were not taken."""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: int
    time: int
    type: str
    sha256: str
    hash: str
    body: str | None = None


def read_parcel(
    store: Store, path: Path, workspace: Path, *, checkpoints: bool = False, largest: int = LARGEST
) -> Imported:
    """Take in a session.

    Args:
        workspace: the folder in which it goes on here.
        checkpoints: take its saved variables along: loading them runs, inside the walls, what their maker put there.
        largest: bytes that it may have when it is unpacked.

    Raises:
        ConfigError: there is no such file, or it is no session.
        LogDamaged: it is damaged, was changed, or is not what it says.
        UsageError: another session has its id; it is too large.
        StoreError: it cannot be read, or the log cannot be written.
    """
    with opened(path) as archive:
        parcel = Parcel(archive, path)
        parcel.check(largest)
        manifest = parcel.manifest
        has = any(entry.name.startswith("checkpoints/") for entry in manifest.files)
        took = Imported(
            manifest.session, True, manifest.events, manifest.redacted, has and checkpoints, has and not checkpoints
        )
        if is_here(store, manifest):
            return took._replace(new=False, checkpoints=False, left=False)
        room = shutil.disk_usage(store.home).free - SPARE
        if (size := parcel.size(checkpoints)) > room:
            raise StoreError(
                _("There is not enough room for this session: it has {size}, free are {free}.", size=human_size(size),
                  free=human_size(max(room, 0))),
                _("Nothing was imported. Free some space, then try again."),
            )  # fmt: skip
        mark = SessionImported(
            source=path.name,
            head=manifest.head,
            workspace=str(workspace),
            redacted=manifest.redacted,
            **who()._asdict(),
        )
        log = store.adopt(
            manifest.session, workspace, manifest.created, lambda folder: parcel.put(folder, checkpoints),
            parcel.rows(), (*parcel.loose.ends(), mark),
        )  # fmt: skip
        log.close()
        return took


@contextmanager
def opened(path: Path) -> Generator[zipfile.ZipFile]:
    hint = _("Nothing was imported. `interpreter sessions export --format session` makes such a file.")
    try:
        if not path.is_file():
            raise ConfigError(_("There is no file {path}.", path=path), hint)
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ConfigError(_("{path} is no session: {reason}.", path=path, reason=error), hint) from error
    except OSError as error:
        raise StoreError(_("{path} cannot be read: {reason}.", path=path, reason=reason_of(error)), hint) from error


def is_here(store: Store, manifest: Manifest) -> bool:
    """Whether this very session is in the log. Raises UsageError where another one has its id."""
    try:
        log = store.visit(manifest.session)
    except SessionUnknown:
        return False
    if log.hash_at(manifest.events) == manifest.head:
        return True
    raise UsageError(
        _("There is another session {id} here already: it is an older or a newer state, or was changed.",
          id=manifest.session),
        _("Nothing was imported. Remove that one first (interpreter sessions rm {id}), or import into another home.",
          id=manifest.session),
    )  # fmt: skip


class Parcel:
    """A file that claims to be a session."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self._path = archive, path
        self._infos = {info.filename: info for info in archive.infolist()}
        self.manifest = self._manifest()
        self.loose = Loose()
        """What it leaves open; known when it has been checked."""
        self._entries = {entry.name: entry for entry in self.manifest.files}

    def _bad(self, reason: str) -> LogDamaged:
        return LogDamaged(
            _("{path} is damaged or was changed: {reason}.", path=self._path, reason=reason),
            _("Nothing was imported. Export the session again, or get the file again."),
        )

    def _manifest(self) -> Manifest:
        info = self._infos.get(MANIFEST)
        if info is None:
            raise ConfigError(
                _("{path} is no session: it has no {name}.", path=self._path, name=MANIFEST),
                _("Nothing was imported. `interpreter sessions export --format session` makes such a file."),
            )
        if not is_bounded(info):
            raise self._bad(_("its list of files cannot be read"))
        if info.file_size > LARGEST_MANIFEST:
            raise self._bad(_("its list of files is too large"))
        try:
            with self._archive.open(info) as file:
                data = file.read(LARGEST_MANIFEST)
            if not (form := str(msgspec.json.decode(data).get("format", ""))).startswith(FORMAT.partition("/")[0]):
                raise self._bad(_("its list of files cannot be read"))
            if form != FORMAT:
                raise ConfigError(
                    _("{path} was made by a newer version of this program ({form}).", path=self._path, form=form),
                    _("Nothing was imported. Install the newer version."),
                )
            manifest: Manifest = from_json(data, Manifest)
        except (*BROKEN, AttributeError) as error:
            raise self._bad(_("its list of files cannot be read")) from error
        if not SESSION_ID.fullmatch(manifest.session) or manifest.events < 1 or not 0 <= manifest.created <= LATEST:
            raise self._bad(_("it names no session"))
        return manifest

    def check(self, largest: int) -> None:
        """Everything, before anything is written. Raises LogDamaged, UsageError."""
        self._check_names()
        total = sum(entry.size for entry in self.manifest.files)
        if total > largest:
            raise UsageError(
                _("{path} is too large: {size} when it is unpacked, at most {most}.", path=self._path,
                  size=human_size(total), most=human_size(largest)),
                _("Nothing was imported. If you trust it: --largest {size}", size=f"{(total >> 20) + 1}M"),
            )  # fmt: skip
        for entry in self.manifest.files:
            for _piece in self._pieces(entry.name):
                pass
        self._check_chain()

    def _check_names(self) -> None:
        infos = self._archive.infolist()
        names = [info.filename for info in infos]
        listed = [entry.name for entry in self.manifest.files]
        if len(names) > MOST_FILES or len(set(names)) != len(names):
            raise self._bad(_("it has too many files, or one twice"))
        if sorted(names) != sorted([*listed, MANIFEST]) or EVENTS not in listed:
            raise self._bad(_("its list of files is not what it holds"))
        end = 0
        for info in sorted(infos, key=lambda info: info.header_offset):
            mode = info.external_attr >> 16
            plain = stat.S_IFMT(mode) in (0, stat.S_IFREG)
            known = info.filename in (EVENTS, MANIFEST) or NAME.fullmatch(info.filename) is not None
            if not (plain and known):
                raise self._bad(_("it holds {name}, which is no file of a session", name=repr(info.filename)[:120]))
            if not is_bounded(info) or info.header_offset < end:
                raise self._bad(_("its parts lie over each other"))
            if info.filename != MANIFEST and info.file_size != self._entries[info.filename].size:
                raise self._bad(_("{name} has another size than is told", name=info.filename))
            end = info.header_offset + info.compress_size

    def _pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a part, at most as many as are told; raises LogDamaged at the end where the hash is another."""
        entry = self._entries[name]
        digest, left = sha256(), entry.size
        try:
            with self._archive.open(name) as file:
                while piece := file.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        break
                    digest.update(piece)
                    yield piece
        except BROKEN as error:
            raise self._bad(_("{name} cannot be unpacked", name=name)) from error
        if left or digest.hexdigest() != entry.sha256:
            raise self._bad(_("{name} does not fit its hash", name=name))

    def rows(self) -> Iterator[Row]:
        rest = b""
        for piece in self._pieces(EVENTS):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise self._bad(_("an event is too large"))
            for line in lines:
                yield self._row(line)
        if rest:
            raise self._bad(_("its last event was cut off"))

    def _row(self, line: bytes) -> Row:
        try:
            found: Line = from_json(line, Line)
            body = found.body.encode() if found.body is not None else None
            return Row(found.seq, found.time, found.type, body, bytes.fromhex(found.sha256), bytes.fromhex(found.hash))
        except ValueError as error:
            raise self._bad(_("an event cannot be read")) from error

    def _check_chain(self) -> None:
        session = self.manifest.session
        before, count = records.genesis(session), 0
        for row in self.rows():
            count += 1
            problem = records.misfit(before, count, *row)
            if problem or len(row.hash) != 32 or abs(row.time) > 1 << 60:
                raise self._bad(_("event {seq} does not follow the one before it", seq=count))
            if row.body is not None:
                self._check_event(row)
            before = row.hash
        if (count, before.hex()) != (self.manifest.events, self.manifest.head):
            raise self._bad(_("its end was cut off"))

    def _check_event(self, row: Row) -> None:
        session = self.manifest.session
        try:
            event = records.decode(session, row.seq, row.time, row.type, row.body, row.hash).event
        except (LogDamaged, RecursionError) as error:
            raise self._bad(_("event {seq} is not what it says", seq=row.seq)) from error
        except StoreError as error:
            raise StoreError(error.message, _("Nothing was imported. Install the newer version.")) from error
        honest = not isinstance(event, CheckpointSaved) or re.fullmatch(r"[0-9a-f]{64}", event.manifest) is not None
        if event_name(event) != row.type or isinstance(event, LIVE) or not honest:
            raise self._bad(_("event {seq} is not what it says", seq=row.seq))
        if isinstance(event, SessionStarted) and event.session != session:
            raise self._bad(_("event {seq} is of another session", seq=row.seq))
        self.loose.apply(event)

    def size(self, checkpoints: bool) -> int:
        return sum(entry.size for entry in self.manifest.files if checkpoints or not is_checkpoint(entry.name))

    def put(self, folder: Path, checkpoints: bool) -> None:
        """Write the files into the session's folder, on the disk when this returns. Raises LogDamaged, StoreError."""
        places: set[Path] = set()
        try:
            # What another try had written when it was killed: the log knows nothing of it.
            empty(folder, LOCK_NAME)
            for entry in self.manifest.files:
                if entry.name == EVENTS or (is_checkpoint(entry.name) and not checkpoints):
                    continue
                target = folder / entry.name
                for parent in reversed(target.relative_to(folder).parents):
                    make_private(folder / parent)
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
                    for piece in self._pieces(entry.name):
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                places.add(target.parent)
            for place in places:
                sync_folder(place)
        except OSError as error:
            raise StoreError(
                _("The session's files cannot be written to {path}: {reason}.", path=folder, reason=reason_of(error)),
                _("Nothing was imported. Check the space and the rights, then try again."),
            ) from error


def is_bounded(info: zipfile.ZipInfo) -> bool:
    """Whether no more of it is unpacked at a time than is asked for: its size is only what the file claims."""
    return info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not info.flag_bits & 0x41


def is_checkpoint(name: str) -> bool:
    return name.startswith("checkpoints/")
