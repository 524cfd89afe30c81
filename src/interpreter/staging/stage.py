"""A session's stage as it lies on the disk: which layers count, what is decided, what is done."""

from __future__ import annotations

import ctypes
import hashlib
import os
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
from .apply import Applier, steps_done, sweep
from .changes import Layer, Reader
from .dropping import drop, hidden_by, uncover
from .folders import Folders, numbers
from .journal import Journal, plan, read, write, write_durably
from .names import folder_above, look, opened, signature
from .removal import remove

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
    folders: tuple[tuple[bytes, int], ...] = ()
    """The numbers of folders that stood there at `base`, or held what a commit was to change, by whole names."""


class Stage:
    """A stage. `runs`: see `Reader`.

    Raises StageError and OSError; what a call could not do it has not begun, except where it says otherwise."""

    def __init__(self, folder: Path, state: State, runs: Runs) -> None:
        self.folder = folder
        self.state = state
        self._runs = runs

    @classmethod
    def open(cls, folder: Path, runs: Runs) -> Stage | None:
        """The stage of a session that has one."""
        try:
            body = (folder / "state.json").read_bytes()
        except FileNotFoundError:
            return None
        return cls(folder, msgspec.json.decode(body, type=State), runs)

    @classmethod
    def begin(cls, folder: Path, tops: Sequence[str], runs: Runs) -> Stage:
        """The stage of a session, begun where there is none; with further folders where there are more now."""
        found = cls.open(folder, runs)
        private = "trusted" if os.geteuid() == 0 else "user"
        state = found.state if found else State(private=private)
        more = tuple(top for top in map(os.fsencode, tops) if top not in state.tops)
        if found is not None and not more:
            return found
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = msgspec.structs.replace(state, tops=(*state.tops, *more), folders=(*state.folders, *numbered(more)))
        stage = cls(folder, state, runs)
        stage._keep(state if found else msgspec.structs.replace(state, base=now()))
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
            found += Reader(layer, base=self.state.base, known=known, folders=self._folders, runs=self._runs).read()
        return found

    @property
    def _folders(self) -> Folders:
        return Folders(self.state.base, {os.fsdecode(name): number for name, number in self.state.folders})

    # --- committing; no program is on the stage any more

    def prepare(self, changes: Iterable[Change], commit: str) -> str:
        """Write down what will be done, durably, with all new contents; returns the journal's hash. Nothing is
        changed outside the stage."""
        changes = list(changes)
        journal = plan(self.layers, changes, commit, self.state.number)
        check_room(journal)
        # What a commit does in a folder changes its times: from then on only its number tells that it is the same.
        folders = dict(self.state.folders) | by_bytes(self._folders.above(changes))
        self._keep(msgspec.structs.replace(self.state, folders=tuple(folders.items())))
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
                    layer, path = self.layers[operation.layer], os.fsdecode(operation.path)
                    if not hidden_by(layer, path):
                        uncover(layer, path)
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
        sweep(journal, len(done))
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
        """Leave everything that is in the stage behind: what kernels are born to next is empty, also where it raises
        OSError because the old layers could not be taken away."""
        old = self.state.number
        folders = numbered(self.state.tops)
        self._keep(msgspec.structs.replace(self.state, number=old + 1, base=now(), known=(), folders=folders))
        with opened(str(self.folder)) as fd:
            remove(str(old), fd)

    def drop(self, changes: Sequence[Change], every: Sequence[Change]) -> None:
        """Take single changes, of `every`, out of the stage, as if they had not been made."""
        drop(self.layers, changes, every)


def now() -> int:
    return time.clock_gettime_ns(COARSE)


def numbered(tops: Iterable[bytes]) -> tuple[tuple[bytes, int], ...]:
    return tuple(pair for top in tops for pair in by_bytes(numbers(os.fsdecode(top))).items())


def by_bytes(found: dict[str, int]) -> dict[bytes, int]:
    """By names as they can be kept: they may hold anything."""
    return {os.fsencode(name): number for name, number in found.items()}


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
