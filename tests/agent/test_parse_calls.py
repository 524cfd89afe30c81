"""Native calls: names, arguments, broken JSON, and what is never run."""

from __future__ import annotations

import json

import pytest

from interpreter.agent.parse import read_answer
from interpreter.tools.builtin import load
from interpreter.tools.registry import Registry
from interpreter.types.base import code_sha256
from interpreter.types.messages import Answer, ToolCall

from .parsing import call, programs, read


def test_a_sound_call_is_taken_as_it_is() -> None:
    code = "import re\r\nprint('ä', \"\\d\")\n\n"
    reading = call(json.dumps({"language": "python", "code": code}))
    (action,) = reading.actions
    assert (action.language, action.code, action.repairs) == ("python", code, ())
    assert action.call_id == "call_0"
    assert action.sha256 == code_sha256(code)
    assert reading.errors == ()


def test_ids_cannot_be_guessed_and_differ() -> None:
    arguments = json.dumps({"language": "python", "code": "1"})
    reading = read("", ("execute", arguments), ("execute", arguments))
    assert len({a.id for a in reading.actions}) == 2
    assert [a.call_id for a in reading.actions] == ["call_0", "call_1"]


NAMES = [
    ("execute", "python"),
    ("functions.execute", "python"),
    ("functions.execute:0", "python"),
    ("tools.execute", "python"),
    ("Execute", "python"),
    ("execute_code", "python"),
    ("run_code", "python"),
    ("run", "python"),
    ("code_interpreter", "python"),
    ("python", "python"),
    ("python_repl", "python"),
    ("run_python", "python"),
    ("execute_python_code", "python"),
    ("python_interpreter", "python"),
    ("run_python_script", "python"),
]


@pytest.mark.parametrize(("name", "language"), NAMES)
def test_other_names_of_the_tool(name: str, language: str) -> None:
    reading = call('{"language": "python", "code": "print(1)"}', name)
    assert programs(reading) == [(language, "print(1)")]
    assert bool(reading.actions[0].repairs) == (name != "execute")


@pytest.mark.parametrize(
    "name", ["bash", "shell", "run_shell", "execute_bash", "run_command", "terminal", "execute_command", "sh"]
)
def test_names_that_imply_the_shell(name: str) -> None:
    assert programs(call('{"command": "ls -la"}', name)) == [("shell", "ls -la")]


@pytest.mark.parametrize("name", ["node", "javascript", "run_js", "execute_javascript"])
def test_names_that_imply_javascript(name: str) -> None:
    assert programs(call('{"code": "1 + 1"}', name)) == [("javascript", "1 + 1")]


ARGUMENTS = [
    ('{"lang": "py", "source": "print(1)"}', "python", "print(1)"),
    ('{"Language": "Python", "Code": "print(1)"}', "python", "print(1)"),
    ('{"language": "python3", "script": "print(1)"}', "python", "print(1)"),
    ('{"language": "bash", "cmd": "ls"}', "shell", "ls"),
    ('{"command": "ls"}', "shell", "ls"),
    ('{"command": ["ls", "-l", "a b"]}', "shell", "ls -l 'a b'"),
    ('{"command": ["bash", "-lc", "cd /tmp && ls"]}', "shell", "cd /tmp && ls"),
    ('{"language": "python", "code": ["import os", "print(os.getcwd())"]}', "python", "import os\nprint(os.getcwd())"),
    ('{"language": "python", "input": "print(1)"}', "python", "print(1)"),
    ('{"python": "print(1)"}', "python", "print(1)"),
    ('{"python_code": "print(1)"}', "python", "print(1)"),
    ('{"code": "import os\\nprint(os.name)"}', "python", "import os\nprint(os.name)"),
    ('{"code": "#!/bin/bash\\nls"}', "shell", "#!/bin/bash\nls"),
    ('{"language": "bash", "code": "#!/usr/bin/env python3\\nprint(1)"}', "python", "#!/usr/bin/env python3\nprint(1)"),
    ('{"arguments": {"language": "python", "code": "print(1)"}}', "python", "print(1)"),
    ('{"name": "execute", "arguments": {"language": "python", "code": "print(1)"}}', "python", "print(1)"),
    ('[{"language": "python", "code": "print(1)"}]', "python", "print(1)"),
    ('"{\\"language\\": \\"python\\", \\"code\\": \\"print(1)\\"}"', "python", "print(1)"),
    ('"import os\\nprint(os.name)"', "python", "import os\nprint(os.name)"),
    ("import os\nprint(os.name)", "python", "import os\nprint(os.name)"),
    ('{"language": "python", "code": "```python\\nprint(1)\\n```"}', "python", "print(1)"),
    ('{"code": "```bash\\nls\\n```"}', "shell", "ls"),
    ('{"code": "python\\nprint(1)"}', "python", "print(1)"),
    ('{"language": "shell", "code": "bash\\nls"}', "shell", "ls"),
    ('{"language": "shell", "code": "$ ls\\n$ pwd"}', "shell", "ls\npwd"),
    ('{"language": "python", "code": ">>> x = 1\\n>>> x\\n1"}', "python", "x = 1\nx"),
    ('{"language": "python", "code": "import os\\\\nprint(os.name)"}', "python", "import os\nprint(os.name)"),
    ('{"language": "python", "code": "execute(\'shell\', \'ls\')"}', "shell", "ls"),
    ('{"language": "python", "code": "execute(language=\\"python\\", code=\\"print(1)\\")"}', "python", "print(1)"),
]


