"""Kernels behind real walls, by a real keeper, as root and as an ordinary user, with and without control groups."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from interpreter.keeper import cgroup
from interpreter.kernels.runtimes import PYTHON_PARTS
from interpreter.sandbox import Walls, seen, system, workspace_profile
from interpreter.types.base import to_json
from interpreter.types.walls import MIB, Launch, Limits
from tests.guest.keeper_client import Guest, KeeperClient, driver

ORDINARY = 1000
PYTHON = "/usr/bin/python3"
PARTS = {name: driver(f"python_{name}.py") for name in PYTHON_PARTS}
GUESTS: dict[str, tuple[list[str], str, str]] = {
    "python": ([PYTHON, "-I", "-"], "python_driver.py", "json"),
    "shell": (["/bin/bash", "/dev/stdin"], "bash_driver.sh", "bash"),
}


class Subject(NamedTuple):
    backend: Literal["bubblewrap", "landlock"]
    uid: int
    grouped: bool
    """With a control group, where the machine has one for us."""

    def __str__(self) -> str:
        who = "root" if self.uid == 0 else "user"
        return f"{self.backend}-{who}-{'group' if self.grouped else 'watched'}"


def subjects() -> list[Subject]:
    """Every combination that can be tried here."""
    users = [0, ORDINARY] if os.geteuid() == 0 else [os.geteuid()]
    backends: tuple[Literal["bubblewrap", "landlock"], ...] = ("bubblewrap", "landlock")
    found = [Subject(backend, uid, False) for backend in backends for uid in users]
    return found + [Subject(backend, os.geteuid(), True) for backend in backends]


def as_user(uid: int) -> list[str]:
    """The command that starts a Python of that user's; ours may lie in a folder that is closed to others."""
    if uid == os.geteuid():
        return [sys.executable]
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", PYTHON]


class World:
    """A keeper of the subject's, and the folders of one session."""

    def __init__(self, subject: Subject, top: Path) -> None:
        self.subject = subject
        self.workspace, self.home = top / "work", top / "home"
        self.scratch = self.home / "scratch"
        for folder in (self.workspace, self.home):
            folder.mkdir()
        for folder in (top, self.workspace, self.home):
            os.chown(folder, subject.uid, subject.uid)
        self.client = KeeperClient(self.home / "run", as_user(subject.uid), owner=subject.uid)

    def kernel(self, language: str = "python", **limits: Any) -> Guest:
        """A kernel whose walls were made for these limits; its runs get them as well."""
        if self.subject.grouped and not groups_work():
            pytest.skip("this machine does not let us make control groups")
        argv, source, dialect = GUESTS[language]
        bounds = Limits(**({"memory": 2048 * MIB, "processes": 64, "free": 0} | limits))
        launch = self.launch(argv, bounds)
        if not self.subject.grouped:
            launch["cgroup"] = None
        parts = PARTS if language == "python" else {}
        guest = Guest(self.client, argv, driver(source), dialect, cwd=self.workspace, launch=launch, parts=parts)
        guest.bounds = json.loads(json.dumps({name: getattr(bounds, name) for name in bounds.__struct_fields__}))
        return guest

    def clear(self) -> None:
        """As it was made: for the next test."""
        self.client.clear(0)
        for entry in self.workspace.iterdir():
            entry.unlink()

    def launch(self, argv: list[str], bounds: Limits) -> dict[str, Any]:
        """Made by the one who will run it: what a backend does depends on who asks."""
        made = in_child(self.subject.uid, lambda: to_json(self._make(argv, bounds)))
        if made.startswith(b"SandboxUnavailable"):
            pytest.skip(f"{self.subject.backend} does not work here: {made.decode()}")
        assert made.startswith(b"{"), made.decode()
        return json.loads(made)

    def _make(self, argv: list[str], bounds: Limits) -> Launch:
        environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        profile = workspace_profile(
            self.workspace,
            self.scratch,
            home=self.home,
            environ=environ,
            backend=self.subject.backend,
            limits=bounds,
        )
        return Walls(profile).launch(argv)


def in_child(uid: int, work: Callable[[], bytes]) -> bytes:
    """What `work` returns as that user, or the name and the words of what it raises."""
    # Our library may be closed to that user: what is needed there is loaded here.
    codecs.lookup("ascii")
    importlib.import_module("ctypes")
    read, write = os.pipe()
    with warnings.catch_warnings():
        # Other threads of the tests hold no lock that the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() != uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                system.system.cache_clear()
                seen.machine.cache_clear()
                sys.executable = PYTHON
            os.write(write, work())
        except BaseException as error:
            os.write(write, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        made = file.read()
    os.waitpid(pid, 0)
    return made


def groups_work() -> bool:
    made = cgroup.create(f"probe-{os.getpid()}", 64 * MIB, 16)
    return made is not None and made.remove()


@contextlib.contextmanager
def world_of(subject: Subject) -> Generator[World]:
    """Everything in it belongs to the subject, and it is gone afterwards."""
    if not os.path.exists(PYTHON):
        pytest.skip(f"there is no {PYTHON}")
    top = Path(os.path.realpath(tempfile.mkdtemp(prefix="limits-")))
    top.chmod(0o755)
    try:
        world = World(subject, top)
        with world.client:
            yield world
    finally:
        shutil.rmtree(top, ignore_errors=True)
