"""Keeping a folder and bringing it back, whoever changed what."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import stat as modes
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from interpreter.errors import LogDamaged, StoreError
from interpreter.snapshots import Snapshots, adopt, diff, prune, restore, stat, usage
from tests.snapshots.folder import Bench, state


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def furnish(bench: Bench) -> None:
    """One of each kind that there is."""
    bench.write("notes.txt", "one\ntwo\n")
    bench.write("run.sh", "#!/bin/sh\necho hi\n", 0o755)
    bench.write("secret", "s", 0o600)
    bench.write("read-only/kept.txt", "kept", 0o444)
    bench.write("deep/er/and/deeper.txt", "x" * 5000)
    bench.write(b"caf\xe9.txt", "latin")
    bench.write("new\nline", "odd")
    bench.write("large.bin", os.urandom(3 << 20))
    (bench.work / "empty").mkdir(mode=0o750)
    (bench.work / "to-notes").symlink_to("notes.txt")
    (bench.work / "to-nowhere").symlink_to("/nowhere/at/all")
    (bench.work / "to-folder").symlink_to("deep")
    os.link(bench.work / "notes.txt", bench.work / "same.txt")
    os.chmod(bench.work / "read-only", 0o555)


def change_content(work: Path) -> None:
    (work / "notes.txt").write_text("other")
    (work / "large.bin").write_bytes(os.urandom(3 << 20))
    (work / "deep/er/and/deeper.txt").write_text("short")


def change_rights(work: Path) -> None:
    os.chmod(work / "run.sh", 0o644)
    os.chmod(work / "secret", 0o000)
    os.chmod(work / "empty", 0o700)
    os.chmod(work / "read-only", 0o755)
    os.chmod(work / "deep", 0o000)


def delete_all(work: Path) -> None:
    os.chmod(work / "read-only", 0o755)
    for path in work.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def change_kinds(work: Path) -> None:
    shutil.rmtree(work / "deep")
    (work / "deep").write_text("now a file")
    (work / "notes.txt").unlink()
    (work / "notes.txt").mkdir()
    (work / "notes.txt" / "inner").write_text("x")
    (work / "to-folder").unlink()
    (work / "to-folder").mkdir()
    (work / "empty").rmdir()
    (work / "empty").symlink_to("/etc")
    (work / "to-notes").unlink()
    os.mkfifo(work / "to-notes")


def add_things(work: Path) -> None:
    (work / "more/and/more").mkdir(parents=True)
    (work / "more/and/more/file").write_text("x")
    (work / "more/link").symlink_to(work / "secret")
    (work / "read-only").chmod(0o755)
    (work / "read-only/new").write_text("x")
    os.chmod(work / "read-only", 0o500)
    (work / "more/__pycache__").mkdir()
    (work / "more/__pycache__/x.pyc").write_text("made")


def move_things(work: Path) -> None:
    (work / "deep").rename(work / "elsewhere")
    (work / "notes.txt").rename(work / "renamed.txt")
    (work / "same.txt").write_text("through one name")


@pytest.mark.parametrize(
    "change",
    [change_content, change_rights, delete_all, change_kinds, add_things, move_things],
    ids=lambda c: c.__name__,
)
def test_whatever_was_changed_comes_back(bench: Bench, change: Callable[[Path], None]) -> None:
    furnish(bench)
    before = state(bench.work)
    shots = bench.open()
    taken = shots.take()
    assert taken.uncovered == ()
    change(bench.work)
    changed = state(bench.work)
    assert changed != before
    present = shots.take().tree
    done = restore(shots, taken.tree)
    assert done.left == ()
    assert state(bench.work) == before
    assert shots.take().tree == taken.tree
    # The rewind is taken back as well, but for what nobody could know: pipes, caches, what is closed to us.
    restore(shots, present)
    lost = {b"to-notes", b"more/__pycache__", b"more/__pycache__/x.pyc"}
    again = state(bench.work)
    if os.geteuid() != 0:
        closed = tuple(key for key, facts in changed.items() if facts[1:2] == (0,))
        lost |= {key for key in (*again, *changed) if key in closed or key.startswith(tuple(k + b"/" for k in closed))}
    assert {k: v for k, v in again.items() if k not in lost} == {k: v for k, v in changed.items() if k not in lost}


def test_a_rewind_twice_is_the_same_as_once(bench: Bench) -> None:
    furnish(bench)
    shots = bench.open()
    tree = shots.take().tree
    delete_all(bench.work)
    assert restore(shots, tree).changed > 10
    assert restore(shots, tree).changed == 0


def test_the_persons_repository_is_not_touched(bench: Bench) -> None:
    def git(*words: str) -> bytes:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(("git", *identity, *words), cwd=bench.work, capture_output=True, check=True).stdout

    git("init", "-q")
    bench.write("tracked.txt", "1\n")
    bench.write("half.txt", "1\n")
    git("add", ".")
    git("commit", "-qm", "first")
    bench.write("half.txt", "2\n")
    git("add", "half.txt")
    bench.write("half.txt", "3\n")
    bench.write("untracked.txt", "u")
    git("status")
    repository, status = state(bench.work / ".git"), git("status", "--porcelain")
    shots = bench.open()
    tree = shots.take().tree
    (bench.work / "tracked.txt").unlink()
    bench.write("half.txt", "4\n")
    bench.write("new.txt", "n")
    restore(shots, tree)
    assert state(bench.work / ".git") == repository
    assert git("status", "--porcelain") == status


def test_what_is_left_out_stays_as_it_is(bench: Bench) -> None:
    bench.write("src/a.py", "1")
    for path in (
        ".git/config",
        "node_modules/m/index.js",
        "env/pyvenv.cfg",
        "env/bin/x",
        "src/__pycache__/a.pyc",
        "own/x",
    ):
        bench.write(path, "1")
    bench.write("built/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n")
    bench.write("built/x", "1")
    shots = bench.open(ignored=("own",))
    first = shots.take()
    assert first.files == 1
    for path in (
        ".git/config",
        "node_modules/m/index.js",
        "env/bin/x",
        "src/__pycache__/a.pyc",
        "own/x",
        "built/x",
        "src/a.py",
    ):
        bench.write(path, "2")
    restore(shots, first.tree)
    assert (bench.work / "src/a.py").read_text() == "1"
    assert {(bench.work / p).read_text() for p in (".git/config", "env/bin/x", "own/x", "built/x")} == {"2"}


def test_a_mark_left_by_a_step_withdraws_nothing(bench: Bench) -> None:
    bench.write("src/a.py", "1")
    bench.open().close()
    shots = bench.open()
    tree = shots.take().tree
    shots.close()
    bench.write("src/pyvenv.cfg", "x")
    bench.write("src/a.py", "2")
    later = bench.open(session="s_2")
    assert later.take().files == 2
    restore(later, tree)
    assert state(bench.work) == {b"src": ("folder", 0o755), b"src/a.py": ("file", 0o644, b"1")}


def test_only_what_changed_is_written(bench: Bench) -> None:
    for n in range(300):
        bench.write(f"many/{n}", f"content {n}" * 100)
    shots = bench.open()
    shots.take()
    size = usage(bench.home)
    bench.age()
    assert shots.take().tree == shots.take().tree
    assert usage(bench.home) == size
    bench.write("many/7", "seven")
    shots.take()
    assert usage(bench.home) == size + 5
    second = bench.open(session="s_2")
    second.take()
    assert usage(bench.home) == size + 5


def test_nothing_is_read_again_by_the_next_session(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("a", "1")
    bench.write("b/c", "2")
    bench.age()
    shots = bench.open()
    tree = shots.take().tree
    shots.close()
    opened: list[object] = []
    real = os.open

    def spying(path: object, *rest: int, **more: int) -> int:
        opened.append(path)
        return real(path, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "open", spying)
    assert bench.open(session="s_2").take().tree == tree
    assert b"a" not in opened
    assert b"c" not in opened
    assert b"b" in opened


def test_a_change_within_the_clocks_grain_is_seen(bench: Bench) -> None:
    shots = bench.open()
    trees: set[str] = set()
    for n in range(30):
        bench.write("same-size", f"{n:02}")
        trees.add(shots.take().tree)
    assert len(trees) == 30


def test_specials_are_named_and_passed_over(bench: Bench) -> None:
    bench.write("a", "1")
    os.mkfifo(bench.work / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(bench.work / "sock"))
        shots = bench.open()
        taken = shots.take()
        assert sorted(line.split(" ")[0] for line in taken.uncovered) == ["pipe", "sock"]
        bench.write("a", "2")
        restore(shots, taken.tree)
        assert (bench.work / "a").read_text() == "1"
        assert modes.S_ISFIFO(os.lstat(bench.work / "pipe").st_mode)


def test_what_is_too_large_is_named_before_and_never_lost(bench: Bench) -> None:
    bench.write("small", "1")
    bench.write("big", b"b" * (2 << 20))
    shots = bench.open(largest=1 << 20)
    taken = shots.take()
    if not taken.uncovered:
        pytest.skip("this file system shares blocks")
    assert "big" in taken.uncovered[0]
    bench.write("small", b"s" * (2 << 20))
    bench.write("other-big", b"o" * (2 << 20))
    done = restore(shots, taken.tree)
    found = state(bench.work)
    assert found[b"small"] == ("file", 0o644, b"1")
    assert found[b"other-big"][2] == b"o" * (2 << 20)
    aside = next(path for path in found if path.startswith(b"small.kept-"))
    assert found[aside][2] == b"s" * (2 << 20)
    assert len(done.left) == 2


def test_a_quota_names_what_it_leaves_out(bench: Bench) -> None:
    for n in range(20):
        bench.write(f"f{n}", os.urandom(1000))
    taken = bench.open(quota=10_000).take()
    assert taken.files == 10
    assert len(taken.uncovered) == 10
    assert all("snapshots.quota" in line for line in taken.uncovered)
    assert bench.open(session="s_2").take().uncovered == ()


def test_more_files_than_are_looked_at(bench: Bench) -> None:
    for n in range(30):
        bench.write(f"d/f{n}", "1")
    shots = bench.open(files=11)
    taken = shots.take()
    assert taken.files == 10
    assert any("snapshots.files" in line for line in taken.uncovered)
    for n in range(30):
        bench.write(f"d/f{n}", "2")
    restore(shots, taken.tree)
    assert len(list((bench.work / "d").iterdir())) == 30


def test_the_home_is_not_kept_in_itself(bench: Bench) -> None:
    bench.home.rmdir()
    bench.home = bench.work / "home"
    bench.home.mkdir()
    bench.write("a", "1")
    taken = bench.open().take()
    assert taken.files == 1
    assert taken.uncovered == ()


def test_a_link_in_a_folders_place_leads_nowhere(bench: Bench, tmp_path: Path) -> None:
    """Code swaps a folder for a link to the person's own, again and again, while it is kept and brought back."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "key").write_text("the person's")
    (private / "a").write_text("the person's")
    for name in ("one", "two"):
        bench.write(f"{name}/a", "mine")
    shots = bench.open()
    tree = shots.take().tree
    stop = threading.Event()

    def swap() -> None:
        folder, hidden = bench.work / "one", bench.work / "hidden"
        acts = (
            lambda: folder.rename(hidden),
            lambda: folder.symlink_to(private),
            lambda: (bench.work / "two/a").write_text("changed"),
            folder.unlink,
            lambda: hidden.rename(folder),
        )
        while not stop.is_set():
            for act in acts:
                with contextlib.suppress(OSError):
                    act()

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _round in range(60):
            with contextlib.suppress(StoreError):
                shots.take()
                restore(shots, tree)
    finally:
        stop.set()
        swapping.join()
    assert {path.name: path.read_text() for path in private.iterdir()} == {
        "key": "the person's",
        "a": "the person's",
    }
    with contextlib.closing(sqlite3.connect(bench.home / "snapshots.db")) as database:
        contents = {bytes(data) for (data,) in database.execute("SELECT data FROM blobs")}
    assert b"the person's" not in contents


