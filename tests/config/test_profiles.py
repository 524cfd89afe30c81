"""Which profile and which walls are in force, whoever says what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interpreter.config.files import read_entries
from interpreter.config.load import load_settings
from interpreter.config.settings import Settings
from interpreter.errors import ConfigError


def load(tmp_path: Path, mine: str = "", project: str = "", **flags: object) -> Settings:
    home, work = tmp_path / "home", tmp_path / "work"
    (work / ".interpreter").mkdir(parents=True, exist_ok=True)
    home.mkdir(exist_ok=True)
    (home / "config.yaml").write_text(mine, encoding="utf-8")
    (work / ".interpreter" / "config.yaml").write_text(project, encoding="utf-8")
    return load_settings(work, flags=flags, environ={"INTERPRETER_HOME": str(home)}, read=read_entries)


def test_host_by_any_of_its_names(tmp_path: Path) -> None:
    for said in ({"profile": "host"}, {"profile": "off"}, {"sandbox": "off"}, {"sandbox": "host"}):
        assert load(tmp_path, **said).walls.backend == "host"
    assert load(tmp_path, "profile: host\n").walls.backend == "host"


def test_where_they_disagree_there_are_walls(tmp_path: Path) -> None:
    found = load(tmp_path, "profile: host\n", sandbox="bubblewrap")
    assert found.walls.backend == "bubblewrap" and found.walls.profile == "workspace" and found.notes
    assert load(tmp_path, "sandbox: host\n", profile="read-only").walls.backend == "auto"
    assert load(tmp_path, "sandbox: landlock\nprofile: host\n").walls.backend == "landlock"
    assert load(tmp_path, "sandbox: landlock\n", profile="host").walls.backend == "host"


def test_y_counts_without_walls_only_where_both_are_said(tmp_path: Path) -> None:
    assert load(tmp_path, profile="host", auto_run="true").agent.auto_run
    assert not load(tmp_path, "profile: host\n", auto_run="true").agent.auto_run


@pytest.mark.parametrize(
    ("mine", "project", "profile", "read_only"),
    [
        ("", "profile: read-only\n", "workspace", True),
        ("", "profile: host\n", "workspace", False),
        ("profile: read-only\n", "profile: workspace\n", "read-only", False),
        ("profiles: {own: {hidden: /k}}\nprofile: own\n", "profile: read-only\n", "own", True),
        ("profiles: {own: {hidden: /k}}\n", "profile: own\n", "workspace", False),
        ("profiles: {own: {hidden: /k}}\nprofile: own\n", "profile: workspace\n", "own", False),
        ("profile: host\n", "profile: workspace\n", "workspace", False),
    ],
)
def test_a_project_only_makes_it_stricter(
    tmp_path: Path, mine: str, project: str, profile: str, read_only: bool
) -> None:
    walls = load(tmp_path, mine, project).walls
    assert (walls.profile, walls.read_only) == (profile, read_only)
    assert walls.backend != "host"


def test_the_command_line_goes_before_the_project(tmp_path: Path) -> None:
    assert not load(tmp_path, "", "profile: read-only\n", profile="workspace").walls.read_only


def test_a_project_has_no_profiles_and_no_grants(tmp_path: Path) -> None:
    found = load(tmp_path, "", "profiles: {own: {readable: /}}\ngrants: [docker]\n")
    assert found.walls.profiles == {} and found.walls.grants == () and len(found.notes) == 2


def test_grants_from_file_and_flags(tmp_path: Path) -> None:
    assert load(tmp_path, "grants: [git, kubectl]\n").walls.grants == ("git", "kubectl")
    assert load(tmp_path, "grants: git\n", grants=["docker"]).walls.grants == ("docker",)


@pytest.mark.parametrize("flags", [{"profile": "wrkspace"}, {}])
def test_a_wrong_profile_is_refused_before_anything_runs(tmp_path: Path, flags: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Did you mean"):
        load(tmp_path, "" if flags else "profiles: {own: {readble: /x}}\n", **flags)
