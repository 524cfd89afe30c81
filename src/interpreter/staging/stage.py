"""A session's stage as it lies on the disk: which layers count, what is decided, what is done."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from ..errors import StageError
from ..text.i18n import _
from ..types.base import Value
from ..types.staging import Change, Signature
from ..types.walls import layers_of
from .apply import Applier, steps_done
from .changes import Layer, Reader
from .journal import Journal, plan, read, write, write_durably
from .names import FOLDER, folder_above, look, opened, signature

JOURNAL = "journal.json"
COARSE = 5
"""CLOCK_REALTIME_COARSE: from it files get the time of their last change."""
libc = ctypes.CDLL(None, use_errno=True)


Runs = Callable[[str], bool]


class State(Value):
    number: int = 1
    """Of the layers that count; higher with every new overlay."""
    base: int = 0
    """Nanoseconds since the epoch: when these layers were begun, by the clock that files get their times from."""
    private: str = "user"
    tops: tuple[bytes, ...] = ()
    known: tuple[tuple[bytes, Signature], ...] = ()
    """What commits have written since `base`, by whole names."""


class Stage:
    """A stage. `runs`: see `Reader`; `remove` takes a folder away with what programs put there.

    Raises StageError and OSError; what a call could not do it has not begun, except where it says otherwise."""

    def __init__(self, folder: Path, state: State, runs: Runs, remove: Callable[[Path], None]) -> None:
        self.folder = folder
        self.state = state
        self._runs, self._remove = runs, remove

    @classmethod
    def open(cls, folder: Path, runs: Runs, remove: Callable[[Path], None]) -> Stage | None:
        """The stage of a session that has one."""
        try:
            body = (folder / "state.json").read_bytes()
        except FileNotFoundError:
            return None
        return cls(folder, msgspec.json.decode(body, type=State), runs, remove)

    @classmethod
    def begin(cls, folder: Path, tops: Sequence[str], runs: Runs, remove: Callable[[Path], None]) -> Stage:
        """The stage of a session, begun where there is none; with further folders where there are more now."""
        found = cls.open(folder, runs, remove)
        private = "trusted" if os.geteuid() == 0 else "user"
        stage = found or cls(folder, State(private=private, base=now()), runs, remove)
        known = (*stage.state.tops, *(top for top in map(os.fsencode, tops) if top not in stage.state.tops))
        if found is None or known != stage.state.tops:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            stage._keep(msgspec.structs.replace(stage.state, tops=known))
        return stage

    def _keep(self, state: State) -> None:
        write_durably(self.folder / "state.json", msgspec.json.encode(state))
        self.state = state

    @property
    def place(self) -> str:
        """The folder of the layers that count, for `Profile.stage`."""
        return str(self.folder / str(self.state.number))

    @property
    def layers(self) -> tuple[Layer, ...]:
        tops = [os.fsdecode(top) for top in self.state.tops]
        return tuple(
            Layer(top=top, upper=os.path.join(layers_of(self.place, top), "upper"), private=self.state.private)
            for top in tops
        )

    def changes(self) -> list[Change]:
        """What a commit would change; also while programs still write."""
        known = {os.fsdecode(name): signature for name, signature in self.state.known}
        found: list[Change] = []
        for layer in self.layers:
            found += Reader(layer, base=self.state.base, known=known, runs=self._runs).read()
        return found

    # --- committing; no program is on the stage any more

    def prepare(self, changes: Iterable[Change], commit: str) -> str:
        """Write down what will be done, durably, with all new contents; returns the journal's hash. Nothing is
        changed outside the stage."""
        journal = plan(self.layers, changes, commit, self.state.number)
        check_room(journal)
        digest = write(journal, self.folder / JOURNAL)
        with opened(str(self.folder)) as fd:
            libc.syncfs(ctypes.c_int(fd))
        return digest

    @property
    def prepared(self) -> bool:
        """Whether a journal lies there: decided on or not, the log says."""
        return (self.folder / JOURNAL).exists()

    def journal_hash(self) -> str:
        return hashlib.sha256((self.folder / JOURNAL).read_bytes()).hexdigest()

    def forget(self) -> None:
        """Take away a journal that nobody decided on."""
        (self.folder / JOURNAL).unlink(missing_ok=True)

    def carry_out(self, sha256: str) -> tuple[Journal, list[str]]:
        """Do what was decided, or the rest of it; returns where files lie that somebody had changed meanwhile.

        Where it raises, it is not finished, and has to be called again.
        """
        journal = read(self.folder / JOURNAL, sha256)
        applier = Applier(journal, self.folder)
        applier.apply()
        known = dict(self.state.known) | {os.fsencode(name): found for name, found in applier.known.items()}
        self._keep(msgspec.structs.replace(self.state, known=tuple(known.items())))
        return journal, applier.kept

    def settle(self, journal: Journal) -> list[Change]:
        """After a commit: a new overlay, which holds what was not committed. Returns that."""
        if journal.stage == self.state.number:
            left = self.changes()
            if left:
                for operation in journal.operations:
                    self._show_lower(self.layers[operation.layer], os.fsdecode(operation.path))
            else:
                self.renew()
        else:
            left = self.changes()
        self.forget()
        (self.folder / f"{journal.commit}.done").unlink(missing_ok=True)
        return left

    def give_up(self, sha256: str) -> tuple[int, int]:
        """Leave a decided commit as it stands: what is done stays done and leaves the stage, the rest stays staged. How
        many steps are done, and of how many. Raises OSError, StageError.
        """
        journal = read(self.folder / JOURNAL, sha256)
        done = journal.operations[: steps_done(journal, self.folder)]
        known = dict(self.state.known)
        for operation in done:
            top, path = journal.layers[operation.layer].top, os.fsdecode(operation.path)
            with suppress(OSError), folder_above(top, path) as (above, name):
                if operation.do in ("file", "link") and (found := look(name, above)):
                    known[os.fsencode(os.path.join(top, path))] = signature(found)
        self._keep(msgspec.structs.replace(self.state, known=tuple(known.items())))
        self.settle(msgspec.structs.replace(journal, operations=done))
        return len(done), len(journal.operations)

    # --- dropping

    def renew(self) -> None:
        """Leave everything that is in the stage behind: what kernels are born to next is empty."""
        old = Path(self.place)
        self._keep(msgspec.structs.replace(self.state, number=self.state.number + 1, base=now(), known=()))
        if old.exists():
            self._remove(old)

    def drop(self, changes: Iterable[Change]) -> None:
        """Take single changes out of the stage, as if they had not been made."""
        by_top = {layer.top: layer for layer in self.layers}
        for change in changes:
            layer = by_top[change.top]
            if change.kind == "mode" and change.what == "folder":
                with folder_above(layer.upper, change.path) as (above, name), opened(name, below=above) as fd:
                    os.fchmod(fd, change.was_mode)
            elif not self._show_lower(layer, change.path, added=change.was == "", folders=True):
                raise StageError(
                    _("{path} cannot be dropped alone: its folder was deleted or made anew.", path=change.name),
                    _("Drop the folder: interpreter stage drop {path}", path=os.path.dirname(change.name)),
                )

    def _show_lower(self, layer: Layer, path: str, *, added: bool = False, folders: bool = False) -> bool:
        """Take an entry out of the upper folder, so that what lies below shows; False where that is not so simple."""
        fd = os.open(layer.upper, FOLDER)
        *above, name = path.split("/")
        try:
            for part in above:
                if (found := look(part, fd)) is None or not stat.S_ISDIR(found.st_mode):
                    return False
                below = os.open(part, FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
                if not added and is_opaque(fd, layer.private):
                    return False
            found = look(name, fd)
            if found is None:
                return True
            if not stat.S_ISDIR(found.st_mode):
                os.unlink(name, dir_fd=fd)
            elif folders:
                shutil.rmtree(name, dir_fd=fd)
            return True
        finally:
            os.close(fd)


def now() -> int:
    return time.clock_gettime_ns(COARSE)


def is_opaque(fd: int, private: str) -> bool:
    try:
        return os.getxattr(fd, f"{private}.overlay.opaque") == b"y"
    except OSError:
        return False


def check_room(journal: Journal) -> None:
    """Raises StageError: what will be written does not fit, or may not be written."""
    needed: dict[int, int] = {}
    for operation in journal.operations:
        layer = journal.layers[operation.layer]
        above = os.path.dirname(os.path.join(layer.top, os.fsdecode(operation.path)))
        if os.path.isdir(above) and not os.access(above, os.W_OK | os.X_OK):
            raise StageError(_("{path} cannot be written.", path=above), _("Nothing was committed; the stage is kept."))
        needed[operation.layer] = needed.get(operation.layer, 0) + operation.size
    for number, size in needed.items():
        top = journal.layers[number].top
        free = os.statvfs(top)
        if size > free.f_bavail * free.f_frsize:
            raise StageError(
                _("There is no room in {path} for {size} bytes.", path=top, size=size),
                _("Nothing was committed; the stage is kept."),
            )
