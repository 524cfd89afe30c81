from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator

import pytest

from interpreter.keeper import cgroup
from interpreter.keeper.cgroup import Group

MIB = 1 << 20


@pytest.fixture
def group() -> Generator[Group]:
    made = cgroup.create(f"test-{os.getpid()}", 64 * MIB, 16)
    if made is None:
        pytest.skip("this machine does not let us make control groups")
    yield made
    made.kill()
    assert made.remove()


def python(group: Group, code: str) -> subprocess.Popen[str]:
    """Starts in the group: it waits for a line before it goes on."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"input()\n{code}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        group.add(process.pid)
    except OSError as error:
        process.kill()
        process.communicate()
        pytest.skip(f"processes cannot be moved into a group here: {error}")
    return process


def test_memory_is_bounded_and_the_hit_is_told(group: Group) -> None:
    process = python(group, f"x = bytearray({200 * MIB})")
    process.communicate("\n", timeout=60)
    assert process.returncode == -9
    found = group.stats()
    assert found.oom_kills >= 1 and 0 < found.peak <= 64 * MIB


def test_below_the_limit_nothing_is_hit(group: Group) -> None:
    process = python(group, f"x = bytearray({10 * MIB}); print('fine')")
    assert process.communicate("\n", timeout=60)[0] == "fine\n"
    found = group.stats()
    assert (found.oom_kills, found.pids_refused) == (0, 0) and found.peak > 10 * MIB


def test_processes_are_bounded_also_for_root(group: Group) -> None:
    code = """
import os, time
try:
    for n in range(40):
        if os.fork() == 0:
            time.sleep(60)
except OSError as error:
    print(type(error).__name__, n < 20, flush=True)
time.sleep(60)
"""
    process = python(group, code)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "BlockingIOError True\n"
    assert group.stats().pids_refused >= 1 and len(group.pids()) == 16
    group.kill()
    process.communicate(timeout=60)
    assert process.returncode == -9


def test_nothing_is_made_for_nothing() -> None:
    assert cgroup.create("empty", None, None) is None


def test_what_cannot_be_made_leaves_nothing_behind() -> None:
    name = f"twice-{os.getpid()}"
    first = cgroup.create(name, 64 * MIB, 16)
    if first is None:
        pytest.skip("this machine does not let us make control groups")
    try:
        assert cgroup.create(name, 64 * MIB, 16) is None, "a name belongs to one"
        assert first.pids() == []
    finally:
        assert first.remove()
    assert not any(os.path.exists(folder) for folder in first.folders.values())


def test_a_tree_of_version_2_without_our_controllers_is_not_taken(tmp_path: os.PathLike[str]) -> None:
    top = os.fspath(tmp_path)
    with open(f"{top}/cgroup.controllers", "w", encoding="ascii") as file:
        file.write("cpu io\n")
    assert cgroup.create_v2("x", {"memory": MIB}, {"": top}, {"": "/"}) is None
    assert os.listdir(top) == ["cgroup.controllers"]
