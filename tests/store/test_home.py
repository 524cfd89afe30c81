from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from interpreter.errors import LogDamaged, StoreError
from interpreter.store import Store, StoreOptions, default_home
from interpreter.store.database import Database
from interpreter.store.home import LONGEST_HOME, disk_error
from interpreter.store.migrations import APPLICATION_ID, MIGRATIONS
from interpreter.types.events import SessionClosed
from tests.store.samples import note, started, turn

FIXTURES = Path(__file__).parent / "fixtures"


def modes(root: Path) -> dict[str, int]:
    return {str(p.relative_to(root)): stat.S_IMODE(p.stat().st_mode) for p in [root, *root.rglob("*")]}


def test_the_home_is_the_platforms_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INTERPRETER_HOME", raising=False)
    assert default_home() == Path(platformdirs.user_data_dir("interpreter"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_home() == Path(platformdirs.user_data_dir("interpreter"))
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "mine"))
    assert default_home() == tmp_path / "mine"
    assert default_home({"INTERPRETER_HOME": "~/x"}) == Path("~/x").expanduser()
    assert StoreOptions().home == ""


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_everything_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    code = (
        "import os, sys; from interpreter.store import Store; from interpreter.types.events import NoteAdded\n"
        f"os.umask({mask})\n"
        "store = Store.open(sys.argv[1])\n"
        "log = store.create('s_1', '/work')\n"
        "log.append_now(NoteAdded(text='x'))\n"
        "log.put_bytes(b'data')\n"
        "out = log.folder / 'x.out'; out.write_bytes(b'y' * 100000); out.chmod(0o644); log.put_file(out)\n"
        "os._exit(0)\n"
    )
    home = tmp_path / "home"
    subprocess.run([sys.executable, "-c", code, str(home)], check=True)
    found = modes(home)
    assert {"log.db", "log.db-wal", "sessions/s_1/lock"} <= set(found)
    assert len([name for name in found if "/blobs/" in name]) == 2
    assert {name: oct(mode) for name, mode in found.items() if mode not in (0o600, 0o700)} == {}


def test_an_open_log_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Store.open(home).close()
    (home / "log.db").chmod(0o644)
    home.chmod(0o755)
    with Store.open(home) as store:
        store.create("s_1", "/").append_now(note(1))
        assert all(not mode & 0o077 for mode in modes(home).values())


def test_a_folder_with_other_things_keeps_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    (home / "thesis.txt").touch()
    with Store.open(home):
        assert stat.S_IMODE(home.stat().st_mode) == 0o755
        assert stat.S_IMODE((home / "sessions").stat().st_mode) == 0o700


