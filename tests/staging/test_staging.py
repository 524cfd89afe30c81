"""What lies in a stage is read, committed as a whole and dropped; nothing in it leads anywhere else."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import StageError
from interpreter.staging import folders
from interpreter.staging.apply import part_of
from interpreter.staging.journal import Operation, chosen, read
from interpreter.staging.show import diff
from interpreter.staging.stage import JOURNAL, now
from interpreter.text.filename import shown
from tests.staging.ground import FILES, Ground, tree

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or (os.geteuid() != 0 and shutil.which("unshare") is None), reason="needs overlays"
)
WORK = (
    "echo more >> a; rm b; rm -r e; mkdir -p n/m; echo 1 > n/m/f; chmod 700 keep; ln -sf keep link; rm -r d;"
    "echo f > d; echo 2 > p; rm p; mkdir p; echo 3 > p/q; rm f; mkdir f; echo 4 > f/g"
)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_all_kinds_of_changes_and_a_folder_that_stays_as_it_was(ground: Ground) -> None:
    before = tree(ground.here)
    ground.run(WORK)
    assert tree(ground.here) == before
    assert ground.kinds() == {
        "a": "changed", "b": "deleted", "d/x": "deleted", "d/y": "deleted", "d": "changed", "e/z": "deleted",
        "e": "deleted", "keep": "mode", "link": "changed", "n": "added", "n/m": "added", "n/m/f": "added",
        "p": "added", "p/q": "added", "f": "changed", "f/g": "added",
    }  # fmt: skip
    text = "\n".join(diff(ground.stage.layers, ground.stage.changes()))
    assert "+more" in text and "mode 0644 -> 0700" in text and "+-> keep" in text and "--- a/b\n+++ /dev/null" in text
    ground.run("cp -r . ../copy")
    wanted = tree(ground.root / "copy")
    ground.commit()
    assert tree(ground.here) == wanted and ground.stage.changes() == []


def test_some_are_committed_and_the_rest_stays(ground: Ground) -> None:
    ground.run(WORK)
    ground.commit("n/m/f", "a")
    assert (ground.here / "n/m/f").read_text() == "1\n" and (ground.here / "b").exists()
    assert "a" not in ground.kinds() and ground.kinds()["b"] == "deleted"
    ground.run("test -f n/m/f && echo again >> a && test ! -e b")
    assert ground.kinds()["a"] == "changed"
    assert [change.warning for change in ground.stage.changes() if change.path == "a"] == [""]


def test_what_the_person_changed_meanwhile_is_not_overwritten_unless_named(ground: Ground) -> None:
    ground.run("echo code >> a; echo code >> b; rm -r d; echo new > made")
    for name in ("a", "d/x", "made"):
        (ground.here / name).write_text("the person's\n")
    warned = {change.path for change in ground.stage.changes() if change.warning == "conflict"}
    assert warned == {"a", "d/x", "made"}
    ground.commit()
    assert (ground.here / "b").read_text() == "two\ncode\n"
    for name in ("a", "d/x", "made"):
        assert (ground.here / name).read_text() == "the person's\n"
    assert not (ground.here / "d/y").exists()
    ground.commit("a")
    assert (ground.here / "a").read_text() == "one\ncode\n"


def test_what_the_person_moved_into_place_is_not_overwritten_unless_named(ground: Ground) -> None:
    for name in ("old/x", "old/s/q", "d/s/q", "e/more"):
        (ground.here / name).parent.mkdir(parents=True, exist_ok=True)
        (ground.here / name).write_text("older\n")
    shutil.copytree(ground.here, ground.root / "twin", symlinks=True)
    ground.begin()
    ground.run("echo code >> d/x; echo code >> d/s/q; echo code >> e/z; rm e/more; echo code >> a")
    (ground.here / "d").rename(ground.root / "away")
    (ground.here / "old").rename(ground.here / "d")
    (ground.here / "e" / "beside").touch()
    # Work beside a file is no reason to doubt it.
    warned = {change.path for change in ground.stage.changes() if change.warning}
    assert warned == {"d/x", "d/s/q"}
    ground.commit()
    assert (ground.here / "d/x").read_text() == (ground.here / "d/s/q").read_text() == "older\n"
    assert (ground.here / "e/z").read_text() == "z\ncode\n" and not (ground.here / "e/more").exists()
    assert {change.path for change in ground.stage.changes() if change.warning} == {"d/x", "d/s/q"}
    ground.commit("d/x")
    assert (ground.here / "d/x").read_text() == "x\ncode\n"
    # What a commit wrote there is known, and the folder above counts for what it holds.
    ground.run("echo more >> d/x")
    assert {change.path for change in ground.stage.changes() if change.warning} == {"d/s/q"}
    ground.here.rename(ground.root / "elsewhere")
    (ground.root / "twin").rename(ground.here)
    assert {change.path for change in ground.stage.changes() if change.warning} == {"d/x", "d/s/q"}


def test_a_folder_that_holds_the_staged_one_may_be_another_one_as_well(tmp_path: Path) -> None:
    """And where a file system gives out other numbers each time, that alone is no reason for a doubt."""
    top = tmp_path / "one" / "top"
    for path in (top, tmp_path / "other" / "top"):
        path.mkdir(parents=True)
    time.sleep(0.02)
    base, numbers = now(), folders.numbers(str(top))
    other = {name: number + 1 for name, number in numbers.items()}
    assert not any(folders.Folders(base, known).moved(str(top), top.stat()) for known in (numbers, other, {}))
    (tmp_path / "one").rename(tmp_path / "away")
    (tmp_path / "other").rename(tmp_path / "one")
    assert folders.Folders(base, numbers).moved(str(top), top.stat())
    assert not folders.Folders(base, {}).moved(str(top), top.stat())


def test_folders_too_many_to_be_known_are_judged_by_their_times(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST", 0)
    (ground.root / "old").mkdir()
    (ground.root / "old" / "x").write_text("older\n")
    ground.begin()
    ground.run("echo code >> d/x; echo code >> d/y; echo code >> e/z; echo code >> a")
    (ground.here / "e" / "beside").touch()
    assert not any(change.warning for change in ground.stage.changes())
    ground.commit("d/y", "a")
    (ground.here / "d" / "beside").touch()
    (ground.here / "beside").touch()
    # Held what was committed, so it is known from then on, whatever its times are; the other one is not.
    assert {change.path: change.warning for change in ground.stage.changes()} == {"d/x": "", "e/z": "conflict"}
    (ground.here / "d").rename(ground.root / "away")
    (ground.root / "old").rename(ground.here / "d")
    assert {change.path: change.warning for change in ground.stage.changes()} == {"d/x": "conflict", "e/z": "conflict"}


def test_what_runs_by_itself_is_committed_only_when_it_is_named(ground: Ground) -> None:
    ground.run("echo evil > .envrc; mkdir -p sub/.git/hooks; echo evil > sub/.git/hooks/post-commit; echo 1 > sub/f")
    ground.commit()
    assert (ground.here / "sub/f").exists()
    assert not (ground.here / ".envrc").exists() and not (ground.here / "sub/.git").exists()
    ground.commit(".envrc")
    assert (ground.here / ".envrc").exists() and not (ground.here / "sub/.git").exists()


def drop(ground: Ground, *paths: str) -> None:
    every = ground.stage.changes()
    ground.stage.drop(
        [change for change in every if f"{change.path}/".startswith(tuple(f"{p}/" for p in paths))], every
    )


def test_dropping_some_and_all(ground: Ground) -> None:
    ground.run(WORK)
    drop(ground, "a", "b", "n")
    assert {"a", "b", "n", "n/m/f"}.isdisjoint(ground.kinds())
    ground.run("test -f b && grep -q one a && test ! -e n")
    before = ground.kinds()
    with pytest.raises(StageError, match="e/z cannot be dropped alone") as refused:
        drop(ground, "f", "e/z")
    assert f"drop {ground.here}/e" in str(refused.value.hint)
    assert ground.kinds() == before, "nothing of it is dropped"
    ground.stage.renew()
    assert ground.stage.changes() == [] and (ground.here / "e/z").exists()


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("rm -r e", "e"),
        ("mkdir -p n/m; echo 1 > n/a; echo 2 > n/m/b", "n"),
        ("rm -r d; echo f > d", "d"),
        ("rm a; mkdir a; echo 1 > a/x", "a"),
        ("rm -r d; mkdir d; echo n > d/new", "d"),
        ("rm -r d; mkdir d; chmod 700 d; echo n > d/x", "d"),
        ("rm -r d; mkdir -p d/s; echo n > d/s/new", "d"),
        ("echo 1 > d/x; chmod 700 d; chmod 600 d/y", "d"),
    ],
)
def test_a_folder_is_dropped_whatever_was_done_to_it(ground: Ground, script: str, path: str) -> None:
    (ground.here / "d/s").mkdir()
    (ground.here / "d/s/q").touch()
    ground.run("cp -a . ../before")
    wanted = tree(ground.root / "before")
    ground.run(f"{script}; echo other > b")
    drop(ground, path)
    assert ground.kinds() == {"b": "changed"}
    ground.run("echo two > b; rm -r ../before; cp -a . ../before")
    assert tree(ground.root / "before") == wanted


def test_a_folder_inside_one_that_was_made_anew_is_empty_as_well(ground: Ground) -> None:
    (ground.here / "d/s").mkdir()
    (ground.here / "d/s/q").touch()
    ground.begin()
    ground.run("rm -r d; mkdir -p d/s; echo n > d/s/new")
    assert ground.kinds() == {"d/s/new": "added", "d/s/q": "deleted", "d/x": "deleted", "d/y": "deleted"}
    ground.commit()
    assert sorted(name for name in tree(ground.here) if name.startswith("d/")) == ["d/s", "d/s/new"]


def crash(ground: Ground, digest: str, at: int) -> bool:
    """Carry the commit out in a child that is killed at its `at`-th touch of the folder; False: it came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        count = 0

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **more: Any) -> Any:
                nonlocal count
                count += 1
                if count == at:
                    os._exit(77)
                done = call(*args, **more)
                count += 1
                if count == at:
                    os._exit(77)
                return done

            return wrapped

        for name in ("rename", "unlink", "rmdir", "mkdir", "symlink", "pwrite", "fchmod", "write"):
            setattr(os, name, dying(getattr(os, name)))
        try:
            stage = ground.again()
            journal, _kept = stage.carry_out(digest)
            stage.settle(journal)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 77