def test_a_file_with_another_name_outside_keeps_it(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    bench.write("a", "1")
    shots = bench.open()
    tree = shots.take().tree
    outside.write_text("2")
    (bench.work / "a").unlink()
    os.link(outside, bench.work / "a")
    restore(shots, tree)
    assert (bench.work / "a").read_text() == "1"
    assert outside.read_text() == "2"


ORDINARY = """
import os, sys
from pathlib import Path
from interpreter.snapshots import Snapshots, SnapshotOptions, restore
if os.geteuid() == 0: os.setgroups([]); os.setgid(1000); os.setuid(1000)
top = Path(sys.argv[1])
home, work = top / "home", top / "work"
home.mkdir(); work.mkdir(); (work / "closed").mkdir(); (work / "closed/a").write_text("1")
(work / "b").write_text("1"); (work / "read-only").write_text("1"); (work / "read-only").chmod(0o444)
shots = Snapshots(home, work, "s_1", SnapshotOptions())
tree = shots.take().tree
(work / "closed/a").write_text("2"); (work / "closed").chmod(0)
(work / "b").chmod(0)
(work / "read-only").chmod(0o644); (work / "read-only").write_text("2"); (work / "read-only").chmod(0o444)
work.chmod(0o555)
print(sorted(shots.take().uncovered))
print(restore(shots, tree).left)
work.chmod(0o755)
print((work / "closed/a").read_text(), (work / "b").read_text(), (work / "read-only").read_text(),
      oct((work / "closed").stat().st_mode & 0o777), oct((work / "read-only").stat().st_mode & 0o777))
"""


def test_an_ordinary_user_gets_back_what_was_closed_to_them(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o777)
    for above in tmp_path.parents:
        if above.is_relative_to(tempfile.gettempdir()) and above != Path(tempfile.gettempdir()):
            os.chmod(above, os.stat(above).st_mode | 0o011)
    told = subprocess.run((sys.executable, "-c", ORDINARY, str(tmp_path)), capture_output=True, text=True, check=False)
    assert told.stderr == ""
    closed, left, found = told.stdout.splitlines()
    assert closed == "['b (may not be read)', 'closed (may not be read)']"
    assert left == "()"
    assert found == "1 1 1 0o755 0o444"


def test_sessions_share_what_they_keep_and_pruning_leaves_the_living(bench: Bench) -> None:
    bench.write("shared", "s" * 1000)
    bench.write("large", b"l" * (2 << 20))
    first, second = bench.open("s_1"), bench.open("s_2")
    kept = first.take().tree
    bench.write("only", os.urandom(1000))
    bench.write("large", b"m" * (2 << 20))
    gone = second.take().tree
    before = usage(bench.home)
    done = prune(bench.home, lambda: {"s_1"})
    assert done.contents == 2
    assert usage(bench.home) == before - done.size
    with pytest.raises(StoreError):
        restore(first, gone)
    # The session that was working meanwhile goes on, and keeps anew what was taken away.
    now = second.take().tree
    assert now == gone
    restore(first, kept)
    assert not (bench.work / "only").exists()
    restore(first, now)
    assert (bench.work / "large").read_bytes() == b"m" * (2 << 20)


def test_a_fork_keeps_its_trees(bench: Bench) -> None:
    bench.write("a", "1")
    shots = bench.open("s_1")
    tree = shots.take().tree
    adopt(bench.home, "s_fork", [tree])
    prune(bench.home, lambda: {"s_fork"})
    (bench.work / "a").unlink()
    restore(bench.open("s_fork"), tree)
    assert (bench.work / "a").read_text() == "1"


def test_files_are_their_owners_alone(bench: Bench) -> None:
    bench.write("a", b"a" * (2 << 20))
    bench.open().take()
    for path in bench.home.rglob("*"):
        assert modes.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


def test_a_damaged_file_is_told(bench: Bench) -> None:
    (bench.home / "snapshots.db").write_bytes(b"no database" * 1000)
    with pytest.raises(LogDamaged):
        bench.open().take()


def test_a_workspace_that_is_gone_is_told(bench: Bench) -> None:
    bench.work.rmdir()
    with pytest.raises(StoreError):
        bench.open().take()


def lines(shots: Snapshots, before: str, after: str) -> bytes:
    return b"".join(diff(shots.changes(before, after), shots.content))


def test_a_diff_can_be_applied(bench: Bench, tmp_path: Path) -> None:
    bench.write("kept", "k\n")
    bench.write("changed.txt", "".join(f"{n}\n" for n in range(50)))
    bench.write("no end.txt", "a\nb")
    bench.write("gone.txt", "x\n")
    bench.write("run.sh", "x\n")
    bench.write("人.txt", "一\n")
    bench.write("bin", b"\x00\x01")
    (bench.work / "link").symlink_to("kept")
    shots = bench.open()
    first = shots.take().tree
    copy = tmp_path / "copy"
    shutil.copytree(bench.work, copy, symlinks=True)
    bench.write("changed.txt", "".join(f"{n}\n" for n in range(50) if n not in (3, 40)) + "more\n")
    bench.write("no end.txt", "a\nc")
    (bench.work / "gone.txt").unlink()
    os.chmod(bench.work / "run.sh", 0o755)
    bench.write("人.txt", "二\n")
    bench.write("sub/new.txt", "n\n")
    bench.write("empty-file", "")
    (bench.work / "link").unlink()
    (bench.work / "link").symlink_to("changed.txt")
    bench.write("bin", b"\x00\x01\x02")
    second = shots.take().tree
    text = lines(shots, first, second)
    assert b"Binary files a/bin and b/bin differ (2 bytes -> 3 bytes)" in text
    found = {line.path: line for line in stat(shots.changes(first, second), shots.content)}
    assert (found[b"changed.txt"].added, found[b"changed.txt"].removed) == (1, 2)
    assert (found[b"bin"].binary, found[b"bin"].before, found[b"bin"].after) == (True, 2, 3)
    patch = text.replace(b"diff --git a/bin b/bin\nBinary files a/bin and b/bin differ (2 bytes -> 3 bytes)\n", b"")
    subprocess.run(("git", "apply", "-"), input=patch, cwd=copy, check=True, capture_output=True)
    (copy / "bin").write_bytes(b"\x00\x01\x02")
    assert state(copy) == state(bench.work)


def test_a_diff_of_a_step_that_changed_nothing(bench: Bench) -> None:
    bench.write("a", "1")
    shots = bench.open()
    tree = shots.take().tree
    (bench.work / "__pycache__").mkdir()
    assert shots.changes(tree) == []
