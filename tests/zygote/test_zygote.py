"""A fork of the zygote cannot be told from a start of the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest

from interpreter.llm.script import Script
from interpreter.llm.scripted_server import ScriptedServer

from . import COMMAND, UNKNOWN, Forked, ZygoteGone, forked, popen, terminal, zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pidfd is Linux's")
Start = Callable[..., subprocess.Popen[bytes]]
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
SECONDS = 60
LOOK = """
import json, locale, os, resource, signal, subprocess, sys, time
streams = [(s.name, s.mode, s.encoding, s.errors, s.newlines, s.line_buffering, s.write_through, s.closed,
            s.buffer.name, getattr(s.buffer, 'raw', s.buffer).mode, s.isatty(), os.fstat(s.fileno()).st_mode)
           for s in (sys.stdin, sys.stdout, sys.stderr)]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
terminal = [os.ttyname(0), os.get_terminal_size(), os.tcgetpgrp(os.open("/dev/tty", os.O_RDWR)) == os.getpid()]\\
    if os.isatty(0) else None
print(json.dumps({
    "streams": streams, "same streams": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__],
    "files": sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)),
    "environ": {k: v for k, v in os.environ.items()}, "real": os.fsdecode(subprocess.check_output(["env", "-0"])),
    "cwd": os.getcwd(), "time": time.tzname, "locale": locale.setlocale(locale.LC_ALL), "name": __name__,
    "argv": sys.argv, "orig": sys.orig_argv, "path": sys.path, "flags": sys.flags, "warned": sys.warnoptions,
    "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()], "terminal": terminal,
    "handlers": {s.name: str(signal.getsignal(s)) for s in signal.valid_signals() if isinstance(s, signal.Signals)},
    "status": {k: status[k] for k in ("Umask", "SigBlk", "SigIgn", "SigCgt", "Threads", "CapEff", "NoNewPrivs")},
    "limits": open("/proc/self/limits").read(), "nice": os.nice(0), "oom": open("/proc/self/oom_score_adj").read(),
    "cpus": sorted(os.sched_getaffinity(0)), "groups": os.getgroups(), "read": "" if os.isatty(0) else sys.stdin.read(),
}))
"""


def script(folder: Path, code: str) -> list[str]:
    path = folder / "look.py"
    path.write_text(code)
    return [sys.executable, str(path), "a b", "\udcff"]


def both(argv: Sequence[str], data: bytes = b"", **more: Any) -> list[tuple[int, bytes, bytes]]:
    """How it ends, with what on its streams: in a fork, and as it stands."""
    found: list[tuple[int, bytes, bytes]] = []
    starts: list[Start] = [Forked, subprocess.Popen]
    for start in starts:
        with start(argv, **PIPES, **more) as process:
            out, err = process.communicate(data, SECONDS)
        found.append((process.returncode, out, err))
    return found


@pytest.mark.parametrize("session", [True, False])
def test_it_is_the_same_process(tmp_path: Path, session: bool) -> None:
    env = {**os.environ, "NEW": "世界 \udcff", "TZ": "Asia/Tokyo", "EMPTY": ""}
    del env["HOME"]
    argv = script(tmp_path, LOOK)
    ours, real = both(argv, "你好\r\n".encode(), cwd=tmp_path, env=env, umask=0o27, start_new_session=session)
    assert real[0] == 0, real[2]
    assert json.loads(ours[1]) == json.loads(real[1])
    assert ours[2] == real[2] == b""
    assert json.loads(ours[1])["files"] == ["0", "1", "2"] and json.loads(ours[1])["leads"] == [session, session]


def test_it_has_the_same_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always: Callable[[object, object], bool] = lambda _argv, _env: True  # noqa: E731 - typed
    monkeypatch.setattr(terminal, "forked", always)
    spawn: Any = pexpect.spawn
    argv, found = script(tmp_path, LOOK)[:3], list[Any]()
    for start in (terminal.Spawned, spawn):
        child: Any = start(
            argv[0], argv[1:], cwd=str(tmp_path), env=dict(os.environ), encoding="utf-8", dimensions=(33, 77)
        )
        child.expect(pexpect.EOF, timeout=SECONDS)
        child.wait()
        assert (child.exitstatus, child.isalive()) == (0, False), child.before
        found.append(json.loads(child.before))
        child.close()
    for one in found:
        one["terminal"][0] = one["terminal"][0].rstrip("0123456789")
    assert found[0] == found[1] and found[0]["terminal"] == ["/dev/pts/", [77, 33], True]


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("import sys; print('x'); sys.exit(7)", 7),
        ("import sys; sys.exit('a sentence')", 1),
        ("import os; print('lost'); os._exit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -2),
        ("import os; os.abort()", -6),
        ("1 / 0", 1),
        ("import atexit; atexit.register(print, 'at the end'); print('first')", 0),
        ("import sys; sys.stdout.write('x' * 300_000); sys.stderr.write('y' * 300_000)", 0),
    ],
)
def test_it_ends_the_same_way(tmp_path: Path, code: str, ended: int) -> None:
    ours, real = both(script(tmp_path, code))
    assert ours[:2] == real[:2] and ours[0] == ended
    # A traceback has the places of the zygote above those of the program.
    assert ours[2].splitlines()[:1] == real[2].splitlines()[:1]
    assert ours[2].splitlines()[-1:] == real[2].splitlines()[-1:]


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["sessions"], ["config"], ["--nonsense"], ["audit", "export"], ["run"]]
)
def test_the_command_says_the_same(tmp_path: Path, words: list[str]) -> None:
    for argv in ([COMMAND, *words], [sys.executable, "-P", "-m", "interpreter", *words]):
        ours, real = both(argv, env={**os.environ, "INTERPRETER_HOME": str(tmp_path)})
        assert ours == real


def test_a_task_with_data(tmp_path: Path) -> None:
    with ScriptedServer(Script(replies=("It is 世界.", "It is 世界."))) as server:
        env = {**os.environ, "INTERPRETER_HOME": str(tmp_path / "home")}
        (tmp_path / "work").mkdir()
        argv = [COMMAND, "-ab", server.url, "what is it?"]
        ours, real = both(argv, "世界".encode(), cwd=tmp_path / "work", env=env)
    assert ours == real == (0, "It is 世界.\n".encode(), b"")


def test_it_waits_polls_and_takes_signals(tmp_path: Path) -> None:
    argv = script(tmp_path, "import time; print('on', flush=True); time.sleep(600)")
    with Forked(argv, **PIPES) as process, Forked(argv, **PIPES) as other:
        assert process.stdout is not None and process.stdout.readline() == b"on\n"
        assert process.poll() is None and process.pid != other.pid
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.terminate()
        assert (process.wait(SECONDS), process.poll(), other.poll()) == (-15, -15, None)
        process.kill()
        other.kill()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    starts: list[Start] = [Forked, subprocess.Popen]
    for start in starts:
        with pytest.raises(FileNotFoundError):
            start([COMMAND, "--version"], cwd=tmp_path / "absent")


def test_nobody_reads(tmp_path: Path) -> None:
    codes: list[int] = []
    starts: list[Start] = [Forked, subprocess.Popen]
    for start in starts:
        reader, writer = os.pipe()
        os.close(reader)
        with start([COMMAND, "sessions"], stdout=writer, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
            os.close(writer)
            codes.append(process.wait(SECONDS))
    assert codes[0] == codes[1] != 0


def test_its_death_fails_the_test_and_no_other(tmp_path: Path) -> None:
    argv = script(tmp_path, "import time; time.sleep(600)")
    process = Forked(argv, **PIPES, start_new_session=True)
    before = zygote()
    before.process.kill()
    with pytest.raises(ZygoteGone):
        process.wait(SECONDS)
    os.killpg(process.pid, signal.SIGKILL)
    assert (process.wait(), process.poll()) == (UNKNOWN, UNKNOWN)
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert before.process.wait(SECONDS) == -9
    with popen([COMMAND, "--version"], stdout=subprocess.DEVNULL) as after:
        assert isinstance(after, Forked) and after.wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("argv", "environ", "can"),
    [
        ([COMMAND, "x"], {}, True),
        ([sys.executable, "-m", "interpreter"], {}, True),
        ([sys.executable, "-m", "interpreter.keeper"], {}, False),
        ([sys.executable, "-c", "pass"], {}, False),
        (["/bin/sh", "-c", COMMAND], {}, False),
        ([COMMAND], {"PYTHONUTF8": "0"}, False),
        ([COMMAND], {"LC_ALL": "zh_CN.UTF-8"}, False),
        ([COMMAND], {"LC_ALL": "", "LANG": "C"}, False),
        ([COMMAND], {"LC_ALL": "", "LANG": "C.UTF-8"}, True),
        ([COMMAND], {"LD_PRELOAD": "libz.so"}, False),
    ],
)
def test_what_a_fork_can_stand_for(argv: list[str], environ: dict[str, str], can: bool) -> None:
    assert forked(argv, {**os.environ, **environ}) is can
