"""The host's side: permits, reconnection, limits, large output."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from interpreter.aio.processes import start_keeper
from interpreter.errors import KeeperLost, KernelDied, KernelError, LanguageMissing, PermitRefused
from interpreter.kernels import KernelOptions, Kernels, link
from interpreter.kernels.output import read_head_tail, read_output, read_stream, segments
from interpreter.types.actions import Action, Permit
from interpreter.types.base import code_sha256, new_id
from interpreter.types.walls import Limits
from tests.kernels.bench import Bench, OpenWalls, Ran, Watching, go, opened


def action_of(code: str, language: str = "python") -> Action:
    return Action(id=new_id("a"), language=language, code=code, sha256=code_sha256(code))


def test_a_permit_opens_the_door_to_its_code_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            action = action_of("print('ran')")
            right = Permit(action=action.id, language="python", sha256=action.sha256, by="test")
            wrong = [
                msgspec.structs.replace(right, action="other"),
                msgspec.structs.replace(right, language="shell"),
                msgspec.structs.replace(right, sha256=code_sha256("print('other')")),
            ]
            for permit in wrong:
                with pytest.raises(PermitRefused):
                    await bench.kernels.execute(permit, action, new_id("x"), Watching(), Limits())
            swapped = msgspec.structs.replace(action, code="print('swapped')")
            with pytest.raises(PermitRefused):
                await bench.kernels.execute(right, swapped, new_id("x"), Watching(), Limits())
            assert list((bench.run_dir / "outputs").iterdir()) == []
            assert (await bench.kernels.execute(right, action, new_id("x"), Watching(), Limits())).status == "ok"
            with pytest.raises(PermitRefused):
                await bench.kernels.execute(right, action, new_id("x"), Watching(), Limits())

    go(work())


def test_timeouts(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, grace=0.3) as bench:
            await bench.run("kept = 1")
            ran = await bench.run("while True: pass", timeout=0.2)
            assert (ran.status, ran.restarted, ran.limit) == ("timeout", False, "timeout: 0.2 s")
            assert (await bench.run("kept")).result == "1"
            deaf = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('on')\ntime.sleep(60)"
            ran = await bench.run(deaf, timeout=0.2)
            assert (ran.status, ran.restarted, ran.text) == ("timeout", True, "on\n")
            assert (await bench.run("kept")).status == "error"

    go(work())


def test_fifty_megabytes(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("1")
            before = memory_of(bench.hello.pid)
            ran = await bench.run("for i in range(1_000_000): print('x' * 49)")
            assert memory_of(bench.hello.pid) - before < 30 << 20
            ref = ran.completion.output
            assert (ref.size, ref.dropped) == (50_000_000, 0)
            assert ref.sha256 == hashlib.sha256(ran.bytes).hexdigest()
            assert ran.bytes == b"x" * 49 + b"\n" + ran.bytes[50:]
            assert len(ran.sink.live) < 2 << 20
            assert sum(skipped for _, _, skipped in ran.sink.pieces) + len(ran.sink.live) == ref.size

    go(work())


def memory_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) << 10


def test_endless_output_is_stopped_at_its_limit(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            ran = await bench.run("while True: print('y' * 1000)", output=3_000_000)
            assert ran.status == "limit"
            assert "output" in ran.limit
            assert len(ran.bytes) == 3_000_000
            assert ran.completion.output.dropped > 0
            assert not ran.restarted
            tail = read_head_tail(ran.completion.output, 2000, "out1")
            assert "beyond the output limit" in tail
            assert len(tail) < 2300

    go(work())


def test_output_is_paged_from_disk(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            ran = await bench.run(
                "import sys, time\nfor i in range(3):\n    print('out', i)\n    time.sleep(0.02)\n"
                "    print('err', i, file=sys.stderr)\n    time.sleep(0.02)"
            )
            ref = ran.completion.output
            assert ran.text == "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n"
            assert [s for s, _, _ in segments(ref)] == ["stdout", "stderr"] * 3
            assert b"".join(read_stream(ref, "stderr")) == b"err 0\nerr 1\nerr 2\n"
            assert read_output(ref, 6, 6) == b"err 0\n"
            assert read_output(ref, 1000, 10) == b""
            assert read_head_tail(ref, 10_000, "out1") == ran.text
            numbers = await bench.run("for i in range(100000): print(i)")
            text = read_head_tail(numbers.completion.output, 1000, "out2")
            assert text.startswith("0\n1\n2\n")
            assert text.endswith("99998\n99999\n")
            assert "out2" in text
            assert len(text) <= 1000
            assert (await bench.run("pass")).completion.output.size == 0

    go(work())


def test_restart_and_missing_languages(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("x = 1")
            await bench.kernels.restart()
            assert (await bench.run("x")).status == "error"
            with pytest.raises(LanguageMissing):
                await bench.run("1", language="klingon")
            assert bench.kernels.missing("klingon")
            assert bench.kernels.missing("python") == ""
            assert "python" in bench.kernels.available()
            # Died between two executions: the next one begins with a new kernel.
            await bench.run("import os, threading\nthreading.Timer(0.05, lambda: os._exit(3)).start()")
            while bench.events[-1].what != "died":
                await asyncio.sleep(0.01)
            assert (await bench.run("5")).result == "5"
            assert bench.events[-1].what == "restarted"

    go(work())


def test_a_kernel_that_cannot_start_is_our_error(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, python="/no/such/python") as bench:
            with pytest.raises(KernelError, match="No such file"):
                await bench.run("1")
        async with opened(tmp_path, python="/bin/false") as bench:
            # Whether it ends before or after it has been given the code is chance.
            try:
                assert (await bench.run("1")).status == "died"
            except KernelDied as error:
                assert "as soon as it is started" in error.message
            again = await bench.run("true", language="shell")
            assert again.status == "ok"

    go(work())


HOST = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests.kernels.bench import opened
async def main():
    async with opened(Path({folder!r})) as bench:
        await bench.run("x = 41")
        ended = bench.begin("print('ended')")
        await ended.task
        begun = bench.begin("import time\\nprint('on', flush=True)\\nwhile not __import__('os').path.exists('go'): "
                            "time.sleep(0.01)\\nprint('off')\\nx + 1")
        await begun.sink.until(b"on")
        print(ended.execution, begun.execution, flush=True)
        await asyncio.sleep(100)
asyncio.run(main())
"""


