from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from interpreter.errors import SandboxUnavailable, UsageError
from interpreter.sandbox import Walls, choose, run, workspace_profile
from interpreter.sandbox.bubblewrap import plan
from interpreter.sandbox.system import system
from interpreter.types.walls import Launch, Profile


@pytest.fixture(autouse=True, scope="module")
def bubblewrap() -> None:
    if sys.platform != "linux":
        pytest.skip("bubblewrap is Linux's")
    try:
        choose(Profile(backend="bubblewrap"))
    except SandboxUnavailable as error:
        pytest.skip(error.message)


def walls(tmp_path: Path, **given: object) -> Walls:
    for name in ("ws", "home", "data"):
        (tmp_path / name).mkdir(exist_ok=True)
    made = workspace_profile(
        tmp_path / "ws",
        tmp_path / "home" / "s" / "scratch",
        home=tmp_path / "home",
        backend="bubblewrap",
        environ={},
        **given,  # pyright: ignore[reportArgumentType] -- each test gives what it needs
    )
    return Walls(made)


def shell(launch: Launch) -> str:
    done = run(launch, timeout=30)
    return (done.stdout + done.stderr).decode()


def test_nothing_is_left_in_the_workspace(tmp_path: Path) -> None:
    inside = walls(tmp_path, readable=[str(tmp_path / "ws" / "not-there"), str(tmp_path / "nor-this")])
    assert shell(inside.launch(["/bin/sh", "-c", "echo ran"])) == "ran\n"
    assert os.listdir(tmp_path / "ws") == []
    assert not (tmp_path / "nor-this").exists()


def test_the_tools_home_inside_the_workspace_is_hidden_but_for_the_scratch(tmp_path: Path) -> None:
    home = tmp_path / "ws" / ".interpreter-home"
    home.mkdir(parents=True)
    (home / "log.db").write_text("SECRET")
    profile = workspace_profile(
        tmp_path / "ws", home / "s" / "scratch", home=home, backend="bubblewrap", environ={"PATH": "/usr/bin:/bin"}
    )
    script = f'cat "{home}/log.db"; ls "{home}"; echo x > "{home}/new"; echo kept > "$HOME/f" && cat "$HOME/f"'
    said = shell(Walls(profile).launch(["/bin/sh", "-c", script]))
    assert "SECRET" not in said and "kept\n" in said
    assert sorted(os.listdir(home)) == ["log.db", "s"]
    assert (home / "s" / "scratch" / "home" / "f").read_text() == "kept\n"


def test_plan_orders_by_depth_and_leaves_out_what_is_shown(tmp_path: Path) -> None:
    for name in ("a/b/c", "ws/.git", "ws/env", "home/s"):
        (tmp_path / name).mkdir(parents=True)
    profile = Profile(
        workspace=str(tmp_path / "ws"),
        readable=(str(tmp_path / "a"), str(tmp_path / "a" / "b"), str(tmp_path / "ws" / "env"), "/usr/lib"),
        hidden=(str(tmp_path / "a" / "b"), str(tmp_path / "home")),
        writable=(str(tmp_path / "home" / "s"),),
        protected=(str(tmp_path / "ws" / ".git"),),
    )
    mounts = [
        (Path(m.path).relative_to(tmp_path).as_posix(), m.kind)
        for m in plan(profile, system().hidden)
        if m.path[:5] == "/tmp/"
    ]
    found = [m for m in mounts if not m[0].startswith("..")]
    assert ("a", "read") in found and ("a/b", "hide") in found and ("ws/.git", "protect") in found
    assert ("home/s", "write") in found and ("home", "hide") not in found
    assert not [path for path, _ in found if path.startswith("ws/env")]
    assert [path.count("/") for path, _ in found] == sorted(path.count("/") for path, _ in found)


