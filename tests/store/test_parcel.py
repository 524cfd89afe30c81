"""A session as one file: it opens in another home as it was, and a file that lies changes nothing there."""

from __future__ import annotations

import io
import json
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import ConfigError, InterpreterError, LogDamaged, StoreError, UsageError
from interpreter.session.past import read_past
from interpreter.store import SessionLog, Store, records
from interpreter.store.audit import verify
from interpreter.store.export import export, kept_files
from interpreter.store.parcel import EVENTS, MANIFEST, Manifest, Wanted, write_parcel
from interpreter.store.unparcel import Parcel, opened, read_parcel
from interpreter.types.actions import Display, OutputRef
from interpreter.types.base import from_json
from interpreter.types.events import (
    ActionFinished,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointSaved,
    GrantAdded,
    ModeChanged,
    SessionImported,
    SessionNamed,
    TurnFinished,
    TurnStarted,
)
from tests.store.conversation import PNG, begun, conversation, proposed, ran
from tests.store.samples import started, turn

Change = Callable[[dict[str, bytes], dict[str, Any]], None]
ALL = Wanted()
STATE = sha256(b"state").hexdigest()


def fill(log: SessionLog) -> None:
    log.append_now(*conversation(log))
    large = log.put_bytes(b"0123456789" * 10_000, ".out")
    log.append_now(turn(4), proposed(4, "x", "a_8", call="c"), begun("a_8"), ran("a_8", large))
    saved = CheckpointSaved(language="python", kernel="k_1", execution="x_a_8", manifest=STATE)
    log.append_now(saved, GrantAdded(path="/", access="write", by="person"), ModeChanged(auto=True))
    log.append_now(
        ApprovalRequested(approval="p_9", kind="run", action="a_9"),
        ApprovalResolved(approval="p_9", answer="yes", by="x"),
    )
    (log.folder / "checkpoints").mkdir()
    (log.folder / "checkpoints" / f"{STATE}.json").write_bytes(b"state")
    (log.folder / "run" / "outputs").mkdir(parents=True)
    (log.folder / "lock2").write_text("not part of it")


def pack(home: Path, wanted: Wanted = ALL, *, build: Callable[[SessionLog], None] = fill) -> bytes:
    with Store.open(home) as store:
        log = store.create("s_1", "/project")
        build(log)
        out = io.BytesIO()
        write_parcel(log, 1.5, out, wanted, ("correct-horse",))
    return out.getvalue()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack(tmp_path_factory.mktemp("packed"))


def take_in(home: Path, data: bytes, **more: Any) -> Any:
    path = home.parent / f"{home.name}.zip"
    path.write_bytes(data)
    with Store.open(home) as store:
        return read_parcel(store, path, Path("/elsewhere"), **more)


def test_it_opens_elsewhere_as_it_was(tmp_path: Path) -> None:
    data = pack(tmp_path / "one")
    found = take_in(tmp_path / "two", data, checkpoints=True)
    assert (found.session, found.new, found.checkpoints, found.left) == ("s_1", True, True, False)
    with Store.open(tmp_path / "one") as one, Store.open(tmp_path / "two") as two:
        before, after = one.visit("s_1"), two.visit("s_1")
        size = before.size
        assert list(before.rows(size)) == list(after.rows(size)) and after.size > size
        assert after.verify().whole and after.workspace == "/elsewhere"
        assert two.info("s_1").created == 1.5
        for name in ("blobs", "checkpoints"):
            files = {p.name: p.read_bytes() for p in (before.folder / name).iterdir()}
            assert {p.name: p.read_bytes() for p in (after.folder / name).iterdir()} == files
        assert not (after.folder / "lock2").exists()
        texts = [export(log.events(), "ipynb", (), kept_files(log.folder)) for log in (before, after)]
        cells = [json.loads(text)["cells"] for text in texts]
        assert cells[0] == cells[1][:-1] and "iVBORw0KGgo" in json.dumps(cells), "then only that it was cut off"
        check = verify(two)
        assert check.whole and check.sessions[0].imported == after.size
        two.resume("s_1").close()
    again = take_in(tmp_path / "two", data)
    assert (again.session, again.new) == ("s_1", False)


def test_what_came_from_a_file_allows_nothing(tmp_path: Path, packed: bytes) -> None:
    take_in(tmp_path / "two", packed)
    with Store.open(tmp_path / "two") as store:
        past = read_past(store.visit("s_1").events())
    assert past.started is not None and past.started.workspace == "/elsewhere"
    assert not past.grants and not past.questions and not past.answers and past.auto is None
    assert past.earlier("a_9") is None and past.open is None and not past.proposed


