from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from interpreter.errors import LogDamaged, SessionBusy, SessionUnknown, StoreError
from interpreter.store import Store
from interpreter.store.records import decode, known_types
from interpreter.types.base import from_json, to_json
from interpreter.types.events import LIVE, Event, event_name
from tests.store.samples import every_kind, note, started, turn

OLD_BODIES = Path(__file__).parent / "fixtures" / "events-0.1.jsonl"

APPEND = """
import sys
from interpreter.store import Store
from interpreter.types.events import NoteAdded
with Store.open(sys.argv[1]) as store:
    log = store.visit("s_1")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(200):
        log.append_now(NoteAdded(text=f"{sys.argv[2]} {number}"))
"""
HOLD = """
import sys
from interpreter.store import Store
store = Store.open(sys.argv[1])
log = store.resume("s_1")
print("held", flush=True)
sys.stdin.readline()
"""


def change(home: Path, statement: str) -> None:
    connection = sqlite3.connect(home / "log.db")
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "problem", "place"),
    [
        ("UPDATE events SET body = replace(body, 'note 3', 'note 4') WHERE seq = 4", "body", 4),
        ("UPDATE events SET body = CAST(replace(body, 'note 5', 'note 4') AS BLOB) WHERE seq = 6", "body", 6),
        ("UPDATE events SET body_sha256 = 'text' WHERE seq = 7", "chain", 7),
        ("UPDATE events SET hash = 'text' WHERE seq = 9", "chain", 9),
        ("UPDATE events SET time = time + 1 WHERE seq = 2", "chain", 2),
        ("UPDATE events SET type = 'kernel' WHERE seq = 5", "chain", 5),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 3", "chain", 3),
        ("DELETE FROM events WHERE seq = 3", "gap", 3),
        ("DELETE FROM events WHERE seq = 1", "gap", 1),
    ],
)
def test_a_change_in_the_log_is_found(tmp_path: Path, statement: str, problem: str, place: int) -> None:
    with Store.open(tmp_path) as store:
        store.create("s_1", "/project").append_now(started(), *(note(n) for n in range(1, 9)))
    change(tmp_path, statement)
    with Store.open(tmp_path) as store:
        verdict = store.visit("s_1").verify()
        assert (verdict.whole, verdict.problem, verdict.broken_at) == (False, problem, place)


