"""kill -9 of the host, the keeper, the kernels or all, at every kind of moment, and then the session goes on.

Afterwards the log is whole, every action has its one end, nothing ran twice, and nothing that was told is gone.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from interpreter.store import Store
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    Event,
    SessionResumed,
    TurnFinished,
    TurnStarted,
)
from tests.session.helpers import Talk

from .command import needs_walls, talk_of, whole
from .victim import NAMES, REPLIES

pytestmark = [needs_walls, pytest.mark.skipif(sys.platform != "linux", reason="the processes are found in /proc")]

EVENTS = 26
"""Calls of the log in the whole turn, those for its kernels included."""
MOMENTS = [(when, n) for n in range(1, EVENTS + 1) for when in ("before", "after")]
CHOSEN = random.Random(20261121)
CASES = [
    *[("host", *moment) for moment in sorted(CHOSEN.sample(MOMENTS, 9), key=MOMENTS.index)],
    *[("all", *moment) for moment in sorted(CHOSEN.sample(MOMENTS, 5), key=MOMENTS.index)],
    *[("keeper", *moment) for moment in sorted(CHOSEN.sample(MOMENTS[2:], 4), key=MOMENTS.index)],
    *[("kernel", *moment) for moment in sorted(CHOSEN.sample(MOMENTS[2:], 4), key=MOMENTS.index)],
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    return tmp_path / "home"


class Struck(NamedTuple):
    processes: int
    """Of the session, when the blow fell; 0: it never fell."""
    stored: int = 0
    """Events that the log had confirmed by then."""
    given: int = 0
    """Events that it had been handed."""


def strike(work: Path, whom: str, when: str, number: int, resume: str = "") -> Struck:
    argv = [sys.executable, "-m", "tests.bad.victim", str(work), whom, when, str(number), *([resume] if resume else [])]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        argv, env=os.environ | {"PYTHONPATH": root}, cwd=root, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == (-9 if whom in ("host", "all") else 0), done.stderr.decode()
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Struck(*map(int, done.stdout.split()[1:4]))


def last_session(home: Path) -> str:
    with Store.open(home) as store:
        sessions = store.sessions()
        return sessions[0].id if sessions else ""


def events_of(home: Path, session: str) -> list[Event]:
    with Store.open(home) as store:
        log = store.visit(session)
        assert log.verify().whole
        return [entry.event for entry in log.events()]


def go_on(home: Path, session: str, work: Path) -> list[Event]:
    async def story(talk: Talk) -> None:
        end = await talk.turn("what was done?")
        assert (end.reason, end.text) == ("done", "this was done")

    talk_of(story, ["this was done"], work, resume=session)
    with Store.open(home) as store:
        return whole(store, session)


def check(events: list[Event], work: Path) -> None:
    """Each effect at most once; what is said to have succeeded happened, what is said not to have run did not."""
    file = work / "effects"
    effects = file.read_text().split() if file.exists() else []
    assert len(effects) == len(set(effects)), f"something ran twice: {effects}"
    codes = {e.action.id: e.action.code for e in events if isinstance(e, ActionProposed)}
    names = {action: next(n for n in NAMES if n in code) for action, code in codes.items()}
    started = {e.action for e in events if isinstance(e, ActionStarted)}
    for end in (e for e in events if isinstance(e, ActionFinished)):
        if end.status == "ok":
            assert names[end.action] in effects
            assert names[end.action] in end.observation.text
        if end.status == "not_run":
            assert names[end.action] not in effects
            assert end.action not in started
    assert set(effects) <= {names[action] for action in started}, "something ran without an intent"


@pytest.mark.parametrize(("whom", "when", "number"), CASES, ids=lambda value: str(value))
def test_killed_and_gone_on(tmp_path: Path, home: Path, whom: str, when: str, number: int) -> None:
    work = tmp_path / "work"
    struck = strike(work, whom, when, number)
    # Before the kernels are there, and after they are gone, there is none.
    assert struck.processes or number < 8 or number >= EVENTS - 1
    session = last_session(home)
    if not session:
        assert (when, number) == ("before", 1)
        return
    before = events_of(home, session)
    if whom in ("host", "all"):
        assert struck.stored <= len(before) <= struck.given
    events = go_on(home, session, work)
    assert events[: len(before)] == before, "what was stored stays"
    check(events, work)
    if whom in ("keeper", "kernel"):
        ends = [e for e in before if isinstance(e, TurnFinished)]
        assert len(ends) == 1, "the host lived, so it ended the turn"


@pytest.mark.parametrize("number", [6, 13, 21])
@pytest.mark.parametrize("again", [1, 2])
def test_killed_again_while_it_is_taken_up(tmp_path: Path, home: Path, number: int, again: int) -> None:
    work = tmp_path / "work"
    strike(work, "host", "after", number)
    session = last_session(home)
    strike(work, "host", "before", again, session)
    strike(work, "all", "after", again, session)
    before = events_of(home, session)
    events = go_on(home, session, work)
    assert events[: len(before)] == before
    check(events, work)
    assert len([e for e in events if isinstance(e, SessionResumed)]) >= 1


def test_without_a_strike_all_four_effects_are_there(tmp_path: Path, home: Path) -> None:
    """The control: what the others count does happen."""
    work = tmp_path / "work"
    strike(work, "nobody", "after", 1)
    events = events_of(home, last_session(home))
    check(events, work)
    assert (work / "effects").read_text().split() == list(NAMES)
    assert [e.status for e in events if isinstance(e, ActionFinished)] == ["ok"] * 4
    assert len([e for e in events if isinstance(e, TurnStarted)]) == 1
    assert len(REPLIES) == 4
