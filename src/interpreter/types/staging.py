"""What a staged session would change, and the events by which the person decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal

from .base import Value

UNCOUNTED = -1
What = Literal["", "file", "folder", "link", "other"]


class Signature(Value):
    """By what a file is known again without reading it."""

    number: int
    size: int
    modified: int
    """Nanoseconds."""
    changed: int
    """Nanoseconds of the last change of any kind, which programs cannot set."""
    mode: int


class Change(Value):
    """One file, folder or link that a commit would change. Names may hold anything but NUL: show them cleaned."""

    top: str
    """The staged folder."""
    path: str
    """Below it."""
    kind: Literal["added", "changed", "deleted", "mode", "odd"]
    """odd: what is never committed, such as a named pipe."""
    what: What = "file"
    """What stands there in the stage; of a deleted one what stood there."""
    was: What = ""
    """What stands there in the folder; empty: nothing."""
    size: int = 0
    was_size: int = 0
    mode: int = 0
    was_mode: int = 0
    warning: Literal["", "conflict", "runs"] = ""
    """conflict: it was changed in the folder as well, since the stage began. runs: other programs may run it by
    themselves. Neither is committed unless it is named."""
    old: Signature | None = None
    """Of what stands in the folder."""
    new: Signature | None = None
    """Of what stands in the stage."""

    @property
    def name(self) -> str:
        return f"{self.top}/{self.path}"


class StageCommitStarted(Value, tag="stage_commit_started"):
    """The decision, durable before the folder is touched: from here on the commit is finished, whatever happens."""

    commit: str
    journal: str
    """SHA-256 of the journal in the session's folder, which says every step."""
    files: int
    paths: tuple[str, ...] = ()
    """What changes, as it may be shown; the first thousand."""
    by: str = "person"


class StageCommitted(Value, tag="stage_committed"):
    """All of it is done, and on the disk."""

    commit: str
    files: int
    left: int = 0
    """Changes that stay in the stage."""
    kept: tuple[str, ...] = ()
    """Where files lie that somebody changed between the decision and its being carried out."""


class StageDropped(Value, tag="stage_dropped"):
    """Changes in the stage that are forgotten."""

    files: int
    """UNCOUNTED (-1): all, of a stage that could not be read."""
    paths: tuple[str, ...] = ()
    """What was dropped, as it may be shown; the first thousand."""
    left: int = 0


def digest(changes: Iterable[Change]) -> str:
    """By which it is known whether the same is still to be changed."""
    told = hashlib.sha256()
    for change in changes:
        told.update(repr(change).encode("utf-8", "surrogateescape"))
    return told.hexdigest()
