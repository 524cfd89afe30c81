"""A whole session whose code leaves something behind: on every backend it is gone afterwards, and said."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from interpreter.app.opening import open_session
from interpreter.config.files import read_entries
from interpreter.config.load import load_settings
from interpreter.errors import SandboxUnavailable
from interpreter.llm.scripted import Reply, ScriptedModel
from interpreter.sandbox import choose
from interpreter.store import Store, default_home
from interpreter.types.events import ActionFinished, Event, GrantAdded, Quarantined, TurnFinished
from interpreter.types.ops import SubmitInput
from interpreter.types.walls import BackendName, Profile

PLANT = """
import os
open('.envrc', 'w').write('evil')
os.makedirs('sub/.git/hooks')
open('sub/.git/hooks/post-checkout', 'w').write('evil')
for path in ('.git/config', '.git/hooks/pre-commit'):
    try:
        open(path, 'a').write('evil')
    except OSError as error:
        print(error)
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "tool"))
    folder = Path(os.path.realpath(tmp_path)) / "work"
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / ".git" / "config").write_text("[core]\n\tbare = false\n", encoding="utf-8")
    return folder


def play(work: Path, code: str, **flags: object) -> list[Event]:
    """One turn that runs `code`; all events that the log keeps."""

    async def turn() -> str:
        settings = load_settings(work, flags={"auto_run": "true", **flags}, read=read_entries)
        model = ScriptedModel([Reply(text="I do it.", code=code), "done"])
        session = await open_session(settings, workspace=work, client=model)
        watch = session.watch()
        await session.send(SubmitInput(text="go"))
        async for event in watch:
            if isinstance(event, TurnFinished):
                break
        await session.close()
        return session.id

    session = asyncio.run(turn())
    with Store.open(default_home()) as store:
        log = store.resume(session)
        try:
            return [stored.event for stored in log.events()]
        finally:
            log.close()


@pytest.mark.parametrize("backend", ["bubblewrap", "landlock"])
def test_what_was_left_behind_is_gone_and_said(work: Path, backend: BackendName) -> None:
    try:
        choose(Profile(backend=backend))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    events = play(work, PLANT, sandbox=backend)
    taken = {os.path.relpath(event.path, work) for event in events if isinstance(event, Quarantined)}
    assert {".envrc", "sub/.git"} <= taken
    assert not (work / ".envrc").exists() and not (work / "sub" / ".git").exists()
    assert (work / ".git" / "config").read_text(encoding="utf-8") == "[core]\n\tbare = false\n"
    assert not (work / ".git" / "hooks" / "pre-commit").exists()
    finished = next(event for event in events if isinstance(event, ActionFinished))
    assert "took away" in finished.observation.text and "--grant git" in finished.observation.text
    kept = [Path(event.kept) for event in events if isinstance(event, Quarantined) and event.kept]
    assert kept and all(path.is_relative_to(default_home()) and os.path.lexists(path) for path in kept)


def test_a_grant_is_in_the_log(work: Path) -> None:
    events = play(work, "open('.git/mark', 'w').write('x')", grants=["git"])
    granted = [event for event in events if isinstance(event, GrantAdded)]
    assert granted and {event.tool for event in granted} == {"git"}
    assert (work / ".git" / "mark").exists()


def test_a_read_only_profile(work: Path) -> None:
    events = play(work, "open('made', 'w')", profile="read-only")
    finished = next(event for event in events if isinstance(event, ActionFinished))
    assert finished.status == "error" and not (work / "made").exists()
