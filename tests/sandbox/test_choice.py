from __future__ import annotations

import sys
from pathlib import Path

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.sandbox import WALLS, Walls, choose, report, run
from interpreter.sandbox.bubblewrap import Bubblewrap
from interpreter.sandbox.choice import BACKENDS
from interpreter.sandbox.landlock import abi
from interpreter.sandbox.seen import cache_file, recall, remember
from interpreter.types.walls import Profile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's")
with_landlock = pytest.mark.skipif(abi() < 3, reason="this kernel has no Landlock that protects files")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def broken_bubblewrap(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Ubuntu 24.04 has: a program that is there, and fails."""
    folder.mkdir()
    program = folder / "bwrap"
    tried = folder / "tried"
    program.write_text(
        f'#!/bin/sh\necho x >> {tried}\necho "bwrap: setting up uid map: Permission denied" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setitem(BACKENDS, "bubblewrap", Bubblewrap((str(folder),)))
    return tried


@with_landlock
def test_landlock_where_bubblewrap_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = broken_bubblewrap(tmp_path / "bin", monkeypatch)
    assert choose(Profile()).name == "landlock"
    times = tried.read_text().count("x")
    assert times > 0
    assert choose(Profile()).name == "landlock"
    assert tried.read_text().count("x") == times, "a failure is remembered"
    report()
    assert tried.read_text().count("x") > times, "doctor tries anew"


@with_landlock
def test_landlock_where_there_is_no_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "bubblewrap", Bubblewrap((str(tmp_path),)))
    assert choose(Profile()).name == "landlock"


def test_a_bwrap_of_the_persons_path_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a working folder stands first in PATH, and programs inside may write there."""
    planted = tmp_path / "bwrap"
    planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    planted.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    report()
    assert not (tmp_path / "ran").exists()


def test_a_named_backend_is_never_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_bubblewrap(tmp_path / "bin", monkeypatch)
    with pytest.raises(SandboxUnavailable) as caught:
        choose(Profile(backend="bubblewrap"))
    assert "Permission denied" in caught.value.message and "--sandbox host" in caught.value.hint
    assert caught.value.exit_code == 7


def test_a_repaired_bubblewrap_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if Bubblewrap().missing()[0]:
        pytest.skip("bubblewrap is not installed")
    broken_bubblewrap(tmp_path / "bin", monkeypatch)
    with pytest.raises(SandboxUnavailable):
        choose(Profile(backend="bubblewrap"))
    monkeypatch.setitem(BACKENDS, "bubblewrap", Bubblewrap())
    assert choose(Profile(backend="bubblewrap")).name == "bubblewrap"


def test_host_only_by_name(tmp_path: Path) -> None:
    host = choose(Profile(backend="host"))
    assert host.name == "host" and not any(host.holds().values())
    with pytest.raises(SandboxUnavailable, match="only used by name"):
        host.launch(Profile(workspace=str(tmp_path)), ["/bin/true"])


@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
def test_the_hosts_network_is_never_shared(tmp_path: Path, name: str) -> None:
    try:
        backend = choose(Profile(backend=name))  # pyright: ignore[reportArgumentType] -- one of the literals
    except SandboxUnavailable as error:
        pytest.skip(error.message)
    with pytest.raises(SandboxUnavailable, match="does not share the network"):
        backend.launch(Profile(workspace=str(tmp_path), network="host"), ["/bin/true"])


@with_landlock
def test_landlock_refuses_to_hide_in_a_writable_folder(tmp_path: Path) -> None:
    (tmp_path / "ws" / "home").mkdir(parents=True)
    profile = Profile(backend="landlock", workspace=str(tmp_path / "ws"), hidden=(str(tmp_path / "ws" / "home"),))
    with pytest.raises(SandboxUnavailable, match="cannot hide"):
        Walls(profile).launch(["/bin/true"])


@with_landlock
def test_landlock_leaves_out_what_is_hidden_in_a_readable_folder(tmp_path: Path) -> None:
    for name in ("ws", "data/open", "data/closed"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("open", "closed"):
        (tmp_path / "data" / name / "f").write_text(name)
    profile = Profile(
        backend="landlock",
        workspace=str(tmp_path / "ws"),
        readable=(str(tmp_path / "data"),),
        hidden=(str(tmp_path / "data" / "closed"),),
        environment={"PATH": "/usr/bin:/bin"},
    )
    command = ["/bin/cat", str(tmp_path / "data" / "open" / "f"), str(tmp_path / "data" / "closed" / "f")]
    done = run(Walls(profile).launch(command), timeout=30)
    assert done.stdout == b"open" and b"ermission denied" in done.stderr


def test_report_names_every_wall() -> None:
    for line in report():
        assert set(line.holds) | set(line.lacks) == set(WALLS) and not set(line.holds) & set(line.lacks)
        assert line.works or (line.reason and line.remedy)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a": 1}', b"\xff\xfe"])
def test_a_damaged_memory_is_none(body: bytes) -> None:
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(body)
    assert recall("k") is None
    remember("k", "v")
    assert recall("k") == "v"


def test_memory_that_cannot_be_written(own_cache: Path) -> None:
    own_cache.write_text("a file where the folder should be")
    remember("k", "v")
    assert recall("k") is None
