"""The small parts, fed with any pieces: event lines, chunked bodies, deltas."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.errors import MalformedAnswer, ServerFault
from interpreter.llm.chunks import Assembler, usage_of
from interpreter.llm.faults import refused_field, retry_after
from interpreter.llm.plain import unchunk
from interpreter.llm.sse import DataLines
from interpreter.types.messages import CallPiece, TextPiece


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(c for c in cuts if c < len(data))})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


CUTS = st.lists(st.integers(0, 400), max_size=20)


@settings(max_examples=200, deadline=None)
@given(CUTS)
def test_lines_fall_anywhere(cuts: list[int]) -> None:
    data = b': ping\r\n\r\nevent: x\ndata: {"a": 1}\n\ndata:{"b": 2}\r\n\r\nid: 5\ndata: \xe4\xbd\xa0\n\ndata: [DONE]'
    lines = DataLines()
    found = [line for piece in pieces_of(data, cuts) for line in lines.feed(piece)] + lines.end()
    assert found == [b'{"a": 1}', b'{"b": 2}', "你".encode(), b"[DONE]"]
    assert lines.other == b""


def test_what_is_no_event_is_kept_for_the_error() -> None:
    lines = DataLines()
    assert lines.feed(b"<html>\n<title>x</title>\n") + lines.end() == []
    assert lines.other == b"<html>\n<title>x</title>\n"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=8), CUTS, st.booleans())
def test_chunks_fall_anywhere(parts: list[bytes], cuts: list[int], trailer: bool) -> None:
    data = b"".join(b"%X;ext=1\r\n%b\r\n" % (len(p), p) for p in parts)
    data += b"0\r\nX-Sum: 1\r\n\r\n" if trailer else b"0\r\n\r\n"
    buffer, found, last = bytearray(), b"", False
    for piece in pieces_of(data, cuts):
        assert not last
        buffer += piece
        got, used, last = unchunk(buffer)
        del buffer[:used]
        found += b"".join(got)
    assert last
    assert (found, bytes(buffer)) == (b"".join(parts), b"")


def test_what_is_no_chunk() -> None:
    with pytest.raises(ServerFault):
        unchunk(bytearray(b"hello\r\n"))


def fed(*chunks: object) -> Assembler:
    assembler = Assembler()
    for chunk in chunks:
        assembler.feed(chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode())
    assembler.end()
    return assembler


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields}]}


def test_a_call_whose_name_and_id_come_with_every_piece() -> None:
    def piece(arguments: str) -> dict[str, object]:
        function = {"name": "execute", "arguments": arguments}
        return delta(tool_calls=[{"index": 0, "id": "a", "function": function}])

    _, _, calls = fed(piece('{"code":'), piece('"1"'), piece("}")).result()
    assert [(c.id, c.name, c.arguments) for c in calls] == [("a", "execute", '{"code":"1"}')]


def test_two_calls_under_one_index_with_different_ids() -> None:
    def piece(ident: str) -> dict[str, object]:
        return delta(tool_calls=[{"index": 0, "id": ident, "function": {"name": "execute", "arguments": "{}"}}])

    _, _, calls = fed(piece("a"), piece("b")).result()
    assert [c.id for c in calls] == ["a", "b"]


def test_shapes_that_do_not_fit() -> None:
    assembler = fed(
        delta(content=[{"type": "text", "text": "a"}]),
        delta(content="b", tool_calls={"index": "x", "function": {"name": "execute", "arguments": {"code": "1"}}}),
        {"choices": None},
        {"choices": [None, {"delta": None, "finish_reason": 5}]},
        [1],
        {"object": "ping"},
        {
            "choices": [
                {"delta": {"function_call": {"name": "old", "arguments": "{}"}}, "finish_reason": "function_call"}
            ]
        },
    )
    text, _, calls = assembler.result()
    assert text == "ab"
    assert [(c.name, c.arguments) for c in calls] == [("execute", '{"code":"1"}'), ("old", "{}")]
    assert assembler.finished(calls) == "tool_calls"


def test_json_over_several_data_lines() -> None:
    assembler = fed(b'{"choices": [{"delta":', b'{"content": "a"}}]}')
    assert assembler.result()[0] == "a"
    with pytest.raises(MalformedAnswer):
        fed(b'{"choices": [')


def test_empty_calls_are_left_out_and_nameless_ones_kept() -> None:
    calls: list[dict[str, Any]] = [
        {"index": 0, "function": {}},
        {"index": 1, "function": {"arguments": '{"code": "1"}'}},
    ]
    assert [c.arguments for c in fed(delta(tool_calls=calls)).result()[2]] == ['{"code": "1"}']


def test_a_name_that_comes_late_brings_what_was_held() -> None:
    assembler = Assembler()
    first = assembler.feed(json.dumps(delta(tool_calls=[{"index": 0, "function": {"arguments": "{"}}])).encode())
    second = assembler.feed(
        json.dumps(delta(tool_calls=[{"index": 0, "function": {"name": "execute", "arguments": "}"}}])).encode()
    )
    assert first == []
    assert second == [CallPiece(index=0, name="execute", arguments="{}")]


def test_text_beside_other_choices() -> None:
    assert Assembler().feed(json.dumps(delta(content="a")).encode()) == [TextPiece(text="a")]


def test_usage_of_other_shapes() -> None:
    assert usage_of({}, None).prompt == 0
    assert (
        usage_of({"prompt_tokens": None, "prompt_tokens_details": None, "completion_tokens": -1}, None).completion == 0
    )


REFUSALS = [
    (400, "registry.ollama.ai/library/gemma does not support tools", "tools"),
    (400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set', "tools"),
    (500, "tools param requires --jinja flag", "tools"),
    (500, "Jinja Exception: Conversation roles must alternate", "tools"),
    (422, "tools.0.function.strict: Extra inputs are not permitted", "strict"),
    (400, "Unrecognized request argument supplied: stream_options", "stream_options"),
    (400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
    (400, "Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
    (400, "This model's maximum context length is 4096 tokens", ""),
    (400, "messages is empty", ""),
    (401, "tools are not for you", ""),
    (503, "does not support tools", ""),
]


@pytest.mark.parametrize(("status", "words", "field"), REFUSALS)
def test_which_field_a_server_refuses(status: int, words: str, field: str) -> None:
    assert refused_field(status, words) == field


WAITS: list[tuple[dict[str, str], float | None]] = [
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": "0.5"}, 0.5),
    ({"retry-after-ms": "250"}, 0.25),
    ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ({"retry-after": "soon"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
