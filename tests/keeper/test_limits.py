"""Programs that take all they can get: each is over soon, the limit is named, and the kernel's state survives."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from interpreter.keeper import cgroup
from interpreter.types.walls import MIB
from tests.guest.keeper_client import Ran

from .walled import Subject, World, groups_work, subjects, world_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these walls are Linux's")
# The kernel counts the processes of a user, whatever test they belong to.
ALONE = pytest.mark.alone
MANY = 1024
"""Processes that are never reached: where others run beside a test that is about something else."""
STATE = {"python": ("kept = 41", "kept + 1"), "shell": ("kept=41", "echo $((kept + 1))")}
SUBJECTS = [pytest.param(one, id=str(one), marks=pytest.mark.xdist_group(f"limits {one}")) for one in subjects()]
EVERY = pytest.mark.parametrize("subject", SUBJECTS, scope="module")


@pytest.fixture(scope="module")
def lasting(subject: Subject) -> Generator[World]:
    with world_of(subject) as world:
        yield world


@pytest.fixture
def world(lasting: World) -> Generator[World]:
    """One for all tests of a subject: what each of them is about is a kernel of its own."""
    yield lasting
    lasting.clear()


@pytest.fixture
def bombed(subject: Subject, lasting: World) -> Generator[World]:
    """Where only our watch holds root, the machine is not left to it in a test: 400 processes end any bomb."""
    if subject.grouped or subject.uid != 0:
        yield lasting
        lasting.clear()
        return
    made = cgroup.create(f"net-{os.getpid()}", None, 400)
    if made is None:
        pytest.skip("a bomb of root's, held by a watch alone, is only tried where a control group can stand behind it")
    with world_of(subject) as world:
        made.add(world.client.process.pid)
        try:
            yield world
        finally:
            made.kill()
            world.client.process.wait(20)
            made.remove(5)


def survives(world: World, language: str, code: str, **limits: Any) -> Ran:
    """Run the code; afterwards the same kernel still knows what it knew before."""
    kernel = world.kernel(language, **{"processes": MANY, **limits})
    before, after = STATE[language]
    assert kernel.run(before).status == "ok"
    ran = kernel.run(code)
    assert not ran.restarted, ran
    last = kernel.run(after)
    assert last.status == "ok" and (last.text.splitlines() or [last.result])[0].endswith("42"), (ran, last)
    return ran


def limit_of(ran: Ran) -> str:
    return ran.completion["limit"]


@EVERY
def test_100_gigabytes_at_once_are_refused(world: World) -> None:
    ran = survives(world, "python", "x = bytearray(100 << 30)")
    assert (ran.status, ran.error["name"], limit_of(ran)) == ("error", "MemoryError", "memory: 2 GB allowed")


@EVERY
def test_children_that_take_the_memory_together_end_and_the_kernel_does_not(world: World) -> None:
    code = """
import os, subprocess
hog = "import time; x = bytearray(100 << 20); time.sleep(60)"
hogs = [subprocess.Popen(["/usr/bin/python3", "-I", "-S", "-c", hog]) for _ in range(4)]
_pid, status = os.wait()
for hog in hogs: hog.kill()
assert status == 0, "a hog was ended"
"""
    ran = survives(world, "python", code, memory=256 * MIB)
    assert ran.status == "limit"
    assert limit_of(ran).startswith("memory: 256 MB allowed")


@EVERY
def test_memory_in_files_of_memory_counts(world: World) -> None:
    code = "import os\nf = os.memfd_create('x')\nb = b'x' * (8 << 20)\nwhile os.write(f, b): pass"
    kernel = world.kernel(memory=256 * MIB, processes=MANY)
    ran = kernel.run(code)
    assert (ran.status, ran.restarted) == ("limit", True)
    assert limit_of(ran).startswith("memory: 256 MB allowed")


BOMBS = {
    "python": ("python", "import os\nwhile True: os.fork()"),
    "python that hears of nothing": (
        "python",
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    ),
    "shell": ("shell", "f() { f | f & }; f; sleep 30"),
    "shell in the background": ("shell", ":(){ :|:& };:"),
    "daemons": (
        "python",
        """
import os
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork(): os._exit(0)
    except OSError: pass
""",
    ),
}


@ALONE
@EVERY
@pytest.mark.parametrize(("language", "code"), BOMBS.values(), ids=BOMBS.keys())
def test_a_fork_bomb_is_over(bombed: World, language: str, code: str) -> None:
    kernel = bombed.kernel(language)
    before, after = STATE[language]
    kernel.run(before)
    ran = kernel.run(code)
    await_end(bombed)
    last = kernel.run(after)
    assert not ran.restarted and "42" in last.text + last.result, (ran, last)
    # One that has only begun when the run ends is told of with the next.
    told = limit_of(ran) or limit_of(last)
    assert "processes: 64 allowed, " in told
    # What the kernel refuses may end the program before the watch does.
    assert ran.status in ("limit", "error") or (code.startswith(":") and ran.status == "ok")


def await_end(world: World) -> None:
    """Until nothing runs in the session's folder but for kernels and their walls."""
    end = time.monotonic() + 30
    while left_of(world) and time.monotonic() < end:
        time.sleep(0.05)
    assert left_of(world) == []


def left_of(world: World) -> list[str]:
    """What runs in the session's folder, but for kernels and their walls."""
    found: list[str] = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == str(world.workspace):
                found.append(Path(f"/proc/{pid}/comm").read_text().strip())
    kernels = ("python3", "bash", "bash", "bwrap", "bwrap", "prlimit", "setpriv")
    for name in kernels:
        if name in found:
            found.remove(name)
    return found


