"""The file tools, inside real walls: what is there, what is not, what is huge, and what means harm."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import ToolError
from interpreter.tools.builtin import files
from interpreter.tools.builtin.files import read_file, read_log, search_files

from .lend import context, go


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def said(work: Path, tool: Any, **arguments: Any) -> str:
    return go(tool(context(work), **arguments))


def refused(work: Path, tool: Any, **arguments: Any) -> str:
    with pytest.raises(ToolError) as caught:
        said(work, tool, **arguments)
    return str(caught.value)


def alone(request: dict[str, Any], **limits: Any) -> subprocess.CompletedProcess[str]:
    """The program without walls, where it can be measured."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", files.program(), __import__("json").dumps(request)],
        capture_output=True, text=True, check=False, **limits,
    )  # fmt: skip


def test_lines_of_a_file(work: Path) -> None:
    (work / "a.txt").write_bytes("eins\nzwei ü\r\n\x1b[31mdrei\n".encode() + b"\xff\n")
    assert said(work, read_file, path="a.txt", start=2, lines=1) == "     2  zwei ü\n[more lines follow: start=3]"
    assert said(work, read_file, path="a.txt", start=3).endswith("     4  \ufffd\n[end of the file]")
    assert said(work, read_file, path="a.txt", start=9) == "[a.txt has 4 lines.]"


def test_what_is_no_text_file_is_said(work: Path) -> None:
    (work / "data.bin").write_bytes(b"\0\1" * 500)
    (work / "report.txt").write_text("x")
    (work / "folder").mkdir()
    os.mkfifo(work / "pipe")
    assert "not a text file (1000 bytes)" in refused(work, read_file, path="data.bin")
    assert "Did you mean report.txt?" in refused(work, read_file, path="reprot.txt")
    assert "no ordinary file" in refused(work, read_file, path="folder")
    assert "no ordinary file" in refused(work, read_file, path="pipe")
    assert "no ordinary file" in refused(work, read_file, path="/dev/zero")


def test_a_link_leads_nowhere_that_the_walls_hide(work: Path) -> None:
    secret = work.parent / "secret.txt"
    secret.write_text("the host's own")
    (work / "link").symlink_to(secret)
    (work / "away").symlink_to(work.parent)
    for path in ("link", "away/secret.txt", str(secret), "../secret.txt"):
        told = refused(work, read_file, path=path)
        assert "the host's own" not in told and ("No such file" in told or "Permission denied" in told), told
    assert "the host's own" not in said(work, search_files, pattern="own", path=".")


def test_a_program_of_ours_has_no_network_and_an_end(work: Path) -> None:
    ctx = context(work)
    assert ctx.walled is not None
    with pytest.raises(ToolError, match=r"longer than 0[.]5 s"):
        go(ctx.walled("import time; time.sleep(30)", {}, seconds=0.5))
    with pytest.raises(ToolError, match=r"status 3.*words"):
        go(ctx.walled("import sys; print('last words'); sys.exit(3)", {}, seconds=10))
    with pytest.raises(ToolError, match="too large"):
        go(ctx.walled("", {"x": "y" * 200_000}, seconds=10))
    assert go(ctx.walled("print('x' * 99)", {}, seconds=10, most=5)) == b"xxxxx"
    code = (
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 2)\nexcept OSError:\n    print('closed')"
    )
    assert go(ctx.walled(code, {}, seconds=10)) == b"closed\n"


LOG = """\
2026-11-29 10:00:00,123 INFO started
2026-11-29 10:05:00 ERROR cannot reach db
Traceback (most recent call last):
  File "a.py", line 1
ValueError: no
2026-11-29 10:06:00 INFO 0 errors, failed=0
2026-11-29T10:07:00Z WARN slow
2026-11-29 11:00:00 CRITICAL disk full
"""


def test_the_end_of_a_log(work: Path) -> None:
    (work / "app.log").write_text(LOG)
    assert said(work, read_log, path="app.log", lines=2).splitlines()[1:] == LOG.splitlines()[-2:]
    assert said(work, read_log, path="app.log") == LOG.rstrip("\n")
    (work / "empty.log").write_text("")
    assert said(work, read_log, path="empty.log") == "[empty.log is empty.]"


def test_errors_with_what_belongs_to_them(work: Path) -> None:
    (work / "app.log").write_text(LOG)
    told = said(work, read_log, path="app.log", only_errors=True)
    assert told.splitlines() == [
        "[app.log: 5 of 8 lines fit]", *LOG.splitlines()[1:5], LOG.splitlines()[7]
    ]  # fmt: skip
    assert "none of 8 lines fits" in said(work, read_log, path="app.log", pattern="nowhere")
    assert "is no regular expression" in refused(work, read_log, path="app.log", pattern="(")


