"""A full disk with blocks of 1 kB: SQLite alone dies of it by a bus error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
from interpreter.errors import StoreError
from interpreter.store.database import Database

top = Path(sys.argv[1])

def fill(leave):
    with open(top / "ballast", "wb") as file:
        while (left := os.statvfs(top)).f_bavail * left.f_frsize > leave:
            try:
                file.write(b"x" * 1024)
                file.flush()
            except OSError:
                break

def attempt(early, leave):
    try:
        if early:
            fill(leave)
        database = Database(top / "log.db")
        if not early:
            fill(leave)
        with database.transaction(full=True) as writing:
            writing.execute("CREATE TABLE IF NOT EXISTS t(a)")
        for _n in range(2000):
            with database.transaction(full=False) as writing:
                writing.execute("INSERT INTO t VALUES(?)", (b"y" * 900,))
    except StoreError as error:
        print(error.message, flush=True)

# Each in a process of its own, which may die; but they load the program only once.
for early in (True, False):
    for leave in (0, 5_000, 12_000, 16_000, 20_000, 34_000, 262_000, 300_000):
        for path in top.iterdir():
            if path.is_file():
                path.unlink()
        child = os.fork()
        if not child:
            attempt(early, leave)
            os._exit(0)
        print(early, leave, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def small(tmp_path: Path) -> Generator[Path]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("mkfs.ext4", "mount", "umount"))):
        pytest.skip("needs root to mount a file system of its own")
    image, place = tmp_path / "image", tmp_path / "place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(6 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-b", "1024", "-O", "^has_journal", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_full_disk_with_small_blocks_is_told_in_words(small: Path) -> None:
    # Without the room, some of these end by SIGBUS: which, depends on where the blocks lie.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(small)], capture_output=True, text=True, timeout=110, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * 16, done
    for said, ended in zip(lines[::2], lines[1::2], strict=True):
        assert "is full" in said, done
        assert ended.endswith(" 0"), done