@ALONE
@EVERY
def test_a_refused_process_is_told(world: World) -> None:
    code = "import subprocess\nfor _ in range(60): subprocess.Popen(['sleep', '20'])\nimport time; time.sleep(5)"
    ran = survives(world, "python", code, processes=30)
    assert ran.status in ("limit", "error"), "what the kernel refuses may end the program before the watch does"
    assert limit_of(ran).startswith("processes: 30 allowed, ")


@EVERY
def test_processor_time_is_that_of_the_tree_and_of_one_execution(world: World) -> None:
    code = "for i in 1 2 3; do (trap '' INT; while :; do :; done) & done; wait"
    ran = survives(world, "shell", code, cpu=0.3)
    assert ran.status == "limit"
    assert limit_of(ran).startswith("cpu: 0.3 s allowed, ")


WRITERS = {
    "one file": ("python", "b = b'x' * (1 << 20)\nf = open('big', 'wb')\nwhile True: f.write(b)", "big"),
    "many files": (
        "python",
        "n = 0\nwhile True:\n    n += 1\n    with open(f's{n}', 'w') as f: f.write('x' * 50_000)",
        "",
    ),
    "a deleted file": (
        "python",
        "import os\nf = open('x', 'wb')\nos.unlink('x')\nwhile True: f.write(b'x' * (1 << 20))",
        "a deleted file that is still open",
    ),
    "several writers": (
        "shell",
        "for i in 1 2 3; do (while :; do head -c 3000000 /dev/zero > f$i.$RANDOM$RANDOM; done) & done; wait",
        "",
    ),
}


@EVERY
@pytest.mark.parametrize(("language", "code", "named"), WRITERS.values(), ids=WRITERS.keys())
def test_disk_space_is_that_of_all_files_together(world: World, language: str, code: str, named: str) -> None:
    ran = survives(world, language, code, disk=16 * MIB)
    assert ran.status == "limit"
    assert limit_of(ran).startswith("disk: 16 MB allowed, ")
    assert named in limit_of(ran)


@EVERY
def test_what_is_written_again_and_again_counts_once(world: World) -> None:
    code = "b = b'x' * (4 << 20)\nfor _ in range(40):\n    with open('same', 'wb') as f: f.write(b)"
    assert survives(world, "python", code, disk=16 * MIB).status == "ok"


@ALONE
def test_some_space_stays_free_whatever_the_limit() -> None:
    subject = subjects()[0]
    with world_of(subject) as world:
        room = os.statvfs(world.workspace)
        free = room.f_bavail * room.f_frsize - 100 * MIB
        kernel = world.kernel(free=free, disk=None, file_size=1024 * MIB)
        ran = kernel.run("b = b'x' * (1 << 20)\nf = open('big', 'wb')\nwhile True: f.write(b)")
        assert (ran.status, ran.restarted) == ("limit", False)
        assert limit_of(ran).startswith("disk: only ")


@EVERY
def test_limits_of_one_process_are_named(world: World) -> None:
    bounds: dict[str, Any] = {"file_size": 8 * MIB, "open_files": 300, "processes": MANY}
    large = survives(world, "python", "open('large', 'wb').write(b'x' * (32 << 20))", **bounds)
    assert (large.status, limit_of(large)) == ("error", "file size: 8 MB allowed for one file")
    files = world.kernel(**bounds).run("x = [open('/dev/null') for _ in range(1000)]")
    assert (files.status, limit_of(files)) == ("error", "open files: 300 allowed for one process")
    shell = survives(world, "shell", "head -c 32000000 /dev/zero > large", **bounds)
    assert (shell.status, limit_of(shell)) == ("error", "file size: 8 MB allowed for one file"), shell


@EVERY
def test_what_an_earlier_run_left_behind_is_held_too_and_told(world: World) -> None:
    kernel = world.kernel("shell", disk=16 * MIB, processes=MANY)
    code = "(sleep 1; while :; do head -c 3000000 /dev/zero > f$RANDOM$RANDOM; done) & kept=41"
    assert kernel.run(code).status == "ok"
    until_written(world.workspace)
    await_end(world)
    ran = kernel.run("echo $((kept + 1))")
    assert limit_of(ran).startswith("programs left in the background were ended; disk: 16 MB allowed")
    assert (ran.status, ran.text.splitlines()[0]) == ("ok", "42")


def until_written(folder: Path) -> None:
    end = time.monotonic() + 30
    while not any(folder.iterdir()) and time.monotonic() < end:
        time.sleep(0.05)


def test_no_group_is_left_behind() -> None:
    if not groups_work():
        pytest.skip("this machine does not let us make control groups")
    with world_of(Subject("bubblewrap", os.geteuid(), True)) as world:
        kernel = world.kernel()
        places = Path(f"/proc/{kernel.pid}/cgroup").read_text()
        names = {line.rpartition("/")[2] for line in places.splitlines() if cgroup.PREFIX in line}
        assert names
        folders = [Path(top) / name for name in names for top, _, _ in os.walk("/sys/fs/cgroup") if top.count("/") < 8]
        folders = [folder for folder in folders if folder.is_dir()]
        assert folders
    assert not [folder for folder in folders if folder.exists()]


def test_groups_that_work_are_used() -> None:
    if not groups_work():
        pytest.skip("this machine does not let us make control groups")
    made = cgroup.create(f"used-{os.getpid()}", 64 * MIB, 16)
    assert made is not None
    try:
        assert made.version in (1, 2)
        assert (made.cpu() is not None) == (made.version == 2)
    finally:
        assert made.remove(5)
