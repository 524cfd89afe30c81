"""What a step left behind that would run by itself later: found after the step, taken away, and kept.

This is detection, not a wall: between a step's writing and the look after it, it was there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import StoreError
from ..text.i18n import _
from ..types.base import Value
from ..types.walls import Profile
from .backend import written
from .carefully import (
    Content,
    content_of,
    move_back,
    moved_to,
    names_in,
    open_below,
    open_folder,
    put_back,
    same,
    take_away,
)
from .closed import own_folders, protected
from .folders import Folders
from .gitfolders import Files, Finding, dangers, entries, looks_like_git, parts_of, plain
from .system import within

MOST_FILES, MOST_BYTES = 300, 4 << 20
"""Of what stays read-only, kept so that it can be put back; per path."""
BEGINNING = 0.5
"""Seconds that the first look may take: the end of the first step waits for it."""
CLOCK = 0.05
"""Seconds by which the time of a file may lie behind."""


class Taken(Value):
    """Something that was taken away."""

    path: str
    kept: str
    """Where it lies now, outside the walls; empty where it could not be moved."""
    reason: str
    restored: bool = False
    """Whether what had stood there before was put back."""


class Place(NamedTuple):
    top: str
    path: str
    """Relative to `top`."""

    @property
    def full(self) -> str:
        return os.path.join(self.top, self.path)

    def below(self, name: str) -> Place:
        return Place(self.top, f"{self.path}/{name}" if name else self.path)


class Before(NamedTuple):
    """How a path stood at the session's start."""

    identity: tuple[int, int]
    files: Files
    """By name relative to it; the path itself, where it is a file, under the empty name."""


class Memory(Value):
    since: float
    paths: dict[str, Before] = {}


