"""Snapshots and rewinds of a folder of 10,000 files, beside a walk that only looks and a copy of the folder."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from interpreter.snapshots import SnapshotOptions, Snapshots, restore

FILES = 10_000
RUNS = 5
SETTLED = 0.1
"""Seconds after which no file's time is in doubt."""


Cells = tuple[str, str, str, str, str, bool]
"""What, ours, bare, ratio, ceiling, whether it holds."""


def rows(folder: Path) -> list[Cells]:
    home, work = folder / "home", folder / "work"
    home.mkdir()
    fill(work, "first")
    shots = Snapshots(home, work, "s_bench", SnapshotOptions())
    copied = seconds(lambda: shutil.copytree(work, folder / "copy"))
    first = seconds(shots.take)
    looked = statistics.median(seconds(lambda: walk(work)) for _run in range(RUNS))
    unchanged = statistics.median(seconds(shots.take) for _run in range(RUNS))
    tree = shots.take().tree
    times: list[float] = []
    for run in range(3):
        fill(work, f"changed {run}")
        times.append(seconds(lambda: back(shots, tree)))
    shots.close()
    rewind = statistics.median(times)
    return [
        cells(f"the first snapshot of {FILES:,} files", first, "copy", copied, 2.0),
        cells(f"a snapshot of {FILES:,} files, none changed", unchanged, "walk", looked, 0.1),
        cells(f"a rewind of {FILES:,} files, all changed", rewind, "copy", copied, 2.0),
    ]


def cells(what: str, ours: float, beside: str, bare: float, ceiling: float) -> Cells:
    shown = f"{ours * 1e3:.0f} ms", f"{beside} {bare * 1e3:.0f} ms"
    return what, *shown, f"{ours / bare:.1f} x", f"{ceiling * 1e3:.0f} ms", ours <= ceiling


def back(shots: Snapshots, tree: str) -> None:
    """As a session does it: how things stand is kept first."""
    shots.take()
    done = restore(shots, tree)
    if done.changed != FILES or done.left:
        raise SystemExit(f"not brought back: {done}")


def fill(work: Path, text: str) -> None:
    for n in range(FILES):
        place = work / f"d{n // 100}" / f"{n}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text} {n}\n" * 50)
    time.sleep(SETTLED)


def walk(work: Path) -> int:
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _names, files in os.walk(work) for name in files
    )


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
