"""Two kernels of one session: the first leaves or swaps links where the walls of the second are put up."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
import tarfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interpreter.sandbox import Walls, shape
from interpreter.sandbox.grants import Opened
from interpreter.sandbox.profiles import resolve
from interpreter.types.walls import Profile
from tests.conformance.sandbox_world import PYTHON, World, run_as, users, world_of
from tests.conformance.test_sandboxes import works_here
from tests.engine import engine

from .field import identity

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the attacks run under {PYTHON}"),
]
LAUNCHES = {"bubblewrap": 10, "container": 3, "landlock": 5}
THROUGH_THE_LINKS = "cat a/b/mine c/b/mine; echo x > a/b/planted; echo x > c/b/planted; true"
LOOK = "cat .vscode/id_rsa; true"
SWAP = """
import ctypes, os, time
libc = ctypes.CDLL(None)
os.mkdir(".vscode")
os.symlink("../.ssh", "other")
end = time.monotonic() + 30
while time.monotonic() < end and not os.path.exists("end"):
    libc.renameat2(-100, b".vscode", -100, b"other", 2)
"""


class Session(NamedTuple):
    world: World
    private: Path
    """A folder beside the working folder, with a file `mine` in `b`."""
    hidden: tuple[str, ...]

    def profile(self, backend: Any) -> Profile:
        made = self.world.profile(backend, final=False)
        return shape(made, resolve("", {}), Opened(), hidden=self.hidden, environ={})

    def run(self, profile: Profile, script: str) -> str:
        return run_as(self.world.uid, lambda: Walls(profile).launch(["/bin/sh", "-c", script])).stdout


@pytest.fixture(params=users(), ids=lambda uid: "root" if uid == 0 else "user")
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    # The library of this Python may be closed to that user: what is needed there is loaded here.
    codecs.lookup("ascii")
    assert tarfile.DIRTYPE
    with world_of(request.param) as world:
        private = world.workspace.parent / "private"
        (private / "b").mkdir(parents=True)
        (private / "b" / "mine").write_text("SECRET\n", encoding="utf-8")
        for path in (private, private / "b", private / "b" / "mine"):
            os.chown(path, world.uid, world.uid)
        # The person hid something that is not there yet.
        hidden = tuple(f"{world.workspace}/{name}/b/secret.txt" for name in ("a", "c"))
        yield Session(world, private, hidden)


@pytest.fixture(params=["bubblewrap", "container", "landlock"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "container":
        socket, why = engine()
        if not socket:
            pytest.skip(why)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    if why := works_here(request.param):
        pytest.skip(why)
    yield request.param


def test_a_link_above_what_is_hidden_opens_nothing(session: Session, backend: str) -> None:
    profile = session.profile(backend)
    session.run(profile, f'ln -s ../private a; ln -s "{session.private}" c')
    assert "SECRET" not in session.run(profile, THROUGH_THE_LINKS)
    assert os.listdir(session.private / "b") == ["mine"]
    assert (session.world.workspace / "c").is_symlink(), "the attack was made"


def test_what_is_hidden_by_name_stays_hidden_when_it_appears(session: Session, backend: str) -> None:
    if backend == "landlock":
        pytest.skip("a path in a writable folder cannot be hidden there: such a profile is refused")
    folder = session.world.workspace / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "secret.txt").write_text("SECRET\n", encoding="utf-8")
    for path in (folder.parent, folder, folder / "secret.txt"):
        os.chown(path, session.world.uid, session.world.uid)
    profile = session.profile(backend)
    assert "SECRET" not in session.run(
        profile, "cat a/b/secret.txt; mv a/b c; mv a d; cat c/secret.txt d/b/secret.txt; true"
    )


def test_a_link_swapped_while_a_second_kernel_starts(session: Session, backend: str) -> None:
    profile = session.profile(backend)
    with warnings.catch_warnings():
        # Other threads of the tests hold no lock that the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        run_as(session.world.uid, lambda: Walls(profile).launch([PYTHON, "-I", "-c", SWAP]))
        os._exit(0)
    try:
        end = time.monotonic() + 20
        while not (session.world.workspace / "other").exists() and time.monotonic() < end:
            time.sleep(0.01)
        seen = [session.run(profile, LOOK) for _ in range(LAUNCHES[backend])]
    finally:
        (session.world.workspace / "end").touch()
        os.waitpid(child, 0)
    assert not any("SECRET" in one for one in seen)


def test_without_walls_links_lead_there(session: Session) -> None:
    (session.world.workspace / "a").symlink_to("../private")
    (session.world.workspace / "c").symlink_to(session.private)
    (session.world.workspace / ".vscode").symlink_to("../.ssh")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{THROUGH_THE_LINKS}; {LOOK}"],
        cwd=session.world.workspace,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        **identity(session.world.uid),
    )
    assert done.stdout == "SECRET\n" * 3
    assert sorted(os.listdir(session.private / "b")) == ["mine", "planted"]
