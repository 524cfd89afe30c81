"""Carries a commit's journal out: every step may be done again, so a death in the middle costs nothing but time."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import StageError
from ..text.i18n import _
from ..types.staging import Signature
from .changes import PIECE
from .journal import Journal, Operation
from .names import folder_above, look, opened, plain_file, signature, what_of

FICLONE = 0x40049409
BOOT = Path("/proc/sys/kernel/random/boot_id")
libc = ctypes.CDLL(None, use_errno=True)


class Applier:
    """Applies a journal.

    Args:
        journal: what was decided.
        folder: of the session, outside the walls: how far it got, and what was put aside.
    """

    def __init__(self, journal: Journal, folder: Path) -> None:
        self._journal, self._folder = journal, folder
        self._kept = folder / "kept" / journal.commit
        self.kept: list[str] = []
        """Where files lie that the person changed after the decision, before it was carried out."""
        self.known: dict[str, Signature] = {}
        """By whole names: what now stands where we wrote."""

    def apply(self) -> None:
        """Do all that is left. Raises OSError, StageError: done is what was done, and the next call goes on."""
        steps: dict[str, Callable[[Operation, int, str], None]] = {
            "unlink": self._unlink,
            "rmdir": self._rmdir,
            "mkdir": self._mkdir,
            "file": self._file,
            "link": self._link,
            "mode": self._mode,
        }
        with opened(str(self._folder / f"{self._journal.commit}.done"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) as mark:
            begin = self._begin(mark)
            for number, operation in enumerate(self._journal.operations):
                top = self._journal.layers[operation.layer].top
                path = os.fsdecode(operation.path)
                try:
                    with folder_above(top, path) as (above, name):
                        if number >= begin:
                            steps[operation.do](operation, above, name)
                            os.pwrite(mark, f"{number + 1:012d}".encode(), 64)
                        if operation.do in ("file", "link") and (found := look(name, above)):
                            self.known[os.path.join(top, path)] = signature(found)
                except (FileNotFoundError, NotADirectoryError):
                    # What had to go is gone, or its folder is: perhaps by a later step of an earlier try.
                    if number >= begin and operation.do not in ("unlink", "rmdir"):
                        raise
        for layer in self._journal.layers:
            with opened(layer.top) as fd:
                libc.syncfs(ctypes.c_int(fd))

    def _begin(self, mark: int) -> int:
        """The first step not done; after a loss of power, when nobody knows what reached the disk, the first of all."""
        boot = BOOT.read_bytes()[:36].ljust(64)
        said = os.pread(mark, 128, 0)
        if said[:64] == boot:
            return int(said[64:76] or b"0")
        os.pwrite(mark, boot + b"0" * 12, 0)
        return 0

    # --- steps; each takes the folder above and the name in it

    def _unlink(self, operation: Operation, above: int, name: str) -> None:
        found = look(name, above)
        if found is None or stat.S_ISDIR(found.st_mode):
            # A folder there is what a later step of an earlier try has made, or the person's.
            return
        self._spare(operation, found, above, name)
        os.unlink(name, dir_fd=above)

    def _rmdir(self, operation: Operation, above: int, name: str) -> None:
        found = look(name, above)
        if found is None or (operation.old and not stat.S_ISDIR(operation.old.mode)):
            return
        if not stat.S_ISDIR(found.st_mode):
            return
        try:
            os.rmdir(name, dir_fd=above)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # The person has put something there since: it stays, and so does its folder.

    def _mkdir(self, operation: Operation, above: int, name: str) -> None:
        found = look(name, above)
        if found is not None and stat.S_ISDIR(found.st_mode):
            return
        if found is not None:
            self._spare(operation, found, above, name)
            os.unlink(name, dir_fd=above)
        # Its own mode comes last: until then things are made in it.
        os.mkdir(name, 0o700, dir_fd=above)

    def _link(self, operation: Operation, above: int, name: str) -> None:
        found = look(name, above)
        is_link = found is not None and stat.S_ISLNK(found.st_mode)
        if is_link and os.fsencode(os.readlink(name, dir_fd=above)) == operation.target:
            return
        with self._part(operation, above) as part:
            os.symlink(operation.target, os.fsencode(part), dir_fd=above)
            self._put(operation, found, above, part, name)

    def _file(self, operation: Operation, above: int, name: str) -> None:
        found = look(name, above)
        if found is not None and self._is_there(operation, found, above, name):
            return
        layer = self._journal.layers[operation.layer]
        with folder_above(layer.upper, os.fsdecode(operation.path)) as (source, inner):
            taken = plain_file(inner, source)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with self._part(operation, above) as part:
                with opened(part, flags, below=above) as made:
                    os.fchmod(made, 0o600)
                    if copy(taken, made) != operation.sha256:
                        raise StageError(
                            _("{path} in the stage is not what was decided on.", path=os.fsdecode(operation.path)),
                            _("The commit is not finished; the journal and the stage are kept."),
                        )
                    if found is not None and os.geteuid() == 0:
                        os.fchown(made, found.st_uid, found.st_gid)
                    os.fchmod(made, operation.mode)
                    os.utime(made, ns=(operation.modified, operation.modified))
                self._put(operation, found, above, part, name)
        finally:
            os.close(taken)

    def _mode(self, operation: Operation, above: int, name: str) -> None:
        with opened(name, below=above) as fd:
            os.fchmod(fd, operation.mode)

    # --- parts of steps

    def _is_there(self, operation: Operation, found: os.stat_result, above: int, name: str) -> bool:
        if not stat.S_ISREG(found.st_mode) or found.st_size != operation.size:
            return False
        fd = plain_file(name, above)
        try:
            if digest_of(fd) != operation.sha256:
                return False
            if stat.S_IMODE(found.st_mode) != operation.mode:
                os.fchmod(fd, operation.mode)
        finally:
            os.close(fd)
        return True

    @contextmanager
    def _part(self, operation: Operation, above: int) -> Generator[str]:
        """A name beside the target, free at the beginning and, whatever goes wrong, at the end."""
        part = part_of(self._journal, operation)
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=above)
        try:
            yield part
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=above)
            raise

    def _put(self, operation: Operation, found: os.stat_result | None, above: int, part: str, name: str) -> None:
        if found is not None:
            if stat.S_ISDIR(found.st_mode):
                raise self._in_the_way(operation)
            self._spare(operation, found, above, name)
        os.rename(part, name, src_dir_fd=above, dst_dir_fd=above)

    def _spare(self, operation: Operation, found: os.stat_result, above: int, name: str) -> None:
        """Keep aside what is not what it was when it was decided: somebody has changed it since."""
        if operation.old is not None and signature(found) == operation.old:
            return
        if what_of(found) not in ("file", "link"):
            raise self._in_the_way(operation)
        self._kept.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = len(os.listdir(self._kept)) + 1
        place = self._kept / f"{number}-{os.fsdecode(operation.path).replace('/', '_')[-60:]}"
        if what_of(found) == "link":
            os.symlink(os.readlink(name, dir_fd=above), place)
        else:
            source = plain_file(name, above)
            try:
                with opened(str(place), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC) as made:
                    os.fchmod(made, 0o600)
                    copy(source, made)
            finally:
                os.close(source)
        self.kept.append(str(place))

    def _in_the_way(self, operation: Operation) -> StageError:
        path = os.path.join(self._journal.layers[operation.layer].top, os.fsdecode(operation.path))
        return StageError(
            _("{path} is something else than when the commit was decided.", path=path),
            _("The rest of the commit waits. Move it away, then run: interpreter stage"),
        )


def part_of(journal: Journal, operation: Operation) -> str:
    return f".{journal.commit}.{hashlib.sha256(operation.path).hexdigest()[:12]}.part"


def sweep(journal: Journal, begin: int) -> None:
    """Take away what a step from `begin` on that was cut off has left beside its file."""
    for operation in journal.operations[begin:]:
        if operation.do in ("file", "link"):
            with suppress(OSError):
                top = journal.layers[operation.layer].top
                with folder_above(top, os.fsdecode(operation.path)) as (above, _name):
                    os.unlink(part_of(journal, operation), dir_fd=above)


def steps_done(journal: Journal, folder: Path) -> int:
    """How many steps of a journal are known to be done; after a loss of power that is none."""
    try:
        said = (folder / f"{journal.commit}.done").read_bytes()
    except FileNotFoundError:
        return 0
    if said[:64] != BOOT.read_bytes()[:36].ljust(64):
        return 0
    return min(int(said[64:76] or b"0"), len(journal.operations))


def copy(source: int, target: int) -> str:
    """Copy a file's content, sharing its blocks where the file system can; returns the SHA-256 of what was written."""
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError:
        digest = hashlib.sha256()
        while data := os.read(source, PIECE):
            digest.update(data)
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
        return digest.hexdigest()
    return digest_of(target)


def digest_of(fd: int) -> str:
    digest = hashlib.sha256()
    offset = 0
    while data := os.pread(fd, PIECE, offset):
        digest.update(data)
        offset += len(data)
    return digest.hexdigest()
