"""Kernels behind the real walls: what works in the open works inside."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import KernelError, SandboxUnavailable
from interpreter.kernels import KernelOptions
from interpreter.sandbox import Walls, workspace_profile
from interpreter.types.walls import MIB, Limits
from tests.engine import engine
from tests.kernels.bench import Bench, Watching, go

READABLE = tuple({sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))})


def bench_in(folder: Path, backend: str, *, stage: bool = False, **limits: int) -> Bench:
    """Skips where the machine has no such walls."""
    for name in ("work", "scratch", "home"):
        (folder / name).mkdir(exist_ok=True)
    profile = workspace_profile(
        folder / "work",
        folder / "scratch",
        home=folder / "home",
        readable=READABLE,
        backend=backend,  # pyright: ignore[reportArgumentType]  # one of two literals
        limits=Limits(**limits),
    )
    if stage:
        profile = msgspec.structs.replace(profile, stage=str(folder / "session" / "stage" / "1"))
    try:
        walls = Walls(profile)
    except SandboxUnavailable as error:
        pytest.skip(f"{backend}: {error}")
    return Bench(folder / "run", folder / "work", KernelOptions(python=sys.executable), walls)


@pytest.fixture(params=["bubblewrap", "container", "landlock"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "container":
        socket, why = engine()
        if not socket:
            pytest.skip(why)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    return request.param


def test_a_kernel_lives_inside(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        bench = bench_in(tmp_path, backend)
        await bench.kernels.open()
        try:
            assert (await bench.run("x = 41\nx + 1")).result == "42"
            ran = await bench.run("open('made.txt', 'w').write('1')\nopen('/etc/made', 'w')")
            assert ran.error
            assert ran.error.name in ("PermissionError", "OSError")
            assert (tmp_path / "work" / "made.txt").read_text() == "1"
            ran = await bench.run(f"open({str(tmp_path / 'run' / 'token')!r}).read()")
            assert ran.status == "error"
            for code in ("while True: pass", "import subprocess\nsubprocess.run(['sleep', '60'])"):
                begun = bench.begin("print('on', flush=True)\n" + code)
                await begun.sink.until(b"on")
                await bench.kernels.interrupt()
                ran = await begun.end()
                assert (ran.status, ran.restarted) == ("interrupted", False), ran
            assert (await bench.run("input('?')", sink=Watching(lambda p, s: "yes"))).result == "'yes'"
            ran = await bench.run("import os\nos._exit(9)")
            assert (ran.status, ran.exit_status) == ("died", 9)
            assert (await bench.run("'new'")).result == "'new'"
            stubborn = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('on')\ntime.sleep(60)"
            ran = await bench.run(stubborn, timeout=0.1)
            assert (ran.status, ran.restarted) == ("timeout", True)
        finally:
            await bench.kernels.close()

    go(work())


def test_too_much_memory_is_a_limit_or_an_error_and_the_session_goes_on(tmp_path: Path, backend: str) -> None:
    async def work() -> None:
        bench = bench_in(tmp_path, backend, memory=256 * MIB)
        await bench.kernels.open()
        try:
            ran = await bench.run("x = bytearray(100 << 30)")
            assert ran.error or ran.status == "limit"
            ran = await bench.run("y = []\nwhile True: y.append(b'x' * (1 << 20))")
            assert ran.status in ("error", "limit"), ran
            if not ran.restarted:
                assert (await bench.run("del y")).status == "ok"
            assert (await bench.run("'on'")).result == "'on'"
        finally:
            await bench.kernels.close()

    go(work())


def test_a_grant_reaches_a_living_kernel(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data.csv").write_text("a,b\n")

    async def work() -> None:
        bench = bench_in(tmp_path, "bubblewrap")
        walls = bench.walls
        assert isinstance(walls, Walls)
        await bench.kernels.open()
        try:
            read = f"open({str(outside / 'data.csv')!r}).read()"
            assert (await bench.run("kept = 1\n" + read)).status == "error"
            path = str(outside / "data.csv")
            assert await bench.kernels.grant(path, walls.grant(path))
            ran = await bench.run(f"({read}, kept)")
            assert ran.result == "('a,b\\n', 1)"
            assert (await bench.run(f"open({path!r}, 'a')")).status == "error"
        finally:
            await bench.kernels.close()

    go(work())


def test_a_container_ends_with_its_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket, why = engine()
    if not socket:
        pytest.skip(why)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")

    def living() -> str:
        return subprocess.run(["docker", "ps", "-q"], capture_output=True, text=True, check=True).stdout

    async def work() -> None:
        bench = bench_in(tmp_path, "container")
        hello = await bench.kernels.open()
        try:
            ran = await bench.run("import os\nos.getpid()")
            assert ran.status == "ok"
            assert living()
            os.kill(hello.pid, signal.SIGKILL)
            end = time.monotonic() + 20
            while living() and time.monotonic() < end:
                await asyncio.sleep(0.05)
            assert not living()
        finally:
            await bench.kernels.close()

    go(work())


def test_programs_of_ours_on_the_stage_are_bounded_and_leave_it(tmp_path: Path) -> None:
    """They see what kernels wrote there; one that hangs, prints for ever or is many holds nothing up."""

    async def work() -> None:
        bench = bench_in(tmp_path, "bubblewrap", stage=True)
        walls, kernels = bench.walls, bench.kernels

        async def look(code: str, seconds: float = 20.0, most: int = 1000) -> tuple[int, bytes]:
            return await kernels.on_stage(walls.launch([sys.executable, "-I", "-S", "-c", code]), seconds, most)

        await kernels.open()
        try:
            # Also before anything else is on the stage.
            assert await look("import os; print(os.path.exists('made'))") == (0, b"False\n")
            assert (await bench.run("open('made', 'w').write('1')")).status == "ok"
            assert await look("print(open('made').read())") == (0, b"1\n")
            assert not (tmp_path / "work" / "made").exists()
            assert await look("import sys; print('x' * 10_000); sys.exit(3)", most=5) == (3, b"xxxxx")
            with pytest.raises(TimeoutError):
                await look("import time; print(1); time.sleep(60)", seconds=0.5)
            hanging = [asyncio.create_task(look("import time; time.sleep(60)")) for _ in range(5)]
            done, _waiting = await asyncio.wait(hanging, return_when=asyncio.FIRST_COMPLETED)
            with pytest.raises(KernelError, match="too many"):
                done.pop().result()
            await kernels.unstage()
            ended = await asyncio.gather(*hanging, return_exceptions=True)
            assert [one for one in ended if isinstance(one, tuple)] == [(137, b"")] * 4
        finally:
            await kernels.close()

    go(work())