@pytest.mark.parametrize(("arguments", "language", "code"), ARGUMENTS)
def test_arguments_of_another_shape(arguments: str, language: str, code: str) -> None:
    reading = call(arguments)
    assert reading.errors == ()
    assert programs(reading) == [(language, code)]
    assert reading.actions[0].repairs, "what was mended is named"


BROKEN = [
    ('{"language": "python", "code": "print(1)\nprint(2)"}', "print(1)\nprint(2)"),
    ('{"language": "python", "code": "print(1)",}', "print(1)"),
    ("{'language': 'python', 'code': 'print(1)'}", "print(1)"),
    ('{"language": "python", "code": "print(1)"', "print(1)"),
    ('{"language": "python", "code": "print(1)"}}', "print(1)"),
    (r'{"language": "python", "code": "re.findall(\"\d+\", s)"}', r're.findall("\d+", s)'),
    (r"""{"language": "python", "code": "print(\'a\')"}""", "print('a')"),
    ('{"language": "python", "code": "print("hi")"}', 'print("hi")'),
    ('{"language": "python", "code": "print("a", "b")"}', 'print("a", "b")'),
    ('{"language": "python", "code": "print(d["a"])"}', 'print(d["a"])'),
    ('{"language": "python", "code": "print(f"{d["a"]}")"}', 'print(f"{d["a"]}")'),
    ('{"language": "python" "code": "print(1)"}', "print(1)"),
    ('{language: "python", code: "print(1)"}', "print(1)"),
    ('{"language": "python", "code": """print("a\\n")\nprint(2)"""}', 'print("a\\n")\nprint(2)'),
    ('{"language": "python", "background": False, "code": "print(1)"}', "print(1)"),
    ('{"language": "python", "code": "print(1)"} \n', "print(1)"),
]


@pytest.mark.parametrize(("arguments", "code"), BROKEN)
def test_broken_json_is_mended(arguments: str, code: str) -> None:
    reading = call(arguments)
    assert reading.errors == ()
    assert programs(reading) == [("python", code)]


@pytest.mark.parametrize("arguments", [a for a, _ in BROKEN[:-1]])
def test_each_repair_is_named(arguments: str) -> None:
    assert call(arguments).actions[0].repairs


HALF = [
    '{"language": "python", "code": "print(1)\\nimport sh',
    '{"language": "python", "code": "print(1)',
    '{"language": "python", "code": \'\'\'print(1)\n',
    '{"language": "python", "code": """print(1)\n',
    '{"language": "pyth',
]


@pytest.mark.parametrize("arguments", HALF)
@pytest.mark.parametrize("finish", ["stop", "tool_calls", "length", "other"])
def test_half_a_program_never_runs(arguments: str, finish: str) -> None:
    reading = call(arguments, finish=finish)  # pyright: ignore[reportArgumentType]
    assert reading.actions == ()
    (error,) = reading.errors
    assert error.call_id == "call_0"
    assert "cut off" in error.message


def test_missing_brackets_are_a_repair_only_where_nothing_was_cut() -> None:
    arguments = '{"language": "python", "code": "print(1)"'
    assert programs(call(arguments, finish="stop")) == [("python", "print(1)")]
    assert call(arguments, finish="length").actions == ()


def test_a_whole_call_counts_even_where_the_answer_was_cut_behind_it() -> None:
    whole = '{"language": "python", "code": "print(1)"}'
    half = '{"language": "python", "code": "pri'
    reading = read("", ("execute", whole), ("execute", half), finish="length")
    assert programs(reading) == [("python", "print(1)")]
    assert [e.call_id for e in reading.errors] == ["call_1"]


def test_bare_code_may_be_half_a_program_when_the_answer_was_cut() -> None:
    assert programs(call("import os\nprint(1)", "python", finish="stop")) == [("python", "import os\nprint(1)")]
    assert call("import os\nprint(1)", "python", finish="length").actions == ()