def test_missing_parents_are_made(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a 用户" / "b") as store:
        assert store.sessions() == []


def test_a_home_that_is_a_file_is_refused_and_kept(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("mine")
    for path in (home, home / "below"):
        with pytest.raises(StoreError, match=r"is a file|cannot be used") as raised:
            Store.open(path)
        assert "INTERPRETER_HOME" in raised.value.hint
    assert home.read_text() == "mine"


@pytest.mark.parametrize("what", ["folder", "log"])
def test_a_home_that_cannot_be_written_is_a_clear_error(tmp_path: Path, what: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if what == "log":
        with Store.open(home) as store:
            store.create("s_1", "/").append_now(note(1))
        (home / "log.db").chmod(0o444)
        (home / "sessions").chmod(0o555)
    home.chmod(0o555)
    place = tmp_path
    while place != place.parent and os.geteuid() == 0:
        place.chmod(place.stat().st_mode | 0o055)
        place = place.parent
    # The files belong to another user when this runs as root; the code is read before the rights are given up.
    code = (
        "import sys; from interpreter.store import Store; from interpreter.errors import StoreError\n"
        "from interpreter.types.events import NoteAdded\n"
        "import os\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(1000); os.setuid(1000)\n"
        "try:\n"
        "    with Store.open(sys.argv[1]) as store: store.create('s_2', '/').append_now(NoteAdded(text='x'))\n"
        "except StoreError as error: print(type(error).__name__, error)\n"
        "else: print('no error')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("StoreError"), ran
    assert "cannot be" in ran.stdout and "INTERPRETER_HOME" in ran.stdout
    home.chmod(0o755)
    if what == "log":
        (home / "sessions").chmod(0o755)


@pytest.mark.parametrize("content", [b"not a database at all, but text " * 40, b"\x00" * 5000, b"SQLite format 3\x00"])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.db").write_bytes(content)
    with pytest.raises(LogDamaged) as raised:
        Store.open(tmp_path)
    assert str(tmp_path / "log.db") in raised.value.message and raised.value.hint
    assert (tmp_path / "log.db").read_bytes() == content
    assert not (tmp_path / "log.db-wal").exists()


def test_a_database_of_another_program_is_refused_and_kept(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    before = (tmp_path / "log.db").read_bytes()
    with pytest.raises(LogDamaged, match="not a log of this program"):
        Store.open(tmp_path)
    assert (tmp_path / "log.db").read_bytes() == before


def test_a_folder_in_the_logs_place(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    with pytest.raises(StoreError, match=r"log\.db"):
        Store.open(tmp_path)


def test_a_newer_log_is_refused_and_kept(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer version") as raised:
        Store.open(tmp_path)
    assert not isinstance(raised.value, LogDamaged)
    connection = sqlite3.connect(tmp_path / "log.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    connection.close()


def test_damage_inside_the_log_is_told_and_nothing_is_overwritten(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        log.append_now(started(), *(note(n) for n in range(3000)))
    path = tmp_path / "log.db"
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(LogDamaged, match="damaged") as raised, Store.open(tmp_path) as store:
        list(store.visit("s_1").events())
    assert ".recover" in raised.value.hint
    assert path.read_bytes() == data


def test_two_first_starts_at_once_make_one_log(tmp_path: Path) -> None:
    code = (
        "import sys; from interpreter.store import Store; from interpreter.types.events import NoteAdded\n"
        "sys.stdin.readline()\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    store.create(sys.argv[2], '/').append_now(NoteAdded(text='x'))\n"
    )
    starts = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "home"), f"s_{n}"], stdin=subprocess.PIPE)
        for n in range(4)
    ]
    for start in starts:
        start.communicate(b"go\n")
    assert [start.returncode for start in starts] == [0] * 4
    with Store.open(tmp_path / "home") as store:
        assert len(store.sessions()) == 4


def test_the_log_of_version_1_is_read_and_goes_on(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.executescript((FIXTURES / "log-1.sql").read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with Store.open(tmp_path) as store:
        log = store.resume(store.find("last").id)
        assert log.verify().whole
        size = log.size
        assert size == sum(1 for _stored in log.events()) > 10
        assert log.append_now(note(1))[0].seq == size + 1
        assert log.verify().whole
        blobs = [path.read_bytes() for path in (log.folder / "blobs").iterdir()]
        assert blobs == [b"kept\n"], "the machine may have lost power since: small files are written again"


REMOVE = """
import os, sys
from pathlib import Path
from interpreter.store import Store
if os.geteuid() == 0: os.setgroups([]); os.setgid(1000); os.setuid(1000)
with Store.open(sys.argv[1]) as store:
    log = store.create("s_1", "/project")
    cache = log.folder / "scratch" / "cache" / "deep" / "deeper"
    cache.mkdir(parents=True)
    (cache / "file").touch()
    (cache / "link").symlink_to(sys.argv[2])
    for closed, mode in ((cache, 0o000), (cache.parent, 0o555), (cache.parent.parent, 0o000)): closed.chmod(mode)
    log.close()
    store.delete("s_1")
    print(log.folder.exists(), len(store.sessions()))
"""


def test_what_programs_made_read_only_is_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside, home = tmp_path / "outside", tmp_path / "home"
    for folder in (outside, home):
        folder.mkdir()
        folder.chmod(0o777)
    (outside / "kept").touch()
    for place in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o055)
    ran = subprocess.run(
        [sys.executable, "-c", REMOVE, str(home), str(outside)], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("False 0\n", "")
    assert (outside / "kept").exists()


def everything(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_what_is_deleted_or_erased_is_nowhere_any_more_and_its_space_is_given_back(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        for name in ("s_1", "s_2"):
            log = store.create(name, "/project")
            log.append_now(*(turn(n, f"secret {name} " * 400) for n in range(100)))
            log.close()
        full = (tmp_path / "log.db").stat().st_size + (tmp_path / "log.db-wal").stat().st_size
        assert b"secret s_1" in everything(tmp_path)
        store.delete("s_1")
        assert b"secret s_1" not in everything(tmp_path)
        assert (tmp_path / "log.db").stat().st_size < 0.6 * full
        log = store.resume("s_2")
        asyncio.run(log.erase(range(1, 101)))
        assert b"secret s_2" not in everything(tmp_path)
        assert (tmp_path / "log.db").stat().st_size < 0.2 * full
        assert log.verify().whole


def deep(root: Path, length: int) -> Path:
    """A path below `root` of exactly that many bytes."""
    missing = length - len(os.fsencode(root))
    while missing > 200:
        root, missing = root / ("é" * 50), missing - 101
    return root / ("x" * (missing - 1))


def test_the_longest_home_works(tmp_path: Path) -> None:
    home = deep(tmp_path, LONGEST_HOME)
    assert len(os.fsencode(home)) == LONGEST_HOME
    with Store.open(home) as store:
        log = store.create("s_1", "/project")
        log.append_now(started(), SessionClosed())
        assert log.verify().whole and store.seals is not None and len(store.seals.read().seals) == 1


def test_a_home_whose_path_is_too_long_is_told_with_its_length(tmp_path: Path) -> None:
    home = deep(tmp_path, LONGEST_HOME + 1)
    with pytest.raises(StoreError, match="too long: 481 bytes, at most 480") as caught:
        Store.open(home)
    assert str(home) in caught.value.hint and not home.parent.exists()


def test_a_full_or_broken_disk_is_told_in_words_and_other_errors_are_not() -> None:
    told = disk_error(OSError(errno.ENOSPC, "No space left on device", "/home/x/f"))
    assert told is not None and told.message == "/home/x/f cannot be kept or read: No space left on device."
    nameless = disk_error(OSError(errno.EIO, "Input/output error"))
    assert nameless is not None and nameless.message.startswith("A file of the session cannot be kept")
    assert disk_error(FileNotFoundError(errno.ENOENT, "No such file", "/x")) is None
    assert disk_error(ValueError("x")) is None


def test_two_first_starts_at_the_same_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second makes the log while the first looks whether there is one: neither takes it for something else."""
    path, plain = tmp_path / "log.db", Database._value  # pyright: ignore[reportPrivateUsage]
    second: list[threading.Thread] = []
    opened: list[bool] = []

    def start() -> None:
        Database(path).close()
        opened.append(True)

    def value(self: Database, sql: str) -> Any:
        found = plain(self, sql)
        if sql == "PRAGMA application_id" and not second:
            second.append(threading.Thread(target=start))
            second[0].start()
            second[0].join(0.5)  # it is done, or waits for us
        return found

    monkeypatch.setattr(Database, "_value", value)
    Database(path).close()
    second[0].join()
    assert opened == [True]
    Database(path).close()
