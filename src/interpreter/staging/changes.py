"""What the upper folder of an overlay would change in the folder below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from ..errors import StageError
from ..text.i18n import _
from ..types.base import Value
from ..types.staging import Change, Signature
from .folders import Folders
from .names import FOLDER, look, opened, plain_file, signature, what_of

DEEPEST = 250
"""Folders inside one another. Programs may nest them without end; a descriptor is held for each."""
MOST = 500_000
PIECE = 1 << 20


class Layer(Value):
    """An overlay as files: the person's folder, and what was written over it."""

    top: str
    upper: str
    private: str
    """The prefix of the overlay's own attributes, which programs inside cannot write: `trusted` where root mounted it,
    else `user`."""


class Lower(NamedTuple):
    """One of the person's folders, under one of the stage."""

    fd: int
    moved: bool
    """Whether it, or one that holds it, may have been put there since the stage began."""
    hidden: bool
    """Whether the stage shows nothing of it but what lies in the upper folder: it, or one that holds it, was made
    anew."""


class Reader:
    """Reads a layer.

    Args:
        layer: not necessarily at rest: a change that is going on may be seen half.
        base: nanoseconds since the epoch; what the person changed since then is in conflict.
        known: signatures, by whole names, of what we ourselves have changed since then.
        folders: which of the person's folders are still the same ones.
        runs: whether other programs may run a path (relative to the top) by themselves.
    """

    def __init__(
        self, layer: Layer, *, base: int, known: Mapping[str, Signature], folders: Folders, runs: Callable[[str], bool]
    ) -> None:
        self._layer, self._base, self._known, self._folders, self._runs = layer, base, known, folders, runs
        self._found: list[Change] = []

    def read(self) -> list[Change]:
        """Every change; of a deleted folder all that was in it, the inner ones first. Raises StageError, OSError."""
        self._found = []
        if os.path.isdir(self._layer.upper):
            with opened(self._layer.upper) as upper, opened(self._layer.top) as top:
                moved = self._folders.moved(self._layer.top, os.fstat(top))
                self._folder(upper, Lower(top, moved, False), "", 0)
        return self._found

    def _folder(self, upper: int, lower: Lower | None, path: str, depth: int) -> None:
        names = sorted(os.listdir(upper))
        if lower is not None and is_opaque(upper, self._layer.private):
            lower = lower._replace(hidden=True)
        for name in names:
            self._entry(upper, lower, name, f"{path}/{name}" if path else name, depth)
        if lower is not None and lower.hidden:
            kept = set(names)
            for name in sorted(os.listdir(lower.fd)):
                if name not in kept:
                    self._gone(lower, name, f"{path}/{name}" if path else name, depth)

    def _entry(self, upper: int, lower: Lower | None, name: str, path: str, depth: int) -> None:
        now = look(name, upper)
        if now is None:
            return
        before = look(name, lower.fd) if lower is not None else None
        if stat.S_ISCHR(now.st_mode) and now.st_rdev == 0:
            if before is not None and lower is not None:
                self._gone(lower, name, path, depth)
            return
        what = what_of(now)
        if what == "other" or (what == "file" and not os.access(name, os.R_OK, dir_fd=upper)):
            self._add(path, "odd", now, before, lower)
            return
        if what_of(before) == "folder" and what != "folder" and lower is not None:
            self._gone(lower, name, path, depth, itself=False)
        if what == "folder":
            self._into(upper, lower, name, path, depth, now, before)
        elif before is None:
            self._add(path, "added", now, before, lower)
        elif what_of(before) != what or self._differs(upper, lower and lower.fd, name, now, before):
            self._add(path, "changed", now, before, lower)
        elif what == "file" and _mode(now) != _mode(before):
            self._add(path, "mode", now, before, lower)

    def _into(
        self,
        upper: int,
        lower: Lower | None,
        name: str,
        path: str,
        depth: int,
        now: os.stat_result,
        before: os.stat_result | None,
    ) -> None:
        merged = lower if what_of(before) == "folder" else None
        if before is None:
            self._add(path, "added", now, before, lower)
        elif merged is None:
            self._add(path, "changed", now, before, lower)
        elif _mode(now) != _mode(before):
            self._add(path, "mode", now, before, lower)
        if depth >= DEEPEST:
            self._add(path, "odd", now, before, lower)
            return
        try:
            inner = os.open(name, FOLDER, dir_fd=upper)
        except OSError:
            self._add(path, "odd", now, before, lower)
            return
        try:
            if not enterable(inner):
                self._add(path, "odd", now, before, lower)
                return
            if merged is not None:
                with self._inside(merged, name, path) as below:
                    self._folder(inner, below, path, depth + 1)
            else:
                self._folder(inner, None, path, depth + 1)
        finally:
            os.close(inner)

    def _gone(self, lower: Lower, name: str, path: str, depth: int, *, itself: bool = True) -> None:
        """Something of the person's that is no longer there, with all that it holds."""
        before = look(name, lower.fd)
        if before is None:
            return
        if stat.S_ISDIR(before.st_mode):
            if depth >= DEEPEST:
                self._add(path, "odd", None, before, lower)
                return
            with self._inside(lower, name, path) as inner:
                for one in sorted(os.listdir(inner.fd)):
                    self._gone(inner, one, f"{path}/{one}", depth + 1)
        if itself:
            self._add(path, "deleted", None, before, lower)

    def _differs(self, upper: int, lower: int | None, name: str, now: os.stat_result, before: os.stat_result) -> bool:
        if lower is None or now.st_size != before.st_size:
            return True
        if stat.S_ISLNK(now.st_mode):
            return os.readlink(name, dir_fd=upper) != os.readlink(name, dir_fd=lower)
        try:
            first = plain_file(name, upper)
        except OSError:
            return True
        try:
            second = plain_file(name, lower)
        except OSError:
            os.close(first)
            return True
        with open(first, "rb", buffering=0) as one, open(second, "rb", buffering=0) as other:
            while data := one.read(PIECE):
                if data != other.read(PIECE):
                    return True
        return False

    @contextmanager
    def _inside(self, lower: Lower, name: str, path: str) -> Generator[Lower]:
        with opened(name, below=lower.fd) as fd:
            moved = lower.moved or self._folders.moved(f"{self._layer.top}/{path}", os.fstat(fd), lower.fd)
            yield Lower(fd, moved, lower.hidden)

    def _add(
        self, path: str, kind: str, now: os.stat_result | None, before: os.stat_result | None, lower: Lower | None
    ) -> None:
        if len(self._found) >= MOST:
            raise StageError(
                _("The stage changes more than {count} files.", count=MOST),
                _("Nothing outside it has changed. Take some of it away, or drop the stage."),
            )
        old = signature(before) if before is not None else None
        conflict = (
            old is not None
            and what_of(before) != "folder"
            and (old.changed >= self._base or (lower is not None and lower.moved))
            and self._known.get(os.path.join(self._layer.top, path)) != old
        )
        here = now if now is not None else before
        self._found.append(
            Change(
                top=self._layer.top,
                path=path,
                kind=kind,  # pyright: ignore[reportArgumentType]  # every caller names one of the five
                what=what_of(here),
                was=what_of(before),
                size=now.st_size if now is not None else 0,
                was_size=before.st_size if before is not None else 0,
                mode=_mode(now) if now is not None else 0,
                was_mode=_mode(before) if before is not None else 0,
                warning="conflict" if conflict else "runs" if self._runs(path) else "",
                old=old,
                new=signature(now) if now is not None else None,
            )
        )


def is_opaque(fd: int, private: str) -> bool:
    """Whether a folder of the upper one was made anew, so that nothing shows of one below it."""
    try:
        return os.getxattr(fd, f"{private}.overlay.opaque") == b"y"
    except OSError:
        return False


def enterable(fd: int) -> bool:
    """Whether what lies in a folder can be looked at, not only its names."""
    try:
        os.stat(".", dir_fd=fd)
    except PermissionError:
        return False
    return True


def _mode(found: os.stat_result) -> int:
    return stat.S_IMODE(found.st_mode)