class Watch:
    """Looks after the folders of a session.

    Args:
        profile: of the session's kernels.
        keep: a folder outside the walls, for what is taken away and for what stood there before.
        walled: whether the backend itself keeps read-only what exists.
        git: whether the person granted commits.
    """

    def __init__(self, profile: Profile, keep: Path, *, walled: bool, git: bool = False) -> None:
        self._keep, self._walled = keep, walled
        everything = frozenset(protected(profile, git=False)) if git else frozenset[str]()
        self._opened = everything - frozenset(profile.protected)
        self._paths = tuple(dict.fromkeys((*profile.protected, *self._opened)))
        own = {os.path.realpath(path) for path in own_folders(profile)}
        tops = [path for path in map(os.path.realpath, written(profile)) if path not in own and os.path.isdir(path)]
        self._tops = [top for top in dict.fromkeys(tops) if not within(top, [t for t in tops if t != top])]
        self._places = [place for path in self._paths if (place := self._place(path)) is not None]
        self._memory = self._remembered() or self._look()
        self._folders = Folders(self._tops)
        self._known: dict[str, Before] = {}
        """Git folders that stood there before any code ran."""
        self._git: dict[str, Place] = {}
        """All that were found, beside those of `paths`."""
        self._complete = False
        self._count = 0

    def _remembered(self) -> Memory | None:
        try:
            return msgspec.json.decode((self._keep / "before.json").read_bytes(), type=Memory)
        except (OSError, msgspec.DecodeError):
            return None

    def _look(self) -> Memory:
        memory = Memory(since=time.time() - CLOCK, paths=dict(self._standing()))
        file = self._keep / "before.json"
        try:
            self._keep.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as opened:
                opened.write(msgspec.json.encode(memory))
        except OSError as error:
            raise unkept(file, error) from error
        return memory

    def _standing(self) -> Iterator[tuple[str, Before]]:
        for place in self._places:
            found = lstat(place.full)
            if found is not None:
                whole = not self._walled or place.full in self._opened
                yield place.full, Before((found.st_dev, found.st_ino), self._files(place) if whole else {})

    def _place(self, path: str) -> Place | None:
        top = next((top for top in self._tops if within(path, (top,)) and path != top), None)
        return Place(top, os.path.relpath(path, top)) if top is not None else None

    def _files(self, place: Place) -> Files:
        """What a watched path holds, as far as it matters."""
        above, _slash, name = place.path.rpartition("/")
        try:
            fd = open_folder(place.top, above)
        except OSError:
            return {}
        try:
            below = open_below(fd, name)
            if below is None:
                found = content_of(fd, name)
                return {} if found is None else {"": found}
            try:
                return parts_of(below) if is_git(name, below) else dict(all_files(below))
            finally:
                os.close(below)
        finally:
            os.close(fd)

    def begin(self) -> None:
        """Learn which git folders there are, before any code runs. Slow in a large folder: for a thread."""
        for folder, names in self._folders.changed(whole=True, seconds=BEGINNING):
            for place in self._git_in(folder, names):
                self._git[place.full] = place
                if (found := lstat(place.full)) is not None:
                    files = {name: one for name, one in self._files(place).items() if one.changed < self._memory.since}
                    self._known[place.full] = Before((found.st_dev, found.st_ino), files)
        self._complete = self._folders.complete

    def forget(self) -> None:
        """No code runs any more: the next to watch here takes things as they stand then."""
        try:
            (self._keep / "before.json").unlink(missing_ok=True)
        except OSError as error:
            raise unkept(self._keep / "before.json", error) from error

    @property
    def through(self) -> bool:
        """Whether the last look came to the end of all folders."""
        return self._folders.through

    def check(self, *, whole: bool = False) -> list[Taken]:
        """What was found and taken away since the last look; `whole` also goes to the end of a very large folder."""
        taken: list[Taken] = []
        for place in self._places:
            taken += self._check(place)
        for folder, names in self._folders.changed(whole=whole):
            self._git |= {place.full: place for place in self._git_in(folder, names)}
        for path, place in list(self._git.items()):
            if lstat(path) is None:
                del self._git[path]
            elif path not in self._paths:
                taken += self._check_git(place, self._known.get(path))
        return taken

    def _git_in(self, folder: Place | tuple[str, str], names: Iterable[str]) -> Iterator[Place]:
        place = Place(*folder)
        names = set(names)
        if ".git" in names:
            yield Place(place.top, f"{place.path}/.git".lstrip("/"))
        if looks_like_git(names):
            yield place

    def _check(self, place: Place, *, moved: bool = False) -> list[Taken]:
        before, found = self._memory.paths.get(place.full), lstat(place.full)
        last = os.path.basename(place.path)
        known = before is not None and found is not None and before.identity == (found.st_dev, found.st_ino)
        if last == ".git" and before is not None and not known and not moved:
            taken = self._moved_git(place, before, there=found is not None)
            if taken:
                return [*taken, *self._check(place, moved=True)]
        if found is None:
            return self._put_all_back(place, before)
        if known and self._walled and place.full not in self._opened:
            return []
        if last == ".git" or (before is None and os.path.isdir(f"{place.full}/objects")):
            return self._check_git(place, before)
        if before is None:
            return [self._take(place, "it would run by itself when somebody works in this folder")]
        now, taken = self._files(place), list[Taken]()
        for name in dict.fromkeys((*now, *before.files)):
            old, new = before.files.get(name), now.get(name)
            if old is not None and new is not None and same(old, new):
                continue
            taken.append(self._take(place.below(name), "it was changed, and it runs by itself", old, new is not None))
        return taken

    def _moved_git(self, place: Place, before: Before, *, there: bool) -> list[Taken]:
        """Move a repository back that was moved a little way off, and take away what stands in its place."""
        source = moved_to(place.top, place.path, before.identity)
        if not source or not self._is_repository(place.top, source):
            return []
        taken = [self._take(place, "it stands in place of what was there")] if there else []
        try:
            move_back(place.top, source, place.path)
        except OSError:
            return taken
        return [*taken, Taken(path=place.full, kept="", reason=f"it was moved to {source}", restored=True)]

    def _is_repository(self, top: str, path: str) -> bool:
        try:
            fd = open_folder(top, path)
        except OSError:
            return False
        try:
            return looks_like_git(names_in(fd))
        finally:
            os.close(fd)

    def _put_all_back(self, place: Place, before: Before | None) -> list[Taken]:
        if before is None or not before.files:
            return []
        return [
            self._take(place.below(name), "it was removed", old, False)
            for name, old in before.files.items()
            if old.data is not None
        ]

    def _check_git(self, place: Place, before: Before | None) -> list[Taken]:
        found = lstat(place.full)
        if found is None:
            return []
        known = before is not None and before.identity == (found.st_dev, found.st_ino)
        files = before.files if before is not None else {}
        now = self._files(place)
        if "" in now:
            return self._check_pointer(place, now[""], files.get(""))
        # In a folder too large to be gone through at the start, one that comes up later may have been there.
        bad = dangers(now, files, self._memory.since if before is None and not self._complete else 0.0)
        if bad and not known and os.path.basename(place.path) == ".git" and self._complete:
            return [self._take(place, bad[0].reason)]
        return [self._mend(place, finding, files.get(finding.path), now[finding.path]) for finding in bad]

    def _check_pointer(self, place: Place, now: Content, before: Content | None) -> list[Taken]:
        """A `.git` that is a file or a link: it may only lead to a repository that is looked after as well."""
        if before is not None and same(before, now):
            return []
        target = (now.data or b"").decode("utf-8", "replace").removeprefix("gitdir:").strip()
        real = os.path.realpath(os.path.join(os.path.dirname(place.full), target)) if target else ""
        inner = "/.git/modules/" in real or "/.git/worktrees/" in real
        if now.data is not None and inner and within(real, (place.top,)):
            return []
        return [self._take(place, "it leads git to another folder", before)]

    def _mend(self, place: Place, finding: Finding, before: Content | None, now: Content) -> Taken:
        back = before
        if back is None and finding.path.endswith("config") and now.data is not None:
            # What was there is not known: the lines that surely start nothing stay.
            back = now._replace(data=plain_lines(now.data))
        return self._take(place.below(finding.path), finding.reason, back)

    def _take(self, place: Place, reason: str, back: Content | None = None, there: bool = True) -> Taken:
        self._count += 1
        kept = self._keep / f"{time.time_ns():x}-{self._count}-{os.path.basename(place.path)[:80]}"
        moved = ""
        try:
            if there:
                take_away(place.top, place.path, str(kept))
                moved = str(kept)
            if back is None or back.data is None:
                return Taken(path=place.full, kept=moved, reason=reason)
            put_back(place.top, place.path, back)
            return Taken(path=place.full, kept=moved, reason=reason, restored=True)
        except OSError as error:
            return Taken(path=place.full, kept=moved, reason=f"{reason}; {error.strerror or error}")


def lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def is_git(name: str, fd: int) -> bool:
    return name == ".git" or looks_like_git(names_in(fd))


def plain_lines(data: bytes) -> bytes:
    from_text = data.decode("utf-8", "replace")
    return "".join(f"{line}\n" for line in kept_lines(from_text)).encode()


def kept_lines(text: str) -> Iterator[str]:
    for section, line in entries(text):
        if plain(section, line):
            yield line


def all_files(fd: int, prefix: str = "", budget: list[int] | None = None) -> Iterator[tuple[str, Content]]:
    """Every file below a folder, within bounds."""
    budget = [MOST_FILES, MOST_BYTES] if budget is None else budget
    for name in names_in(fd):
        below = open_below(fd, name)
        if below is not None:
            try:
                yield from all_files(below, f"{prefix}{name}/", budget)
            finally:
                os.close(below)
            continue
        found = content_of(fd, name)
        if found is None or budget[0] <= 0 or budget[1] <= 0:
            continue
        budget[0] -= 1
        budget[1] -= len(found.data or b"")
        yield prefix + name, found


def unkept(file: Path, error: OSError) -> StoreError:
    return StoreError(
        _("{path} cannot be kept or read: {reason}.", path=file, reason=error.strerror or error),
        _("Everything logged so far is kept. Check the space and the rights, then resume the session."),
    )
