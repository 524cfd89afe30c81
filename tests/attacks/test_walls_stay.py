"""Programs that want to outlive the kernel that started them: when it ends, they do, on every backend.

Each holds a lock while it lives. Without a keeper, where only the process group is ended, all of them stay.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.sandbox_world import PYTHON, users
from tests.conformance.test_sandboxes import works_here
from tests.engine import engine
from tests.keeper.walled import Subject, world_of

from .field import until
from .inside.stays import BEGIN, STAYS

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the attacks run under {PYTHON}"),
]


def living(folder: Path) -> list[str]:
    found: list[str] = []
    for name in STAYS:
        with open(folder / name, encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                found.append(name)
    return found


@pytest.fixture(params=["bubblewrap", "container", "landlock"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "container":
        socket, why = engine()
        if not socket:
            pytest.skip(why)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    if why := works_here(request.param):
        pytest.skip(why)
    yield request.param


@pytest.mark.parametrize("uid", users(), ids=lambda uid: "root" if uid == 0 else "user")
def test_nobody_outlives_the_kernel(backend: Any, uid: int) -> None:
    with world_of(Subject(backend, uid, False)) as world:
        kernel = world.kernel()
        ran = kernel.run(BEGIN)
        assert ran.status == "ok", ran
        assert living(world.workspace) == list(STAYS)
        world.client.ask(op="stop", kernel=kernel.name)
        world.client.wait_for("died", kernel=kernel.name)
        assert until(lambda: not living(world.workspace), 10), living(world.workspace)


def test_without_a_keeper_all_of_them_stay(tmp_path: Path) -> None:
    process = subprocess.Popen([PYTHON, "-I", "-c", BEGIN], cwd=tmp_path, process_group=0)
    try:
        assert process.wait(30) == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        assert living(tmp_path) == list(STAYS)
    finally:
        (tmp_path / "end").touch()
        os.kill(int((tmp_path / "stopped").read_text(encoding="ascii")), signal.SIGCONT)
    assert until(lambda: not living(tmp_path), 10)
