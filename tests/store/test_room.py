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

top, early, leave = Path(sys.argv[1]), sys.argv[2] == "early", int(sys.argv[3])

def fill():
    with open(top / "ballast", "wb") as file:
        while (left := os.statvfs(top)).f_bavail * left.f_frsize > leave:
            try:
                file.write(b"x" * 1024)
                file.flush()
            except OSError:
                break

try:
    if early:
        fill()
    database = Database(top / "log.db")
    if not early:
        fill()
    with database.transaction(full=True) as writing:
        writing.execute("CREATE TABLE IF NOT EXISTS t(a)")
    for _n in range(2000):
        with database.transaction(full=False) as writing:
            writing.execute("INSERT INTO t VALUES(?)", (b"y" * 900,))
except StoreError as error:
    print(error.message)
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
    for when in ("early", "late"):
        for leave in (0, 5_000, 12_000, 16_000, 20_000, 34_000, 262_000, 300_000):
            for path in small.iterdir():
                if path.is_file():
                    path.unlink()
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(small), when, str(leave)],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, (when, leave, done)
            assert "is full" in done.stdout, (when, leave, done)
