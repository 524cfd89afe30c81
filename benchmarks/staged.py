"""Staged mode beside the plain sandbox: what a file-heavy command takes in each, and what single acts on files take.

The command of `WORK` does what people's do: it unpacks, searches, packs and removes. It is judged beside the folder
itself. What changes nothing but names and inodes costs more in any overlay, so it is judged beside the kernel's own.

As root each command works on an ext4 of its own, just made: on one without a journal the kernel avoids the inodes that
were deleted lately, and what an earlier run has deleted would slow the next one down by ten times.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import tarfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec

from interpreter.keeper import stage as keeper_stage
from interpreter.keeper import walls as keeper_walls
from interpreter.sandbox import Walls, workspace_profile
from interpreter.types.walls import Launch

FILES, RUNS, CEILING = 3000, 5, 1.3
APPEND = "find {} -type f -exec sh -c 'for f; do echo more >> \"$f\"; done' sh {{}} +"
WORK = "unpack, search, pack and remove"
COMMANDS = {
    WORK: "mkdir work; tar xf all.tar -C work; ! grep -rq nowhere work; tar czf work.tgz work; rm -r work",
    "untar": "tar xf all.tar",
    "copy": "cp -r old copy",
    "change again": APPEND.format("copy"),
    "remove again": "rm -r tree",
    "change what was there:": APPEND.format("old"),
    "remove what was there:": "rm -r old",
}
SIZE = 2 << 30

Cells = tuple[str, str, str, str, str, bool]
"""What, ours, bare, ratio, ceiling, whether it holds."""


def rows(folder: Path) -> list[Cells]:
    """Median of several runs, in turns, so that what else the machine does meets all alike. The bare counterpart is the
    kernel's own overlay without any walls, where this user can mount one; else the folder itself in the same walls.
    """
    found: list[Cells] = []
    times: dict[tuple[str, str], list[float]] = {}
    for run in range(RUNS):
        for kind in ("plain", "staged", "overlay"):
            with file_system(folder / f"{run} {kind}") as (place, mounted):
                if mounted or kind != "overlay":
                    for name, seconds in measured(place, kind).items():
                        times.setdefault((name, kind), []).append(seconds)
    for name in COMMANDS:
        plain, ours = (statistics.median(times[name, kind]) * 1e3 for kind in ("plain", "staged"))
        bare, shown, ceiling = plain, f"plain {plain:.0f} ms", f"{CEILING} x"
        if name != WORK and (name, "overlay") in times:
            ceiling = f"{CEILING} x the overlay"
            bare = statistics.median(times[name, "overlay"]) * 1e3
            shown = f"bare overlay {bare:.0f} ms, {shown}"
        ratio = ", ".join(f"{ours / other:.2f} x" for other in dict.fromkeys((bare, plain)))
        what = f"{name} {FILES:,} files, staged"
        found.append((what, f"{ours:.0f} ms", shown, ratio, ceiling, ours / bare <= CEILING))
    return found


@contextlib.contextmanager
def file_system(place: Path) -> Generator[tuple[Path, bool]]:
    """A folder to work in, and whether it is the top of a new ext4: as root, where this machine lets one be mounted."""
    place.mkdir()
    image = place.with_name(f"{place.name}.img")
    mounted = False
    if os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None:
        with image.open("wb") as file:
            file.truncate(SIZE)
        options = "lazy_itable_init=0,lazy_journal_init=0"
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", options, str(image)], check=True)
        mounted = not subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False).returncode
    place.chmod(0o755)
    try:
        yield place, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)
        image.unlink(missing_ok=True)


def measured(place: Path, kind: str) -> dict[str, float]:
    """Seconds of each command, in one sandbox after the other on the same folder; or without one, on a bare overlay."""
    here = place / "here"
    here.mkdir(parents=True)
    with tarfile.open(here / "all.tar", "w") as archive:
        for number in range(FILES):
            file = place / "one"
            file.write_bytes(os.urandom(2000))
            archive.add(file, f"tree/{number % 50}/{number}")
    subprocess.run(["tar", "xf", "all.tar", "--transform", "s/^tree/old/"], cwd=here, check=True)
    if kind == "overlay":
        return on_overlay(place, here)
    session = place / "home" / "s"
    (session / "scratch").mkdir(parents=True)
    profile = workspace_profile(here, session / "scratch", home=place / "home", backend="bubblewrap")
    if kind == "staged":
        profile = msgspec.structs.replace(profile, stage=str(session / "stage" / "1"))
    walls = Walls(profile)
    entrance = None
    if profile.stage:
        entrance = keeper_stage.open_stage(msgspec.to_builtins(walls.launch([]).stage))
    return each(lambda command: run(walls.launch(["/bin/sh", "-ec", command]), entrance))


def each(seconds: Callable[[str], float]) -> dict[str, float]:
    """Of every command, without the start of a shell and of its walls."""
    start = statistics.median(seconds("true") for _ in range(5))
    return {name: seconds(command) - start for name, command in COMMANDS.items()}


def on_overlay(place: Path, here: Path) -> dict[str, float]:
    """The kernel's overlay with the options of a stage, and nothing else."""
    for name in ("upper", "work", "over"):
        (place / name).mkdir()
    layers = f"lowerdir={here},upperdir={place / 'upper'},workdir={place / 'work'}"
    options = f"{layers},{keeper_stage.OPTIONS},{keeper_stage.VOLATILE}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(place / "over")], check=True)

    def once(command: str) -> float:
        began = time.perf_counter()
        subprocess.run(["/bin/sh", "-ec", command], cwd=place / "over", check=True)
        return time.perf_counter() - began

    try:
        return each(once)
    finally:
        subprocess.run(["umount", "-l", str(place / "over")], check=True)


def run(launch: Launch, entrance: keeper_stage.Entrance | None) -> float:
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            ready = msgspec.to_builtins(launch, builtin_types=(bytes,)) | {"entrance": entrance}
            os.chdir("/")
            keeper_walls.apply(ready, {0, 1, 2})
            os.execvpe(ready["argv"][0], list(ready["argv"]), ready["env"])
        finally:
            os._exit(125)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise SystemExit(f"the command ended with {status}: {launch.argv[-1]}")
    return time.perf_counter() - began