def test_a_commit_that_is_killed_anywhere_is_all_done_the_next_time(tmp_path: Path) -> None:
    deaths, at, died = 0, 0, True
    while died:
        at += 1 if at < 6 else 5
        ground = Ground(tmp_path / str(at))
        before = tree(ground.here)
        ground.run(f"{WORK}; cp -r . ../copy")
        wanted = tree(ground.root / "copy")
        digest = ground.stage.prepare(chosen(ground.stage.changes(), []), "c_test")
        assert tree(ground.here) == before, "what was prepared has changed nothing"
        died = crash(ground, digest, at)
        deaths += died
        stage = ground.again()
        if at % 2:
            (ground.session / "c_test.done").unlink(
                missing_ok=True
            )  # as after a power cut: nobody knows how far it got
        if stage.prepared:
            journal, kept = stage.carry_out(digest)
            assert kept == []
            stage.settle(journal)
        assert tree(ground.here) == wanted, at
        assert stage.changes() == [] and not stage.prepared
    assert deaths > 12


def test_what_is_changed_between_decision_and_deed_is_kept_aside(ground: Ground) -> None:
    ground.run("echo code >> a; rm b")
    digest = ground.stage.prepare(chosen(ground.stage.changes(), []), "c_test")
    (ground.here / "a").write_text("late words\n")
    _journal, kept = ground.stage.carry_out(digest)
    assert (ground.here / "a").read_text() == "one\ncode\n" and not (ground.here / "b").exists()
    assert [Path(path).read_text() for path in kept] == ["late words\n"]


