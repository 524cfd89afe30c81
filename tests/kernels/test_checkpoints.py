"""The state of a Python kernel is saved after each execution, and comes back in a new one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from interpreter.types.events import CheckpointSaved
from interpreter.types.walls import CheckpointLimits
from tests import libraries
from tests.kernels.bench import Bench, go, opened
from tests.kernels.test_python_guest import pythons

HERE = Path(__file__).parent
MADE = (HERE / "state_made.txt").read_text(encoding="utf-8")
ASKED = (HERE / "state_asked.txt").read_text(encoding="utf-8")
FRAMES = (HERE / "state_frames.txt").read_text(encoding="utf-8").split("# ---\n")


async def saved(bench: Bench, *codes: str) -> CheckpointSaved:
    for code in codes[:-1]:
        assert (await bench.run(code)).status == "ok"
    ran = await bench.run(codes[-1])
    assert ran.status == "ok", ran
    event = await bench.saved(ran)
    assert isinstance(event, CheckpointSaved), event
    return event


async def there_and_back(folder: Path, made: str, asked: str, first: str, second: str = "") -> tuple[str, ...]:
    """Make a state with one Python and ask for it in another; names that are missing there."""
    place = str(folder / "checkpoints")
    for name in ("one", "two"):
        (folder / name).mkdir()
    async with opened(folder / "one", python=first, checkpoint_folder=place) as bench:
        event = await saved(bench, made, "'shown'")
    async with opened(folder / "two", python=second or first, checkpoint_folder=place) as bench:
        restored = await bench.kernels.restore("python", event.manifest)
        if asked:
            ran = await bench.run(asked)
            assert (ran.status, ran.text) == ("ok", "good\n"), ran
        return tuple(sorted(one.name for one in restored.missing))


@pytest.mark.parametrize("version", ["", "3.8", "3.13"])
def test_whatever_a_session_defines_comes_back_as_it_was(
    tmp_path: Path, version: str, real_environ: dict[str, str]
) -> None:
    python = sys.executable if not version else other_python(version, real_environ)
    missing: list[str] = []

    async def work() -> None:
        missing.extend(await there_and_back(tmp_path, MADE, ASKED, python))

    go(work())
    assert missing == ["asyncio", "file", "gen", "lock"]


def other_python(version: str, environ: dict[str, str]) -> str:
    found = pythons(dict(environ)).get(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    return found


def test_another_version_of_python_gets_all_but_code(tmp_path: Path, real_environ: dict[str, str]) -> None:
    made = "rows = {'a': [1, 2]}\nimport json\ndef f(): return rows\nclass C:\n    def m(self): return 1\nc = C()"
    missing: list[str] = []

    async def work() -> None:
        second = other_python("3.12", real_environ)
        missing.extend(
            await there_and_back(tmp_path, made, "print('good' * (rows['a'] == [1, 2]))", sys.executable, second)
        )

    go(work())
    assert missing == ["C", "c", "f"]


def test_arrays_and_frames_come_back_and_still_share_their_memory(tmp_path: Path) -> None:
    python = libraries.need_python()
    missing: list[str] = []

    async def work() -> None:
        missing.extend(await there_and_back(tmp_path, FRAMES[0], FRAMES[1], python))

    go(work())
    assert missing == []


def test_what_is_too_large_is_named_with_who_made_it_and_whether_to_make_it_again(tmp_path: Path) -> None:
    limits = CheckpointLimits(variable=100_000)

    async def work() -> None:
        async with opened(tmp_path, checkpoint_folder=str(tmp_path / "c"), checkpoints=limits) as bench:
            # To make it again must be faster than to save it. Zeros are not even written, so they are there in a
            # moment, and to save so many takes a second: enough also where a kernel has to wait for its turn.
            first = await bench.run("big = bytes(200 << 20)")
            event = await saved(bench, "small = [1] * 1000")
            assert [(one.name, one.execution, one.rebuild) for one in event.unsaved] == [
                ("big", first.completion.execution, True)
            ]
            assert "larger" in event.unsaved[0].reason
            ran = await bench.run("1/0")
            assert isinstance(await bench.saved(ran), CheckpointSaved)

    go(work())


def test_a_host_that_comes_back_is_told_of_checkpoints(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, checkpoint_folder=str(tmp_path / "c")) as bench:
            event = await saved(bench, "x = 1")
            await bench.kernels.close(keep=True)
            other = Bench(tmp_path / "run", tmp_path / "work", bench.options)
            await other.kernels.open()
            assert other.saves == [event]
            await other.kernels.collect_checkpoint(event.manifest)
            await other.kernels.close(keep=True)
            assert not (await bench.kernels.open()).checkpoints

    go(work())


def test_a_program_of_the_users_meets_no_child_of_ours(tmp_path: Path) -> None:
    code = (
        "import os, signal\nseen = []\nsignal.signal(signal.SIGCHLD, lambda *a: None)\n"
        "def children():\n    try:\n        return os.waitpid(-1, os.WNOHANG)\n"
        "    except ChildProcessError:\n        return None"
    )

    async def work() -> None:
        async with opened(tmp_path, checkpoint_folder=str(tmp_path / "c")) as bench:
            await saved(bench, code)
            for _ in range(3):
                event = await saved(bench, "seen.append(children())")
                assert event.names >= 4
            assert (await bench.run("seen")).result == "[None, None, None]"
            assert os.listdir(tmp_path / "c" / "blobs")

    go(work())


def test_tables_in_memory_are_named(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, checkpoint_folder=str(tmp_path / "c")) as bench:
            await bench.run("CREATE TABLE best AS SELECT 1 AS one; CREATE VIEW all_of_it AS SELECT * FROM best", "sql")
            event = await saved(bench, "x = 1")
            assert [one.name for one in event.unsaved if one.type == "table"] == ["best", "all_of_it"]

    go(work())
