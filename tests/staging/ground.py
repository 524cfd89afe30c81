"""A real overlay over a small folder, and programs that write to it."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from interpreter.app.layers import runs_by_itself
from interpreter.keeper.stage import enter, open_stage
from interpreter.sandbox.stage import layers
from interpreter.staging.journal import chosen
from interpreter.staging.stage import Stage

FILES = {"a": b"one\n", "b": b"two\n", "d/x": b"x\n", "d/y": b"y\n", "e/z": b"z\n", "keep": b"kept\n", "f": b"f\n"}


class Ground:
    """Everything that is started has ended when a call returns."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.here, self.session = root / "here", root / "session"
        for name, body in FILES.items():
            path = self.here / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        (self.here / "link").symlink_to("a")
        self.begin()

    def begin(self) -> None:
        """A stage with nothing in it, over the folder as it is now."""
        time.sleep(0.02)  # files get their times from a coarse clock: what stood there before has to be older
        self.stage = Stage.begin(self.session, [str(self.here)], runs_by_itself)
        self.stage.renew()

    def again(self) -> Stage:
        """As another process finds it."""
        found = Stage.open(self.session, runs_by_itself)
        assert found is not None
        return found

    def run(self, script: str) -> None:
        """A shell script with the overlay in the folder's place."""
        self.do(lambda: os.execv("/bin/sh", ["sh", "-ec", script]))

    def do(self, work: Callable[[], None]) -> None:
        folder = layers(self.stage.place, str(self.here))
        entrance = open_stage({"folders": [[str(self.here), folder]], "identity": None})
        child = os.fork()
        if child == 0:
            try:
                enter(entrance)
                os.chdir(self.here)
                work()
                os._exit(0)
            finally:
                os._exit(9)
        entrance.close()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def kinds(self) -> dict[str, str]:
        return {change.path: change.kind for change in self.stage.changes()}

    def commit(self, *paths: str) -> None:
        names = [str(self.here / path) for path in paths]
        digest = self.stage.prepare(chosen(self.stage.changes(), names), "c_test")
        journal, _kept = self.stage.carry_out(digest)
        self.stage.settle(journal)


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Every path with its mode and what it holds."""
    found: dict[str, tuple[int, str]] = {}
    for path in sorted(folder.rglob("*")):
        body = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, hashlib.sha256(body).hexdigest())
    return found
