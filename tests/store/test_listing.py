from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.store import Store
from interpreter.store.listing import FIRST_WORDS, rows, timeline
from interpreter.text.cut import width
from interpreter.types.events import ApprovalRequested, ApprovalResolved, Event, SessionClosed, TurnFinished
from tests.store.conversation import conversation
from tests.store.samples import done, every_kind, note, started, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as store:
        yield store


def waiting(number: int) -> TurnFinished:
    return TurnFinished(turn=f"t_{number}", reason="waiting", exit_code=4, text="needs a yes")


def test_states(store: Store) -> None:
    courses: dict[str, list[Event]] = {
        "s_new": [],
        "s_done": [turn(1), done(1), SessionClosed()],
        "s_cut": [turn(1), done(1), turn(2), note(1)],
        "s_wait": [turn(1), waiting(1)],
        "s_on": [turn(1), waiting(1), turn(2), done(2)],
    }
    for name, course in courses.items():
        log = store.create(name, "/project")
        log.append_now(started(name), *course)
        log.close()
    held = store.create("s_held", "/other")
    held.append_now(started("s_held"), turn(1))
    found = {row.id: row for row in rows(store)}
    assert {name: row.state for name, row in found.items()} == {
        "s_new": "done", "s_done": "done", "s_cut": "interrupted", "s_wait": "waiting", "s_on": "done",
        "s_held": "running",
    }  # fmt: skip
    assert {name: row.turns for name, row in found.items()} == {
        "s_new": 0, "s_done": 1, "s_cut": 2, "s_wait": 1, "s_on": 2, "s_held": 1,
    }  # fmt: skip
    assert found["s_held"].pid == os.getpid() and found["s_done"].pid == 0
    assert [row.id for row in rows(store, "/other")] == ["s_held"]
    assert next(iter(rows(store))).id == "s_held", "the newest first"


def test_first_words_are_short_harmless_and_without_secrets(store: Store) -> None:
    texts = {
        "s_a": "\n  \n  Sum the column  \nand more",
        "s_b": "销售" * 100,
        "s_c": "use password=hunter2 \x1b[31mnow\x1b[0m\u202e",
    }
    for name, text in texts.items():
        store.create(name, "/project").append_now(started(name), turn(1, text))
    found = {row.id: row.first_words for row in rows(store)}
    assert found["s_a"] == "Sum the column"
    assert width(found["s_b"]) <= FIRST_WORDS and found["s_b"].endswith("…")
    assert found["s_c"] == "use password=[redacted] now<U+202E>"


def test_one_event_that_cannot_be_read_hides_no_session(store: Store, tmp_path: Path) -> None:
    for name in ("s_1", "s_2"):
        store.create(name, "/project").append_now(started(name), turn(1, "hello"), done(1))
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("UPDATE events SET body = 'x' WHERE seq IN (2, 3) AND session = 1")
    connection.commit()
    connection.close()
    assert {row.id: row.first_words for row in rows(store)} == {"s_1": "?", "s_2": "hello"}


def test_a_session_left_by_a_killed_process_is_interrupted(tmp_path: Path) -> None:
    code = (
        "import os, sys; from interpreter.store import Store; from interpreter.types.events import TurnStarted\n"
        "log = Store.open(sys.argv[1]).create('s_1', '/project')\n"
        "log.append_now(TurnStarted(turn='t_1', text='go'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ran.returncode == -9
    with Store.open(tmp_path) as store:
        assert [(row.state, row.pid) for row in rows(store)] == [("interrupted", 0)]


def test_the_timeline_tells_what_happened_in_order(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(*conversation(log))
    lines = list(timeline(log.events()))
    assert [line.seq for line in lines] == sorted(line.seq for line in lines)
    told = "\n".join(line.text for line in lines)
    for words in ("> Read x.", "[python]\nprint(open('x').read())", "[error] observed a_1", "Answered edit by person",
                  "Forgotten words", "The server is gone."):  # fmt: skip
        assert words in told
    assert "abcd1234" not in told
    assert lines[0].kind == "session_started"


def test_every_kind_of_event_has_its_line_or_none(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(*every_kind())
    kinds = {line.kind for line in timeline(log.events(), ["secret-value"])}
    assert {"session_started", "session_resumed", "model_failed", "kernel", "grant_added", "turn_finished"} <= kinds


def test_a_session_with_an_open_question_waits_whoever_holds_it(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", tmp_path)
        log.append_now(started(), turn(1), ApprovalRequested(approval="ap_1", kind="run", action="a_1"))
        (row,) = rows(store)
        assert row.state == "waiting" and row.pid
        log.append_now(ApprovalResolved(approval="ap_1", answer="yes", by="ann"))
        assert rows(store)[0].state == "running"
