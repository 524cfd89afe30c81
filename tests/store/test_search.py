"""Old sessions: words in all of them, names, tags, and which may go."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.errors import SessionUnknown, UsageError
from interpreter.store import Store
from interpreter.store.home import INDEX_NAME
from interpreter.store.labels import Labels, checked, named, tagged
from interpreter.store.listing import SessionRow, rows
from interpreter.store.pruning import Bounds, candidates, disk_of
from interpreter.store.search import Hit, excerpt_of, search
from tests.store.conversation import begun, proposed
from tests.store.samples import done, finished, note, started, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "home") as store:
        one = store.create("s_1", "/project")
        one.append_now(started("s_1"), turn(1, "把销售数据按地区汇总 token=abcd1234"))
        one.append_now(proposed(1, "df.groupby('region').sum()", "a_1"), begun("a_1"), finished("a_1", text="北方 15"))
        one.append_now(done(1))
        two = store.create("s_2", "/project")
        two.append_now(started("s_2"), turn(1, "Plot the Regions, 100% of them"), done(1))
        one.close()
        two.close()
        yield store


def found(store: Store, *words: str) -> list[tuple[str, int, int]]:
    return [(hit.session, hit.seq, hit.step) for hit in search(store, words).hits]


def test_words_of_either_language_are_found_where_they_stand(store: Store) -> None:
    assert found(store, "地区") == [("s_1", 2, 0)]
    assert found(store, "汇总", "北方") == [("s_1", 2, 0), ("s_1", 5, 1)], "each in its place"
    assert found(store, "按地区汇总") == [("s_1", 2, 0)]
    assert found(store, "REGION") == [("s_2", 2, 0), ("s_1", 3, 1)], "the newest session first"
    assert found(store, "groupby", "plot") == [], "not both in one session"
    assert found(store, "100%") == [("s_2", 2, 0)] and found(store, "%%") == [] and found(store, 'x"y') == []
    hit = search(store, ["地区"]).hits[0]
    assert [hit.text[start:stop] for start, stop in hit.marks] == ["地区"]


def test_secrets_are_neither_shown_nor_in_the_index(store: Store) -> None:
    assert "[redacted]" in search(store, ["销售"]).hits[0].text
    assert found(store, "abcd1234") == []
    data = b"".join(path.read_bytes() for path in store.home.glob(f"{INDEX_NAME}*"))
    assert b"abcd1234" not in data and data
    assert search(store, ["groupby"], ["groupby('region')"]).hits[0].text.startswith("df.[redacted]")
    assert (store.home / INDEX_NAME).stat().st_mode & 0o077 == 0


def test_the_index_follows_the_log(store: Store) -> None:
    assert found(store, "later") == []
    store.visit("s_2").append_now(turn(2, "later"), proposed(2, "later()", "a_2"))
    assert found(store, "later") == [("s_2", 4, 0), ("s_2", 5, 0)]
    store.visit("s_2").append_now(begun("a_2"))
    assert found(store, "later") == [("s_2", 4, 0), ("s_2", 5, 1)], "its step is known when it begins"
    asyncio.run(store.visit("s_2").erase([4]))
    assert found(store, "later") == [("s_2", 5, 1)] and found(store, "erased") == []
    store.delete("s_2")
    assert not (store.home / INDEX_NAME).exists(), "nothing of it stays behind"
    assert found(store, "later") == [] and found(store, "地区") == [("s_1", 2, 0)]


def test_an_index_that_is_damaged_or_of_another_log_is_made_anew(store: Store) -> None:
    assert found(store, "地区")
    connection = sqlite3.connect(store.home / INDEX_NAME)
    connection.execute("UPDATE seen SET hash = 'of another log'")
    connection.commit()
    connection.close()
    store.visit("s_1").append_now(note(1))
    assert found(store, "地区") == [("s_1", 2, 0)]
    (store.home / INDEX_NAME).write_bytes(b"no database" * 500)
    assert found(store, "地区") == [("s_1", 2, 0)]


def test_without_trigrams_every_text_is_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpreter.store.search.SHORTEST", 10**6)
    assert found(store, "REGION") == [("s_2", 2, 0), ("s_1", 3, 1)] and found(store, "_") == []


def test_an_excerpt_is_one_line_around_the_first_word() -> None:
    text, marks = excerpt_of("a " * 100 + "the\nNEEDLE here" + " b" * 200, ["needle"])
    assert text.startswith("…") and text.endswith("…") and "\n" not in text and len(text) < 150
    assert [text[start:stop] for start, stop in marks] == ["NEEDLE"]
    assert excerpt_of("İstanbul needle", ["needle"])[0] == "İstanbul needle"
    assert isinstance(Hit(session="s", seq=1, time=0, kind="k", step=0, text=""), Hit)


def test_names_and_tags_are_facts_of_the_log(store: Store) -> None:
    last = store.sessions()[0]
    assert last.id == "s_2"
    store.visit("s_1").append_now(named("月报"), tagged(["work", "数据"], []), tagged(["q3"], ["work"]))
    assert store.labels() == {"s_1": Labels("月报", ("数据", "q3"))}
    assert store.find("月报").id == "s_1" and store.find("s_1").id == "s_1"
    assert store.sessions()[0] == last and store.find("last").id == "s_2", "a name is no use"
    row = next(row for row in rows(store) if row.id == "s_1")
    assert (row.name, row.tags, row.state) == ("月报", ("数据", "q3"), "done")
    assert found(store, "月报") == [("s_1", 7, 1)]
    store.visit("s_1").append_now(named(""))
    with pytest.raises(SessionUnknown):
        store.find("月报")
    assert store.visit("s_1").verify().whole


@pytest.mark.parametrize("word", ["", "two words", "a/b", "-x", "x" * 65, "a\nb", "\u202ex", "a\x1b[2J"])
def test_what_cannot_be_a_name(word: str) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        checked(word, name=False)


@pytest.mark.parametrize("word", ["last", "s_0123", "beef", "x.json"])
def test_a_name_is_never_taken_for_an_id_or_a_file(word: str) -> None:
    assert checked(word, name=False) == word
    with pytest.raises(UsageError, match="could be an id"):
        checked(word, name=True)
    assert checked(" 月报-2026.Q3 ", name=True) == "月报-2026.Q3"


def test_which_sessions_may_go(tmp_path: Path) -> None:
    def row(session: str, /, **more: object) -> SessionRow:
        given = {"created": 0.0, "updated": 100.0, "workspace": "/", "first_words": "", "turns": 1, "state": "done",
                 "disk": 1000, **more}  # fmt: skip
        return SessionRow(id=session, **given)  # pyright: ignore[reportArgumentType]

    all_rows = [
        row("old"), row("new", updated=900.0), row("large", disk=9000), row("held", pid=7, state="running"),
        row("asks", state="waiting"), row("named", name="x"), row("tagged", tags=("y",)),
        row("cut", state="interrupted"),
    ]  # fmt: skip

    def gone(bounds: Bounds) -> list[str]:
        return [found.id for found in candidates(all_rows, bounds)]

    assert gone(Bounds()) == [] == gone(Bounds(keep_named=True, waiting=True))
    assert gone(Bounds(older_than=500)) == ["old", "large", "named", "tagged", "cut"]
    assert gone(Bounds(older_than=500, keep_named=True)) == ["old", "large", "cut"]
    assert gone(Bounds(older_than=500, larger_than=5000)) == ["large"]
    assert gone(Bounds(larger_than=1, older_than=500, waiting=True)) == [
        "old",
        "large",
        "asks",
        "named",
        "tagged",
        "cut",
    ]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 100)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert 100 <= disk_of(tmp_path) < 400
