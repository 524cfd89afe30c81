"""What a step leaves behind that would run by itself: found, taken away, put back."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from interpreter.sandbox import shape, workspace_profile
from interpreter.sandbox.carefully import Content, put_back, take_away
from interpreter.sandbox.grants import Opened
from interpreter.sandbox.profiles import resolve
from interpreter.sandbox.watch import Taken, Watch


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


class Place:
    """A project with a session that watches over it."""

    def __init__(self, top: Path, *, walled: bool, granted: bool = False) -> None:
        self.top, self.work = top, top / "work"
        self.work.mkdir(exist_ok=True)
        self.walled, self.granted = walled, granted

    def watch(self, keep: str = "keep") -> Watch:
        made = workspace_profile(self.work, self.top / "s", home=self.top / "home", environ={}, final=False)
        profile = shape(made, resolve("", {}), Opened(git=self.granted), environ={})
        made_watch = Watch(profile, self.top / keep, walled=self.walled, git=self.granted)
        made_watch.begin()
        return made_watch

    def names(self, taken: list[Taken]) -> set[str]:
        return {os.path.relpath(one.path, self.work) for one in taken}


@pytest.fixture(params=[True, False], ids=["walled", "detecting"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    made = Place(Path(os.path.realpath(tmp_path)), walled=request.param)
    git(made.work, "init")
    (made.work / "deep" / "er").mkdir(parents=True)
    time.sleep(0.06)  # what was there before is older than the session
    return made


def test_nothing_is_taken_where_nothing_appeared(place: Place) -> None:
    watch = place.watch()
    (place.work / "result.csv").write_text("1", encoding="utf-8")
    (place.work / "deep" / "more").mkdir()
    assert watch.check() == [] and watch.check(whole=True) == []


def a_hook(work: Path) -> str:
    (work / "sub" / ".git" / "hooks").mkdir(parents=True)
    (work / "sub" / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh\n", encoding="utf-8")
    return "sub/.git"


def a_setting(work: Path) -> str:
    git(work, "init", "new")
    git(work / "new", "config", "core.fsmonitor", "evil")
    return "new/.git"


def a_pointer(work: Path) -> str:
    (work / "deep" / "er" / ".git").write_text("gitdir: /tmp/elsewhere\n", encoding="utf-8")
    return "deep/er/.git"


def a_link(work: Path) -> str:
    (work / "deep" / ".git").symlink_to("/etc")
    return "deep/.git"


def a_common_folder(work: Path) -> str:
    git(work, "init", "new")
    (work / "new" / ".git" / "commondir").write_text("/tmp/elsewhere\n", encoding="utf-8")
    return "new/.git"


def a_bare_one(work: Path) -> str:
    git(work, "init", "--bare", "innocent")
    (work / "innocent" / "hooks" / "pre-receive").write_text("#!/bin/sh\n", encoding="utf-8")
    return "innocent/hooks/pre-receive"


def of_the_shell(work: Path) -> str:
    (work / ".envrc").write_text("evil", encoding="utf-8")
    return ".envrc"


def of_the_editor(work: Path) -> str:
    (work / ".vscode").mkdir()
    (work / ".vscode" / "tasks.json").write_text("{}", encoding="utf-8")
    return ".vscode"


def a_link_of_the_editor(work: Path) -> str:
    (work / ".idea").symlink_to("deep")
    return ".idea"


@pytest.mark.parametrize(
    "plant",
    [
        a_hook,
        a_setting,
        a_pointer,
        a_link,
        a_common_folder,
        a_bare_one,
        of_the_shell,
        of_the_editor,
        a_link_of_the_editor,
    ],
)
def test_what_appears_is_taken_away_and_kept(place: Place, plant: Callable[[Path], str]) -> None:
    watch = place.watch()
    path = plant(place.work)
    taken = watch.check()
    assert place.names(taken) == {path}
    assert not os.path.lexists(place.work / path) and os.path.lexists(taken[0].kept)
    assert watch.check() == []


def test_a_fresh_repository_stays_until_it_turns(place: Place) -> None:
    watch = place.watch()
    git(place.work, "init", "new")
    git(place.work / "new", "commit", "--allow-empty", "-m", "x")
    assert watch.check() == []
    (place.work / "new" / ".git" / "hooks" / "pre-push").write_text("x", encoding="utf-8")
    assert place.names(watch.check()) == {"new/.git"}


def test_a_set_time_deceives_nobody(place: Place) -> None:
    watch = place.watch()
    before = place.work.joinpath("deep").stat()
    (place.work / "deep" / ".git" / "hooks").mkdir(parents=True)
    (place.work / "deep" / ".git" / "hooks" / "x").write_text("x", encoding="utf-8")
    for path in ("deep/.git/hooks/x", "deep/.git/hooks", "deep/.git", "deep"):
        os.utime(place.work / path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.names(watch.check()) == {"deep/.git"}


def test_hooks_of_the_person_stay(place: Place) -> None:
    git(place.work, "init", "deep/er/mine")
    hook = place.work / "deep" / "er" / "mine" / ".git" / "hooks" / "pre-commit"
    hook.write_text("mine", encoding="utf-8")
    (place.work / ".git" / "hooks" / "pre-commit").write_text("mine", encoding="utf-8")
    time.sleep(0.06)
    watch = place.watch()
    assert watch.check() == []
    hook.with_name("pre-push").write_text("evil", encoding="utf-8")
    if not place.walled:
        assert place.names(watch.check()) == {"deep/er/mine/.git/hooks/pre-push"}
    assert hook.read_text(encoding="utf-8") == "mine"


def test_a_replaced_git_folder_is_seen_behind_walls(place: Place) -> None:
    """Where the wall would have been got around: another folder stands in its place."""
    watch = place.watch()
    (place.work / ".git").rename(place.work / "away")
    git(place.work, "init")
    (place.work / ".git" / "hooks" / "post-checkout").write_text("x", encoding="utf-8")
    found = place.names(watch.check())
    assert found & {".git", ".git/hooks/post-checkout"}
    assert not (place.work / ".git" / "hooks" / "post-checkout").exists()


@pytest.fixture
def landlock(tmp_path: Path) -> Place:
    made = Place(Path(os.path.realpath(tmp_path)), walled=False)
    git(made.work, "init")
    (made.work / ".vscode").mkdir()
    (made.work / ".vscode" / "tasks.json").write_text("{}", encoding="utf-8")
    (made.work / ".envrc").write_text("mine", encoding="utf-8")
    (made.work / ".git" / "hooks" / "pre-commit").write_text("mine", encoding="utf-8")
    (made.work / ".git" / "hooks" / "pre-commit").chmod(0o755)
    time.sleep(0.06)
    return made


def test_what_stood_there_is_put_back(landlock: Place) -> None:
    watch = landlock.watch()
    work = landlock.work
    config = (work / ".git" / "config").read_text(encoding="utf-8")
    (work / ".git" / "config").write_text(config + "[core]\n\tpager = evil\n", encoding="utf-8")
    (work / ".git" / "hooks" / "pre-commit").write_text("evil", encoding="utf-8")
    (work / ".vscode" / "tasks.json").unlink()
    (work / ".vscode" / "settings.json").write_text("evil", encoding="utf-8")
    (work / ".envrc").write_text("evil", encoding="utf-8")
    taken = watch.check()
    assert landlock.names(taken) == {
        ".git/config",
        ".git/hooks/pre-commit",
        ".vscode/tasks.json",
        ".vscode/settings.json",
        ".envrc",
    }
    assert (work / ".git" / "config").read_text(encoding="utf-8") == config
    assert (work / ".git" / "hooks" / "pre-commit").read_text(encoding="utf-8") == "mine"
    assert (work / ".git" / "hooks" / "pre-commit").stat().st_mode & 0o777 == 0o755
    assert (work / ".vscode" / "tasks.json").exists() and not (work / ".vscode" / "settings.json").exists()
    assert (work / ".envrc").read_text(encoding="utf-8") == "mine"
    assert watch.check() == []


def test_a_removed_folder_is_put_back(landlock: Place) -> None:
    watch = landlock.watch()
    shutil.rmtree(landlock.work / ".vscode")
    assert landlock.names(watch.check()) == {".vscode/tasks.json"}
    assert (landlock.work / ".vscode" / "tasks.json").read_text(encoding="utf-8") == "{}"


def test_a_plain_change_of_git_stays(landlock: Place) -> None:
    watch = landlock.watch()
    git(landlock.work, "remote", "add", "up", "https://example.com/x.git")
    git(landlock.work, "commit", "--no-verify", "--allow-empty", "-m", "x")
    assert watch.check() == []


def test_the_next_host_remembers(landlock: Place) -> None:
    """The host died after the code ran and before it looked: its successor knows how things stood."""
    landlock.watch()
    (landlock.work / ".git" / "hooks" / "pre-commit").write_text("evil", encoding="utf-8")
    (landlock.work / ".idea").mkdir()
    assert landlock.names(landlock.watch().check()) == {".git/hooks/pre-commit", ".idea"}
    assert (landlock.work / ".git" / "hooks" / "pre-commit").read_text(encoding="utf-8") == "mine"


def test_what_the_person_does_between_two_runs_stays(landlock: Place) -> None:
    landlock.watch().forget()
    (landlock.work / ".git" / "hooks" / "pre-commit").write_text("new of mine", encoding="utf-8")
    (landlock.work / ".idea").mkdir()
    assert landlock.watch().check() == []


def test_the_grant_of_git_keeps_hooks_closed(tmp_path: Path) -> None:
    place = Place(Path(os.path.realpath(tmp_path)), walled=True, granted=True)
    git(place.work, "init")
    time.sleep(0.06)
    watch = place.watch()
    git(place.work, "commit", "--allow-empty", "-m", "x")
    assert watch.check() == []
    (place.work / ".git" / "hooks" / "post-commit").write_text("evil", encoding="utf-8")
    git(place.work, "config", "core.sshCommand", "evil")
    taken = watch.check()
    assert place.names(taken) == {".git/hooks/post-commit", ".git/config"}
    assert "sshCommand" not in (place.work / ".git" / "config").read_text(encoding="utf-8")


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    """The folder on the way is swapped for a link while the host moves: nothing outside is touched."""
    outside, work = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    work.mkdir()
    (outside / ".envrc").write_text("theirs", encoding="utf-8")
    (work / "sub").symlink_to(outside)
    with pytest.raises(OSError):
        take_away(str(work), "sub/.envrc", str(tmp_path / "kept"))
    assert (outside / ".envrc").exists()
    with pytest.raises(OSError):
        put_back(str(work), "sub/new", Content(0o600, b"x", 0.0))
    assert not (outside / "new").exists()


def test_a_large_folder_is_gone_through_in_turns(tmp_path: Path) -> None:
    place = Place(Path(os.path.realpath(tmp_path)), walled=True)
    for number in range(1000):
        (place.work / f"d{number}").mkdir()
    time.sleep(0.06)
    watch = place.watch()
    (place.work / "d999" / ".git" / "hooks").mkdir(parents=True)
    (place.work / "d999" / ".git" / "hooks" / "x").write_text("x", encoding="utf-8")
    (place.work / "d1" / ".git" / "hooks").mkdir(parents=True)
    (place.work / "d1" / ".git" / "hooks" / "x").write_text("x", encoding="utf-8")
    first = place.names(watch.check())
    assert not watch.through
    assert first | place.names(watch.check(whole=True)) == {"d999/.git", "d1/.git"}
    assert watch.through


def test_a_repository_that_was_moved_is_moved_back(tmp_path: Path) -> None:
    place = Place(Path(os.path.realpath(tmp_path)), walled=False)
    git(place.work, "init")
    git(place.work, "commit", "--allow-empty", "-m", "x")
    time.sleep(0.06)
    watch = place.watch()
    (place.work / "deep").mkdir()
    os.rename(place.work / ".git", place.work / "deep" / "old")
    git(place.work, "init")
    git(place.work, "config", "core.fsmonitor", "evil")
    git(place.work / "deep", "config", "--file", "old/config", "core.pager", "evil")
    taken = watch.check()
    assert place.names(taken) == {".git", ".git/config"} and any("deep/old" in one.reason for one in taken)
    assert watch.check() == []
    log = subprocess.run(["git", "log", "--format=%s"], cwd=place.work, check=True, capture_output=True, text=True)
    assert log.stdout == "x\n"
    assert "evil" not in (place.work / ".git" / "config").read_text(encoding="utf-8")


def test_a_repository_that_was_moved_away_while_nothing_stands_there(tmp_path: Path) -> None:
    place = Place(Path(os.path.realpath(tmp_path)), walled=False)
    git(place.work, "init")
    time.sleep(0.06)
    watch = place.watch()
    os.rename(place.work / ".git", place.work / "old")
    assert place.names(watch.check()) == {".git"}
    assert (place.work / ".git" / "objects").is_dir() and watch.check() == []
