"""The same request is asked once: kept for its owner alone, bounded, and marked as what it is."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from interpreter.errors import ModelError
from interpreter.llm import cache
from interpreter.llm.cache import CachedModel, prune
from interpreter.llm.scripted import Reply, ScriptedModel
from interpreter.types.messages import Answer, Message, ModelRequest, Piece, TextPart


def request(text: str = "hello", **more: float) -> ModelRequest:
    return ModelRequest(messages=(Message(role="user", parts=(TextPart(text=text),)),), temperature=more.get("t"))


def ask(model: CachedModel, asked: ModelRequest) -> tuple[list[Piece], Answer]:
    async def whole() -> list[Piece]:
        return [piece async for piece in model.stream(asked)]

    *pieces, answer = asyncio.run(whole())
    assert isinstance(answer, Answer)
    return pieces, answer


def test_the_second_time_nobody_is_asked(tmp_path: Path) -> None:
    server = ScriptedModel([Reply(text="one", code="print(1)"), "two", "three", "four"])
    model = CachedModel(server, tmp_path / "answers", {})
    first = ask(model, request())[1]
    pieces, second = ask(CachedModel(server, tmp_path / "answers", {}), request())
    assert len(server.requests) == 1 and pieces
    assert (second.text, second.calls, second.source) == (first.text, first.calls, "cache")
    assert (second.usage.prompt, second.usage.completion, second.usage.cost, second.duration) == (0, 0, 0.0, 0.0)
    for other in (request("hello "), request(t=0.5)):
        assert ask(model, other)[1].source == ""
    assert ask(CachedModel(server, tmp_path / "answers", {"top_k": 1}), request())[1].source == ""


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    ask(CachedModel(ScriptedModel(["one"]), tmp_path / "answers", {}), request())
    (file,) = (tmp_path / "answers").iterdir()
    assert (tmp_path / "answers").stat().st_mode & 0o777 == 0o700 and file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("spoil", ["", "{", '{"key": "other", "answer": {"type": "answer"}}', "link", "old"])
def test_what_cannot_be_used_is_asked_again(tmp_path: Path, spoil: str) -> None:
    server = ScriptedModel(["one", "two"])
    model = CachedModel(server, tmp_path / "answers", {})
    ask(model, request())
    (file,) = (tmp_path / "answers").iterdir()
    if spoil == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    elif spoil == "old":
        os.utime(file, (1, 1))
    else:
        file.write_text(spoil)
    assert ask(model, request())[1].text == "two"


def test_faults_and_cut_answers_are_not_kept(tmp_path: Path) -> None:
    server = ScriptedModel([Reply(fault="server_error"), Reply(text="half", finish="length"), "whole"])
    model = CachedModel(server, tmp_path / "answers", {})
    with pytest.raises(ModelError):
        ask(model, request())
    assert [ask(model, request())[1].text for _n in range(3)] == ["half", "whole", "whole"]


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_FILES", 3)
    now = time.time()
    for n in range(6):
        (tmp_path / f"{n}.json").write_text("x")
        os.utime(tmp_path / f"{n}.json", (now - 100 + n, now - 100 + n))
    prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.json", "4.json", "5.json"]
    monkeypatch.setattr(cache, "MOST_BYTES", 1)
    prune(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["5.json"]
    prune(tmp_path / "none")
