"""Started by root, a sandbox leaves none of root's powers to the code."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.sandbox import Walls, choose, run, workspace_profile
from interpreter.sandbox.bubblewrap import IDENTITY
from interpreter.types.walls import Profile

pytestmark = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has powers to lose")
READ_ALL = """
import json, sys
found = []
for path in json.load(sys.stdin):
    try:
        with open(path, 'rb') as file:
            file.read(1)
        found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    try:
        choose(Profile(backend="bubblewrap"))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    (tmp_path / "ws").mkdir()
    return workspace_profile(tmp_path / "ws", tmp_path / "s", home=tmp_path / "home", backend="bubblewrap", environ={})


def mapped(profile: Profile) -> bool:
    return Walls(profile).launch(["/bin/true"]).identity == IDENTITY


def closed_files(*tops: str) -> Iterator[str]:
    """Files that an ordinary user could not read."""
    for top in tops:
        for folder, _folders, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                found = os.lstat(path)
                if stat.S_ISREG(found.st_mode) and not found.st_mode & stat.S_IROTH:
                    yield path


def readable_inside(profile: Profile, paths: list[str]) -> list[str]:
    launch = Walls(profile).launch(["/usr/bin/python3", "-I", "-c", READ_ALL])
    done = run(launch, timeout=60, stdin=json.dumps(paths).encode())
    return json.loads(done.stdout)


def test_no_file_of_roots_can_be_read(profile: Profile) -> None:
    if not mapped(profile):
        pytest.skip("this file system cannot map mounts")
    # A home of root's may hold a million files behind one closed door.
    tops = ("/etc", "/opt", "/usr/local", "/usr/lib", "/usr/share", "/root")
    paths = [path for top in tops for path in islice(closed_files(top), 5000)]
    assert len(paths) > 3, "nothing to try"
    assert readable_inside(profile, ["/etc/passwd"]) == ["/etc/passwd"]
    assert readable_inside(profile, paths) == []


def test_without_mapping_what_is_closed_is_masked(profile: Profile, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(tmp_path / "socket"))
        granted = msgspec.structs.replace(profile, sockets=(str(tmp_path / "socket"),))
        assert not mapped(granted), "a service asks who connects: root's sockets know root alone"
        assert readable_inside(granted, list(closed_files("/etc"))) == []


def test_a_granted_socket_answers(profile: Profile, tmp_path: Path) -> None:
    path = str(tmp_path / "engine")
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(path)
        service.listen(1)
        code = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({path!r}); print('connected')"
        words = ["/usr/bin/python3", "-I", "-c", code]
        granted = msgspec.structs.replace(profile, sockets=(path,))
        assert run(Walls(granted).launch(words), timeout=20).stdout == b"connected\n"
        assert run(Walls(profile).launch(words), timeout=20).returncode != 0


def test_files_are_roots_outside_and_ones_own_inside(profile: Profile) -> None:
    if not mapped(profile):
        pytest.skip("this file system cannot map mounts")
    Path(profile.workspace, "before").write_text("x", encoding="utf-8")
    Path(profile.workspace, "before").chmod(0o600)
    script = "cat before; echo > made; stat -c %u before made; echo said > /dev/stdout; chmod 700 before"
    done = run(Walls(profile).launch(["/bin/sh", "-c", script]), timeout=20)
    assert done.stdout == b"x0\n0\nsaid\n" and done.stderr == b""
    assert Path(profile.workspace, "made").stat().st_uid == 0
    assert stat.S_IMODE(Path(profile.workspace, "before").stat().st_mode) == 0o700


def test_what_is_somebody_elses_stays_so(profile: Profile) -> None:
    if not mapped(profile):
        pytest.skip("this file system cannot map mounts")
    theirs = Path(profile.workspace, "theirs")
    theirs.write_text("x", encoding="utf-8")
    os.chown(theirs, 1000, 1000)
    theirs.chmod(0o640)
    done = run(Walls(profile).launch(["/bin/sh", "-c", "cat theirs; echo y > theirs; chown 0 theirs"]), timeout=20)
    assert done.stdout == b"" and theirs.read_text(encoding="utf-8") == "x"
    assert theirs.stat().st_uid == 1000


def test_a_workspace_that_others_cannot_reach(profile: Profile, tmp_path: Path) -> None:
    """Below /root, nobody else may pass; the stage is where everybody may."""
    if not mapped(profile):
        pytest.skip("this file system cannot map mounts")
    tmp_path.chmod(0o700)
    done = run(Walls(profile).launch(["/bin/sh", "-c", "pwd; echo > made"]), timeout=20)
    assert done.stdout.decode() == f"{profile.workspace}\n" and done.stderr == b""


def test_processes_are_counted(profile: Profile) -> None:
    if not mapped(profile):
        pytest.skip("this file system cannot map mounts")
    few = msgspec.structs.replace(profile, limits=msgspec.structs.replace(profile.limits, processes=20))
    script = "for i in $(seq 60); do sleep 1 & done; echo all"
    done = run(Walls(few).launch(["/bin/bash", "-c", script]), timeout=40)
    assert b"all" not in done.stdout or b"Resource temporarily unavailable" in done.stderr
    assert b"Resource temporarily unavailable" in done.stderr
