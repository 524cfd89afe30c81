from __future__ import annotations

import os
from pathlib import Path

import pytest

from interpreter.errors import UsageError
from interpreter.sandbox import safe_workspace, workspace_profile
from interpreter.types.walls import Profile


def profile(tmp_path: Path, environ: dict[str, str] | None = None, **given: str) -> Profile:
    (tmp_path / "ws").mkdir(exist_ok=True)
    (tmp_path / "home").mkdir(exist_ok=True)
    return workspace_profile(
        tmp_path / "ws",
        tmp_path / "home" / "s" / "scratch",
        home=tmp_path / "home",
        environ=environ or {},
        **given,  # pyright: ignore[reportArgumentType] -- each test gives one word of a literal
    )


def test_only_listed_variables_pass(tmp_path: Path) -> None:
    environ = {
        "PATH": "/opt/bin:/usr/bin",
        "LANG": "zh_CN.UTF-8",
        "LC_TIME": "C",
        "TZ": "Asia/Shanghai",
        "VIRTUAL_ENV": "/v",
        "OPENAI_API_KEY": "1",
        "GITHUB_TOKEN": "2",
        "DB_PASSWORD": "3",
        "LC_SECRET": "4",
        "EDITOR": "vi",
        "SSH_AUTH_SOCK": "/run/agent",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus",
        "LD_PRELOAD": "/evil.so",
        "PYTHONPATH": "/evil",
        "HOME": "/home/me",
        "TMPDIR": "/var/tmp",
    }
    inside = profile(tmp_path, environ).environment
    assert {name: inside[name] for name in ("PATH", "LANG", "LC_TIME", "TZ", "VIRTUAL_ENV")} == {
        name: environ[name] for name in ("PATH", "LANG", "LC_TIME", "TZ", "VIRTUAL_ENV")
    }
    assert set(inside) <= {"PATH", "LANG", "LC_TIME", "TZ", "VIRTUAL_ENV", "HOME", "TMPDIR", "TERM", "TAR_OPTIONS"}
    assert inside["HOME"] == str(tmp_path / "home" / "s" / "scratch" / "home") and inside["TERM"] == "dumb"


def test_the_folders_of_a_session_are_made_and_private(tmp_path: Path) -> None:
    made = profile(tmp_path)
    for folder in (*made.writable, made.environment["HOME"], made.environment["TMPDIR"]):
        assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert made.hidden == (str(tmp_path / "home"),)


def test_a_planted_link_at_home_is_not_followed(tmp_path: Path) -> None:
    first = profile(tmp_path)
    home = Path(first.environment["HOME"])
    home.rmdir()
    home.symlink_to(tmp_path / "nowhere")
    profile(tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_the_way_out_is_told_in_every_spelling(tmp_path: Path) -> None:
    inside = profile(tmp_path, network="proxy").environment
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert inside[name] == "http://127.0.0.1:@proxy@"
    assert "http_proxy" not in profile(tmp_path).environment


@pytest.mark.parametrize("folder", ["/", "/usr", "/etc/ssl", "/proc", "/tmp", "/home", "/bin"])
def test_folders_of_the_system_are_no_workspace(tmp_path: Path, folder: str) -> None:
    with pytest.raises(UsageError, match="cannot be a working folder"):
        workspace_profile(folder, tmp_path / "s", home=tmp_path)


def test_the_tools_own_folder_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "sessions").mkdir()
    with pytest.raises(UsageError, match="own files"):
        workspace_profile(tmp_path / "sessions", tmp_path / "s", home=tmp_path)


def test_a_workspace_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        workspace_profile(tmp_path / "no", tmp_path / "s", home=tmp_path / "home")


def test_a_project_is_its_own_workspace(tmp_path: Path) -> None:
    project = tmp_path / "me" / "project"
    project.mkdir(parents=True)
    assert safe_workspace(project, tmp_path / "me") == project
    assert not (tmp_path / "me" / "interpreter").exists()


@pytest.mark.parametrize("cwd", ["me", ".", "/", "/usr/lib", "/tmp"])
def test_home_and_above_get_a_new_folder(tmp_path: Path, cwd: str) -> None:
    (tmp_path / "me").mkdir()
    first = safe_workspace(tmp_path / cwd, tmp_path / "me")
    second = safe_workspace(tmp_path / cwd, tmp_path / "me")
    assert first != second and first.is_dir() and second.is_dir()
    assert first.parent == tmp_path / "me" / "interpreter" and first.name.endswith("-1")
    assert second.name == first.name[:-1] + "2"


def test_a_home_reached_by_a_link_is_still_home(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "me").symlink_to(tmp_path / "real")
    assert safe_workspace(tmp_path / "real", tmp_path / "me").parent.name == "interpreter"


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "interpreter").write_text("a file")
    with pytest.raises(UsageError, match="No working folder could be made"):
        safe_workspace(tmp_path / "me", tmp_path / "me")
    assert os.listdir(tmp_path / "me") == ["interpreter"]
