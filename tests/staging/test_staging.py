"""What lies in a stage is read, committed as a whole and dropped; nothing in it leads anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import StageError
from interpreter.staging.journal import chosen
from interpreter.staging.show import diff, shown
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


def test_what_runs_by_itself_is_committed_only_when_it_is_named(ground: Ground) -> None:
    ground.run("echo evil > .envrc; mkdir -p sub/.git/hooks; echo evil > sub/.git/hooks/post-commit; echo 1 > sub/f")
    ground.commit()
    assert (ground.here / "sub/f").exists()
    assert not (ground.here / ".envrc").exists() and not (ground.here / "sub/.git").exists()
    ground.commit(".envrc")
    assert (ground.here / ".envrc").exists() and not (ground.here / "sub/.git").exists()


def test_dropping_some_and_all(ground: Ground) -> None:
    ground.run(WORK)
    by_path = {change.path: change for change in ground.stage.changes()}
    ground.stage.drop([by_path[name] for name in ("a", "b", "n")])
    assert {"a", "b", "n", "n/m/f"}.isdisjoint(ground.kinds())
    ground.run("test -f b && grep -q one a && test ! -e n")
    with pytest.raises(StageError):
        ground.stage.drop([by_path["e/z"]])
    ground.stage.renew()
    assert ground.stage.changes() == [] and (ground.here / "e/z").exists()


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
    (ground.here / "m").mkdir()
    (ground.here / "m" / "mine").touch()
    with pytest.raises(StageError, match="something else"):
        ground.stage.carry_out(digest)
    stage = ground.again()
    assert stage.give_up(digest) == (1, 3) and not stage.prepared
    # What was done is done and no longer staged; the rest is staged, and nothing of the person's is gone.
    assert (ground.here / "a").read_text() == "one\ncode\n" and (ground.here / "m" / "mine").exists()
    assert {change.path: change.warning for change in stage.changes()} == {"m": "", "m/mine": "conflict", "z": ""}
    ground.stage = stage
    ground.commit()
    assert (ground.here / "z").read_text() == "z\n" and "m" in ground.kinds()
    shutil.rmtree(ground.here / "m")
    ground.commit("m")
    assert (ground.here / "m").read_text() == "new\n" and stage.changes() == []


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