def test_a_commit_that_cannot_be_finished_is_given_up(ground: Ground) -> None:
    ground.run("echo code >> a; echo new > m; echo z > z")
    digest = ground.stage.prepare(chosen(ground.stage.changes(), []), "c_test")
    part = ground.here / part_of(read(ground.session / JOURNAL, digest), Operation(do="file", layer=0, path=b"z"))
    part.write_text("half of it, as a loss of power leaves it")
    (ground.here / "m").mkdir()
    (ground.here / "m" / "mine").touch()
    with pytest.raises(StageError, match="something else"):
        ground.stage.carry_out(digest)
    stage = ground.again()
    assert stage.give_up(digest) == (1, 3) and not stage.prepared
    assert not list(ground.here.rglob("*.part"))
    # What was done is done and no longer staged; the rest is staged, and nothing of the person's is gone.
    assert (ground.here / "a").read_text() == "one\ncode\n" and (ground.here / "m" / "mine").exists()
    assert {change.path: change.warning for change in stage.changes()} == {"m": "", "m/mine": "conflict", "z": ""}
    ground.stage = stage
    ground.commit()
    assert (ground.here / "z").read_text() == "z\n" and "m" in ground.kinds()
    shutil.rmtree(ground.here / "m")
    ground.commit("m")
    assert (ground.here / "m").read_text() == "new\n" and stage.changes() == []


