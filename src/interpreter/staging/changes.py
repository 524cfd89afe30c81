"""What the upper folder of an overlay would change in the folder below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from ..errors import StageError
from ..text.i18n import _
from ..types.base import Value
from ..types.staging import Change, Signature
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


class Reader:
    """Reads a layer.

    Args:
        layer: not necessarily at rest: a change that is going on may be seen half.
        base: nanoseconds since the epoch; what the person changed since then is in conflict.
        known: signatures, by whole names, of what we ourselves have changed since then.
        runs: whether other programs may run a path (relative to the top) by themselves.
    """

    def __init__(self, layer: Layer, *, base: int, known: Mapping[str, Signature], runs: Callable[[str], bool]) -> None:
        self._layer, self._base, self._known, self._runs = layer, base, known, runs
        self._found: list[Change] = []

    def read(self) -> list[Change]:
        """Every change; of a deleted folder all that was in it, the inner ones first. Raises StageError, OSError."""
        self._found = []
        if os.path.isdir(self._layer.upper):
            with opened(self._layer.upper) as upper, opened(self._layer.top) as lower:
                self._folder(upper, lower, "", 0)
        return self._found

    def _folder(self, upper: int, lower: int | None, path: str, depth: int) -> None:
        names = sorted(os.listdir(upper))
        for name in names:
            self._entry(upper, lower, name, f"{path}/{name}" if path else name, depth)
        if lower is not None and self._marked(upper, "opaque"):
            kept = set(names)
            for name in sorted(os.listdir(lower)):
                if name not in kept:
                    self._gone(lower, name, f"{path}/{name}" if path else name, depth)

    def _entry(self, upper: int, lower: int | None, name: str, path: str, depth: int) -> None:
        now = look(name, upper)
        if now is None:
            return
        before = look(name, lower) if lower is not None else None
        if stat.S_ISCHR(now.st_mode) and now.st_rdev == 0:
            if before is not None and lower is not None:
                self._gone(lower, name, path, depth)
            return
        what = what_of(now)
        if what == "other":
            self._add(path, "odd", now, before)
            return
        if what_of(before) == "folder" and what != "folder" and lower is not None:
            self._gone(lower, name, path, depth, itself=False)
        if what == "folder":
            self._into(upper, lower, name, path, depth, now, before)
        elif before is None:
            self._add(path, "added", now, before)
        elif what_of(before) != what or self._differs(upper, lower, name, now, before):
            self._add(path, "changed", now, before)
        elif what == "file" and _mode(now) != _mode(before):
            self._add(path, "mode", now, before)

    def _into(
        self,
        upper: int,
        lower: int | None,
        name: str,
        path: str,
        depth: int,
        now: os.stat_result,
        before: os.stat_result | None,
    ) -> None:
        merged = what_of(before) == "folder" and lower is not None
        if before is None:
            self._add(path, "added", now, before)
        elif not merged:
            self._add(path, "changed", now, before)
        elif _mode(now) != _mode(before):
            self._add(path, "mode", now, before)
        if depth >= DEEPEST:
            self._add(path, "odd", now, before)
            return
        try:
            inner = os.open(name, FOLDER, dir_fd=upper)
        except OSError:
            self._add(path, "odd", now, before)
            return
        try:
            if merged:
                with opened(name, below=lower) as below:
                    self._folder(inner, below, path, depth + 1)
            else:
                self._folder(inner, None, path, depth + 1)
        finally:
            os.close(inner)

    def _gone(self, lower: int, name: str, path: str, depth: int, *, itself: bool = True) -> None:
        """Something of the person's that is no longer there, with all that it holds."""
        before = look(name, lower)
        if before is None:
            return
        if stat.S_ISDIR(before.st_mode):
            if depth >= DEEPEST:
                self._add(path, "odd", None, before)
                return
            with opened(name, below=lower) as inner:
                for one in sorted(os.listdir(inner)):
                    self._gone(inner, one, f"{path}/{one}", depth + 1)
        if itself:
            self._add(path, "deleted", None, before)

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

    def _marked(self, fd: int, mark: str) -> bool:
        try:
            return os.getxattr(fd, f"{self._layer.private}.overlay.{mark}") == b"y"
        except OSError:
            return False

    def _add(self, path: str, kind: str, now: os.stat_result | None, before: os.stat_result | None) -> None:
        if len(self._found) >= MOST:
            raise StageError(
                _("The stage changes more than {count} files.", count=MOST),
                _("Nothing outside it has changed. Take some of it away, or drop the stage."),
            )
        old = signature(before) if before is not None else None
        conflict = (
            old is not None
            and what_of(before) != "folder"
            and old.changed >= self._base
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


def _mode(found: os.stat_result) -> int:
    return stat.S_IMODE(found.st_mode)
