"""Power cuts and full disks: the home and the working folder on a small ext4 of their own. Needs root.

The run stands still at some of its writes, fsyncs and renames; what has reached the disk by then (its backing file) is
copied, and each copy is mounted again as after a loss of power, and taken up.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from . import work
from .cases import Case, Outcome
from .check import Violation, judge
from .deaths import CODES, STREAMED
from .faults import Fault
from .world import Run, World, below, read_lines

SIZE = 48 << 20
"""Bytes of the file system; most of it is a hole."""
PER_RUN = 20
"""Cuts of one run, about."""
MEMORY = Path("/dev/shm")
AGAIN = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
"""To the command the machine has started anew: that is how it knows that the power may have been lost."""


def why_not() -> str:
    if os.geteuid() != 0:
        return "needs root to mount a file system of its own"
    missing = [name for name in ("mkfs.ext4", "mount", "umount", "unshare") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with Disk(Path(folder)).mounted():
                return ""
        except RuntimeError as error:
            return str(error)


class Disk:
    """An image, made in memory where there is room for it, and the folder where it is mounted."""

    def __init__(self, top: Path) -> None:
        self.place = top / "disk"
        self.place.mkdir(exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
        self.image = self._folder / "disk.img"
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        options = "lazy_itable_init=0,lazy_journal_init=0"
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-J", "size=4", "-E", options, str(self.image))

    @contextlib.contextmanager
    def mounted(self, image: Path | None = None) -> Generator[Path]:
        """Raises RuntimeError where this machine does not let root mount."""
        run("mount", "-o", "loop,commit=300", str(image or self.image), str(self.place))
        try:
            yield self.place
        finally:
            for _try in range(100):
                if subprocess.run(["umount", str(self.place)], capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.05)
            else:
                run("umount", "-l", str(self.place))

    def copy(self, name: str) -> Path:
        """What the disk holds at this moment; holes stay holes."""
        target = self._folder / name
        with self.image.open("rb") as old, target.open("wb") as new:
            end = old.seek(0, os.SEEK_END)
            at = 0
            while at < end:
                try:
                    at = os.lseek(old.fileno(), at, os.SEEK_DATA)
                except OSError:
                    break
                hole = os.lseek(old.fileno(), at, os.SEEK_HOLE)
                new.seek(at)
                new.write(os.pread(old.fileno(), hole - at, at))
                at = hole
            new.truncate(end)
        return target

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


class Cut(NamedTuple):
    image: Path
    call: str
    seen: int
    """Bytes of standard output that had been read by then."""


class Cutter:
    """Lets the run stand still where the library says so, and copies the disk meanwhile."""

    def __init__(self, world: World, disk: Disk) -> None:
        self._world, self._disk = world, disk
        self.cuts: list[Cut] = []
        self.out = bytearray()
        self._news = world.faults / "news"
        self._news.unlink(missing_ok=True)
        os.mkfifo(self._news)
        self._fd = os.open(self._news, os.O_RDWR | os.O_NONBLOCK)

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Until the command has ended; everything that it says is read here."""
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        left = b""
        while process.poll() is None:
            self._read(process)
            try:
                left += os.read(self._fd, 65536)
            except BlockingIOError:
                time.sleep(0.0005)
            while b"\n" in left:
                line, _newline, left = left.partition(b"\n")
                pid, call = line.decode().split()
                self._cut(process, int(pid), call)
        os.set_blocking(process.stdout.fileno(), True)
        self.out += process.stdout.read() or b""
        os.close(self._fd)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        while data := process.stdout.read(65536):
            self.out += data

    def _cut(self, process: subprocess.Popen[bytes], pid: int, call: str) -> None:
        keeper = self._world.keeper()
        everybody = [process.pid, *([keeper, *below(keeper)] if keeper else [])]
        for one in everybody:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGSTOP)
        if all(stopped(one) for one in {*everybody, pid}):
            self._read(process)
            self.cuts.append(Cut(self._disk.copy(f"cut{len(self.cuts)}.img"), call, len(self.out)))
        for one in {*everybody, pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


def stopped(pid: int) -> bool:
    """Wait until every thread of it stands still; False when it does not, or is gone."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            states = [
                (thread / "stat").read_text().rpartition(")")[2].split()[0]
                for thread in Path(f"/proc/{pid}/task").iterdir()
            ]
        except OSError:
            return True
        if all(state in "TtZX" for state in states):
            return True
        time.sleep(0.0005)
    return False


def sync(place: Path) -> None:
    """Bring the file system to its disk, and no other: the machine may have a gigabyte to write for somebody else."""
    fd = os.open(place, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(fd)


def cut_power(phase: int, every: int, nosync: bool, most: int, world: World) -> Outcome:
    """One run with its cuts, and each of them taken up."""
    disk = Disk(world.top.parent)
    found: list[Violation] = []
    count = shown = 0
    try:
        with disk.mounted() as place:
            inner = World(place / "w", world.top.with_name("f"))
            sync(place)  # the folders are there since long
            inner.play(work.plan(pace=STREAMED))
            cutter = Cutter(inner, disk)
            fault = Fault("pause", at=phase, every=every, nosync=nosync)
            process = inner.start(inner.asking(work.TASK), fault)
            timer = threading.Timer(90, process.kill)
            timer.start()
            cutter.follow(process)
            timer.cancel()
            process.communicate()
            inner.close()
        for cut in cutter.cuts[:most]:
            seen = Run(-9, read_lines(bytes(cutter.out[: cut.seen])), "", True)
            with disk.mounted(cut.image) as place:
                found += [Violation(v.kind, f"at a {cut.call}: {v.what}") for v in taken_up(place, world, seen)]
            cut.image.unlink()
            count += 1
            shown += len(seen.shown)
    finally:
        disk.remove()
    return Outcome(count > 0, found, count, shown)


def taken_up(place: Path, world: World, seen: Run) -> list[Violation]:
    """The machine starts anew, and the session is resumed."""
    inner = World(place / "w", world.top.with_name("f"))
    boot = inner.faults / "boot_id"
    boot.write_text(f"{random.random()}\n")
    inner.before = ("unshare", "-m", "sh", "-c", AGAIN, str(boot))
    try:
        again = inner.go_on()
        return judge(inner, [seen, again])
    finally:
        inner.close()


def cuts(seed: int, count: int, calls: int) -> Iterator[Case]:
    chosen = random.Random(seed + 4)
    every = max(1, calls // (PER_RUN + 4))
    left = count
    for number in range(-(-count // PER_RUN)):
        most = min(PER_RUN, left)
        left -= most
        phase = chosen.randrange(every)
        yield Case("a power cut", f"cut/{number}/{phase}", partial(cut_power, phase, every, False, most))
    few = max(2, min(PER_RUN, count // 10))
    control = partial(cut_power, chosen.randrange(every), max(1, calls // (few + 2)), True, few)
    yield Case("control: a power cut, fsync does nothing", "cut/control", control, control=True)


def fill(free: int, world: World) -> Outcome:
    """A disk with so many bytes left; the command ends with a word about it, and goes on once there is room."""
    disk = Disk(world.top.parent)
    try:
        with disk.mounted() as place:
            inner = World(place / "w", world.top.with_name("f"))
            ballast = place / "ballast"
            with ballast.open("wb") as file:
                room = os.statvfs(place)
                os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - free))
            inner.play(work.plan())
            first = inner.ask(work.TASK, fault=Fault())
            found = [Violation("words", f"{first.code}: {first.err[-500:]}")] if first.code not in CODES else []
            if first.code and not (first.err.strip() or any(line.get("text") for line in first.lines[-1:])):
                found.append(Violation("words", f"it ended with {first.code} and said nothing"))
            ballast.unlink()
            again = inner.go_on()
            found += judge(inner, [first, again])
            inner.close()
            return Outcome(
                first.code != 0 or b"No space" in json.dumps(first.lines).encode(), found, 1, len(first.shown)
            )
    finally:
        disk.remove()


def full(seed: int, count: int) -> Iterator[Case]:
    chosen = random.Random(seed + 5)
    for number in range(count):
        free = chosen.randrange(0, 700_000)
        yield Case("a disk that gets full", f"full/{number}/{free}", partial(fill, free))