def test_a_commit_that_meets_a_full_disk_leaves_nothing_half_written(ground: Ground) -> None:
    ground.run("head -c 300000 /dev/zero > big; ln -s big small")
    digest = ground.stage.prepare(chosen(ground.stage.changes(), []), "c_test")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
        with pytest.raises(OSError):
            ground.stage.carry_out(digest)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(ground.here.glob(".*"))
    assert ground.again().give_up(digest) == (0, 2)


def test_a_stage_that_was_tampered_with_or_a_journal_of_another_is_refused(ground: Ground) -> None:
    ground.run("echo code >> a")
    digest = ground.stage.prepare(chosen(ground.stage.changes(), []), "c_test")
    upper = Path(ground.stage.layers[0].upper)
    (upper / "a").write_text("other\n")
    with pytest.raises(StageError):
        ground.stage.carry_out(digest)
    with pytest.raises(StageError):
        ground.stage.carry_out("0" * 64)
    assert (ground.here / "a").read_bytes() == FILES["a"]
    assert not list(ground.here.glob(".*part"))


def test_hostile_contents_lead_nowhere(ground: Ground) -> None:
    secret = ground.root / "secret"
    secret.write_text("SECRET\n")

    def attack() -> None:
        os.unlink("a")
        os.symlink(secret, "a")
        os.symlink("/", "everything")
        os.mkfifo("pipe")
        os.mkdir("d2")
        os.rename("d2", "d3")
        with open(b"odd\n\xff\x1b[31m\xe2\x80\xae", "w") as file:
            file.write("\x1b]0;title\x07\n")
        shutil.copy("/usr/bin/id", "lends")
        os.chmod("lends", 0o6755)
        top = os.open(".", os.O_RDONLY)
        for _number in range(300):
            os.mkdir("deep", dir_fd=top)
            top = os.open("deep", os.O_RDONLY, dir_fd=top)
        with open("marked", "w"):
            pass
        for name in ("user.overlay.opaque", "user.overlay.whiteout", "trusted.overlay.opaque"):
            try:
                os.setxattr("marked", name, b"y")
            except OSError:
                continue
        try:
            os.mknod("white", 0o20600, 0)
        except OSError:
            return
        raise AssertionError("a whiteout could be made")

    ground.do(attack)
    changes = ground.stage.changes()
    text = "\n".join(diff(ground.stage.layers, changes))
    assert "SECRET" not in text and "\x1b" not in text and "\u202e" not in text
    assert {change.path for change in changes if change.kind == "odd"} >= {"pipe"}
    assert "\n" not in shown("odd\nname")
    ground.commit()
    assert secret.read_text() == "SECRET\n"
    assert (ground.here / "a").is_symlink() and os.readlink(ground.here / "a") == str(secret)
    assert (ground.here / "lends").stat().st_mode & 0o7777 == 0o755
    assert not (ground.here / "pipe").exists() and (ground.here / "marked").read_bytes() == b""
    shutil.rmtree(ground.here / "deep", ignore_errors=True)


def test_a_link_that_the_person_made_on_the_way_is_not_followed(ground: Ground) -> None:
    ground.run("echo code >> d/x")
    outside = ground.root / "outside"
    outside.mkdir()
    (outside / "x").write_text("outside\n")
    digest = ground.stage.prepare(chosen(ground.stage.changes(), []), "c_test")
    (ground.here / "d").rename(ground.root / "away")
    (ground.here / "d").symlink_to(outside)
    with pytest.raises(OSError):
        ground.stage.carry_out(digest)
    assert (outside / "x").read_text() == "outside\n"
