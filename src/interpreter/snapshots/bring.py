"""A workspace brought back to a tree: only what differs is touched, each file whole or not at all.

Everything happens by descriptor in folders that are open, and no link is followed. Doing it again changes nothing, so
what was cut off is simply done again.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Generator
from pathlib import Path

from ..errors import StoreError
from .intake import write_all
from .options import REBUILT
from .scan import OPEN_FILE, OPEN_FOLDER, REST
from .seen import Memory
from .shelf import Shelf
from .tree import COVERED, EMPTY, FILE, FOLDER, LEFT_OUT, LINK, UNCOVERED, Entry, entries_of, rights

CACHES = frozenset(name.encode() for name in REBUILT)
PREFIX = b".interpreter-"
"""Of the names under which files are written before they take their place."""
ASIDE = b".kept-"
OVER = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Restore:
    """From the tree `now`, as a scan has just found it, to another one."""

    def __init__(self, shelf: Shelf, memory: Memory) -> None:
        self._shelf, self._memory = shelf, memory
        self.changed = 0
        """Files, links and folders that were written, removed, or given other rights."""
        self.left: list[tuple[bytes, bytes]] = []
        """Path and reason of what is not as it was; see `words.reason`."""
        self._linked: set[int] = set()
        """Files of several names of which one was replaced here, which changes the time of the others."""

    def folder(self, fd: int, path: bytes, want: bytes, now: bytes) -> None:
        """Bring an open folder from the tree `now` to the tree `want`. Raises StoreError: a content is gone."""
        if want == now:
            return
        wanted = {entry.name: entry for entry in entries_of(self._shelf.tree, want)}
        there = {entry.name: entry for entry in entries_of(self._shelf.tree, now)}
        partly = REST.name in wanted or REST.name in there
        above = path + b"/" if path else b""
        with self._writable(fd):
            for name, have in there.items():
                if name not in wanted and not partly and have.kind != LEFT_OUT:
                    with self._told(above + name):
                        self._remove(fd, above, have)
            for name, entry in wanted.items():
                have = there.get(name)
                if entry != have and name and not (have is None and REST.name in there):
                    with self._told(above + name):
                        self._bring(fd, above, entry, have)

    @contextlib.contextmanager
    def _told(self, path: bytes) -> Generator[None]:
        """What the system refuses for one name is told, and the rest goes on."""
        try:
            yield
        except OSError as error:
            self.left.append((path, b"space" if error.errno == errno.ENOSPC else b"refused"))

    def _bring(self, fd: int, above: bytes, want: Entry, have: Entry | None) -> None:
        if want.kind == LEFT_OUT or (want.kind == UNCOVERED and have is not None):
            if have is None:
                self.left.append((above + want.name, b"ignored"))
            return
        if want.kind == UNCOVERED:
            self.left.append((above + want.name, want.id))
            return
        if have is not None and have.kind == LEFT_OUT:
            self.left.append((above + want.name, b"ignored"))
            return
        if have is not None and not self._as_seen(fd, above, have):
            self.left.append((above + want.name, b"changing"))
            return
        if have is not None and have.kind == UNCOVERED and have.id != b"special":
            self._put_aside(fd, above, have.name)
            have = None
        if want.kind == FOLDER:
            self._bring_folder(fd, above, want, have)
            return
        if have is not None and have.kind == FOLDER:
            self._remove(fd, above, have)
        if want.kind == LINK:
            name = PREFIX + secrets.token_hex(8).encode()
            os.symlink(want.id, name, dir_fd=fd)
            with contextlib.suppress(OSError):
                os.chown(name, want.uid, want.gid, dir_fd=fd, follow_symlinks=False)
            self._take_place(fd, name, want.name)
        elif have is not None and have.kind == FILE and (have.id, have.size) == (want.id, want.size):
            set_rights(fd, want)
        elif have is None or have.kind != FILE or not self._write_over(fd, above, want):
            self._write(fd, want)
        self.changed += 1

    def _bring_folder(self, fd: int, above: bytes, want: Entry, have: Entry | None) -> None:
        now = EMPTY
        if have is not None and have.kind == FOLDER:
            now = have.id
        else:
            if have is not None:
                os.unlink(have.name, dir_fd=fd)
            os.mkdir(want.name, 0o700, dir_fd=fd)
        below = os.open(want.name, OPEN_FOLDER, dir_fd=fd)
        try:
            self.folder(below, above + want.name, want.id, now)
            if have is None or have.kind != FOLDER or rights(have) != rights(want):
                with contextlib.suppress(PermissionError):
                    os.fchown(below, want.uid, want.gid)
                os.fchmod(below, want.mode)
                self.changed += 1
        finally:
            os.close(below)

    def _write(self, fd: int, want: Entry) -> None:
        """A file of this content under another name, which then takes its place."""
        content = self._shelf.content(want.id)
        name = PREFIX + secrets.token_hex(8).encode()
        file = os.open(name, WRITE, 0o600, dir_fd=fd)
        try:
            try:
                if isinstance(content, Path):
                    copy_into(file, content)
                else:
                    write_all(file, content)
                give_rights(file, want)
            finally:
                os.close(file)
            os.rename(name, want.name, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=fd)
            raise

    def _write_over(self, fd: int, above: bytes, want: Entry) -> bool:
        """Write a small content into the file that is there; False where it has to be another file.

        Freeing the old file's blocks costs ten times as much. A file that is torn by a death in the middle of this is
        written again when the rewind is finished.
        """
        content = self._shelf.content(want.id)
        if isinstance(content, Path):
            return False
        try:
            file = os.open(want.name, OVER, dir_fd=fd)
        except OSError:
            return False
        try:
            facts = os.fstat(file)
            if facts.st_nlink != 1 or not self._is_seen(above, want.name, facts):
                return False
            write_all(file, content)
            if facts.st_size > len(content):
                os.ftruncate(file, len(content))
            if stat.S_IMODE(facts.st_mode) != want.mode or (facts.st_uid, facts.st_gid) != (want.uid, want.gid):
                give_rights(file, want)
            return True
        finally:
            os.close(file)

    def _take_place(self, fd: int, name: bytes, place: bytes) -> None:
        try:
            os.rename(name, place, src_dir_fd=fd, dst_dir_fd=fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=fd)
            raise

    def _put_aside(self, fd: int, above: bytes, name: bytes) -> None:
        """Something whose content nobody keeps is moved, never overwritten."""
        aside = name[:200] + ASIDE + secrets.token_hex(4).encode()
        os.rename(name, aside, src_dir_fd=fd, dst_dir_fd=fd)
        self.left.append((above + aside, b"aside"))

    def _as_seen(self, fd: int, above: bytes, have: Entry) -> bool:
        """Whether a file is as the scan saw it, whose state is kept: nothing else is overwritten."""
        if have.kind not in (FILE, LINK):
            return True
        return self._is_seen(above, have.name, os.stat(have.name, dir_fd=fd, follow_symlinks=False))

    def _is_seen(self, above: bytes, name: bytes, facts: os.stat_result) -> bool:
        folder = self._memory.folders.get(above[:-1])
        seen = folder.seen.get(name) if folder is not None else None
        if seen is None:
            return False
        now = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        same = now == (seen.inode, seen.size, seen.mtime)
        same = same and (facts.st_ctime_ns == seen.ctime or facts.st_ino in self._linked)
        if same and facts.st_nlink > 1:
            self._linked.add(facts.st_ino)
        return same

    def _remove(self, fd: int, above: bytes, have: Entry) -> None:
        """Take away what was not there. Of what no snapshot holds, only what others can make again."""
        path = above + have.name
        if have.kind == FOLDER:
            below = os.open(have.name, OPEN_FOLDER, dir_fd=fd)
            try:
                with self._writable(below):
                    for entry in entries_of(self._shelf.tree, have.id):
                        if entry.name:
                            with self._told(path + b"/" + entry.name):
                                self._remove(below, path + b"/", entry)
            finally:
                os.close(below)
            try:
                os.rmdir(have.name, dir_fd=fd)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                self.left.append((path, b"not empty"))
                return
        elif have.kind in COVERED or have.id == b"special":
            if not self._as_seen(fd, above, have):
                self.left.append((path, b"changing"))
                return
            os.unlink(have.name, dir_fd=fd)
        elif have.kind == LEFT_OUT and have.name in CACHES:
            remove_tree(fd, have.name)
            return
        else:
            if have.kind == UNCOVERED:
                self.left.append((path, b"kept"))
            return
        self.changed += 1

    @contextlib.contextmanager
    def _writable(self, fd: int) -> Generator[None]:
        """A folder that its owner may change, for as long as it is worked in."""
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        closed = mode & 0o300 != 0o300
        if closed:
            os.fchmod(fd, mode | 0o700)
        try:
            yield
        finally:
            if closed:
                os.fchmod(fd, mode)


def give_rights(file: int, want: Entry) -> None:
    """Owner as far as it can be given, and mode; never a right to run as somebody else."""
    facts = os.fstat(file)
    if (facts.st_uid, facts.st_gid) != (want.uid, want.gid):
        with contextlib.suppress(PermissionError):
            os.fchown(file, want.uid, want.gid)
    os.fchmod(file, want.mode & 0o1777)


def set_rights(fd: int, want: Entry) -> None:
    """The same for a file that stays, also one that may not be opened. Raises OSError."""
    with held(fd, want.name) as (place, facts):
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.ESTALE, "changed meanwhile")
        with contextlib.suppress(PermissionError):
            os.chown(place, want.uid, want.gid)
        os.chmod(place, want.mode & 0o1777)


@contextlib.contextmanager
def held(fd: int, name: bytes) -> Generator[tuple[str | int, os.stat_result]]:
    """What `os.chmod` takes for a file of an open folder, also one that may not be opened; never through a link."""
    if hasattr(os, "O_PATH"):
        file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        place = f"/proc/self/fd/{file}"
    else:
        file = place = os.open(name, OPEN_FILE, dir_fd=fd)
    try:
        yield place, os.fstat(file)
    finally:
        os.close(file)


def unlock(root: int, path: bytes) -> None:
    """Give the owner back the right to look into what a program closed; nothing where that cannot be."""
    fd = os.dup(root)
    try:
        parts = path.split(b"/")
        for part in parts[:-1]:
            below = os.open(part, OPEN_FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        with held(fd, parts[-1]) as (place, facts):
            if stat.S_ISDIR(facts.st_mode) or stat.S_ISREG(facts.st_mode):
                more = 0o700 if stat.S_ISDIR(facts.st_mode) else 0o400
                os.chmod(place, stat.S_IMODE(facts.st_mode) | more)
    except OSError:
        return
    finally:
        os.close(fd)


def copy_into(file: int, source: Path) -> None:
    """Raises OSError; StoreError where the content is gone."""
    try:
        reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise StoreError(f"{source}: {error.strerror}") from error
    with os.fdopen(reader, "rb") as stream:
        while piece := stream.read(1 << 20):
            write_all(file, piece)


def remove_tree(fd: int, name: bytes) -> None:
    """A cache, whatever is in it; links in it are removed, not followed. Raises OSError."""
    if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
        shutil.rmtree(name, dir_fd=fd)
    else:
        os.unlink(name, dir_fd=fd)


def to_disk(fd: int) -> None:
    """Bring everything of the file system of `fd` to the disk itself: one call instead of one for each file."""
    sync = getattr(ctypes.CDLL(None), "syncfs", None)
    if sync is None or sync(fd) != 0:
        os.sync()
