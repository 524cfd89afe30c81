"""The script of a session: plain Python that compiles, whatever the cells were."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.errors import UsageError
from interpreter.store import SessionLog, Store
from interpreter.store.script import script
from interpreter.store.script_cells import Reader, compiles, quoted
from interpreter.store.story import Ran, story
from interpreter.types.actions import OutputRef
from interpreter.types.rewinding import Rewound
from tests.store.conversation import begun, conversation, proposed, ran
from tests.store.samples import finished, started, turn


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SessionLog]:
    with Store.open(tmp_path / "home") as store:
        yield store.create("s_1", "/project")


def steps(log: SessionLog, *cells: tuple[str, str]) -> None:
    log.append_now(started(), turn(1, "Do it."))
    for n, (code, language) in enumerate(cells):
        log.append_now(proposed(1, code, f"a_{n}", language, "c"), begun(f"a_{n}"), finished(f"a_{n}"))


def run(text: str, folder: Path) -> str:
    """Standard output of the script, run in a folder of its own."""
    (folder / "script.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_succeeded_stands_there_in_order_and_nothing_else(log: SessionLog) -> None:
    log.append_now(*conversation(log))
    text = script(log.events(), ["correct-horse"])
    assert compiles(text)
    for line in (
        "# Session: s_1",
        "# Folder: /project",
        "# Task: Read x.",
        "taken back: 1",
    ):
        assert line in text
    assert text.index("# > Read x.") < text.index("# Step 2\nprint('edited')") < text.index('shell("ls *.png")')
    assert "open('x')" not in text, "it failed"
    assert "1/0" not in text and "Forget" not in text, "it was taken back"
    assert "abcd1234" not in text


@pytest.mark.parametrize(
    ("cell", "plain"),
    [
        ("x = 1\n%cd data\ny = 2", "x = 1\nos.chdir(os.path.expanduser('data'))\ny = 2"),
        ("!ls -l", "subprocess.run('ls -l', shell=True)"),
        ("files = !ls", "files = subprocess.run('ls', shell=True, capture_output=True, text=True).stdout.splitlines()"),
        ("for i in range(2):\n    !date", "for i in range(2):\n    subprocess.run('date', shell=True)"),
        ("text = '''\n!not a command\n%nor this\n'''", "text = '''\n!not a command\n%nor this\n'''"),
        ("total = (7\n%3)", "total = (7\n%3)"),
        ("!touch {name}.txt $HOME", "subprocess.run('touch ' + str(name) + '.txt $HOME', shell=True)"),
        ("%matplotlib inline\nimport os", "pass  # %matplotlib inline\nimport os"),
        ("!pip install x", "pass  # install it beforehand: pip install x"),
        ("%env A=b", "os.environ['A'] = 'b'"),
        ("%%time\nx = 1", "x = 1"),
        ("%%bash\necho hi", 'subprocess.run(["bash", "-c", "echo hi"], check=True)'),
        ("%%writefile a.txt\nhello", 'pathlib.Path(\'a.txt\').write_text("hello")'),
        ("%%html\n<b>", "# Left out: %%html has no plain form.\n# %%html\n# <b>"),
        ("!echo {1 + 1}", "# Left out: what !echo {1 + 1} fills in is not plain.\n# !echo {1 + 1}"),
        ("if True print", "# Left out: Python cannot read it.\n# if True print"),
        ("get_ipython().system('x')", "# Left out: it speaks to the notebook.\n# get_ipython().system('x')"),
    ],
)  # fmt: skip
def test_commands_of_notebooks_become_python_or_a_reason(cell: str, plain: str) -> None:
    reader = Reader()
    reader._names = {"name"} if "name" in cell else set()  # pyright: ignore[reportPrivateUsage] - of an earlier cell
    assert reader.read(cell).text == plain


@pytest.mark.parametrize(
    "code", ["plain", "two 'quotes'", "both ' and \"", "line\nline\\n", "ends with '", "'''", "\x00\u202e", "back\\"]
)
def test_a_literal_holds_exactly_the_code(code: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"value = {quoted(code)}", namespace)
    assert namespace["value"] == code


def test_it_does_again_what_the_session_did(log: SessionLog, tmp_path: Path) -> None:
    steps(
        log,
        ("from __future__ import annotations\nword = '你好'", "python"),
        ("import asyncio\nawait asyncio.sleep(0)\ntext = '''a\n  b'''", "python"),
        ("async def two():\n    return 2\ncount = await two()", "python"),
        ("mkdir sub; cd sub; say() { printf '%s' \"$1\"; }; TOLD='x y'", "shell"),
        ('say "$TOLD" > told.txt', "shell"),
        ("display(word)\nopen('out.txt', 'w').write(word + text + str(count))", "python"),
        ("console.log(1)\r\nprint('never')", "javascript"),
        ("!printf '%s' $count > n.txt", "python"),
    )
    assert run(script(log.events()), tmp_path) == "你好\n"
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "你好a\n  b2"
    assert (tmp_path / "sub" / "told.txt").read_text() == "x y"
    assert (tmp_path / "n.txt").read_text() == "2"


def test_a_step_that_fails_after_the_others_is_left_out_with_its_reason(log: SessionLog) -> None:
    steps(log, ("x = 1", "python"), ("global x\nx = 2", "python"), ("y = 3", "python"))
    text = script(log.events())
    assert compiles(text) and "# global x" in text and "\ny = 3" in text


def test_a_step_that_fails_ends_the_script(log: SessionLog, tmp_path: Path) -> None:
    steps(log, ("cat missing", "shell"), ("open('after', 'w')", "python"))
    with pytest.raises(AssertionError, match="CalledProcessError"):
        run(script(log.events()), tmp_path)
    assert not (tmp_path / "after").exists()


def test_a_script_for_the_shell(log: SessionLog, tmp_path: Path) -> None:
    steps(log, ("A=1", "shell"), ("print(1)\rrm -rf /", "python"), ("echo $A > a.txt", "shell"))
    text = script(log.events(), language="shell")
    assert text.startswith("#!/usr/bin/env bash\n") and "# print(1)\n# rm -rf /" in text
    subprocess.run(["bash", "-e", "-c", text], cwd=tmp_path, check=True)
    assert (tmp_path / "a.txt").read_text() == "1\n"
    with pytest.raises(UsageError, match="python, shell"):
        script(log.events(), language="ruby")


def test_a_word_cannot_leave_its_comment(log: SessionLog) -> None:
    log.append_now(started(), turn(1, "hello\rimport os\x0bos.abort()\u2028x = 1\x85y"))
    log.append_now(proposed(1, "pass", "a_1"), begun("a_1"), ran("a_1", OutputRef()))
    code = [line for line in script(log.events()).splitlines() if line.strip() and not line.startswith("#")]
    assert code == ["pass"]


def test_what_was_rewound_is_left_out(log: SessionLog) -> None:
    steps(log, ("kept = 1", "python"), ("gone = 2", "python"), ("gone = 3", "python"))
    log.append_now(Rewound(step=1, parts=("files",), failed="the disk is full"))
    assert "gone = 3" in script(log.events())
    log.append_now(Rewound(step=2, parts=("files",)))
    text = script(log.events())
    assert "gone = 2" in text and "gone = 3" not in text and "taken back: 1" in text
    log.append_now(Rewound(step=1, action="a_0"))
    assert [entry.action for entry in story(log.events()) if isinstance(entry, Ran)] == ["a_0"]
    assert "gone" not in script(log.events())
