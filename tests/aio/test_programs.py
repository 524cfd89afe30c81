"""One program to its end, as `aio.programs` runs it; the walls themselves are tested in tests/sandbox."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from interpreter.aio.programs import NOT_WALLED, run_launch
from interpreter.types.walls import Launch

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def shell(script: str, cwd: Path, backend: str = "host") -> Launch:
    return Launch(backend=backend, argv=("/bin/sh", "-c", script), env={"PATH": "/usr/bin:/bin"}, cwd=str(cwd))


async def test_status_and_output(tmp_path: Path) -> None:
    said: list[bytes] = []
    assert await run_launch(shell("echo out; echo err >&2; pwd; exit 3", tmp_path), said.append) == 3
    assert b"".join(said) == f"out\nerr\n{tmp_path}\n".encode()


async def test_a_signal_is_a_status(tmp_path: Path) -> None:
    assert await run_launch(shell("kill -9 $$", tmp_path), lambda _data: None) == 137


async def test_input_is_at_its_end(tmp_path: Path) -> None:
    said: list[bytes] = []
    assert await run_launch(shell("cat; echo done", tmp_path), said.append) == 0
    assert b"".join(said) == b"done\n"


async def test_walls_that_cannot_be_put_up(tmp_path: Path) -> None:
    said: list[bytes] = []
    assert await run_launch(shell("touch ran", tmp_path, backend="paper"), said.append) == NOT_WALLED
    assert b"paper" in b"".join(said)
    assert not (tmp_path / "ran").exists()


def alive(tmp_path: Path) -> list[int]:
    """Processes whose folder is that of the test."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink() == tmp_path:
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


async def gone(tmp_path: Path) -> bool:
    """A killed grandchild is gone a moment later, when its new parent has noticed."""
    until = time.monotonic() + 10
    while alive(tmp_path) and time.monotonic() < until:
        await asyncio.sleep(0.01)
    return not alive(tmp_path)


async def test_a_time_limit_ends_children_as_well(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await run_launch(shell("sleep 60 & sleep 60; true", tmp_path), lambda _data: None, timeout=0.3)
    assert await gone(tmp_path)


async def test_cancelling_ends_children_as_well(tmp_path: Path) -> None:
    task = asyncio.create_task(run_launch(shell("sleep 60 & sleep 60; true", tmp_path), lambda _data: None))
    while len(alive(tmp_path)) < 3:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(tmp_path)
