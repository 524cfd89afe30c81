from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import ConfigError, StoreError
from interpreter.store import SessionLog, Store
from interpreter.store.transcript import FORMAT, load, messages_of, save
from interpreter.types.events import ApprovalResolved, ConversationReset
from tests.store.conversation import conversation
from tests.store.samples import every_kind, turn


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SessionLog]:
    with Store.open(tmp_path / "home") as store:
        log = store.create("s_1", "/project")
        log.append_now(*conversation(log))
        yield log


def test_messages_of_the_older_interface(log: SessionLog) -> None:
    messages = messages_of(log.events())
    assert [(m["role"], m["type"], m.get("format", "")) for m in messages] == [
        ("user", "message", ""),
        ("assistant", "message", ""),
        ("assistant", "code", "python"),
        ("computer", "console", "output"),
        ("assistant", "code", "python"),
        ("computer", "console", "output"),
        ("computer", "image", "path"),
        ("user", "message", ""),
        ("assistant", "code", "shell"),
        ("computer", "console", "output"),
        ("assistant", "message", ""),
        ("user", "message", ""),
    ]
    contents = [m["content"] for m in messages]
    assert contents[1] == "Let me look.\n\nThen I go on.", "code that is told as an action is not told twice"
    assert contents[4] == "print('edited')", "the code that ran"
    assert contents[7] == "and hurry"
    assert not any("Forgotten" in str(content) or "1/0" in str(content) for content in contents)


def test_a_reset_forgets_the_conversation(log: SessionLog) -> None:
    log.append_now(ConversationReset(), turn(4, "anew"))
    assert [m["content"] for m in messages_of(log.events())] == ["anew"]


def test_save_and_load(log: SessionLog, tmp_path: Path) -> None:
    path = tmp_path / "backup 用户.json"
    saved = save(path, log.events(), log.id)
    assert (saved.session, saved.seq) == ("s_1", log.size)
    assert load(path) == saved
    body = json.loads(path.read_text(encoding="utf-8"))
    assert (body["format"], body["session"], body["seq"]) == (FORMAT, "s_1", log.size)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "abcd1234" not in path.read_text(encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir() if "backup" in entry.name] == [path.name]


def test_known_secrets_are_taken_out(log: SessionLog, tmp_path: Path) -> None:
    log.append_now(turn(5, "it is correct-horse"))
    saved = save(tmp_path / "x.json", log.events(), log.id, ["correct-horse"])
    assert "correct-horse" not in json.dumps(saved.messages)


def test_save_over_a_link_keeps_the_link(log: SessionLog, tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    save(tmp_path / "link.json", log.events(), log.id)
    assert (tmp_path / "link.json").is_symlink()
    assert load(tmp_path / "real.json").session == "s_1"


def test_a_save_that_fails_leaves_the_old_file(log: SessionLog, tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "x.json", tmp_path):
        with pytest.raises(StoreError, match="could not be saved") as raised:
            save(path, log.events(), log.id)
        assert "kept in the log" in raised.value.hint


def test_an_empty_session_is_saved_too(tmp_path: Path) -> None:
    save(tmp_path / "x.json", [], "s_2")
    assert load(tmp_path / "x.json").messages == ()


@pytest.mark.parametrize("newest", ["", "s_9"])
def test_a_file_that_is_absent_names_the_session_to_resume(tmp_path: Path, newest: str) -> None:
    with pytest.raises(ConfigError, match="There is no file") as raised:
        load(tmp_path / "none.json", newest)
    assert ("--resume s_9" if newest else "sessions list") in raised.value.hint


def test_every_cut_of_a_file_is_told_as_such(log: SessionLog, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    save(path, log.events(), log.id)
    data = path.read_bytes()
    for length in range(0, len(data) - 2, 37):
        path.write_bytes(data[:length])
        with pytest.raises(StoreError, match="cut off or damaged") as raised:
            load(path, "s_1")
        assert "--resume s_1" in raised.value.hint


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"hello", ConfigError, "no saved conversation"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ConfigError, "no saved conversation"),
        (b"17", ConfigError, "no saved conversation"),
        (b'{"a": 1}', ConfigError, "no saved conversation"),
        (b'{"format": "other/9", "messages": []}', ConfigError, "other/9"),
        (b'{"format": "reinterpreter/1", "session": 5, "seq": 0, "messages": []}', ConfigError, "no saved"),
        (b'[{"content": "x"}]', ConfigError, "message 1 has no role"),
        (b'[{"role": "user", "content": "x"}, "y"]', ConfigError, "message 2"),
        (b"[" * 100_000, StoreError, "cut off or damaged"),
        (b"", StoreError, "cut off or damaged"),
    ],
)
def test_files_that_are_no_conversation(tmp_path: Path, content: bytes, error: type[Exception], words: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        load(path)
    assert path.read_bytes() == content


def test_a_folder_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        load(tmp_path)
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(StoreError, match="cannot be read"):
        load(loop)
    if os.geteuid() != 0:
        closed = tmp_path / "closed.json"
        closed.write_text("[]")
        closed.chmod(0)
        with pytest.raises(StoreError, match="cannot be read"):
            load(closed)


def test_messages_of_the_older_interface_are_taken_as_they_are(tmp_path: Path) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "type": "message", "content": "hi"},
        {"role": "assistant", "type": "code", "format": "python", "content": "print(1)"},
        {"role": "computer", "type": "console", "format": "output", "content": "1"},
        {"role": "computer", "type": "image", "format": "base64.png", "content": "iVBO"},
    ]
    (tmp_path / "x.json").write_text(json.dumps(messages), encoding="utf-8-sig")
    read = load(tmp_path / "x.json")
    assert (read.session, read.seq, list(read.messages)) == ("", 0, messages)


def test_messages_of_openai_become_those_of_the_older_interface(tmp_path: Path) -> None:
    call = {"id": "c", "function": {"name": "execute", "arguments": '{"language": "shell", "code": "ls"}'}}
    other = {"id": "d", "function": {"name": "search", "arguments": '{"q": 1}'}}
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "hi "}, {"type": "text", "text": "there"}]},
        {"role": "assistant", "content": None, "tool_calls": [call, other, "odd"]},
        {"role": "tool", "tool_call_id": "c", "content": "a b"},
        {"role": "assistant", "content": "done"},
    ]
    (tmp_path / "x.json").write_text(json.dumps({"messages": messages}))
    assert list(load(tmp_path / "x.json").messages) == [
        {"role": "system", "type": "message", "content": "Be kind."},
        {"role": "user", "type": "message", "content": "hi there"},
        {"role": "assistant", "type": "code", "format": "shell", "content": "ls"},
        {"role": "assistant", "type": "code", "format": "json", "content": '{"q": 1}'},
        {"role": "assistant", "type": "code", "format": "json", "content": ""},
        {"role": "computer", "type": "console", "format": "output", "content": "a b"},
        {"role": "assistant", "type": "message", "content": "done"},
    ]


def test_every_kind_of_event_can_be_told(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        log.append_now(*every_kind())
        assert messages_of(log.events()) == []
        again = [event for event in every_kind()[2:16] if not isinstance(event, ApprovalResolved)]
        log.append_now(*again)
        assert [m["type"] for m in messages_of(log.events())][:2] == ["message", "image"]
