"""Deltas and facts that mean no good: no quadratic time, and no error but a ModelError."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from interpreter.errors import MalformedAnswer, ModelError
from interpreter.llm.chunks import MOST_JOINED, Assembler, usage_of
from interpreter.llm.contact import OLLAMA_WINDOW
from interpreter.llm.http import HttpModel
from interpreter.llm.options import Prices
from interpreter.llm.think import ThinkSplitter
from interpreter.types.messages import ServerFacts

from ..bounded import printed
from .raw import against


def test_thinking_may_begin_as_often_as_it_likes() -> None:
    assert ThinkSplitter().feed("<think>x</think>" * 5_000 + "b") == ("x" * 5_000, "b")


FEEDS = [
    """
from interpreter.llm.think import ThinkSplitter
splitter = ThinkSplitter()
for _ in range(200_000):
    splitter.feed('          ')
print(len(splitter.rest()[1]))
""",
    """
from interpreter.llm.chunks import Assembler
answer = Assembler()
for n in range(150_000):
    answer.feed(b'{"choices":[{"delta":{"tool_calls":[{"index":%d,"function":{"name":"e","arguments":"{}"}}]}}]}' % n)
print(len(answer.result()[2]))
""",
    """
from interpreter.llm.chunks import Assembler
answer, piece = Assembler(), 'a' * 1000
delta = '{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"e","arguments":"%s"}}]}}]}'
answer.feed((delta % ('\\\\"' + piece)).encode())
for _ in range(20_000):
    answer.feed((delta % piece).encode())
print(len(answer.result()[2]))
""",
]


@pytest.mark.parametrize(
    ("code", "result"),
    list(zip(FEEDS, (2_000_000, 150_000, 1), strict=True)),
    ids=["white space", "calls", "arguments"],
)
def test_what_comes_in_many_pieces_is_looked_at_once(code: str, result: int) -> None:
    assert printed(code) == str(result)


def test_a_value_over_lines_without_end_is_no_answer() -> None:
    answer = Assembler()
    with pytest.raises(MalformedAnswer, match="not the protocol"):
        for _n in range(MOST_JOINED + 1):
            assert answer.feed(b"[1,") == []
    with pytest.raises(MalformedAnswer, match="not the protocol"):
        Assembler().feed(b'["' + b"a" * (2 << 20))


def test_a_value_over_some_lines_with_empty_ones_between() -> None:
    answer = Assembler()
    for _n in range(3):
        for line in (b'{"choices":', *[b""] * 300, b'[{"delta":', b'{"content":"a"}}]}'):
            answer.feed(line)
    answer.end()
    assert answer.result()[0] == "aaa"


def test_a_value_of_another_shape_that_breaks_off_is_no_answer() -> None:
    answer = Assembler()
    assert answer.feed(b'{"choices":5,') == []
    with pytest.raises(MalformedAnswer, match="not the protocol"):
        answer.end()


@pytest.mark.parametrize("digits", [20, 400, 5_000])
def test_a_count_of_hundreds_of_digits_is_none(digits: int) -> None:
    answer = Assembler()
    answer.feed(b'{"choices":[],"usage":{"completion_tokens":3,"prompt_tokens":9' + b"0" * digits + b"}}")
    if digits < 5_000:
        usage = usage_of(answer.usage, Prices(input=1.0, output=1.0))
        assert (usage.prompt, usage.completion, usage.cost) == (0, 3, 3e-6)


@pytest.mark.parametrize("depth", [100, *range(300, 1000, 20)])
def test_arguments_and_content_may_be_nested_as_deeply_as_they_like(depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    for delta in (
        b'{"tool_calls":[{"index":0,"function":{"name":"e","arguments":%b}}]}' % nested,
        b'{"content":[{"text":%b},{"text":"b"}]}' % nested,
    ):
        answer = Assembler()
        with nullcontext() if depth == 100 else suppress(ModelError):
            answer.feed(b'{"choices":[{"delta":%b}]}' % delta)
            text, _reasoning, calls = answer.result()
            assert text or calls or depth > 900, "only what no reader of JSON can take is passed over"


def facts(card: dict[str, Any], other: bytes) -> ServerFacts:
    """Of a server with this model, which answers every other question so."""

    def pieces(listing: bool) -> Iterator[bytes]:
        body = json.dumps({"data": [card, {"id": "m"}]}).encode() if listing else other
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def use(model: HttpModel) -> ServerFacts:
        return await model.connect()

    return asyncio.run(against(pieces, use, 0, model="m"))


def test_a_window_of_hundreds_of_digits_is_none() -> None:
    assert facts({"id": "m", "max_model_len": 10**400}, b"{}").context_window is None
    for digits in (13, 5_000):
        shown = b'{"parameters":"stop x\\nnum_ctx %b"}' % (b"9" * digits)
        assert facts({"id": "m", "owned_by": "library"}, shown).context_window == OLLAMA_WINDOW
    assert facts({"id": "m", "owned_by": "library"}, b'{"parameters":"num_ctx 8192"}').context_window == 8192


@pytest.mark.parametrize("depth", [100, *range(300, 900, 50)])
def test_a_name_may_be_nested_as_deeply_as_it_likes(depth: int) -> None:
    nested: Any = 1
    for _n in range(depth):
        nested = [nested]
    found = facts({"id": nested, "owned_by": nested, "max_model_len": nested}, b"{}")
    assert found.models == ("m",) and found.context_window is None
    assert (
        facts({"id": "m", "owned_by": "library"}, b'{"parameters":' + b"[" * depth + b"]" * depth + b"}").model == "m"
    )