def test_a_head_that_is_no_hash_takes_no_more_events(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.create("s_1", "/project").append_now(started(), note(1))
    change(tmp_path, "UPDATE events SET hash = 'text' WHERE seq = 2")
    with Store.open(tmp_path) as store:
        log = store.visit("s_1")
        assert [stored.hash for stored in log.events()][1] == ""
        with pytest.raises(LogDamaged, match="Event 2"):
            log.append_now(note(2))


def test_a_cut_off_end_shows_against_a_hash_kept_elsewhere(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        kept = store.create("s_1", "/project").append_now(started(), note(1), note(2))[-1].hash
    change(tmp_path, "DELETE FROM events WHERE seq = 3")
    with Store.open(tmp_path) as store:
        verdict = store.visit("s_1").verify()
        assert verdict.whole and verdict.hash != kept


def test_other_processes_append_to_the_same_session(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        log.append_now(started())
        others = [
            subprocess.Popen(
                [sys.executable, "-c", APPEND, str(tmp_path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for name in ("one", "two")
        ]
        for other in others:
            assert other.stdout is not None and other.stdout.readline() == b"ready\n"
        for other in others:
            assert other.stdin is not None
            other.stdin.write(b"\n")
            other.stdin.flush()
        for number in range(200):
            log.append_now(note(number))
        for other in others:
            other.communicate()
            assert other.returncode == 0
        events = list(log.events())
        assert [stored.seq for stored in events] == list(range(1, 602))
        assert log.verify().whole
        texts = [str(getattr(stored.event, "text", "")) for stored in events]
        for name in ("one", "two", "note"):
            assert [text for text in texts if text.startswith(name)] == [f"{name} {n}" for n in range(200)]


def test_a_held_session_is_free_when_its_process_dies(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.create("s_1", "/project").close()
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(SessionBusy, match=str(holder.pid)):
            store.resume("s_1")
        with pytest.raises(SessionBusy):
            store.delete("s_1")
        found = store.holder("s_1")
        assert found is not None and found.pid == holder.pid
        holder.kill()
        holder.communicate()
        assert store.holder("s_1") is None
        assert store.resume("s_1").held


def test_whoever_lists_does_not_stand_in_the_way_of_who_resumes(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.create("s_1", "/project").close()
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                store.holder("s_1")

        looking = threading.Thread(target=look)
        looking.start()
        try:
            for _again in range(50):
                store.resume("s_1").close()
        finally:
            stop.set()
            looking.join()


def test_a_log_that_stays_locked_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpreter.store.database.BUSY_SECONDS", 0.05)
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            log.append_now(note(1))
        other.execute("ROLLBACK")
        other.close()
        assert log.append_now(note(1))[0].seq == 1


def test_an_event_of_a_newer_version_is_named_as_such(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        log.append_now(started(), note(1))
    change(tmp_path, """UPDATE events SET type = 'dream', body = '{"type":"dream"}' WHERE seq = 2""")
    with Store.open(tmp_path) as store, pytest.raises(StoreError, match="newer version") as raised:
        list(store.visit("s_1").events())
    assert not isinstance(raised.value, LogDamaged)


@pytest.mark.parametrize("body", ["", "{", '{"type":"turn_started"}', "\xff"])
def test_an_event_that_cannot_be_read_is_damage_and_those_before_are_given(tmp_path: Path, body: str) -> None:
    with Store.open(tmp_path) as store:
        store.create("s_1", "/project").append_now(started(), turn(1), note(1))
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("UPDATE events SET body = ? WHERE seq = 2", (body.encode("latin-1"),))
    connection.commit()
    connection.close()
    seen: list[int] = []
    with Store.open(tmp_path) as store, pytest.raises(LogDamaged, match="Event 2 of session s_1"):
        for stored in store.visit("s_1").events():
            seen.append(stored.seq)
    assert seen == [1]


def test_an_unknown_session_in_a_damaged_store_stays_unknown(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store, pytest.raises(SessionUnknown) as raised:
        store.resume("nobody")
    assert "sessions list" in raised.value.hint


def old_bodies() -> list[bytes]:
    return OLD_BODIES.read_bytes().splitlines()


@pytest.mark.parametrize("body", old_bodies(), ids=lambda body: str(json.loads(body)["type"]))
def test_bodies_of_version_0_1_read_for_ever_with_all_their_fields(body: bytes) -> None:
    given = json.loads(body)
    event = decode("s_1", 1, 0, given["type"], body, b"").event
    assert includes(json.loads(to_json(event)), given)


def includes(whole: object, part: object) -> bool:
    """Everything of `part` is in `whole`, which may have more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and includes(whole[key], value)  # pyright: ignore[reportUnknownArgumentType]
            for key, value in part.items()  # pyright: ignore[reportUnknownVariableType]
        )
    return whole == part


def test_every_type_of_event_stands_in_the_old_bodies() -> None:
    # A new type is added to the fixture with the version that brings it; what is there is never edited.
    there = {str(json.loads(body)["type"]) for body in old_bodies()}
    live = {event_name(kind) for kind in LIVE}
    assert there == known_types() - live


def test_the_samples_are_one_of_every_kind() -> None:
    made: list[Event] = every_kind()
    assert [from_json(to_json(event), type(event)) for event in made] == made
    assert {event_name(event) for event in made} == known_types() - {event_name(kind) for kind in LIVE}


def test_events_of_a_kind_are_left_out_up_to_a_place(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", tmp_path)
        log.append_now(started(), *(note(n) for n in range(1_200)), started(), note(1_200))
        left = [one.seq for one in log.events(without=("note_added",), until=1_190)]
        assert left == [1, *range(1_190, 1_204)]
        assert [one.seq for one in log.events()] == list(range(1, 1_204))