def test_a_killed_host_loses_nothing(tmp_path: Path) -> None:
    code = HOST.format(path=[p for p in sys.path if p] + [os.getcwd()], folder=str(tmp_path))
    host = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert host.stdout
    ended, running = host.stdout.readline().split()
    host.send_signal(signal.SIGKILL)
    host.wait()
    host.stdout.close()

    async def work() -> None:
        async with opened(tmp_path) as bench:
            assert not bench.hello.fresh
            assert [k.language for k in bench.hello.kernels] == ["python"]
            assert [c.execution for c in bench.hello.completions] == [ended]
            assert [r.execution for r in bench.hello.running] == [running]
            sink = Watching()
            assert Ran(await bench.kernels.reattach(ended, sink), sink).text == "ended\n"
            again = asyncio.get_running_loop().create_task(bench.kernels.reattach(running, sink))
            (tmp_path / "work" / "go").touch()
            ran = Ran(await again, sink)
            assert (ran.status, ran.text, ran.result) == ("ok", "on\noff\n", "42")
            assert (await bench.kernels.reattach("x_unknown", sink)).status == "lost"
            assert (await bench.run("x")).result == "41"
            for name in (ended, running):
                await bench.kernels.collect(name)

    go(work())


def test_a_lost_keeper_is_said_and_a_new_one_begins(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            begun = bench.begin("print('on', flush=True)\nwhile True: pass")
            await begun.sink.until(b"on")
            os.kill(bench.hello.pid, signal.SIGKILL)
            with pytest.raises(KeeperLost):
                await begun.end()
            assert (await bench.run("'new'")).result == "'new'"

    go(work())


def test_kernels_of_another_version_are_left_alone_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with opened(tmp_path) as bench:
            await bench.run("x = 7")
            await bench.kernels.close(keep=True)
            with monkeypatch.context() as newer:
                newer.setattr(link, "VERSION", link.VERSION + 1)
                with pytest.raises(KernelError, match="Another version of this program") as met:
                    await bench.kernels.open()
            assert f"kill {bench.hello.pid}" in met.value.hint
            await bench.kernels.open()
            assert (await bench.run("x")).result == "7"

    go(work())


def test_an_early_keeper_is_the_one_that_is_used(tmp_path: Path) -> None:
    started = start_keeper(tmp_path / "run")
    assert start_keeper(tmp_path / "run") is started

    async def work() -> None:
        async with opened(tmp_path) as bench:
            assert bench.hello.pid == started.pid
            assert bench.hello.fresh
            await bench.kernels.prewarm("python")
            assert (await bench.run("1")).result == "1"

    go(work())


def test_long_paths_with_spaces_and_chinese(tmp_path: Path) -> None:
    folder = tmp_path / ("漢字 and spaces " * 8).strip()
    folder.mkdir()

    async def work() -> None:
        async with opened(folder) as bench:
            ran = await bench.run("import os\nos.getcwd()")
            assert ran.result == repr(str(folder / "work"))

    go(work())


def test_keeping_the_kernels(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "work").mkdir()
        bench = Bench(tmp_path / "run", tmp_path / "work", KernelOptions(python=sys.executable))
        await bench.kernels.open()
        await bench.run("x = 7")
        await bench.kernels.park(None)
        await bench.kernels.close(keep=True)
        with pytest.raises(KeeperLost):
            await bench.run("x")
        again = Kernels(tmp_path / "run", OpenWalls(tmp_path), KernelOptions(), lambda event: None)
        assert [k.language for k in (await again.open()).kernels] == ["python"]
        await again.close()

    go(work())
