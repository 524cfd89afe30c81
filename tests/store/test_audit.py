"""An attacker who can write the log and the seals, and has every tool but the key."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from interpreter.errors import StoreError
from interpreter.store import Store, records
from interpreter.store.audit import Check, SessionCheck, verify
from interpreter.store.seals import HEADER, KEY_NAME, SEALS_NAME, Seals
from interpreter.types.events import SessionClosed, TurnFinished
from tests.store.samples import note, started, turn


def ended(number: int) -> TurnFinished:
    return TurnFinished(turn=f"t_{number}", reason="done", exit_code=0, text="ok")


def make(home: Path, session: str = "s_1", turns: int = 3) -> None:
    """Events: started, then turns of four events; the last event of each turn is sealed."""
    with Store.open(home) as store:
        log = store.create(session, "/project")
        log.append_now(started())
        for number in range(turns):
            log.append_now(turn(number), note(number), note(number + 100))
            log.append_now(ended(number))


def look(home: Path, expect: str = "") -> Check:
    with Store.open(home) as store:
        return verify(store, expect=expect)


def only(check: Check) -> SessionCheck:
    assert len(check.sessions) == 1
    return check.sessions[0]


def change(home: Path, *statements: str) -> None:
    connection = sqlite3.connect(home / "log.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def forge(home: Path, session: str = "s_1") -> None:
    """Compute the whole chain again: everything fits afterwards, but for what only the key can make."""
    connection = sqlite3.connect(home / "log.db")
    key = connection.execute("SELECT key FROM sessions WHERE id = ?", (session,)).fetchone()[0]
    before = records.genesis(session)
    events = connection.execute("SELECT seq, time, type, body FROM events WHERE session = ? ORDER BY seq", (key,))
    for number, (seq, moment, kind, body) in enumerate(events.fetchall(), 1):
        digest = sha256(body).digest()
        before = records.link(before, number, moment, kind, digest)
        connection.execute(
            "UPDATE events SET seq = ?, body_sha256 = ?, hash = ? WHERE session = ? AND seq = ?",
            (number, digest, before, key, seq),
        )
    connection.commit()
    connection.close()


def test_a_whole_log_is_called_whole(tmp_path: Path) -> None:
    make(tmp_path)
    check = look(tmp_path)
    assert (
        check.whole
        and check.seals == 3
        and only(check) == SessionCheck(session="s_1", whole=True, events=13, sealed=13)
    )


def test_what_came_after_the_last_seal_is_told_and_not_bad(tmp_path: Path) -> None:
    make(tmp_path)
    with Store.open(tmp_path) as store:
        store.visit("s_1").append_now(turn(9), note(9))
    found = only(look(tmp_path))
    assert found.whole and (found.events, found.sealed) == (15, 13)


def test_closing_a_session_is_sealed_as_well(tmp_path: Path) -> None:
    make(tmp_path)
    with Store.open(tmp_path) as store:
        store.visit("s_1").append_now(SessionClosed(reason="closed"))
    assert only(look(tmp_path)).sealed == 14


def test_a_changed_text_shows_and_names_the_event(tmp_path: Path) -> None:
    make(tmp_path)
    change(tmp_path, "UPDATE events SET body = replace(body, 'note 1', 'note 7') WHERE seq = 7")
    check = look(tmp_path)
    assert not check.whole and (only(check).finding, only(check).first) == ("body", 7)


def test_a_chain_that_was_made_anew_shows_by_the_seals(tmp_path: Path) -> None:
    make(tmp_path)
    change(tmp_path, "UPDATE events SET body = CAST(replace(body, 'note 1', 'note 7') AS BLOB) WHERE seq = 7")
    forge(tmp_path)
    with Store.open(tmp_path) as store:
        assert store.visit("s_1").verify().whole, "the forger did it right: the chain alone shows nothing"
    check = look(tmp_path)
    assert not check.whole
    assert (only(check).finding, only(check).first, only(check).last) == ("rewritten", 6, 9)


def test_an_event_taken_out_of_the_middle_shows(tmp_path: Path) -> None:
    make(tmp_path)
    change(tmp_path, "DELETE FROM events WHERE seq = 7")
    assert only(look(tmp_path)).finding == "gap"
    forge(tmp_path)
    found = only(look(tmp_path))
    assert (found.finding, found.first, found.last) == ("rewritten", 6, 9)


@pytest.mark.parametrize("least", [1, 2, 6, 10, 13])
def test_a_cut_off_end_shows(tmp_path: Path, least: int) -> None:
    make(tmp_path)
    change(tmp_path, f"DELETE FROM events WHERE seq >= {least}")
    found = only(look(tmp_path))
    assert (found.whole, found.finding, found.first, found.last) == (False, "cut", least, 13)


def test_a_cut_off_end_shows_also_after_the_session_went_on(tmp_path: Path) -> None:
    make(tmp_path)
    change(tmp_path, "DELETE FROM events WHERE seq >= 10")
    with Store.open(tmp_path) as store:
        log = store.resume("s_1")
        for number in range(7, 10):
            log.append_now(turn(number), note(number), note(number), ended(number))
    found = only(look(tmp_path))
    assert (found.finding, found.first, found.last) == ("rewritten", 10, 13)


def test_a_removed_session_shows_and_one_that_its_owner_removed_does_not(tmp_path: Path) -> None:
    make(tmp_path)
    make(tmp_path, "s_2", turns=1)
    make(tmp_path, "s_3", turns=1)
    with Store.open(tmp_path) as store:
        store.delete("s_3")
    assert look(tmp_path).whole and look(tmp_path).deleted == ("s_3",)
    change(tmp_path, "DELETE FROM sessions WHERE id = 's_1'", "DELETE FROM events WHERE session = 1")
    check = look(tmp_path)
    assert {s.session: s.finding for s in check.sessions} == {"s_1": "gone", "s_2": ""} and not check.whole


def test_an_erased_text_is_told_and_not_bad(tmp_path: Path) -> None:
    make(tmp_path)
    change(tmp_path, "UPDATE events SET body = NULL WHERE seq IN (3, 7)")
    check = look(tmp_path)
    assert check.whole and only(check).erased == (3, 7)


def lines(home: Path) -> tuple[bytes, list[bytes]]:
    data = (home / SEALS_NAME).read_bytes()
    return data[:HEADER], data[HEADER:].splitlines(keepends=True)


def put(home: Path, header: bytes, seals: list[bytes]) -> None:
    (home / SEALS_NAME).write_bytes(header + b"".join(seals))


def test_log_and_seals_cut_off_together_show_by_the_count(tmp_path: Path) -> None:
    make(tmp_path)
    header, seals = lines(tmp_path)
    put(tmp_path, header, seals[:-1])
    change(tmp_path, "DELETE FROM events WHERE seq >= 10")
    check = look(tmp_path)
    assert only(check).whole, "the session alone looks whole"
    assert (check.whole, check.seals_problem, check.seals_at) == (False, "cut", 3)


def test_the_gap_stays_for_ever_when_sessions_go_on_after_the_cut(tmp_path: Path) -> None:
    make(tmp_path)
    header, seals = lines(tmp_path)
    put(tmp_path, header, seals[:-1])
    change(tmp_path, "DELETE FROM events WHERE seq >= 10")
    make(tmp_path, "s_2")
    check = look(tmp_path)
    assert (check.whole, check.seals_problem, check.seals_at) == (False, "missing", 3)
    assert [s.sealed for s in check.sessions] == [9, 13], "later seals count by themselves"


@pytest.mark.parametrize("attack", ["count", "number", "hash", "session", "order", "middle", "rubbish", "deleted"])
def test_no_change_of_the_seals_goes_unseen(tmp_path: Path, attack: str) -> None:
    make(tmp_path)
    header, seals = lines(tmp_path)
    first = json.loads(seals[1])
    if attack == "count":
        header = header.replace(b'"seals": 3', b'"seals": 2')
        seals = seals[:2]
    elif attack == "order":
        seals = [seals[1], seals[0], seals[2]]
    elif attack == "middle":
        del seals[1]
    elif attack == "rubbish":
        seals[1] = b"{\xff\n"
    else:
        changed = {"number": {"n": 3}, "hash": {"hash": "0" * 64}, "session": {"session": "s_9"},
                   "deleted": {"what": "deleted"}}[attack]  # fmt: skip
        seals[1] = json.dumps(first | changed).encode() + b"\n"
    put(tmp_path, header, seals)
    check = look(tmp_path)
    assert not check.whole and check.seals_problem in ("changed", "missing", "header")


def test_all_seals_removed_shows_by_ended_turns(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / SEALS_NAME).unlink()
    assert only(look(tmp_path)).finding == "unsealed"
    (tmp_path / KEY_NAME).unlink()
    assert only(look(tmp_path)).finding == "unsealed"


def test_seals_of_another_key_count_for_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / KEY_NAME).write_text("f" * 64)
    check = look(tmp_path)
    assert not check.whole and (check.seals_problem, check.seals_at, check.seals) == ("key", 1, 0)


def test_a_home_put_back_to_an_older_state_shows_against_a_head_kept_elsewhere(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    make(home)
    shutil.copytree(home, copy)
    make(home, "s_2")
    head = look(home).head
    assert look(home, head).whole
    shutil.rmtree(home)
    copy.rename(home)
    assert look(home).whole, "everything fits: it is an older truth"
    check = look(home, head)
    assert not check.whole and not check.expected


def test_a_seal_torn_by_a_loss_of_power_is_no_damage(tmp_path: Path) -> None:
    make(tmp_path)
    header, seals = lines(tmp_path)
    put(tmp_path, header, [*seals, seals[-1][:40]])
    assert look(tmp_path).whole
    make(tmp_path, "s_2", turns=1)
    assert look(tmp_path).whole and look(tmp_path).seals == 4
    # The count is written after the seal: it may lag behind, never lead.
    put(tmp_path, header, lines(tmp_path)[1])
    assert look(tmp_path).whole


def test_key_and_seals_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        make(tmp_path / "home")
    finally:
        os.umask(old)
    for name in (KEY_NAME, SEALS_NAME):
        assert (tmp_path / "home" / name).stat().st_mode & 0o777 == 0o600


def test_a_key_elsewhere_is_used_and_the_home_holds_none(tmp_path: Path) -> None:
    key = tmp_path / "vault" / "key"
    key.parent.mkdir()
    with Store.open(tmp_path / "home", str(key)) as store:
        log = store.create("s_1", "/project")
        log.append_now(started(), ended(1))
        assert verify(store).whole
    assert key.stat().st_mode & 0o777 == 0o600 and not (tmp_path / "home" / KEY_NAME).exists()
    check = look(tmp_path / "home")
    assert (check.whole, check.seals_problem) == (False, "key")


@pytest.mark.parametrize("content", [b"", b"short\n", b"x" * 70_000])
def test_what_is_no_key_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(StoreError, match="is no key") as caught:
        Seals(tmp_path, tmp_path / "key").ready()
    assert str(tmp_path / "key") in caught.value.message


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read or made") as caught:
        Seals(tmp_path, tmp_path / "nowhere" / "key").ready()
    assert "INTERPRETER_AUDIT_KEY" in caught.value.hint


def test_a_seal_that_fails_loses_no_event_and_the_next_one_covers_it(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        (tmp_path / SEALS_NAME).mkdir()
        log.append_now(started(), ended(1))
        assert log.size == 2 and store.seals is not None and store.seals.problem is not None
        (tmp_path / SEALS_NAME).rmdir()
        log.append_now(ended(2))
        assert store.seals.problem is None
        assert only(verify(store)) == SessionCheck(session="s_1", whole=True, events=3, sealed=3)


def seal_many(home: str, name: str) -> None:
    seals = Seals(Path(home))
    for number in range(40):
        seals.seal(name, number, "00")


def test_several_processes_seal_at_once_and_first(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=seal_many, args=(str(tmp_path), f"s_{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    ledger = Seals(tmp_path).read()
    assert ledger.problem == "" and [seal.n for seal in ledger.seals] == list(range(1, 121))


def test_a_log_in_memory_has_no_seals() -> None:
    with Store.memory() as store:
        store.create("s_1", "/project").append_now(started(), note(1))
        assert verify(store) == Check(whole=True, sessions=(SessionCheck(session="s_1", whole=True, events=2),))
