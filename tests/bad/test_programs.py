"""Programs that misbehave inside the walls: each ends in words, the session goes on, the host stays whole."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from interpreter.llm.script import Reply
from interpreter.store import Store, default_home
from interpreter.types.actions import Completion
from interpreter.types.events import ActionFinished, OutputChunk, TurnFinished
from interpreter.types.walls import MIB, Limits
from tests.session.helpers import Talk

from .command import lift_rules, needs_walls, talk_of, whole

pytestmark = [needs_walls, pytest.mark.skipif(sys.platform != "linux", reason="these programs are Linux's")]
SMALL = Limits(memory=512 * MIB, processes=64, file_size=8 * MIB, output=4 * MIB, open_files=256)


class Told:
    def __init__(self) -> None:
        self.finished: list[ActionFinished] = []
        self.chunks: list[OutputChunk] = []
        self.told = ""
        self.end: TurnFinished | None = None

    @property
    def first(self) -> ActionFinished:
        return self.finished[0]

    @property
    def completion(self) -> Completion:
        assert self.first.completion is not None
        return self.first.completion


def tell(workspace: Path, code: str, language: str = "python", *, limits: Limits = SMALL, seconds: float = 20) -> Told:
    """Run the code, then a healthy action in the same session, whose success is part of every test here."""
    found = Told()

    async def story(talk: Talk) -> None:
        found.end = await talk.turn("misbehave")
        assert len(talk.model.requests) > 1, str(found.end.text)
        found.told = talk.told(1)
        found.finished, found.chunks = talk.of(ActionFinished), talk.of(OutputChunk)
        assert found.finished[-1].status == "ok", found.finished[-1]
        assert "healthy 42" in found.finished[-1].observation.text

    replies = [Reply(code=code, language=language), Reply(code="print('healthy', 6 * 7)"), "done"]
    session = talk_of(story, replies, workspace, limits=limits, timeout=seconds)
    with Store.open(default_home()) as store:
        whole(store, session)
    assert len(found.told) < 12_000
    assert "\x1b" not in found.told
    return found


ENDS = {
    "os._exit": ("import os; print('last', flush=True); os._exit(3)", "died"),
    "abort": ("import os; print('last', flush=True); os.abort()", "died"),
    "kill itself": ("import os; print('last', flush=True); os.kill(os.getpid(), 9)", "died"),
    "segmentation fault": ("import ctypes; print('last', flush=True); ctypes.string_at(0)", "died"),
    "kill its parent": ("import os, time; print('last', flush=True); os.kill(os.getppid(), 9); time.sleep(1)", ""),
    "kill all": ("import os, time; print('last', flush=True); os.kill(-1, 9); time.sleep(5)", ""),
    "kill the group": ("import os; print('last', flush=True); os.killpg(0, 9)", "died"),
    "close its outputs": ("import os; print('last', flush=True); os.close(1); os.close(2)", ""),
    "close everything": ("import os; print('last', flush=True); os.closerange(0, 256)", ""),
    "exit": ("print('last', flush=True); raise SystemExit(4)", ""),
    "recursion": ("print('last')\ndef f(): f()\nf()", "error"),
    "fork": ("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\nprint('last')", "ok"),
    "both sides of a fork": ("import os\nprint('last', flush=True)\nos.fork()", ""),
    "stop itself": ("import os; print('last', flush=True); os.kill(os.getpid(), 19)", ""),
}


@pytest.mark.parametrize(("code", "status"), ENDS.values(), ids=ENDS.keys())
def test_ends_of_a_program(tmp_path: Path, code: str, status: str) -> None:
    found = tell(tmp_path, code, seconds=2)
    assert "last" in found.told
    if status:
        assert found.first.status == status
    else:
        assert found.first.status in ("ok", "error", "died", "timeout")
    if found.first.status == "died":
        assert "gone" in found.told or "lost" in found.told, "the model is told what is gone"


SHELL = {
    "kill all": "echo last; kill -9 -1",
    "kill the shell": "echo last; kill -9 $$",
    "exec": "echo last; exec true",
    "close its outputs": "echo last; exec 1>&- 2>&-",
    "an unclosed quote": "echo last; echo 'never",
    "a here document without an end": "echo last; cat <<X\nnever",
    "stop itself": "echo last; kill -STOP $$",
    "read from nobody": 'echo last; read line; echo "[$line]"',
    "set -e": "echo last; set -euo pipefail; false",
    "a trap": "echo last; trap 'exit 9' EXIT ERR DEBUG; false",
    "close every descriptor": 'echo last; for n in $(seq 0 255); do eval "exec $n>&-"; done 2>/dev/null',
    "no path": "echo last; PATH=; IFS=x; unset HOME",
    "redefine what is used": "echo last; eval() { :; }; builtin() { :; }; printf() { :; }; command() { :; }",
}


@pytest.mark.parametrize("code", SHELL.values(), ids=SHELL.keys())
def test_ends_of_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    lift_rules(tmp_path / "home")
    (tmp_path / "work").mkdir()
    found = tell(tmp_path / "work", code, "shell", seconds=2)
    assert any(word in found.told for word in ("last", "unexpected EOF", "never ends")), found.told
    assert found.first.status in ("ok", "error", "died", "timeout")


def test_after_a_hostile_shell_command_the_shell_answers(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("x")
        assert [f.status for f in talk.of(ActionFinished)][-1] == "ok"
        assert "alive" in talk.told()

    for code in ("PATH=; IFS=x; set -euo pipefail", "eval() { :; }; builtin() { :; }", "exec 1>&- 2>&-"):
        replies = [Reply(code=code, language="shell"), Reply(code="echo alive", language="shell"), "done"]
        talk_of(story, replies, tmp_path, timeout=3)


def test_50_megabytes_of_output(tmp_path: Path) -> None:
    code = "import sys\nfor n in range(50): sys.stdout.write('0123456789abcde\\n' * 65536)"
    found = tell(tmp_path, code, limits=Limits())
    assert found.first.status == "ok"
    assert found.completion.output.size == 50 << 20
    assert os.path.getsize(found.completion.output.path) == 50 << 20
    assert "read_output" in found.told or "out1" in found.told
    assert sum(len(chunk.text) for chunk in found.chunks) < 8 << 20


@pytest.mark.parametrize(("language", "code"), [("python", "while True: print('y' * 4000)"), ("shell", "yes")])
def test_endless_output_stops_at_its_limit(tmp_path: Path, language: str, code: str) -> None:
    found = tell(tmp_path, code, language)
    assert found.first.status == "limit"
    assert "output" in found.completion.limit
    assert "output" in found.told
    assert found.completion.output.size <= 4 * MIB


def test_binary_output(tmp_path: Path) -> None:
    code = "import os, sys\nsys.stdout.buffer.write(bytes(range(256)) * 400)\nprint(b'\\xff\\xfe'.decode('latin-1'))"
    found = tell(tmp_path, code)
    assert found.first.status == "ok"
    assert "\x00" not in found.told
    assert "binary" in found.told or "102" in found.told, found.told[:500]


CODES = {
    "clear": "\x1b[2J\x1b[H",
    "title": "\x1b]0;evil\x07",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "link": "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\",
    "answerback": "\x1b[6n\x1b[c\x1b[>c\x05",
    "C1": "\x9b2J\x90q\x9c",
    "charset": "\x0e\x1b(0",
    "unfinished": "\x1b]0;never ends",
    "bidi": "\u202eevil\u2066",
    "tags": "a\U000e0041\U000e0042b",
    "program keys": "\x1bP+q544e\x1b\\",
}


@pytest.mark.parametrize("text", CODES.values(), ids=CODES.keys())
def test_control_codes_reach_neither_the_model_nor_the_screen(tmp_path: Path, text: str) -> None:
    found = tell(tmp_path, f"print({text!a})\nprint('after')\nraise ValueError({text!a})")
    seen = [found.told, found.first.observation.text, found.first.observation.shown, *(c.text for c in found.chunks)]
    for words in seen:
        assert not set(words) & set("\x00\x05\x07\x0e\x1b\x90\x9b\x9c\u202e\u2066\U000e0041"), ascii(words)
    assert "ValueError" in found.told


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("x = bytearray(100 << 30)", "memory"),
        ("x = []\nwhile True: x.append(b'x' * (16 << 20))", "memory"),
        ("open('large', 'wb').write(b'x' * (32 << 20))", "large"),
        ("f = open('sparse', 'wb'); f.truncate(20 << 30)", "large"),
        ("x = [open('/dev/null') for _ in range(10_000)]", "open files"),
    ],
    ids=["100 GB at once", "memory bit by bit", "a large file", "a sparse file", "10,000 files"],
)
def test_bounds_of_a_program(tmp_path: Path, code: str, limit: str) -> None:
    found = tell(tmp_path, code)
    assert found.first.status in ("error", "limit", "died")
    words = {
        "memory": ("MemoryError", "memory"),
        "large": ("File too large", "EFBIG"),
        "open files": ("Too many open files",),
    }[limit]
    assert any(word in found.told for word in words), found.told
    assert sum(path.stat().st_size for path in tmp_path.glob("*") if path.name in ("large", "sparse")) <= 8 * MIB


BOMB = "import os, time\nfor _ in range(10): os.fork()\ntime.sleep(30)"


@pytest.mark.parametrize(("language", "code"), [("python", BOMB), ("shell", "f() { f | f & }; f; sleep 30")])
def test_a_fork_bomb_is_bounded(tmp_path: Path, language: str, code: str) -> None:
    found = tell(tmp_path, code, language, seconds=2)
    # A rule may know it for what it is before it runs; tests/keeper/test_limits.py lets every one of them run.
    assert found.first.status in ("error", "limit", "timeout", "died", "denied"), found.told


def test_daemons_do_not_hold_the_turn_and_end_with_the_session(tmp_path: Path) -> None:
    code = """
