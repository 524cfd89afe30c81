"""The scripted model and its server, as users of this package meet them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import typing
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import ConfigError, ContextExceeded, ModelError, ServerFault
from interpreter.llm.scripted import Reply, Script, ScriptedModel, load_script
from interpreter.types.messages import Answer, Piece, TextPiece

from .ask import ask, request, serving, text, user

DOCS = Path(__file__).parents[2] / "docs" / "scripted.md"


async def play(model: ScriptedModel, words: str = "hello", tools: bool = True) -> tuple[list[Piece], Answer]:
    pieces = [piece async for piece in model.stream(request(user(words), tools=tools))]
    answer = pieces.pop()
    assert isinstance(answer, Answer)
    return pieces, answer


def test_replies_in_order_and_by_what_was_said() -> None:
    async def main() -> None:
        model = ScriptedModel(["one", Reply(text="error!", when="Traceback", times=0), "two", Reply(code="1")])
        assert (await model.connect()).model == "scripted"
        assert (await play(model))[1].text == "one"
        assert (await play(model, "a Traceback"))[1].text == "error!"
        assert (await play(model, "a Traceback"))[1].text == "error!"
        pieces, answer = await play(model)
        assert text(pieces) == answer.text == "two"
        _, answer = await play(model)
        assert answer.calls[0].arguments == '{"language":"python","code":"1"}'
        with pytest.raises(ModelError, match="no reply for request 6"):
            await play(model)
        assert len(model.requests) == 6

    asyncio.run(main())


def test_code_is_said_as_the_request_can_take_it() -> None:
    async def main() -> None:
        model = ScriptedModel(
            [Reply(text="Look.", code="1"), Reply(code="1", form="tag"), Reply(code="1", form="fence")]
        )
        assert (await play(model, tools=False))[1].text == "Look.\n```python\n1\n```\n"
        assert (await play(model))[1].text.startswith("<tool_call>")
        assert (await play(model))[1].text == "```python\n1\n```\n"

    asyncio.run(main())


def test_faults_in_process() -> None:
    async def main() -> None:
        model = ScriptedModel([Reply(fault="overflow"), Reply(text="a b c", fault="break", after=2)])
        with pytest.raises(ContextExceeded):
            await play(model)
        seen: list[Piece] = []
        with pytest.raises(ServerFault):
            async for piece in model.stream(request()):
                seen.append(piece)
        assert text(seen) == "a b"
        assert model.cancelled == 0

    asyncio.run(main())


def test_leaving_is_counted() -> None:
    async def main() -> None:
        model = ScriptedModel([Reply(text="a b c", fault="hang", after=1)])
        stream = model.stream(request())
        assert isinstance(await anext(stream), TextPiece)
        await stream.aclose()
        assert model.cancelled == 1

    asyncio.run(main())


def test_a_script_that_begins_again() -> None:
    async def main() -> None:
        model = ScriptedModel(Script(replies=("a", "b"), loop=True))
        assert [(await play(model))[1].text for _ in range(5)] == ["a", "b", "a", "b", "a"]

    asyncio.run(main())


REPLIES: list[Reply | str] = [
    "plain",
    Reply(text="a", reasoning="b", code="print(1)", finish="length"),
    Reply(text="x" * 3000, piece=7),
]


def test_in_process_and_over_http_the_same_is_said() -> None:
    async def main() -> None:
        model = ScriptedModel(REPLIES)
        async with serving(REPLIES) as (client, _server):
            for _reply in REPLIES:
                here, there = await play(model), await ask(client)
                assert here[0] == there[0]
                for name in ("text", "reasoning", "calls", "finish"):
                    assert getattr(here[1], name) == getattr(there[1], name)

    asyncio.run(main())


BAD = [
    ("replies: [{txt: hello}]", "txt"),
    ("replies: 5", "replies"),
    ("replies:\n  - fault: explode", "explode"),
    ("a: [", "not valid"),
    ("", "not valid"),
]


@pytest.mark.parametrize(("content", "word"), BAD)
def test_a_wrong_script_says_what_is_wrong(tmp_path: Path, content: str, word: str) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_script(path)
    assert word in str(caught.value)
    assert "script.yaml" in str(caught.value)


def test_a_script_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_script(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_script(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid"):
        load_script(tmp_path / "binary")


def test_the_example_of_the_documentation_loads(tmp_path: Path) -> None:
    blocks = DOCS.read_text(encoding="utf-8").split("```yaml\n")[1:]
    assert blocks
    for n, block in enumerate(blocks):
        path = tmp_path / f"{n}.yaml"
        path.write_text(block.split("```")[0])
        assert load_script(path).replies


@pytest.mark.parametrize("kind", [Reply, Script])
def test_every_field_is_documented(kind: Any) -> None:
    words = DOCS.read_text(encoding="utf-8")
    for name in kind.__struct_fields__:
        assert f"`{name}`" in words, name


def test_every_fault_and_quirk_is_documented() -> None:
    words = DOCS.read_text(encoding="utf-8")
    for field in ("fault", "quirks", "refuse", "kind"):
        kind = Script if field in ("refuse", "kind") else Reply
        for name in literals(typing.get_type_hints(kind)[field]):
            assert f"`{name}`" in words, name


def literals(annotation: Any) -> list[str]:
    """The strings that a type allows."""
    if isinstance(annotation, str):
        return [annotation]
    return [name for argument in typing.get_args(annotation) for name in literals(argument)]


def test_the_server_as_a_program(tmp_path: Path) -> None:
    script, log = tmp_path / "script.yaml", tmp_path / "log.jsonl"
    script.write_text("- hello there\n- code: print(1)\n")
    command = [sys.executable, "-m", "interpreter.llm.scripted_server", str(script), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            body = json.dumps({"model": "scripted", "messages": [{"role": "user", "content": "hi"}]}).encode()
            headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
            asked = urllib.request.Request(f"{url}/chat/completions", body, headers)
            with urllib.request.urlopen(asked, timeout=20) as answer:
                assert json.load(answer)["choices"][0]["message"]["content"] == "hello there"
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    line = json.loads(log.read_text().splitlines()[0])
    assert (line["n"], line["size"], line["body"]["messages"][0]["content"]) == (1, len(body), "hi")
    assert "secret" not in log.read_text()


def test_the_server_refuses_a_wrong_script(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "interpreter.llm.scripted_server", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=dict(os.environ))
    assert done.returncode == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr
