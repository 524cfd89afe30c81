"""What survives: kill -9, a full disk, a loss of power. The last needs root, for a file system of its own."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interpreter.errors import StoreError
from interpreter.store import Store, lock
from interpreter.types.actions import OutputRef
from interpreter.types.events import ActionFinished, NoteAdded
from tests.store.samples import finished, note, started, turn

# Appends what a session appends, and tells each number once it is durable. With `off`, the disk is never waited for.
WORKER = """
import os, sys
from interpreter.store import Store
from interpreter.types.actions import Completion, Observation, OutputRef
from interpreter.types.events import ActionFinished, NoteAdded
store = Store.open(sys.argv[1])
log = store.create("s_1", "/project")
if sys.argv[2] == "off":
    store._database._writer.execute("PRAGMA synchronous = OFF")
    store._database._writer.execute("PRAGMA wal_autocheckpoint = 100")
    store._database.sync = lambda: None
    type(store._database)._set_level = lambda self, full: None
number = 0
while True:
    number += 1
    log.append_now(NoteAdded(text=f"before {number}"))
    source = log.folder / "x.out"
    source.write_bytes(f"output {number}\\n".encode() * (20_000 if number % 40 == 0 else 3))
    output = log.put_output(OutputRef(path=str(source)))
    completion = Completion(execution=f"x_{number}", status="ok", output=output)
    log.append_now(ActionFinished(action=f"a_{number}", status="ok", observation=Observation(text="", shown=""),
                                  completion=completion))
    os.write(1, f"{number}\\n".encode())
"""


@contextmanager
def worker(home: Path, level: str = "full", script: str = WORKER) -> Generator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", script, str(home), level], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def acknowledged(process: subprocess.Popen[bytes], least: int) -> int:
    """The last number that was told; at least `least` of them, and all that have come by now."""
    assert process.stdout is not None
    last = 0
    while last < least:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended")
        last = int(line)
    process.send_signal(signal.SIGSTOP)
    os.set_blocking(process.stdout.fileno(), False)
    rest = process.stdout.read() or b""
    return int(rest.split()[-1]) if rest.split() else last


def kept(home: Path) -> int:
    """The last completion that is whole, with its note before it and its output; all before it are whole as well."""
    with Store.open(home) as store:
        log = store.resume("s_1")
        assert log.verify().whole
        notes: list[str] = []
        last = 0
        for stored in log.events():
            event = stored.event
            if isinstance(event, NoteAdded):
                notes.append(event.text)
            elif isinstance(event, ActionFinished) and event.completion is not None:
                last += 1
                assert event.action == f"a_{last}"
                assert notes[-1] == f"before {last}"
                data = log.read_blob(event.completion.output)
                assert data == f"output {last}\n".encode() * (20_000 if last % 40 == 0 else 3)
        assert log.append_now(note(0))[0].seq == log.size
        return last


@pytest.mark.parametrize("seed", range(4))
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    with worker(tmp_path) as process:
        told = acknowledged(process, random.Random(seed).randint(5, 120))
        process.kill()
    assert kept(tmp_path) >= told


def need_root(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a file system of its own")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@contextmanager
def mounted(*arguments: str, at: Path) -> Generator[Path]:
    at.mkdir()
    ran = subprocess.run(["mount", *arguments, str(at)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        pytest.skip(f"this machine does not let root mount: {ran.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The image of an empty file system."""
    need_root("mkfs.ext4", "mount", "umount")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(96 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(image)], check=True)
    return image


@pytest.fixture
def new_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The machine of the test goes on; call this, and to the store it has started anew, as after a loss of power."""

    def start() -> None:
        other = tmp_path / "boot_id"
        other.write_text("another start of the machine\n")
        monkeypatch.setattr(lock, "BOOT_ID", other)

    return start


def after_power_cut(image: Path, tmp_path: Path, level: str, start: Callable[[], None]) -> tuple[int, int]:
    """Numbers told before the cut, and kept after it; what had not reached the disk's file is lost."""
    cut = tmp_path / "cut.img"
    with mounted("-o", "loop,commit=300", str(image), at=tmp_path / "before") as place:
        # The folder itself is there since long: its making is on the disk.
        home = place / "home"
        Store.open(home).close()
        os.sync()
        with worker(home, level) as process:
            told = acknowledged(process, 150)
            shutil.copyfile(image, cut)
    start()
    with mounted("-o", "loop", str(cut), at=tmp_path / "after") as place:
        return told, kept(place / "home")


@pytest.mark.slow
def test_a_loss_of_power_takes_nothing_that_was_acknowledged(
    disk: Path, tmp_path: Path, new_start: Callable[[], None]
) -> None:
    told, found = after_power_cut(disk, tmp_path, "full", new_start)
    assert told >= 150
    assert found >= told


QUIET = """
import asyncio, os, sys
from interpreter.store import Store
from interpreter.types.events import NoteAdded
async def main():
    store = Store.open(sys.argv[1])
    log = store.create("s_1", "/project")
    for number in range(1, 200):
        await log.append(NoteAdded(text=f"note {number}"))
        if number == 150:
            while store.unsynced:
                await asyncio.sleep(0.01)
            os.write(1, b"150\\n")
            await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.slow
def test_events_that_need_not_be_durable_survive_a_loss_of_power_after_a_moment(disk: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.img"
    with mounted("-o", "loop,commit=300", str(disk), at=tmp_path / "before") as place:
        home = place / "home"
        Store.open(home).close()
        os.sync()
        with worker(home, script=QUIET) as process:
            assert acknowledged(process, 150) == 150
            shutil.copyfile(disk, cut)
    with mounted("-o", "loop", str(cut), at=tmp_path / "after") as place, Store.open(place / "home") as store:
        log = store.visit("s_1")
        assert log.size == 150 and log.verify().whole


@pytest.mark.slow
def test_the_same_loss_shows_where_the_disk_was_not_waited_for(
    disk: Path, tmp_path: Path, new_start: Callable[[], None]
) -> None:
    """The control: if this kept everything, the test above would prove nothing."""
    try:
        told, found = after_power_cut(disk, tmp_path, "off", new_start)
    except (StoreError, AssertionError):
        return
    assert found < told


@pytest.mark.parametrize("kind", ["append", "blob"])
def test_a_full_disk_is_told_and_the_session_goes_on_when_there_is_space(tmp_path: Path, kind: str) -> None:
    need_root("mount", "umount")
    with mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=tmp_path / "small") as small:
        ballast = small / "ballast"
        ballast.write_bytes(b"b" * 300_000)
        home = small / "home"
        with Store.open(home) as store:
            log = store.create("s_1", "/project")
            log.append_now(started())
            stored = 1
            with pytest.raises(StoreError, match=r"full|No space|cannot be") as raised:
                while True:
                    if kind == "append":
                        log.append_now(turn(stored, "x" * 4000))
                    else:
                        ref = log.put_bytes(os.urandom(20_000))
                        log.append_now(finished(output=ref))
                    stored += 1
            assert "resume the session" in raised.value.hint
            assert log.size == stored
            assert log.verify().whole
            ballast.unlink()
            assert log.append_now(note(1))[0].seq == stored + 1
        with Store.open(home) as store:
            log = store.resume("s_1")
            assert log.verify().whole and log.size == stored + 1
            assert all(part.suffix != ".part" for part in (log.folder / "blobs").iterdir())


FULL = """
import resource, sys
from interpreter.errors import StoreError
from interpreter.store import Store
from interpreter.types.events import TurnStarted
with Store.open(sys.argv[1]) as store:
    log = store.create("s_1", "/project")
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    number = 0
    try:
        while True:
            log.append_now(TurnStarted(turn="t", text="x" * 4000))
            number += 1
    except StoreError as error:
        print(number, type(error).__name__, "hint" if error.hint else "")
    assert log.size == number and log.verify().whole
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert log.append_now(TurnStarted(turn="t", text="more"))[0].seq == number + 1
"""


def test_a_bound_on_the_size_of_files_is_told_like_a_full_disk(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    number, kind, hint = ran.stdout.split()
    assert int(number) > 10 and (kind, hint) == ("StoreError", "hint")
    with Store.open(tmp_path) as store:
        log = store.resume("s_1")
        assert log.verify().whole and log.size == int(number) + 1


def test_an_output_whose_copy_the_log_cannot_take_lasts_as_a_file(tmp_path: Path) -> None:
    """It has been moved by then: that the log is full must not lose it."""
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        log.append_now(started())
        source = log.folder / "x.out"
        source.write_bytes(b"output\n")
        size = (tmp_path / "log.db-wal").stat().st_size
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            ref = log.put_output(OutputRef(path=str(source)))
            with pytest.raises(StoreError):
                log.append_now(note(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert not source.exists()
        assert log.read_blob(ref) == b"output\n"
        assert log.append_now(finished(output=ref))[0].seq == log.size


def test_events_that_need_not_be_durable_reach_the_disk_soon(tmp_path: Path) -> None:
    """The thread that writes brings them there when nothing else comes."""

    async def write() -> bool:
        with Store.open(tmp_path) as store:
            log = store.create("s_1", "/project")
            await log.append(note(1))
            deadline = time.monotonic() + 20
            while store.unsynced and time.monotonic() < deadline:
                await asyncio.sleep(0.01)
            return store.unsynced

    assert asyncio.run(write()) is False