def test_both_kernels_of_a_session_share_a_private_tmp(tmp_path: Path) -> None:
    """Also under its short name, unless something of the profile lies below /tmp itself."""
    inside = walls(tmp_path)
    shell(inside.launch(["/bin/sh", "-c", 'echo shared > "$TMPDIR/of-both-kernels"']))
    assert shell(inside.launch(["/bin/sh", "-c", 'cat "$TMPDIR/of-both-kernels"'])) == "shared\n"
    assert not Path("/tmp/of-both-kernels").exists()


def test_tmp_is_a_folder_of_the_session_where_nothing_lies_below_it() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        top = Path(os.path.realpath(folder))
        inside = walls(top)
        assert shell(inside.launch(["/bin/sh", "-c", "echo $TMPDIR; echo shared > /tmp/of-a-session"])) == "/tmp\n"
        assert shell(inside.launch(["/bin/cat", "/tmp/of-a-session"])) == "shared\n"
        assert (top / "home" / "s" / "scratch.tmp" / "of-a-session").read_text() == "shared\n"
    assert not Path("/tmp/of-a-session").exists()


def test_written_beside_a_mount_is_refused_and_not_lost(tmp_path: Path) -> None:
    said = shell(walls(tmp_path).launch(["/bin/sh", "-c", "echo x > ../lost && echo written"]))
    assert "written" not in said and not (tmp_path / "lost").exists()


def test_what_is_for_one_launch_stays_there(tmp_path: Path) -> None:
    inside = walls(tmp_path)
    (tmp_path / "data" / "f").write_text("data")
    command = ["/bin/sh", "-c", f'cat "{tmp_path}/data/f"; echo $EXTRA']
    assert shell(inside.launch(command, readable=[str(tmp_path / "data")], env={"EXTRA": "1"})) == "data1\n"
    assert "No such file" in shell(inside.launch(command))


def test_a_grant_opens_a_path_to_later_kernels(tmp_path: Path) -> None:
    inside = walls(tmp_path)
    (tmp_path / "data" / "f").write_text("data")
    path = str(tmp_path / "data" / "f")
    assert "No such file" in shell(inside.launch(["/bin/cat", path]))
    assert inside.grant(path) == path
    assert shell(inside.launch(["/bin/cat", path])) == "data"
    assert "Read-only" in shell(inside.launch(["/bin/sh", "-c", f'echo x >> "{path}"']))
    assert (tmp_path / "data" / "f").read_text() == "data"


@pytest.mark.parametrize("path", ["home", "home/log.db", ".", "/etc/shadow", "/"])
def test_what_is_never_granted(tmp_path: Path, path: str) -> None:
    inside = walls(tmp_path)
    (tmp_path / "home" / "log.db").write_text("SECRET")
    if path == "/etc/shadow" and not Path(path).exists():
        pytest.skip("there is no /etc/shadow")
    with pytest.raises(UsageError, match="never opened"):
        inside.grant(str(tmp_path / path))


def test_a_grant_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no"):
        walls(tmp_path).grant(str(tmp_path / "no"))


def test_a_granted_file_of_the_home_is_found_through_the_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me" / "big disk").mkdir(parents=True)
    (tmp_path / "me" / "Downloads").symlink_to("big disk")
    (tmp_path / "me" / "Downloads" / "x.csv").write_text("a,b\n")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    inside = walls(tmp_path)
    named = inside.grant("~/Downloads/x.csv")
    assert named == str(tmp_path / "me" / "Downloads" / "x.csv")
    script = f'cat ~/Downloads/x.csv "{named}" "{tmp_path}/me/big disk/x.csv"'
    assert shell(inside.launch(["/bin/sh", "-c", script])) == "a,b\n" * 3
    assert inside.grant("~/Downloads/x.csv") == named, "a second time changes nothing"


def test_the_name_below_the_tilde_follows_no_planted_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me" / "Downloads").mkdir(parents=True)
    (tmp_path / "me" / "Downloads" / "x.csv").write_text("a,b\n")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    inside = walls(tmp_path)
    target = tmp_path / "target"
    target.mkdir()
    shell(inside.launch(["/bin/sh", "-c", f'ln -s "{target}" ~/Downloads']))
    inside.grant("~/Downloads/x.csv")
    assert os.listdir(target) == []
