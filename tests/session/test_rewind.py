"""Steps of a real session, taken back: by whatever program they changed the files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from interpreter.errors import UsageError
from interpreter.llm.scripted import Reply
from interpreter.store import Store, default_home
from interpreter.types.events import ActionFinished, ConversationUndone, Event
from interpreter.types.ops import Rewind, Undo
from interpreter.types.rewinding import RewindStarted, Rewound, SnapshotTaken
from tests.session.helpers import Talk, run
from tests.snapshots.folder import state


def stored(session: str) -> list[Event]:
    with Store.open(default_home()) as store:
        return [entry.event for entry in store.visit(session).events()]


def of_session(session: str) -> list[Rewound]:
    return [event for event in stored(session) if isinstance(event, Rewound)]


STEPS = [
    Reply(code="echo two > a.txt; mkdir d; echo x > d/new; chmod 600 b.txt", language="shell"),
    Reply(code="import os, subprocess\nsubprocess.run(['rm', 'a.txt'])\nopen('d/new', 'w').write('y')\nkept = 1"),
    "Both done.",
    Reply(code="import os\nos.symlink('/etc/passwd', 'link')\nos.rename('d', 'e')\ngit = 2"),
    Reply(code="git push origin main; true", language="shell"),
    "Done.",
]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("one\n")
    (folder / "b.txt").write_text("b\n")
    (folder / "b.txt").chmod(0o644)
    return folder


def test_every_part_goes_back_to_a_step_within_a_turn(work: Path) -> None:
    first = state(work)

    async def story(talk: Talk) -> None:
        await talk.turn("begin")
        await talk.turn("go on")
        (work / "mine.txt").write_text("the person's")
        present = state(work)
        await talk.session.send(Rewind(step=1))
        assert (work / "a.txt").read_text() == "two\n"
        assert (work / "d/new").read_text() == "x\n"
        assert not (work / "mine.txt").exists() and not (work / "link").exists()
        assert os.stat(work / "b.txt").st_mode & 0o777 == 0o600
        assert talk.session.turns == [talk.session.turns[0]]
        await talk.turn("what now")
        roles = [message.role for message in talk.model.requests[-1].messages]
        assert roles == ["system", "user", "assistant", "tool", "user"]
        assert "what now" in talk.told() and "state (variables, imports) is gone" in talk.told()
        # What the rewind replaced is kept as well.
        await talk.session.send(Rewind(step=4, files=True))
        assert state(work) == present
        await talk.session.send(Rewind(step=0))
        assert state(work) == first
        assert talk.session.turns == []
        with pytest.raises(UsageError):
            await talk.session.send(Rewind(step=5))
        assert state(work) == first

    session = run(story, [*STEPS, "Nothing."], work)
    events = stored(session)
    intents = [event for event in events if isinstance(event, RewindStarted)]
    done = of_session(session)
    assert [(one.step, one.parts) for one in intents] == [(one.step, one.parts) for one in done]
    assert done[0].parts == ("files", "variables", "conversation") and done[1].parts == ("files",)
    assert done[0].irreversible == ("step 4: git push origin main",)
    assert all(not one.failed and not one.left for one in done)


def test_undo_takes_the_files_along_where_that_is_said(work: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("begin")
        between = state(work)
        await talk.turn("go on")
        await talk.session.send(Undo(turns=1, files=True, variables=True))
        assert state(work) == between
        await talk.session.send(Undo(turns=1))
        assert state(work) == between
        assert talk.session.turns == []
        await talk.turn("words alone")
        await talk.session.send(Undo(turns=1, files=True, variables=True))

    session = run(story, [*STEPS, "Only words."], work)
    assert len(of_session(session)) == 1
    assert [event.rewind for event in stored(session) if isinstance(event, ConversationUndone)] == [True, False, False]


def test_each_step_has_its_snapshot_and_the_last_one_comes_at_the_end(work: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("begin")
        (work / "mine.txt").write_text("the person's")
        await talk.turn("go on")

    session = run(story, STEPS, work)
    kinds = [event for event in stored(session) if type(event).__name__ in ("SnapshotTaken", "ActionStarted")]
    assert [type(event).__name__ for event in kinds] == ["SnapshotTaken", "ActionStarted"] * 4 + ["SnapshotTaken"]
    taken = [event for event in kinds if isinstance(event, SnapshotTaken)]
    assert len({event.tree for event in taken}) == 4  # the fourth step changed nothing
    assert taken[-1].action == ""
    assert not any(event.missed for event in taken)


def test_what_only_reads_is_not_kept_and_switched_off_is_said(work: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("look")
        with pytest.raises(UsageError):
            await talk.session.send(Rewind(step=0, files=True))
        await talk.session.send(Rewind(step=0))

    session = run(story, [Reply(code="ls", language="shell"), "Seen."], work, plan=True, auto_run=False)
    assert not [event for event in stored(session) if isinstance(event, SnapshotTaken)]
    assert of_session(session)[0].left != ()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from interpreter.llm.scripted import Reply
from interpreter.types.ops import Rewind
from tests.session.helpers import run
work = Path(sys.argv[1])
real, count = os.open, 0
def opening(path, flags, *rest, **more):
    global count
    if flags & os.O_WRONLY and more.get("dir_fd") is not None:
        count += 1
        if count == 8:
            os.kill(os.getpid(), signal.SIGKILL)
    return real(path, flags, *rest, **more)
async def story(talk):
    await talk.turn("begin")
    print(talk.session.id, flush=True)
    os.open = opening
    await talk.session.send(Rewind(step=0))
code = "for f in *; do echo changed > $f; done; rm 3; touch new"
run(story, [Reply(code=code, language="shell"), "Done."], work)
"""


def test_a_rewind_that_is_killed_is_finished_when_the_session_is_resumed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for n in range(20):
        (work / str(n)).write_text(f"content of {n}")
    before = state(work)
    killed = subprocess.run((sys.executable, "-c", KILLED, str(work)), capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    session = killed.stdout.strip()
    assert state(work) != before
    assert not of_session(session)

    async def story(talk: Talk) -> None:
        assert state(work) == before
        assert talk.session.turns == []

    run(story, ["unused"], work, resume=session)
    assert [(one.step, one.failed) for one in of_session(session)] == [(0, "")]
    run(story, ["unused"], work, resume=session)
    assert len(of_session(session)) == 1


def test_two_sessions_in_one_folder_each_take_back_their_own_steps(work: Path) -> None:
    first = state(work)

    async def other(talk: Talk) -> None:
        await talk.turn("write")

    async def story(talk: Talk) -> None:
        await talk.turn("write")
        between = state(work)
        (work / "later").write_text("x")
        await talk.session.send(Rewind(step=1, files=True))
        assert state(work) == {**between, b"later": ("file", 0o644, b"x")}  # nothing came after step 1
        await talk.session.send(Rewind(step=0, files=True))

    run(other, [Reply(code="echo 1 > of-first", language="shell"), "Done."], work)
    after = state(work)
    run(story, [Reply(code="echo 2 > of-second; rm b.txt", language="shell"), "Done."], work)
    assert state(work) == after != first


def test_variables_go_back_to_the_checkpoint_of_that_step(work: Path) -> None:
    async def value(talk: Talk) -> str:
        await talk.turn("%%python\nprint(x)", own_code=True)
        return talk.of(ActionFinished)[-1].observation.text

    async def story(talk: Talk) -> None:
        for number in (1, 2):
            await talk.turn("go on")
            await talk.saved(number)
        assert await value(talk) == "2"
        await talk.session.send(Rewind(step=1, variables=True))
        assert await value(talk) == "1"
        # The files alone: the kernel keeps what it holds now.
        await talk.session.send(Rewind(step=1, files=True))
        assert await value(talk) == "1"
        await talk.session.send(Undo(turns=len(talk.session.turns), files=True, variables=True))
        assert "NameError" in await value(talk)

    session = run(story, [Reply(code="x = 1"), "One.", Reply(code="x = 2"), "Two."], work)
    backs = [one.variables for one in of_session(session)]
    assert [(one.language, one.step) for back in backs for one in back][:2] == [("python", 1), ("python", 1)]