import os, time
for detach in (False, True):
    if os.fork() == 0:
        if detach:
            os.setsid()
            if os.fork(): os._exit(0)
        while True:
            with open(f'beat{detach}', 'a') as f: f.write('.')
            time.sleep(0.02)
while not (os.path.exists('beatTrue') and os.path.exists('beatFalse')): time.sleep(0.01)
print('started')
"""
    found = tell(tmp_path, code)
    assert found.first.status == "ok"
    sizes = [(tmp_path / f"beat{detach}").stat().st_size for detach in (False, True)]
    time.sleep(0.2)
    assert sizes == [(tmp_path / f"beat{detach}").stat().st_size for detach in (False, True)], "they still run"


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("python", "input('your name? ')"),
        ("python", "import getpass; getpass.getpass()"),
        ("python", "import sys; print(repr(sys.stdin.read()))"),
        ("shell", "read -p 'name? ' x; echo \"<$x>\""),
        ("shell", "cat"),
        ("shell", "python3 -c 'input()'"),
    ],
)
def test_input_that_nobody_gives_is_refused_at_once(tmp_path: Path, language: str, code: str) -> None:
    found = tell(tmp_path, code, language)
    assert found.first.status in ("ok", "error"), found.told


def test_a_program_that_ignores_everything_meets_its_time(tmp_path: Path) -> None:
    code = "import signal\nfor n in (1, 2, 3, 13, 14, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass"
    found = tell(tmp_path, code, seconds=1)
    assert found.first.status == "timeout"
    assert "1 s" in found.told or "time" in found.told


def test_a_working_folder_that_fills_up_says_so(tmp_path: Path) -> None:
    """The only bound of the disk is that of a file; a full device is the system's own error."""
    found = tell(tmp_path, "with open('/dev/full', 'wb', 0) as f: f.write(b'x')")
    assert found.first.status == "error"
    assert "No space left" in found.told
