"""What is always hidden, and what stays read-only."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import UsageError
from interpreter.sandbox import Walls, closed, shape, workspace_profile
from interpreter.sandbox.bubblewrap import Bubblewrap, plan
from interpreter.sandbox.gitfolders import config_dangers, nested, real_folders
from interpreter.sandbox.grants import Opened
from interpreter.sandbox.names import KEYS, KEYS_ANYWHERE, RUNS_BY_ITSELF, RUNS_IN_A_HOME
from interpreter.sandbox.profiles import resolve
from interpreter.sandbox.system import system
from interpreter.types.walls import Profile

DOCS = Path(__file__).parents[2] / "docs" / "profiles.md"


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = Path(os.path.realpath(tmp_path)) / "person"
    for name in (".ssh", ".config/gcloud", ".config/git", "project/.git", "project/.aws", ".mozilla"):
        (home / name).mkdir(parents=True)
    for name in (".npmrc", ".bash_history", ".bashrc", ".ssh/id", "project/.npmrc", "project/.env"):
        (home / name).write_text("x", encoding="utf-8")
    monkeypatch.setenv("HOME", str(home))
    closed.homes.cache_clear()
    return home


@pytest.fixture(autouse=True)
def forget() -> None:
    closed.homes.cache_clear()


def profile_of(
    person: Path, workspace: Path, readable: tuple[str, ...] = (), writable: tuple[str, ...] = ()
) -> Profile:
    made = workspace_profile(workspace, person.parent / "s", home=person / ".tool", environ={}, final=False)
    return shape(made, resolve("", {}), Opened(), environ={}, readable=readable, writable=writable)


def hidden(profile: Profile, person: Path) -> set[str]:
    return {os.path.relpath(path, person) for path in profile.hidden}


def test_keys_of_the_home_are_hidden_where_they_would_show(person: Path) -> None:
    found = hidden(profile_of(person, person / "project", (str(person),)), person)
    assert {".ssh", ".config/gcloud", ".npmrc", ".bash_history", ".mozilla", "project/.aws"} <= found
    assert "project/.npmrc" not in found and "project/.env" not in found and ".bashrc" not in found
    assert hidden(profile_of(person, person / "project"), person) == {".tool", "project/.aws"}


def test_the_home_as_workspace(person: Path) -> None:
    profile = profile_of(person, person)
    assert {".ssh", ".npmrc", ".config/gcloud"} <= hidden(profile, person)
    kinds = {mount.path: mount.kind for mount in plan(profile, system().hidden)}
    assert kinds[f"{person}/.ssh"] == "hide" and kinds[f"{person}/.bashrc"] == "protect"
    # Above a hidden folder stands a mount, so that it cannot be moved away with what lies in it.
    assert kinds[f"{person}/.config"] == "pin" and kinds[f"{person}/.config/gcloud"] == "hide"
    assert f"{person}/.local/bin" in profile.protected


def test_what_is_named_is_shown(person: Path) -> None:
    profile = profile_of(person, person / "project", (str(person), str(person / ".ssh" / "id")))
    kinds = {mount.path: mount.kind for mount in plan(profile, system().hidden)}
    assert kinds[f"{person}/.ssh"] == "hide" and kinds[f"{person}/.ssh/id"] == "read"
    assert f"{person}/.npmrc" in profile.hidden
    profile = profile_of(person, person / "project", (str(person), str(person / ".ssh")))
    assert f"{person}/.ssh" not in profile.hidden


def test_a_granted_folder_shows_no_keys(person: Path) -> None:
    """Also not to a living kernel, to which it would be shown as a whole: that one is started anew."""
    walls = Walls(profile_of(person, person / "project"), Bubblewrap())
    assert walls.grant(str(person / ".config" / "git")) == str(person / ".config" / "git")
    assert walls.grant(str(person / ".config")) == ""
    assert f"{person}/.config/gcloud" in walls.profile.hidden
    kinds = {mount.path: mount.kind for mount in plan(walls.profile, system().hidden)}
    assert kinds[f"{person}/.config"] == "read" and kinds[f"{person}/.config/gcloud"] == "hide"
    assert walls.grant(str(person / ".ssh" / "id")) == str(person / ".ssh" / "id"), "named one by one"
    with pytest.raises(UsageError):
        walls.grant(str(person / ".config" / "gcloud"))


def test_a_link_to_a_key_is_no_way(person: Path) -> None:
    (person / "project" / "keys").symlink_to(person / ".ssh")
    profile = profile_of(person, person / "project", (str(person),))
    assert f"{person}/.ssh" in profile.hidden


def test_what_runs_by_itself_stays_read_only(person: Path) -> None:
    project = person / "project"
    (project / "sub" / "lib" / ".git").mkdir(parents=True)
    profile = profile_of(person, project)
    assert {f"{project}/{name}" for name in RUNS_BY_ITSELF} <= set(profile.protected)
    assert f"{project}/sub/lib/.git" in profile.protected
    kinds = {mount.path: mount.kind for mount in plan(profile, system().hidden)}
    assert kinds[f"{project}/.git"] == "protect" and kinds[f"{project}/sub/lib/.git"] == "protect"
    assert f"{project}/.vscode" not in kinds, "what is not there would be left behind as an empty file"


def test_a_protected_path_is_opened_by_name(person: Path) -> None:
    profile = profile_of(person, person / "project", writable=(str(person / "project" / ".vscode"),))
    assert f"{person}/project/.vscode" not in profile.protected and f"{person}/project/.git" in profile.protected


def test_git_is_opened_by_its_grant(person: Path) -> None:
    made = workspace_profile(person / "project", person.parent / "s", home=person / ".tool", environ={}, final=False)
    profile = shape(made, resolve("", {}), Opened(git=True), environ={})
    assert f"{person}/project/.git" not in profile.protected and f"{person}/project/.envrc" in profile.protected


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


def test_a_worktrees_real_folder(tmp_path: Path) -> None:
    top = Path(os.path.realpath(tmp_path))
    (top / "main").mkdir()
    git(top / "main", "init")
    git(top / "main", "commit", "--allow-empty", "-m", "x")
    git(top / "main", "worktree", "add", str(top / "tree"))
    assert real_folders(str(top / "tree")) == (f"{top}/main/.git", f"{top}/main/.git/worktrees/tree")
    made = workspace_profile(top / "tree", top / "s", home=top / "home", environ={}, final=False)
    profile = shape(made, resolve("", {}), Opened(), environ={})
    assert f"{top}/main/.git" in profile.readable and f"{top}/tree/.git" in profile.protected
    profile = shape(made, resolve("", {}), Opened(git=True), environ={})
    assert f"{top}/main/.git" in profile.writable


def test_a_git_file_that_lies_opens_nothing(tmp_path: Path) -> None:
    top = Path(os.path.realpath(tmp_path))
    for name in ("ws", "keys/worktrees/a", "keys/objects"):
        (top / name).mkdir(parents=True)
    (top / "keys/worktrees/a/HEAD").write_text("x", encoding="utf-8")
    (top / "ws/.git").write_text(f"gitdir: {top}/keys/worktrees/a\n", encoding="utf-8")
    assert real_folders(str(top / "ws")) == ()
    (top / "keys/worktrees/a/gitdir").write_text("/elsewhere/.git\n", encoding="utf-8")
    assert real_folders(str(top / "ws")) == ()


def test_repositories_below_are_found_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "a" / ".git").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / ".git").write_text("gitdir: ../x\n", encoding="utf-8")
    for name in ("objects", "refs"):
        (tmp_path / "bare" / name).mkdir(parents=True)
    (tmp_path / "bare" / "HEAD").write_text("x", encoding="utf-8")
    (tmp_path / "node_modules" / "m" / ".git").mkdir(parents=True)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = {os.path.relpath(path, tmp_path) for path in nested(str(tmp_path))}
    assert found == {"a/.git", "b/.git", "bare"}


@pytest.mark.parametrize(
    "text",
    [
        "[core]\n\tfsmonitor = evil\n",
        "[core]\n\thooksPath = x\n",
        "[core]\n\tsshCommand = x\n",
        "[core]\n\tworktree = /x\n",
        "[core] pager = x\n",
        '[filter "x"]\n\tclean = evil\n',
        "[include]\n\tpath = /x\n",
        '[includeIf "gitdir:/"]\n\tpath = /x\n',
        "[alias]\n\tst = !evil\n",
        '[remote "o"]\n\turl = ext::sh -c evil\n',
        '[remote "o"]\n\tuploadpack = evil\n',
        '[remote "o"]\n\turl = ssh://-oProxyCommand=evil/x\n',
        "[core]\n\tbare = false \\\n[core]\n",
        "[credential]\n\thelper = !evil\n",
        "[extensions]\n\tworktreeConfig = true\n",
        "[gpg]\n\tprogram = evil\n",
        "\ufeff[core]\nfsmonitor=x\n",
    ],
)
def test_a_dangerous_line_of_a_git_configuration(text: str) -> None:
    assert config_dangers(text) != []
    assert config_dangers(text, text) == [], "what the person had there before stays"


def test_plain_git_configurations_pass(tmp_path: Path) -> None:
    git(tmp_path, "init", "first")
    git(tmp_path / "first", "commit", "--allow-empty", "-m", "x")
    git(tmp_path, "clone", str(tmp_path / "first"), "second")
    git(tmp_path / "second", "remote", "add", "up", "git@github.com:a/b.git")
    git(tmp_path / "second", "config", "user.name", "Some One")
    for name in ("first", "second"):
        assert config_dangers((tmp_path / name / ".git" / "config").read_text(encoding="utf-8")) == []


def test_the_documents_name_every_path() -> None:
    text = DOCS.read_text(encoding="utf-8")
    words = set(re.findall(r"`([^`\n]+)`", text))
    assert {*KEYS, *KEYS_ANYWHERE, *RUNS_BY_ITSELF, *RUNS_IN_A_HOME} <= words


def test_a_profile_says_what_it_is() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Profile(access="read")), type=Profile).access == "read"
