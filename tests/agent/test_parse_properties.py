"""What holds for every answer, however strange."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.types.base import code_sha256

from .parsing import call, programs, read

PARTS = [
    *("```", "```python\n", "````", "~~~sh\n", "\n", " ", "}", "[", "]", "\\", "'", '"', ",", ":", '"}', '"""'),
    *("<tool_call>", "</tool_call>", "<function=execute>", "</function>", "<parameter=code>", "</parameter>"),
    *('{"name": "execute", "arguments": ', '{"language": "python", "code": "', "print(1)", "python", "#!/bin/sh\n"),
    *("<|python_tag|>", "[TOOL_CALLS]", "<arg_key>", "<arg_value>", "to=functions.execute ", "<invoke name='x'>"),
    *("\0", "\ud800", "é", "\\u12"),
]
FRAGMENTS = st.sampled_from(PARTS)
MESS = st.lists(FRAGMENTS | st.text(max_size=8), max_size=24).map("".join)
FINISH = st.sampled_from(["stop", "tool_calls", "length", "other"])
CODE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(max_examples=200, deadline=None)
@given(MESS, FINISH)
def test_no_text_makes_it_fail(text: str, finish: str) -> None:
    reading = read(text, finish=finish)  # pyright: ignore[reportArgumentType]
    for action in reading.actions:
        assert action.sha256 == code_sha256(action.code)
        assert action.code.strip()
        assert "\0" not in action.code


@settings(max_examples=200, deadline=None)
@given(MESS, MESS, FINISH)
def test_no_call_makes_it_fail(name: str, arguments: str, finish: str) -> None:
    reading = read("", (name, arguments), finish=finish)  # pyright: ignore[reportArgumentType]
    assert len(reading.actions) + len(reading.errors) == 1


@settings(max_examples=150, deadline=None)
@given(CODE)
def test_code_comes_through_a_native_call_byte_for_byte(code: str) -> None:
    wanted = "x = 1\n" + code
    reading = call(json.dumps({"language": "python", "code": wanted}))
    assert programs(reading) == [("python", wanted)]
    assert reading.actions[0].repairs == ()


@settings(max_examples=150, deadline=None)
@given(CODE, st.booleans())
def test_a_call_that_was_not_mended_is_as_it_was_sent(code: str, ascii_only: bool) -> None:
    reading = call(json.dumps({"language": "shell", "code": code}, ensure_ascii=ascii_only))
    for action in reading.actions:
        assert action.code == code or action.repairs


@settings(max_examples=150, deadline=None)
@given(CODE, st.data())
def test_nothing_that_was_cut_off_runs(code: str, data: st.DataObject) -> None:
    whole = json.dumps({"language": "python", "code": code})
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert call(cut, finish="length").actions == ()
    assert read("<tool_call>\n" + '{"name": "execute", "arguments": ' + cut, finish="length").actions == ()


@settings(max_examples=150, deadline=None)
@given(CODE, st.data())
def test_a_cut_string_never_runs_even_where_the_server_says_it_ended(code: str, data: st.DataObject) -> None:
    head = '{"language": "python", "code": "'
    inner = json.dumps(code)[1:-1]
    cut = head + inner[: data.draw(st.integers(0, len(inner)))]
    assert call(cut, finish="stop").actions == ()


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0`~\r"), min_size=1), FINISH)
def test_a_fenced_block_comes_through(code: str, finish: str) -> None:
    wanted = "x = 1\n" + code
    reading = read(f"```python\n{wanted}\n```", finish=finish)  # pyright: ignore[reportArgumentType]
    assert programs(reading) == [("python", wanted)]
