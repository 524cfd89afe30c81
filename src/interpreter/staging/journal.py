"""What a commit will do, written down as a whole before anything of it is done."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import StageError
from ..text.i18n import _
from ..types.base import Value
from ..types.staging import Change, Signature
from .changes import PIECE, Layer
from .names import folder_above, plain_file

OWN_BITS = 0o777
"""What a file may bring along. Bits that lend rights (setuid, setgid) come from nowhere but the person's own file."""


class Operation(Value):
    """One step, which does the same however often it is done."""

    do: Literal["unlink", "rmdir", "mkdir", "file", "link", "mode"]
    layer: int
    """Number of the layer."""
    path: bytes
    sha256: str = ""
    size: int = 0
    mode: int = 0
    modified: int = 0
    target: bytes = b""
    """Of a link."""
    old: Signature | None = None
    """What stood there when it was decided."""


class Journal(Value):
    commit: str
    stage: int
    """Number of the stage."""
    layers: tuple[Layer, ...]
    operations: tuple[Operation, ...]


def chosen(changes: Sequence[Change], paths: Sequence[str]) -> list[Change]:
    """What a commit takes: all that needs no second look, or what lies at or below `paths` (whole names).

    What holds a chosen one, and is missing, comes along. A folder goes only when all goes that was in it.
    Raises StageError for a path at which nothing changes.
    """
    named = [os.path.normpath(path) for path in paths]
    for path in named:
        if not any(_at(change.name, path) for change in changes):
            raise StageError(
                _("The stage changes nothing at {path}.", path=path), _("`interpreter stage` lists what it changes.")
            )
    taken = {change.name: change for change in changes if change.kind != "odd" and _wanted(change, named)}
    holding = {name for taken_name in taken for name in above(taken_name)}
    for change in changes:
        new = change.kind in ("added", "changed") and change.what == "folder"
        if new and change.warning != "conflict" and change.name in holding:
            taken[change.name] = change
    left = [change for change in changes if change.name not in taken]
    # What cannot go: a folder of which something stays, and whatever would take a folder's place.
    kept = {name for change in left if change.was for name in above(change.name)}
    staying = {change.name for change in left if change.was and change.was != "folder"}
    return [
        change
        for change in changes
        if change.name in taken
        and not (change.was == "folder" and change.kind in ("deleted", "changed") and change.name in kept)
        and not any(name in staying for name in above(change.name))
    ]


def _wanted(change: Change, named: Sequence[str]) -> bool:
    if not named:
        return not change.warning
    hits = [path for path in named if _at(change.name, path)]
    return any(not change.warning or path.startswith(f"{change.top}/") for path in hits)


def _at(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path.rstrip('/')}/")


def above(name: str) -> Iterable[str]:
    while (name := os.path.dirname(name)) != "/":
        yield name


def plan(layers: Sequence[Layer], changes: Iterable[Change], commit: str, stage: int) -> Journal:
    """Read every new content once, for its hash. Raises StageError when something has moved meanwhile; OSError."""
    tops = [layer.top for layer in layers]
    first: list[Operation] = []
    made: list[Operation] = []
    last: list[Operation] = []
    modes: list[Operation] = []
    changes = list(changes)
    replaced = {change.name for change in changes if change.was == "folder" and change.what in ("file", "link")}
    for change in changes:
        number = tops.index(change.top)
        path = os.fsencode(change.path)
        remove = Operation(do="rmdir" if change.was == "folder" else "unlink", layer=number, path=path, old=change.old)
        if change.kind == "deleted":
            early = not replaced.isdisjoint(above(change.name))
            (first if early else last).append(remove)
            continue
        if change.kind == "mode" and change.what == "folder":
            modes.append(
                Operation(do="mode", layer=number, path=path, mode=safe(change.mode, change.was_mode), old=change.old)
            )
            continue
        if change.was and "folder" in (change.what, change.was):
            first.append(remove)
        made.append(contents(layers[number], number, change))
        if change.what == "folder":
            modes.append(Operation(do="mode", layer=number, path=path, mode=safe(change.mode, 0)))
    return Journal(commit=commit, stage=stage, layers=tuple(layers), operations=(*first, *made, *last, *modes[::-1]))


def safe(mode: int, before: int) -> int:
    return mode & (OWN_BITS | before & 0o7000)


def contents(layer: Layer, number: int, change: Change) -> Operation:
    """The step that makes what the stage holds at a path."""
    mode = safe(change.mode, change.was_mode if change.was == change.what else 0)
    path = os.fsencode(change.path)
    if change.what == "folder":
        return Operation(do="mkdir", layer=number, path=path, mode=mode)
    with folder_above(layer.upper, change.path) as (above, name):
        if change.what == "link":
            target = os.fsencode(os.readlink(name, dir_fd=above))
            return Operation(do="link", layer=number, path=path, target=target, old=change.old)
        fd = plain_file(name, above)
        with open(fd, "rb", buffering=0) as file:
            digest = hashlib.sha256()
            while data := file.read(PIECE):
                digest.update(data)
            now = os.fstat(fd)
    if now.st_size != change.size or stat.S_IMODE(now.st_mode) != change.mode:
        raise StageError(
            _("{path} changed while it was read.", path=change.path), _("Nothing was committed. Try again.")
        )
    return Operation(
        do="file",
        layer=number,
        path=path,
        sha256=digest.hexdigest(),
        size=now.st_size,
        mode=mode,
        modified=now.st_mtime_ns,
        old=change.old,
    )


def write(journal: Journal, path: Path) -> str:
    """Put the journal on the disk; returns its hash. Raises OSError."""
    body = msgspec.json.encode(journal)
    write_durably(path, body)
    return hashlib.sha256(body).hexdigest()


def write_durably(path: Path, body: bytes) -> None:
    """A file is there as a whole or as it was before. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, path)
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: Path, sha256: str) -> Journal:
    """Raises StageError: it is not the journal that was decided on."""
    body = path.read_bytes()
    if hashlib.sha256(body).hexdigest() != sha256:
        raise StageError(
            _("The journal of a commit, {path}, is not what was decided.", path=path),
            _("Nothing more was changed. The stage is kept as it is."),
        )
    return msgspec.json.decode(body, type=Journal)