@pytest.mark.parametrize(
    "line",
    ["{iso} boom", "{iso}.5+00:00 boom", '1.2.3.4 - - [{web} +0000] "GET / HTTP/1.1" 500 1', "{syslog} host app: boom",
     '{{"ts": {epoch}, "level": "error"}}'],
)  # fmt: skip
def test_times_of_every_common_form(work: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    now = time.time()

    def at(seconds: float) -> str:
        when = time.gmtime(seconds)
        return line.format(
            iso=time.strftime("%Y-%m-%dT%H:%M:%S", when), web=time.strftime("%d/%b/%Y:%H:%M:%S", when),
            syslog=time.strftime("%b %e %H:%M:%S", when), epoch=int(seconds),
        )  # fmt: skip

    path = work / "x.log"
    path.write_text("\n".join(at(now - ago) for ago in (7200, 3600, 1200, 60)) + "\n")
    request = {"do": "log", "path": str(path), "lines": 5, "pattern": "", "only_errors": False, "until": ""}
    assert "2 of 4 lines fit" in alone({**request, "since": "30m"}).stdout
    assert "1 of 4 lines fit" in alone({**request, "since": "90m", "until": "45m"}).stdout
    assert "is no time" in alone({**request, "since": "yesterday-ish"}).stdout


def test_a_packed_log_and_one_that_only_says_so(work: Path) -> None:
    (work / "a.log.1.gz").write_bytes(gzip.compress(LOG.encode()))
    assert "1 of 8 lines fit" in said(work, read_log, path="a.log.1.gz", pattern="disk full")
    (work / "torn.gz").write_bytes(gzip.compress(LOG.encode() * 50)[:60])
    assert "cannot be unpacked" in refused(work, read_log, path="torn.gz")


def test_a_huge_log_takes_little_memory(work: Path) -> None:
    path = work / "huge.log"
    with path.open("wb") as file:
        for _n in range(10):
            file.write(b"2026-11-29 10:00:00 INFO fine\n" * 40_000)
        file.write(b"x" * (20 << 20) + b"\n2026-11-29 10:00:01 ERROR last\n")
    request = {"do": "log", "path": str(path), "lines": 5, "pattern": "ERROR", "only_errors": False, "since": "",
               "until": ""}  # fmt: skip

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (120 << 20, 120 << 20))

    found = alone(request, preexec_fn=small)
    assert found.stdout.endswith("ERROR last"), found.stderr[-500:]
    bomb = work / "bomb.gz"
    bomb.write_bytes(gzip.compress(b"\0" * (32 << 20)))
    assert alone({**request, "path": str(bomb)}, preexec_fn=small).stdout.startswith("{}")
    began = time.monotonic()
    assert alone({**request, "pattern": ""}, preexec_fn=small).stdout.endswith("ERROR last")
    assert time.monotonic() - began < 2


def test_searching(work: Path) -> None:
    (work / "src").mkdir()
    (work / "src" / "a.py").write_text("import os\nNeedle = 1\n")
    (work / "b.txt").write_text("a needle\n")
    (work / "bin").write_bytes(b"\0needle")
    (work / ".git").mkdir()
    (work / ".git" / "config").write_text("needle")
    (work / "loop").symlink_to(work)
    assert said(work, search_files, pattern="needle") == "b.txt:1: a needle"
    assert said(work, search_files, pattern="NEEDLE", ignore_case=True, glob="*.py") == "src/a.py:2: Needle = 1"
    assert said(work, search_files, pattern="a[.]", names_only=True) == "src/a.py"
    assert said(work, search_files, pattern="e", limit=1).endswith("[more than 1; narrow the pattern or the path]")
    assert said(work, search_files, pattern="zzz").startswith("[nothing in")
    assert "There is no nowhere" in refused(work, search_files, pattern="x", path="nowhere")


def test_a_pattern_that_never_ends_is_stopped(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "a.txt").write_text("a" * 40 + "b\n")

    async def hurried(ctx: Any, request: Any, seconds: float) -> str:
        return await asked(ctx, request, 1.0)

    asked = files.asked
    monkeypatch.setattr(files, "asked", hurried)
    assert "longer than 1 s" in refused(work, search_files, pattern="(a+)+$")


def test_no_answer_of_the_program_is_believed(work: Path) -> None:
    with pytest.raises(ToolError, match="did not answer"):
        go(files.asked(Lying(b"no json"), {}, 1.0))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ToolError, match="cannot be looked at here"):
        go(files.asked(Lying(None), {}, 1.0))  # pyright: ignore[reportArgumentType]


class Lying:
    """A context whose walls say something else."""

    def __init__(self, words: bytes | None) -> None:
        async def walled(*_arguments: Any, **_named: Any) -> bytes:
            assert words is not None
            return words

        self.walled = walled if words is not None else None
