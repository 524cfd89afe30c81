"""Checkpoints that lie on the disk, as their manifests tell of them. No blob is ever opened here."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..text.clean import clean_text
from ..types.base import Value
from ..types.events import Unsaved
from .checkpoints import named

LARGEST = 32 << 20


class Group(Value):
    names: tuple[str, ...]


class Written(Value):
    """A manifest as the keeper writes it, as far as it is needed here."""

    version: int
    language: str
    kernel: str
    execution: str
    time: float
    groups: tuple[Group, ...]
    blobs: dict[str, int]
    unsaved: tuple[Unsaved, ...] = ()


class Manifest(Value):
    """One checkpoint. Names and what is unsaved are claims of a kernel, with their words cleaned."""

    sha256: str
    language: str
    kernel: str
    execution: str
    time: float
    size: int
    names: tuple[str, ...]
    unsaved: tuple[Unsaved, ...]


def manifests(folder: str | Path) -> Iterator[Manifest]:
    """Those whose manifest is as it was written and whose blobs are there, the newest first; no others."""
    found: list[tuple[float, str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    except OSError:
        return
    for _time, name in sorted(found, reverse=True):
        manifest = read_manifest(folder, name.removesuffix(".json"))
        if manifest is not None:
            yield manifest


def read_manifest(folder: str | Path, sha256: str) -> Manifest | None:
    """The manifest of that hash; None where it is not whole."""
    try:
        fd = os.open(Path(folder) / f"{sha256}.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None
            data = file.read(LARGEST)
        if hashlib.sha256(data).hexdigest() != sha256:
            return None
        written = msgspec.json.decode(data, type=Written)
    except (OSError, ValueError):
        return None
    if written.version != 1 or not all(_there(folder, blob, size) for blob, size in written.blobs.items()):
        return None
    names = (clean_text(name) for group in written.groups for name in group.names)
    return Manifest(
        sha256=sha256,
        language=written.language,
        kernel=written.kernel,
        execution=written.execution,
        size=sum(written.blobs.values()),
        time=written.time,
        names=tuple(sorted(name for name in names if name != "builtins._")),
        unsaved=named(msgspec.to_builtins(written.unsaved)),
    )


def _there(folder: str | Path, blob: str, size: int) -> bool:
    if not blob.isalnum():
        return False
    try:
        found = (Path(folder) / "blobs" / blob).stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size