UNREADABLE = [
    ("", "empty"),
    ("{}", "no code"),
    ('{"language": "python"}', "no code"),
    ('{"language": "python", "code": ""}', "empty"),
    ('{"language": "python", "code": "  \\n"}', "empty"),
    ('{"language": "klingon", "code": "x"}', "klingon"),
    ('{"code": "hello there"}', "language"),
    ("{true}", "JSON"),
    ('{"language": "python", "code": "a"}{"language": "python", "code": "b"}', "behind"),
    ('{"language": "python", "code": "a\\u0000b"}', "NUL"),
    ('{"language": "python", "code": "a\\ud800b"}', "surrogate"),
    ("42", "language"),
    ("null", "language"),
    ("[" * 5000, "language"),
    ('{"a":' * 5000, "JSON"),
]


@pytest.mark.parametrize(("arguments", "word"), UNREADABLE)
def test_what_cannot_be_read_says_what_was_expected(arguments: str, word: str) -> None:
    reading = call(arguments)
    assert reading.actions == ()
    (error,) = reading.errors
    assert word.lower() in error.message.lower()
    assert len(error.message) < 400


def test_quotes_that_cannot_be_told_apart_never_cut_the_program_short() -> None:
    reading = call('{"language": "python", "code": "d = {"k": "v"}\nprint(d)"}')
    assert [code for _, code in programs(reading)] in ([], ['d = {"k": "v"}\nprint(d)'])


def test_unknown_tools_are_answered_with_those_there_are() -> None:
    reading = call('{"query": "weather"}', "web_search")
    assert reading.actions == ()
    assert "web_search" in reading.errors[0].message
    assert "execute, read_output" in reading.errors[0].message


def test_unknown_languages_are_answered_with_those_there_are() -> None:
    assert "python" in call('{"language": "klingon", "code": "x"}').errors[0].message


def test_other_tools_become_actions_in_their_place() -> None:
    code = json.dumps({"language": "python", "code": "1"})
    reading = read("", ("execute", code), ("functions.read-output", '{"id": "out1", "offset": 10,}'))
    assert programs(reading) == [("python", "1"), ("read_output", '{"id":"out1","offset":10}')]
    assert reading.actions[1].repairs


def test_another_tool_wants_an_object() -> None:
    assert call('"out1"', "read_output").actions == ()


def test_a_call_without_a_name_is_read_by_its_arguments() -> None:
    assert programs(call('{"language": "python", "code": "1"}', "")) == [("python", "1")]


def test_text_beside_native_calls_is_only_shown() -> None:
    reading = read("Look:\n```python\nboom()\n```", ("execute", '{"language": "python", "code": "1"}'))
    assert programs(reading) == [("python", "1")]
    assert "boom()" in reading.text


def test_too_many_actions() -> None:
    reading = read("", *[("execute", '{"language": "python", "code": "1"}')] * 30)
    assert len(reading.actions) == 24
    assert len(reading.errors) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "repair"),
    [
        ('{"path":"\\\\ud800"}', '{"arguments":{"path":"?"},"tool":"read_file"}', ""),
        ('{"arguments":{"path":"a"}}', '{"arguments":{"path":"a"},"tool":"read_file"}', "arguments within 'arguments'"),
        ('{"path":"a",}', '{"arguments":{"path":"a"},"tool":"read_file"}', ""),
        ('{"path":"a","lines":1e400}', '{"arguments":{"path":"a"},"tool":"read_file"}', ""),
    ],
)
def test_calls_of_further_tools(arguments: str, code: str, repair: str) -> None:
    arguments = arguments.replace("\\\\", "\\")
    answer = Answer(calls=(ToolCall(id="1", name="functions.read-file", arguments=arguments),), finish="tool_calls")
    found = read_answer(answer, ("execute", "read_output"), {}, book=Registry([load("read_file")]))
    assert [action.code for action in found.actions] == [code] and not found.errors
    assert found.actions[0].repairs[0] == "tool 'functions.read-file' read as read_file"
    assert not repair or repair in found.actions[0].repairs


@pytest.mark.parametrize(
    "arguments", ["null", '"a"', "[" * 5000, '{"path":' + "[" * 900 + "]" * 900 + "}", "", "{", "x"]
)
def test_what_is_no_call_of_a_further_tool_is_told(arguments: str) -> None:
    answer = Answer(calls=(ToolCall(id="1", name="read_file", arguments=arguments),), finish="tool_calls")
    found = read_answer(answer, ("execute", "read_output"), {}, book=Registry([load("read_file")]))
    assert not found.actions and len(found.errors) == 1 and len(found.errors[0].message) < 400