def test_what_was_left_open_is_closed(tmp_path: Path) -> None:
    """Nothing of it goes on by itself, and no question of somebody else's waits here."""

    def build(log: SessionLog) -> None:
        log.append_now(started(), turn(1), proposed(1, "x", "a_1"), begun("a_1"), proposed(1, "y", "a_2"))
        log.append_now(ApprovalRequested(approval="p_1", kind="run", action="a_2"))

    take_in(tmp_path / "two", pack(tmp_path / "one", build=build))
    with Store.open(tmp_path / "two") as store:
        ends = [stored.event for stored in store.visit("s_1").events(7)]
        assert [(e.action, e.status) for e in ends if isinstance(e, ActionFinished)] == [
            ("a_1", "lost"),
            ("a_2", "not_run"),
        ]
        assert [e.reason for e in ends if isinstance(e, TurnFinished)] == ["interrupted"]
        assert store.questions() == [] and store.visit("s_1").verify().whole


def test_saved_variables_are_taken_only_when_they_are_asked_for(tmp_path: Path, packed: bytes) -> None:
    found = take_in(tmp_path / "two", packed)
    assert found.left and not found.checkpoints
    assert not (tmp_path / "two" / "sessions" / "s_1" / "checkpoints").exists()


def test_without_outputs_and_checkpoints(tmp_path: Path) -> None:
    data = pack(tmp_path / "one", Wanted(outputs=False, checkpoints=False))
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert names == [EVENTS, MANIFEST]
    assert take_in(tmp_path / "two", data).new
    with Store.open(tmp_path / "two") as store:
        assert "observed a_8" in export(store.visit("s_1").events(), "md", (), kept_files(store.folder("s_1")))


def test_a_redacted_one_holds_no_secret_and_its_chain_holds(tmp_path: Path) -> None:
    def build(log: SessionLog) -> None:
        fill(log)
        ref = log.put_bytes(b"told: correct-horse\n", ".out")
        log.append_now(turn(5, "correct-horse"), proposed(5, "x", "a_5", call="c"), begun("a_5"), ran("a_5", ref))

    data = pack(tmp_path / "one", Wanted(redacted=True), build=build)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
        assert not [name for name in archive.namelist() if name.startswith("checkpoints")]
    assert b"correct-horse" not in everything and b"hunter2" not in everything and PNG in everything
    assert take_in(tmp_path / "two", data).redacted
    with Store.open(tmp_path / "two") as store:
        assert store.visit("s_1").verify().whole and verify(store).whole


