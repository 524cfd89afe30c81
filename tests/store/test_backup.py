"""A backup is one moment of the home, also while sessions run; unpacked, it is a home again."""

from __future__ import annotations

import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.errors import StoreError, UsageError
from interpreter.store import Store
from interpreter.store import backup as module
from interpreter.store.audit import verify
from interpreter.store.backup import backup
from interpreter.store.export import export, kept_files
from tests.store.conversation import PNG, begun, conversation, proposed, ran
from tests.store.samples import done, note, started, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "home") as store:
        log = store.create("s_1", "/project")
        log.append_now(*conversation(log))
        large = log.put_bytes(b"0123456789" * 10_000, ".out")
        log.append_now(turn(4), proposed(4, "x", "a_8", call="c"), begun("a_8"), ran("a_8", large), done(4))
        (log.folder / "checkpoints").mkdir()
        (log.folder / "checkpoints" / "00ff.json").write_bytes(b"state")
        (log.folder / "run" / "outputs").mkdir(parents=True)
        (log.folder / "run" / "outputs" / "x_1.1.png").write_bytes(PNG)
        (log.folder / "blobs" / "link.idx").symlink_to("/etc/passwd")
        log.close()
        yield store


def restored(path: Path, home: Path) -> Store:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(home)
    return Store.open(home)


def test_a_backup_is_a_home_again(store: Store, tmp_path: Path) -> None:
    found = backup(store, tmp_path / "all.zip")
    assert (found.sessions, found.damaged) == (1, ()) and found.path.stat().st_mode & 0o077 == 0
    assert not list(store.home.glob("backup-*"))
    with restored(found.path, tmp_path / "again") as again:
        assert verify(again).whole and verify(again).seals == verify(store).seals > 0
        before, after = store.visit("s_1"), again.visit("s_1")
        assert list(before.rows(before.size)) == list(after.rows(after.size))
        texts = [export(log.events(), "ipynb", (), kept_files(log.folder)) for log in (before, after)]
        assert texts[0] == texts[1] and "0123456789" * 100 in texts[0]
        for name in ("checkpoints/00ff.json", "run/outputs/x_1.1.png"):
            assert (after.folder / name).read_bytes() == (before.folder / name).read_bytes()
        assert not (after.folder / "blobs" / "link.idx").exists() and not (after.folder / "lock").exists()
        again.resume("s_1").append_now(note(1))


def test_it_is_consistent_while_sessions_go_on(store: Store, tmp_path: Path) -> None:
    ready, stop = threading.Event(), threading.Event()

    def work() -> None:
        with Store.open(tmp_path / "home") as mine:
            log = mine.create("s_2", "/project")
            log.append_now(started("s_2"))
            number = 0
            while not stop.is_set() and number < 2000:
                number += 1
                ref = log.put_bytes(f"output {number}".encode(), ".out")
                log.append_now(turn(number), proposed(number, "x", f"a_{number}", call="c"), begun(f"a_{number}"))
                log.append_now(ran(f"a_{number}", ref), done(number))
                if number > 5:
                    ready.set()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert ready.wait(30)
        found = backup(store, tmp_path / "all.zip")
    finally:
        stop.set()
        worker.join()
    with restored(found.path, tmp_path / "again") as again:
        assert verify(again).whole and found.sessions == 2
        log = again.visit("s_2")
        assert 20 < log.size < store.visit("s_2").size
        last = (log.size - 1) // 5
        assert f"output {last}" in export(log.events(), "md", (), kept_files(log.folder))


def test_a_folder_of_backups_keeps_the_newest(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "interpreter-mine.zip").write_text("mine")
    for number in range(3):
        (folder / f"interpreter-2020010{number}-000000.zip").write_text("old")
    found = backup(store, folder, keep=2)
    assert [path.name for path in found.removed] == [
        "interpreter-20200100-000000.zip",
        "interpreter-20200101-000000.zip",
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["interpreter-mine.zip", "interpreter-20200102-000000.zip", found.path.name]
    )
    assert len(backup(store, folder).removed) == 0, "all stay unless a number is given"


def test_a_backup_that_fails_leaves_what_was_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "all.zip"
    target.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        backup(store, target)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        backup(store, target, force=True)
    assert target.read_text() == "mine" and not list(tmp_path.glob("*.part"))


def test_a_damaged_session_is_named_and_kept(store: Store, tmp_path: Path) -> None:
    with store._database.transaction(full=True) as connection:  # pyright: ignore[reportPrivateUsage] - damage itself
        connection.execute("UPDATE events SET body = '{}' WHERE seq = 3")
    found = backup(store, tmp_path / "all.zip")
    assert found.damaged == ("s_1",)


def test_a_session_that_is_removed_meanwhile_is_left_out(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = store.create("s_2", "/project")
    log.append_now(started("s_2"), turn(1), done(1))
    log.close()
    whole = module.copy_log

    def copied(source: Path, target: Path) -> None:
        whole(source, target)
        if any(info.id == "s_2" for info in store.sessions()):
            store.delete("s_2")

    monkeypatch.setattr(module, "copy_log", copied)
    found = backup(store, tmp_path / "all.zip")
    assert found.sessions == 1
    with restored(found.path, tmp_path / "again") as again:
        assert verify(again).whole and [info.id for info in again.sessions()] == ["s_1"]
