"""The state of one workspace: kept and compared. `back.restore` brings it back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..errors import StoreError, UsageError
from ..text.i18n import _
from .intake import Intake
from .options import SnapshotOptions
from .scan import OPEN_FOLDER, Found, Scan
from .seen import Memory
from .shelf import Shelf
from .tree import Change, changes
from .words import named

ROUNDS = 3


class Taken(NamedTuple):
    """A snapshot: on the disk itself when this is returned."""

    tree: str
    """Its name, in hexadecimal: the same for the same state."""
    files: int
    size: int
    """Bytes of all files that it covers."""
    uncovered: tuple[str, ...]
    """What it does not cover, each with the reason; the first of many."""
    begun: float
    """`time.monotonic()` of the look: what changed later is not in it."""
    duration: float
    """Seconds that it took."""


class Snapshots:
    """Of one workspace, for one session. Everything blocks; call it in a thread. Usable from any thread.

    Args:
        home: the tool's home, where the snapshots lie.
        workspace: the folder, absolute and without links.
        session: whose snapshots these are: they are kept as long as it is.
    """

    def __init__(self, home: Path, workspace: Path, session: str, options: SnapshotOptions) -> None:
        self._home, self._workspace, self._session, self._options = home, workspace, session, options
        self.shelf = Shelf(home)
        self.memory = Memory(self.shelf, workspace)
        self.lock = threading.Lock()

    def take(self) -> Taken:
        """Keep the state as it is now. Only what changed since the last time is read.

        Raises StoreError: it could not be kept; the reason is told.
        """
        with self.lock:
            return self._take()

    def _take(self) -> Taken:
        begun = time.monotonic()
        with self.root() as root:
            found = self.scan(root, frozenset())
        return Taken(found.tree.hex(), found.files, found.size, named(found.uncovered), begun, time.monotonic() - begun)

    @contextmanager
    def root(self) -> Generator[int]:
        """The workspace, open. Raises StoreError."""
        try:
            root = os.open(self._workspace, OPEN_FOLDER)
        except OSError as error:
            raise StoreError(
                _("The folder {path} cannot be looked at: {reason}.", path=self._workspace, reason=error.strerror)
            ) from error
        try:
            yield root
        finally:
            os.close(root)

    def scan(self, root: int, covered: frozenset[bytes]) -> Found:
        """Keep the state of the open workspace; to be called with the `lock` held. `covered`: see `Scan`."""
        home = os.stat(self._home)
        for _round in range(ROUNDS):
            facts = os.fstat(root)
            self.memory.load(facts.st_dev, facts.st_ino)
            intake = Intake(self.shelf, self._options, self.memory.generation)
            scan = Scan(self.memory, intake, self._options, (home.st_dev, home.st_ino), covered)
            try:
                found = scan.run(root)
            except OSError as error:
                raise StoreError(
                    _("The folder {path} cannot be looked at: {reason}.", path=self._workspace, reason=error.strerror)
                ) from error
            if not intake.stale and self.shelf.write(
                intake.batch, full=True, root=(self._session, found.tree), generation=intake.generation
            ):
                self.memory.save(now=False)
                return found
            self.memory.forget()
        raise StoreError(_("Snapshots are being removed by another program; try again."))

    def changes(self, before: str, after: str = "") -> list[Change]:
        """The paths that differ; `after` empty: how things stand now. Raises StoreError."""
        return list(changes(self.shelf.tree, from_hex(before), from_hex(after or self.take().tree)))

    def content(self, key: bytes) -> bytes | Path:
        """The bytes of a content, or the file that holds a large one; for `diff` and `stat`. Raises StoreError."""
        return self.shelf.content(key)

    def close(self) -> None:
        """Write down what was seen, so that the next session's first look is a short one. May be called twice."""
        with self.lock:
            try:
                self.memory.save(now=True)
            except StoreError:
                pass  # it costs the next one time, and nothing else
            self.shelf.close()


def from_hex(tree: str) -> bytes:
    try:
        return bytes.fromhex(tree)
    except ValueError:
        raise UsageError(_("{tree} is not the name of a snapshot.", tree=repr(tree))) from None
