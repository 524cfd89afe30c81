"""Answers that would cost minutes, or for ever, if their reading grew faster than they do."""

from __future__ import annotations

import pytest

from .parsing import programs, read

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("line", ["#!/bin/bash " + "-" * 60 + " x", "#!" + "/a-" * 300_000 + " x"])
def test_a_first_line_with_strokes(line: str) -> None:
    assert programs(read(f"```sh\n{line}\necho\n```\n")) == [("shell", f"{line}\necho")]


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/python3.11 -I",
        "#!/usr/bin/env -S python3 -I -u ",
        "#! /usr/bin/env python\t-x-y - --z\t",
        "#!/usr/local/bin/python3\r",
    ],
)
def test_a_shebang_names_the_language(line: str) -> None:
    assert [language for language, _code in programs(read(f"```sh\n{line}\nprint(1)\n```\n"))] == ["python"]


MEGABYTE = 1_000_000
ENDLESS = {
    "blanks behind a fence": "```" + " " * MEGABYTE + "`",
    "a fence of strokes": "~" * MEGABYTE + "`",
    "here-documents": "```sh\n" + "cat <<A\n" * 120_000 + "A\n",
    "blocks of nothing": "```sh\n```\n" * 100_000,
    "blocks that end early": "```python\nx=\n```\n" * 55_000,
    "tags with nothing": "<tools>x" * 120_000,
    "tags and blanks": "<tool_call>x" + " " * MEGABYTE,
    "a tag with loose objects": "<tool_call>" + "{a:1}" * 200_000,
    "a tag with objects": "<tool_call>" + '{"a":1}' * 140_000,
    "quotes and commas": '{"a":"' + '",' * 500_000,
    "objects that begin": "{'a':'x'b',\n" * 80_000,
    "empty lines": " \n" * 500_000 + "{",
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_a_megabyte_of_what_is_no_answer(text: str) -> None:
    reading = read(text)
    assert len(reading.actions) + len(reading.errors) <= 48


def test_a_call_is_found_behind_many_that_cannot_be_read() -> None:
    broken = '<tool_call>{"name": "execute", "arguments": }</tool_call>\n' + "Then I look again. " * 100 + "\n"
    text = broken * 40 + '<tool_call>{"language": "sh", "code": "ls"}</tool_call>'
    assert programs(read(text)) == [("shell", "ls")]
    prose = "{name} is a placeholder.\n" * 40
    assert programs(read(prose + '{"language": "sh", "code": "ls"}')) == [("shell", "ls")]


def test_a_long_introduction_is_read_to_its_beginning() -> None:
    said = "For example " + "it does this and that, " * 200 + "\n\n \n"
    assert programs(read(f"{said}```sh\nls\n```\n", native_seen=True)) == []
    assert programs(read(f"{said}Now:\n```sh\nls\n```\n", native_seen=True)) == [("shell", "ls")]


@pytest.mark.parametrize("before", ["", "I list.\n", "I list.\n\n \n", "\r\n", " \x0b"])
def test_a_bare_call_is_read_alike_behind_empty_lines(before: str) -> None:
    """It was taken for one that was cut off where words follow on its line, but only behind an empty line."""
    call = '{"language": "python", "code": "print(\'a\')"}'
    assert programs(read(f"{before}{call}. That lists it.")) == [("python", "print('a')")]


def test_a_call_in_a_list_over_lines_is_read() -> None:
    call = '[\n\n  {"name": "execute", "arguments": {"language": "sh", "code": "ls"}}\n]'
    assert programs(read(f"Look:\n\n{call}")) == [("shell", "ls")]
