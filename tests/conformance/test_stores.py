"""Every store keeps the same promises: on disk and in memory, one suite."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from interpreter.errors import LogDamaged, SessionBusy, SessionUnknown, StoreError
from interpreter.store import Store
from interpreter.store.placing import placed
from interpreter.types.actions import OutputRef
from interpreter.types.events import LIVE, Event, Progress, SessionImported, TextDelta
from tests.store.samples import done, every_kind, finished, note, started, turn


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = Store.open(tmp_path / "home") if request.param == "disk" else Store.memory()
    with made:
        yield made


def test_events_come_back_as_they_were_in_order(store: Store) -> None:
    log = store.create("s_1", "/project")
    # An imported log is read otherwise: what it names outside of the session is somebody else's.
    given: list[Event] = [event for event in every_kind() if not isinstance(event, SessionImported)]

    async def write() -> list[int]:
        first = await log.append(given[0])
        rest = await log.append(given[1], *given[2:])
        return [stored.seq for stored in first + rest]

    assert asyncio.run(write()) == list(range(1, len(given) + 1))
    read = list(log.events())
    assert [stored.event for stored in read] == [placed(event, log.folder, foreign=False) for event in given]
    assert [stored.seq for stored in read] == list(range(1, len(given) + 1))
    assert {stored.session for stored in read} == {"s_1"}
    assert log.size == len(given)


def test_appends_from_many_tasks_lose_nothing_and_leave_no_gap(store: Store) -> None:
    log = store.create("s_1", "/project")

    async def write() -> None:
        await asyncio.gather(*(log.append(note(n)) if n % 3 else log.append(turn(n)) for n in range(300)))

    asyncio.run(write())
    assert [stored.seq for stored in log.events()] == list(range(1, 301))
    assert log.verify().whole


def test_reading_from_a_place_and_more_than_a_page(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(started(), *(note(n) for n in range(1, 1200)))
    assert [s.seq for s in log.events(1100)] == list(range(1100, 1201))
    assert list(log.events(1201)) == []
    assert sum(1 for _stored in log.events()) == 1200


def test_events_appended_while_reading_are_read_as_well(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(*(note(n) for n in range(500)))
    seen = 0
    for stored in log.events():
        seen += 1
        if stored.seq == 10:
            log.append_now(note(501), note(502))
    assert seen == 502


@pytest.mark.parametrize("event", [TextDelta(turn="t", text="x"), Progress(what="x")])
def test_live_events_are_refused_and_nothing_of_the_call_is_stored(store: Store, event: Event) -> None:
    assert isinstance(event, LIVE)
    log = store.create("s_1", "/project")
    with pytest.raises(StoreError, match="never stored"):
        asyncio.run(log.append(note(1), event))
    assert log.size == 0


def test_the_chain_holds_and_says_its_head(store: Store) -> None:
    log = store.create("s_1", "/project")
    assert log.verify().whole
    stored = log.append_now(*every_kind())
    verdict = log.verify()
    assert (verdict.whole, verdict.events, verdict.hash) == (True, len(stored), stored[-1].hash)


def test_an_erased_body_is_gone_and_the_chain_still_holds(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(started(), turn(1, "my secret #4711"), done(1))
    asyncio.run(log.erase([2]))
    assert log.verify().whole
    assert "#4711" not in repr(list(log.events()))  # no hash has a #
    assert log.size == 3


def test_text_with_half_characters_is_stored_with_replacements(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(turn(1, "name \udcff.txt"))
    event = next(log.events()).event
    assert event == turn(1, "name \ufffd\ufffd\ufffd.txt") or event == turn(1, "name \ufffd.txt")


def test_two_sessions_do_not_mix(store: Store) -> None:
    one, two = store.create("s_1", "/a"), store.create("s_2", "/b")
    one.append_now(started("s_1"))
    two.append_now(started("s_2"), note(1))
    one.append_now(note(2))
    assert (one.size, two.size) == (2, 2)
    assert one.verify().whole and two.verify().whole
    assert next(one.events()).hash != next(two.events()).hash


def test_sessions_are_listed_newest_first_and_by_workspace(store: Store) -> None:
    assert store.sessions() == []
    for number, workspace in ((1, "/a"), (2, "/b"), (3, "/a")):
        store.create(f"s_{number}", workspace).append_now(started(f"s_{number}"))
    store.create("s_empty", "/a")
    store.visit("s_1").append_now(note(1))
    assert [info.id for info in store.sessions()] == ["s_1", "s_3", "s_2"]
    assert [info.id for info in store.sessions("/a")] == ["s_1", "s_3"]
    info = store.info("s_1")
    assert (info.workspace, info.size) == ("/a", 2)
    assert info.created <= info.updated
    assert store.info("s_empty").size == 0


def test_find_takes_last_an_id_and_beginnings(store: Store) -> None:
    for name in ("ses_abc1", "ses_abd2", "ses_abd22"):
        store.create(name, f"/{name}").append_now(started(name))
    assert store.find("last").id == "ses_abd22"
    assert store.find("last", "/ses_abc1").id == "ses_abc1"
    assert store.find("ses_abd2").id == "ses_abd2"
    assert store.find("abc").id == "ses_abc1"
    assert store.find("ses_abc").id == "ses_abc1"
    with pytest.raises(SessionUnknown, match=r"ses_abd2, ses_abd22|ses_abd22, ses_abd2"):
        store.find("abd")
    for wanted in ("zzz", "", "%", "ses_abc1x"):
        with pytest.raises(SessionUnknown):
            store.find(wanted)
    with pytest.raises(SessionUnknown, match="no session to resume"):
        store.find("last", "/elsewhere")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".", "x" * 65, "a b", "-x"])
def test_an_id_that_cannot_be_a_folder_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be the id"):
        store.create(name, "/project")


def test_an_id_is_given_once(store: Store) -> None:
    store.create("s_1", "/project").close()
    with pytest.raises(StoreError, match="already a session"):
        store.create("s_1", "/project")


def test_one_holder_at_a_time_and_visitors_may_append(store: Store) -> None:
    log = store.create("s_1", "/project")
    log.append_now(started())
    assert log.held
    with pytest.raises(SessionBusy, match="s_1") as raised:
        store.resume("s_1")
    assert raised.value.hint
    holder = store.holder("s_1")
    assert holder is not None and holder.pid == os.getpid()
    visitor = store.visit("s_1")
    assert not visitor.held
    assert visitor.append_now(note(1))[0].seq == 2
    assert log.append_now(note(2))[0].seq == 3
    log.close()
    assert store.holder("s_1") is None
    again = store.resume("s_1")
    assert again.held and again.size == 3 and again.workspace == "/project"


def test_unknown_sessions(store: Store) -> None:
    for call in (store.resume, store.visit, store.info, store.delete):
        with pytest.raises(SessionUnknown, match="s_none"):
            call("s_none")
        for odd in ("", "\udcff", "\ud800", "a\x00b", "../s_1", "%"):
            with pytest.raises(SessionUnknown):
                call(odd)


def test_a_folder_whose_name_is_no_text(store: Store) -> None:
    store.create("s_1", "/data/\udce9").append_now(started())
    assert [info.id for info in store.sessions("/data/\udce9")] == ["s_1"]
    assert store.find("last", Path("/data/\udce9")).workspace == "/data/?"


def test_delete_takes_everything_and_only_that(store: Store) -> None:
    two, one = store.create("s_2", "/project"), store.create("s_1", "/project")
    for log in (one, two):
        log.append_now(started(log.id))
        log.put_bytes(b"kept", ".txt")
    with pytest.raises(SessionBusy):
        store.delete("s_1")
    one.close()
    store.delete("s_1")
    assert not store.folder("s_1").exists()
    assert [info.id for info in store.sessions()] == ["s_2"]
    assert len(list((store.folder("s_2") / "blobs").iterdir())) == 1
    with pytest.raises(SessionUnknown, match="deleted"):
        one.append_now(note(1))
    store.create("s_1", "/other").append_now(started())
    with pytest.raises(SessionUnknown, match="deleted"):
        one.append_now(note(1))


def test_bytes_become_a_blob_by_hash(store: Store) -> None:
    log = store.create("s_1", "/project")
    for data in (b"", b"small \x00", b"L" * 200_000):
        ref = log.put_bytes(data, ".bin")
        assert (ref.size, ref.sha256) == (len(data), sha256(data).hexdigest())
        assert Path(ref.path).read_bytes() == data
        assert Path(ref.path).is_relative_to(log.folder)
        assert log.put_bytes(data, ".bin") == ref
        assert log.read_blob(ref) == data
    assert log.read_blob(log.put_bytes(b"0123456789"), 3, 4) == b"3456"


@pytest.mark.parametrize("size", [5, 300_000])
def test_a_file_is_moved_in_with_its_segments(store: Store, size: int) -> None:
    log = store.create("s_1", "/project")
    source = log.folder / "x_1.out"
    source.write_bytes(b"x" * size)
    source.with_suffix(".idx").write_bytes(b"\x01" + size.to_bytes(8, "big"))
    given = OutputRef(path=str(source), size=size, sha256=sha256(b"x" * size).hexdigest(), dropped=7)
    ref = log.put_output(given)
    assert not source.exists() and not source.with_suffix(".idx").exists()
    moved = Path(ref.path)
    assert moved.read_bytes() == b"x" * size
    assert moved.with_suffix(".idx").read_bytes() == b"\x01" + size.to_bytes(8, "big")
    assert (ref.size, ref.sha256, ref.dropped) == (size, given.sha256, 7)
    assert log.put_output(given) == ref, "the same call after a crash gives the same reference"
    log.append_now(finished(output=ref))


def test_the_same_bytes_with_other_segments_are_kept_apart(store: Store) -> None:
    log = store.create("s_1", "/project")
    refs: list[OutputRef] = []
    for stream in (b"\x01", b"\x02", b"\x01"):
        source = log.folder / "x.out"
        source.write_bytes(b"same")
        source.with_suffix(".idx").write_bytes(stream)
        refs.append(log.put_file(source))
    assert refs[0] == refs[2] != refs[1]
    assert [Path(ref.path).with_suffix(".idx").read_bytes() for ref in refs[:2]] == [b"\x01", b"\x02"]


def test_an_empty_output_leaves_no_file(store: Store) -> None:
    log = store.create("s_1", "/project")
    source = log.folder / "x.out"
    source.touch()
    source.with_suffix(".idx").touch()
    ref = log.put_file(source)
    assert (ref.path, ref.size) == ("", 0)
    assert not source.exists() and not source.with_suffix(".idx").exists()
    assert log.read_blob(ref) == b""


def test_links_strangers_and_missing_files_are_refused(store: Store, tmp_path: Path) -> None:
    log = store.create("s_1", "/project")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = log.folder / "x.out"
    link.symlink_to(secret)
    with pytest.raises(StoreError, match="gone"):
        log.put_file(link)
    changed = log.folder / "y.out"
    changed.write_text("other")
    with pytest.raises(StoreError, match="hash differs"):
        log.put_file(changed, "ab" * 32)
    assert changed.exists()
    with pytest.raises(StoreError, match="gone"):
        log.put_file(log.folder / "none.out", "ab" * 32)


def test_a_small_blob_that_was_lost_is_written_again(store: Store) -> None:
    log = store.create("s_1", "/project")
    ref, large = log.put_bytes(b"small", ".txt"), log.put_bytes(b"L" * 100_000, ".txt")
    Path(ref.path).write_bytes(b"")
    assert log.restore_blobs() == 1
    assert Path(ref.path).read_bytes() == b"small"
    Path(ref.path).unlink()
    assert log.read_blob(ref) == b"small"
    Path(large.path).unlink()
    with pytest.raises(LogDamaged, match="missing"):
        log.read_blob(large)


def test_a_closed_store_says_so(store: Store) -> None:
    log = store.create("s_1", "/project")
    store.close()
    with pytest.raises(StoreError):
        asyncio.run(log.append(note(1)))
    with pytest.raises(StoreError):
        log.append_now(note(1))
    with pytest.raises(StoreError):
        store.sessions()


def test_a_closed_store_lets_go_of_its_sessions(tmp_path: Path) -> None:
    with Store.open(tmp_path) as first:
        log = first.create("s_1", "/project")
    assert not log.held
    with Store.open(tmp_path) as second:
        assert second.resume("s_1").held


def test_a_cancelled_append_is_stored_all_the_same(store: Store) -> None:
    log = store.create("s_1", "/project")

    async def write() -> None:
        task = asyncio.ensure_future(log.append(turn(1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await log.append(turn(2))

    asyncio.run(write())
    assert [stored.event for stored in log.events()] == [turn(1), turn(2)]
