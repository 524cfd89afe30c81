"""A workspace for the tests, and readings of it that know nothing of the code under test."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

from interpreter.snapshots import SnapshotOptions, Snapshots


def state(top: Path) -> dict[bytes, tuple[Any, ...]]:
    """Everything below a folder: kind, mode, and content or target, by path."""
    found: dict[bytes, tuple[Any, ...]] = {}
    for folder, names, files in os.walk(bytes(top)):
        for name in (*names, *files):
            path = os.path.join(folder, name)
            facts = os.lstat(path)
            mode = stat.S_IMODE(facts.st_mode)
            key = os.path.relpath(path, bytes(top))
            if stat.S_ISLNK(facts.st_mode):
                found[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(facts.st_mode):
                found[key] = ("folder", mode)
            elif stat.S_ISREG(facts.st_mode):
                found[key] = ("file", mode, contents(path) if os.access(path, os.R_OK) else b"closed to us")
            else:
                found[key] = ("special", stat.S_IFMT(facts.st_mode))
    return found


def contents(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class Bench:
    """A home and a workspace."""

    def __init__(self, top: Path) -> None:
        self.home, self.work = top / "home", top / "work"
        self.home.mkdir()
        self.work.mkdir()
        self._opened: list[Snapshots] = []

    def open(self, session: str = "s_1", **options: Any) -> Snapshots:
        self._opened.append(Snapshots(self.home, self.work, session, SnapshotOptions(**options)))
        return self._opened[-1]

    def close(self) -> None:
        for shots in self._opened:
            shots.close()

    def write(self, path: str | bytes, data: bytes | str, mode: int = 0o644) -> None:
        place = os.path.join(bytes(self.work), os.fsencode(path))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(place, mode)

    def age(self) -> None:
        """Give every file a time long ago: ctime cannot be set, so wait until it is no longer in doubt."""
        time.sleep(0.07)
