"""A path appears inside a sandbox that already runs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Literal

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.keeper.grants import grant
from interpreter.sandbox import Walls, choose, workspace_profile
from interpreter.sandbox.choice import PROGRAM
from interpreter.types.base import to_json
from interpreter.types.walls import Profile


@pytest.fixture(autouse=True, scope="module")
def bubblewrap() -> None:
    if sys.platform != "linux":
        pytest.skip("bubblewrap is Linux's")
    try:
        choose(Profile(backend="bubblewrap"))
    except SandboxUnavailable as error:
        pytest.skip(error.message)


class Living:
    """A shell inside, that runs what it is told and says `done`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.ask("true")
        self.pid = self._deepest(process.pid)

    def ask(self, command: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{{ {command}; }} 2>&1; echo; echo done\n")
        self.process.stdin.flush()
        said = ""
        while not said.endswith("\ndone\n"):
            line = self.process.stdout.readline()
            assert line, f"the shell ended: {said}"
            said += line
        return said.removesuffix("\ndone\n")

    def _deepest(self, pid: int) -> int:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return self._deepest(int(children[0])) if children else pid


@contextlib.contextmanager
def living(tmp_path: Path, network: Literal["closed", "proxy"] = "closed") -> Generator[Living]:
    for name in ("ws", "home", "Downloads"):
        (tmp_path / name).mkdir()
    (tmp_path / "Downloads" / "x.csv").write_text("a,b\n")
    (tmp_path / "Downloads" / "y.csv").write_text("c,d\n")
    profile = workspace_profile(
        tmp_path / "ws",
        tmp_path / "home" / "s",
        home=tmp_path / "home",
        backend="bubblewrap",
        network=network,
        environ={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    fd = os.memfd_create("launch", 0)
    os.write(fd, to_json(Walls(profile).launch(["/bin/sh"])))
    os.lseek(fd, 0, os.SEEK_SET)
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(fd)]
    with subprocess.Popen(command, pass_fds=(fd,), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        os.close(fd)
        try:
            yield Living(process)
        finally:
            process.kill()


@pytest.mark.parametrize("network", ["closed", "proxy"])
def test_a_file_appears_under_its_own_name(tmp_path: Path, network: Literal["closed", "proxy"]) -> None:
    path = str(tmp_path / "Downloads" / "x.csv")
    with living(tmp_path, network) as inside:
        assert "No such file" in inside.ask(f"cat {path}")
        grant(inside.pid, path, path)
        assert inside.ask(f"cat {path}") == "a,b\n"
        assert inside.ask(f"ls {tmp_path}/Downloads") == "x.csv\n", "nothing beside it"
        for attempt in (f"echo z > {path}", f"rm {path}", f"mv {path} .", "echo z > /new"):
            assert "done" not in inside.ask(f"{attempt} && echo done")
    assert Path(path).read_text() == "a,b\n"


def test_a_folder_appears_with_all_in_it(tmp_path: Path) -> None:
    folder = str(tmp_path / "Downloads")
    with living(tmp_path) as inside:
        grant(inside.pid, folder, folder)
        assert inside.ask(f"cat {folder}/x.csv {folder}/y.csv") == "a,b\nc,d\n"
        assert "Read-only" in inside.ask(f"touch {folder}/new")
        (tmp_path / "Downloads" / "later").write_text("later\n")
        assert inside.ask(f"cat {folder}/later") == "later\n"
    assert sorted(os.listdir(folder)) == ["later", "x.csv", "y.csv"]


def test_under_the_name_that_the_person_uses(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_text("here\n")
    (tmp_path / "named").symlink_to(tmp_path / "real")
    with living(tmp_path) as inside:
        grant(inside.pid, str(tmp_path / "real" / "f"), str(tmp_path / "named" / "f"))
        assert inside.ask(f"cat {tmp_path}/named/f") == "here\n"


def test_a_grant_to_write(tmp_path: Path) -> None:
    folder = str(tmp_path / "Downloads")
    with living(tmp_path) as inside:
        grant(inside.pid, folder, folder, "write")
        assert inside.ask(f"echo new > {folder}/new && echo written") == "written\n"
    assert (tmp_path / "Downloads" / "new").read_text() == "new\n"


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    """Between the question and the grant somebody may have swapped the file."""
    with living(tmp_path) as inside:
        path = tmp_path / "Downloads" / "x.csv"
        path.unlink()
        path.symlink_to("/etc/hostname")
        with pytest.raises(OSError, match=r"x\.csv"):
            grant(inside.pid, str(path), str(path))
        assert "No such file" in inside.ask(f"cat {path}")
        assert "Read-only" in inside.ask("touch /still"), "the root was closed again"


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with living(tmp_path) as inside, pytest.raises(FileNotFoundError):
        grant(inside.pid, str(tmp_path / "no"), str(tmp_path / "no"))


def test_a_place_of_another_kind(tmp_path: Path) -> None:
    with living(tmp_path) as inside:
        inside.ask(f"ln -s /etc {tmp_path}/ws/link")
        for place in (f"{tmp_path}/ws", f"{tmp_path}/ws/link", "/etc"):
            with pytest.raises(FileExistsError):
                grant(inside.pid, str(tmp_path / "Downloads" / "x.csv"), place)


def test_a_process_without_a_sandbox(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    Path(path).write_text("x")
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        time.sleep(0.01)
        try:
            with pytest.raises(OSError, match="no sandbox of its own"):
                grant(process.pid, path, path)
        finally:
            process.kill()
