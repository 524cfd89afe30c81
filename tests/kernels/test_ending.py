"""A keeper that lives on is ended before its session is removed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interpreter.aio.processes import KEEPER, start_keeper
from interpreter.app.readings import Readings
from interpreter.config.settings import Settings
from interpreter.errors import KeeperLost, SessionBusy
from interpreter.kernels import ending
from interpreter.kernels.ending import alive, end_keeper
from interpreter.kernels.link import connect
from interpreter.store import Store
from tests.store.samples import started


def living(run_dir: Path) -> int:
    keeper = start_keeper(run_dir)
    assert os.read(keeper.ready, 64) == b"ready\n"
    keeper.forget()
    assert alive(run_dir)
    return keeper.pid


@pytest.mark.parametrize("deep", [False, True], ids=["short path", "path longer than a socket's"])
def test_a_keeper_ends_when_it_is_asked(tmp_path: Path, deep: bool) -> None:
    run_dir = tmp_path / ("d" * 90) / ("e" * 90) / "run" if deep else tmp_path / "run"
    run_dir.parent.mkdir(parents=True, exist_ok=True)
    pid = living(run_dir)
    end_keeper(run_dir)
    assert not alive(run_dir)
    os.waitpid(pid, 0)


def test_one_that_saves_until_its_end_is_waited_for(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()

    async def story() -> bool:
        with (run_dir / "keeper.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            asyncio.get_running_loop().call_later(1.5, fcntl.flock, held, fcntl.LOCK_UN)
            link, _answer, fresh = await connect(run_dir, lambda _event: None, lambda: None, seconds=1.0)
            await link.ask("close")
            await link.end(10)
            link.close()
        return fresh

    assert asyncio.run(story())


def test_without_a_keeper_there_is_nothing_to_end(tmp_path: Path) -> None:
    end_keeper(tmp_path / "nowhere")
    (tmp_path / "keeper.lock").touch()
    end_keeper(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keeper.lock"], "nothing was made, and nothing taken away"


def test_one_that_does_not_end_is_told_and_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "PATIENCE", 0.1)
    holder = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('held', flush=True); input()"
    path = str(tmp_path / "keeper.lock")
    with subprocess.Popen([sys.executable, "-c", holder, path], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(KeeperLost, match="does not end"):
            end_keeper(tmp_path)
        process.communicate("\n")


def test_removing_a_session_ends_its_keeper_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path))
    with Store.open(tmp_path) as store:
        store.create("s_1", "/project").append_now(started())
        folder = store.folder("s_1")
    pid = living(folder / "run")
    with Store.open(tmp_path) as store:
        held = store.resume("s_1")
        with pytest.raises(SessionBusy):
            Readings(Settings()).delete("s_1")
        assert alive(folder / "run"), "a session that somebody works on keeps its keeper"
        held.close()
    assert Readings(Settings()).delete("s_1") == "s_1"
    assert not folder.exists()
    os.waitpid(pid, 0)
    assert Path(KEEPER).is_dir()