def rebuilt(data: bytes, change: Change, *, mend: bool = True) -> bytes:
    """The file with something changed; `mend`: sizes and hashes in its list are made to fit again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(parts.pop(MANIFEST))
    change(parts, manifest)
    if mend:
        manifest["files"] = [
            {"name": name, "size": len(part), "sha256": sha256(part).hexdigest()} for name, part in parts.items()
        ]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in {**parts, MANIFEST: json.dumps(manifest).encode()}.items():
            archive.writestr(name, part)
    return out.getvalue()


def part(name: str, data: bytes = b"x") -> Change:
    return lambda parts, manifest: parts.update({name: data})


def in_events(old: bytes, new: bytes) -> Change:
    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        assert old in parts[EVENTS]
        parts[EVENTS] = parts[EVENTS].replace(old, new, 1)

    return change


def cut(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
    parts[EVENTS] = b"\n".join(parts[EVENTS].split(b"\n")[:-3]) + b"\n"


def other(**fields: Any) -> Change:
    return lambda parts, manifest: manifest.update(fields)


@pytest.mark.parametrize(
    ("change", "mend", "words"),
    [
        (in_events(b"Then plot it", b"Then sell it"), True, "does not follow"),
        (in_events(b"Then plot it", b"Then sell it"), False, "does not fit its hash"),
        (cut, True, "its end was cut off"),
        (in_events(b'"seq": 3', b'"seq": 4'), True, "does not follow"),
        (in_events(b'"type": "turn_started"', b'"type": "note_added"'), True, "does not follow"),
        (in_events(b'{"seq": 1', b'{"evil": 1, "seq": 1'), True, "cannot be read"),
        (part("blobs/../../../../evil"), True, "no file of a session"),
        (part("/etc/evil"), True, "no file of a session"),
        (part("lock"), True, "no file of a session"),
        (part("run/keeper.sock"), True, "no file of a session"),
        (part("blobs/a/b"), True, "no file of a session"),
        (part("blobs/x", b"not listed"), False, "not what it holds"),
        (other(session="../evil"), True, "names no session"),
        (other(session="s_2"), True, "does not follow"),
        (other(created=1e300), True, "names no session"),
        (other(head="00" * 32), True, "its end was cut off"),
        (other(events=10**9), True, "its end was cut off"),
        (other(files=7), False, "cannot be read"),
        (other(format="reinterpreter-session/99"), True, "newer version"),
        (other(format="something else"), True, "cannot be read"),
    ],
)
def test_a_file_that_lies_is_refused_and_nothing_is_written(
    tmp_path: Path, packed: bytes, change: Change, mend: bool, words: str
) -> None:
    with pytest.raises(InterpreterError, match=words) as raised:
        take_in(tmp_path / "two", rebuilt(packed, change, mend=mend))
    assert isinstance(raised.value, LogDamaged | ConfigError) and "Nothing was imported" in raised.value.hint
    assert list((tmp_path / "two" / "sessions").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def reopened(data: bytes, kind: str, body: bytes) -> bytes:
    """The session with another first event, and a chain that fits it."""

    def change(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        rows = [json.loads(line) for line in parts[EVENTS].splitlines()]
        rows[0] |= {"type": kind, "body": body.decode(), "sha256": sha256(body).hexdigest()}
        before = records.genesis(manifest["session"])
        for row in rows:
            before = records.link(before, row["seq"], row["time"], row["type"], bytes.fromhex(row["sha256"]))
            row["hash"] = before.hex()
        parts[EVENTS] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        manifest["head"] = before.hex()

    return rebuilt(data, change)


def test_an_event_that_is_nested_without_an_end_is_refused(tmp_path: Path, packed: bytes) -> None:
    deep = b'{"type":"note_added","text":"x","more":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(LogDamaged, match="event 1 is not what it says"):
        take_in(tmp_path / "two", reopened(packed, "note_added", deep))
    plain = take_in(tmp_path / "three", reopened(packed, "note_added", b'{"type":"note_added","text":"x"}'))
    assert plain.new, "the chain fits; it is the nesting that is refused"


def test_a_list_of_files_that_is_packed_without_a_bound_is_not_unpacked(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr(MANIFEST, bytes(64 << 20))
    bomb = bytearray(out.getvalue())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = bomb.find(mark) + at
        bomb[place : place + 4] = (100).to_bytes(4, "little")
    tracemalloc.start()
    try:
        with pytest.raises(LogDamaged, match="list of files cannot be read"):
            take_in(tmp_path / "two", bytes(bomb))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_imported_session_takes_no_name_away(tmp_path: Path) -> None:
    def named(log: SessionLog) -> None:
        log.append_now(turn(1), SessionNamed(name="nightly"))
        log.close()

    data = pack(tmp_path / "one", build=named)
    with Store.open(tmp_path / "two") as store:
        named(store.create("s_0", "/project"))
    take_in(tmp_path / "two", data)
    with Store.open(tmp_path / "two") as store:
        assert {session for session, known in store.labels().items() if known.name == "nightly"} == {"s_0", "s_1"}
        assert store.find("nightly").id == "s_0"


def test_a_link_is_refused(tmp_path: Path, packed: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        parts = {info: archive.read(info) for info in archive.infolist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for info, data in parts.items():
            if info.filename.startswith("blobs/"):
                info.external_attr = 0o120777 << 16
            archive.writestr(info, data)
    with pytest.raises(LogDamaged, match="no file of a session"):
        take_in(tmp_path / "two", out.getvalue())


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, packed: bytes) -> None:
    bomb = rebuilt(packed, part("blobs/zeros.out", b"\0" * (8 << 20)))
    assert len(bomb) < 1 << 20
    with pytest.raises(UsageError, match=r"too large.*MB") as raised:
        take_in(tmp_path / "two", bomb, largest=4 << 20)
    assert "--largest 9M" in raised.value.hint
    assert take_in(tmp_path / "two", bomb, largest=16 << 20).new

    def understate(parts: dict[str, bytes], manifest: dict[str, Any]) -> None:
        manifest["files"] = [{**entry, "size": min(entry["size"], 10)} for entry in manifest["files"]]

    with pytest.raises(LogDamaged, match="another size"):
        take_in(tmp_path / "three", rebuilt(bomb, understate, mend=False), largest=4 << 20)


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06", b"not a zip at all", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_session_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match="is no session"):
        take_in(tmp_path / "two", data)
    with Store.open(tmp_path / "two") as store, pytest.raises(ConfigError, match="There is no file"):
        read_parcel(store, tmp_path / "none", tmp_path)


def test_every_byte_that_is_changed_is_noticed_or_means_nothing(tmp_path: Path) -> None:
    """What opens at all is what was exported."""

    def build(log: SessionLog) -> None:
        log.append_now(*conversation(log))

    packed = pack(tmp_path / "one", build=build)
    path = tmp_path / "changed.zip"
    opens = 0
    for at in range(0, len(packed), 41):
        data = bytearray(packed)
        data[at] ^= 0xFF
        path.write_bytes(data)
        try:
            with opened(path) as archive:
                parcel = Parcel(archive, path)
                parcel.check(1 << 20)
        except InterpreterError as error:
            assert isinstance(error, StoreError | ConfigError) and "Nothing was imported" in error.hint
            continue
        opens += 1
        assert parcel.manifest.head == original(packed).head
    assert opens < len(packed) // 41 // 3, "only what zip itself does not need"


def original(packed: bytes) -> Manifest:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return from_json(archive.read(MANIFEST), Manifest)


def test_another_session_of_that_name_is_left_alone(tmp_path: Path, packed: bytes) -> None:
    with Store.open(tmp_path / "two") as store:
        store.create("s_1", "/mine").append_now(started(), turn(1, "mine"))
    with pytest.raises(UsageError, match="another session s_1"):
        take_in(tmp_path / "two", packed)
    with Store.open(tmp_path / "two") as store:
        assert store.visit("s_1").size == 2


def test_a_session_that_was_removed_may_come_back(tmp_path: Path, packed: bytes) -> None:
    take_in(tmp_path / "two", packed)
    with Store.open(tmp_path / "two") as store:
        store.delete("s_1")
        assert verify(store).whole
    take_in(tmp_path / "two", packed)
    with Store.open(tmp_path / "two") as store:
        assert verify(store).whole


def test_an_import_that_fails_half_way_leaves_nothing(
    tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("interpreter.store.unparcel.sync_folder", full)
    with pytest.raises(StoreError, match="No space left"):
        take_in(tmp_path / "two", packed)
    with Store.open(tmp_path / "two") as store:
        assert store.sessions() == [] and list((tmp_path / "two" / "sessions").iterdir()) == []


def test_what_an_import_left_that_was_killed_is_in_nobodys_way(tmp_path: Path, packed: bytes) -> None:
    """Its files are on the disk, and the log knows nothing of them; also a link out of the folder is only removed."""
    outside = tmp_path / "mine"
    outside.write_text("kept")
    take_in(tmp_path / "one", packed)
    left = tmp_path / "two" / "sessions" / "s_1"
    shutil.copytree(tmp_path / "one" / "sessions" / "s_1", left)
    (left / "link").symlink_to(outside)
    (left / "torn").write_text("half of a fi")
    take_in(tmp_path / "two", packed)
    with Store.open(tmp_path / "two") as store:
        assert verify(store).whole
    assert not (left / "torn").exists() and not (left / "link").is_symlink() and outside.read_text() == "kept"


def test_paths_in_events_of_others_lead_nowhere(tmp_path: Path) -> None:
    """Neither an export nor the model's paging reads a file of this machine that a foreign event names."""
    secret = tmp_path / "id_rsa.png"
    secret.write_bytes(b"PRIVATE")

    def build(log: SessionLog) -> None:
        shown = (Display(mime="image/png", path=str(secret)), Display(mime="image/png", path="../../../id_rsa.png"))
        ref = OutputRef(path=str(secret), size=7)
        log.append_now(started(), TurnStarted(turn="t_1", text="x", images=(str(secret),)))
        log.append_now(proposed(1, "x", "a_1", call="c"), begun("a_1"), ran("a_1", ref, None, displays=shown))

    take_in(tmp_path / "two", pack(tmp_path / "one", build=build))
    with Store.open(tmp_path / "two") as store:
        log = store.visit("s_1")
        events = [stored.event for stored in log.events()]
        done = next(event.completion for event in events if isinstance(event, ActionFinished))
        assert done is not None
        for path in (done.output.path, *(display.path for display in done.displays)):
            assert Path(path).parent == log.folder / "blobs"
        assert next(event for event in events if isinstance(event, TurnStarted)).images == ()
        assert isinstance(events[-1], SessionImported) and events[-1].workspace == "/elsewhere"
