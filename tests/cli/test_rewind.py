"""`interpreter rewind`, `diff`, `fork` and `%undo`: the real command over a real session."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interpreter.llm.scripted import Reply
from interpreter.store import Store, default_home
from interpreter.types.events import SessionStarted
from interpreter.types.rewinding import Rewound
from tests import zygote
from tests.session.helpers import Talk, run
from tests.snapshots.folder import state

STEPS = [
    Reply(code="printf '1\\n2\\n' > a.txt; printf '\\033[31m\\0' > bin", language="shell"),
    Reply(code="from pathlib import Path\nPath('a.txt').write_text('1\\n3\\n')\nPath('b').mkdir()\nx = 1"),
    "Done.",
    Reply(code="rm a.txt; curl -X POST http://127.0.0.1:9/; true", language="shell"),
    "Done.",
]


def command(*words: str, code: int = 0, lang: str = "") -> str:
    flags = ("--lang", lang) if lang else ()
    done = zygote.run((sys.executable, "-m", "interpreter", *words, *flags))
    assert done.returncode == code, done.stderr.decode()
    return (done.stdout or done.stderr).decode()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("0\n")
    return folder


def two_turns(work: Path) -> tuple[str, list[dict[bytes, tuple[object, ...]]]]:
    states = [state(work)]

    async def story(talk: Talk) -> None:
        await talk.turn("begin")
        states.append(state(work))
        await talk.turn("go on")
        states.append(state(work))

    return run(story, STEPS, work), states


def test_steps_are_compared_taken_back_and_forked(work: Path, tmp_path: Path) -> None:
    session, (first, second, third) = two_turns(work)
    rows = json.loads(command("diff", "--steps", "--json"))
    assert [(row["step"], row["language"], row["files"]) for row in rows] == [
        (1, "shell", 2), (2, "python", 2), (3, "shell", 1),
    ]  # fmt: skip
    assert "printf" in command("diff", "--steps", "--session", session)
    own = command("diff", "2")
    assert "-2\n+3\n" in own and "# New folder b/" in own
    assert "a.txt  +2 -1" in command("diff", "1", "--stat")
    told = json.loads(command("diff", "0..3", "--json"))
    assert {line["path"]: (line["before"], line["after"]) for line in told} == {"a.txt": (2, -1), "bin": (-1, 6)}
    # What is printed can be applied to a copy.
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "a.txt").write_text("1\n2\n")
    subprocess.run(("git", "apply", "-"), input=command("diff", "1..2").encode(), cwd=copy, check=True)
    assert (copy / "a.txt").read_text() == "1\n3\n"
    for words, problem in (("4", "no step 4"), ("0", "changed nothing"), ("x", "Say a step"), ("1..9", "no step 9")):
        assert problem in command("diff", words, code=2)

    forked = json.loads(command("fork", "2", "--json"))
    assert (forked["source"], forked["step"]) == (session, 2)
    assert state(work) == third
    back = command("rewind", "2", "--session", session)
    assert state(work) == second
    assert "step 3: curl -X POST" in back and "rewind 3 --files" in back
    command("rewind", "3", "--files", "--session", session)
    assert state(work) == third
    assert "第一步之前" in command("rewind", "0", "--session", session, lang="zh_CN")
    assert state(work) == first

    # The fork stands alone: its own log, conversation and snapshots, also when the other one is gone.
    command("sessions", "rm", session)
    command("rewind", "2", "--files", "--session", forked["session"])
    assert state(work) == second

    async def story(talk: Talk) -> None:
        await talk.turn("what is there")
        told = [message.text for message in talk.model.requests[-1].messages if message.role == "user"]
        assert told[0] == "begin" and "go on" not in told

    run(story, ["All."], work, resume=forked["session"])
    with Store.open(default_home()) as store:
        log = store.visit(forked["session"])
        assert log.verify().whole
        begun = next(one.event for one in log.events() if isinstance(one.event, SessionStarted))
    assert (begun.session, begun.forked, begun.step) == (forked["session"], session, 2)


def test_a_fork_within_a_turn_has_the_steps_up_to_there(work: Path) -> None:
    session, _states = two_turns(work)
    made = json.loads(command("fork", "1", "--files", "--json", "--session", session))
    assert (work / "a.txt").read_text() == "1\n2\n" and not (work / "b").exists()

    async def story(talk: Talk) -> None:
        await talk.turn("next")
        roles = [message.role for message in talk.model.requests[-1].messages]
        assert roles == ["system", "user", "assistant", "tool", "user"]

    run(story, ["Fine."], work, resume=made["session"])
    assert json.loads(command("fork", "--json", "--session", session))["step"] == 3
    assert json.loads(command("fork", "0", "--json", "--session", session))["step"] == 0


def test_wrong_words_change_nothing(work: Path) -> None:
    _session, states = two_turns(work)
    for words, problem in (
        (("rewind",), "Name one step"),
        (("rewind", "--part"), "no flag"),
        (("rewind", "7"), "no step 7"),
        (("rewind", "1", "--session", "s_ffff"), "no session"),
        (("fork", "9"), "no step 9"),
        (("fork", "a", "b"), "Name one step"),
    ):
        assert problem in command(*words, code=2)
    assert state(work) == states[2]


def test_damaged_snapshots_change_nothing(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a home of its own: the other tests of this worker go on with theirs.
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    session, states = two_turns(work)
    shutil.rmtree(default_home() / "objects", ignore_errors=True)
    (default_home() / "snapshots.db").write_bytes(b"x" * 5000)
    for extra in ("snapshots.db-wal", "snapshots.db-shm"):
        (default_home() / extra).unlink(missing_ok=True)
    assert "snapshots" in command("rewind", "1", "--session", session, code=1)
    assert state(work) == states[2]
    with Store.open(default_home()) as store:
        assert not [one for one in store.visit(session).events() if isinstance(one.event, Rewound)]
