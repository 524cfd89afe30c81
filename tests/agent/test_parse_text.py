"""Actions in the text: tags, fences, bare JSON; and what is only shown."""

from __future__ import annotations

import pytest

from .parsing import programs, read

JSON = '{"name": "execute", "arguments": {"language": "python", "code": "print(1)\\nx = 2"}}'
CODE = "print(1)\nx = 2"
TAGS = {
    "hermes": f"<tool_call>\n{JSON}\n</tool_call>",
    "on one line": f"<tool_call>{JSON}</tool_call>",
    "never closed": f"Let me see.\n<tool_call>\n{JSON}",
    "closed by another": f"<tool_call>\n{JSON}\n<tool_call>",
    "in a fence": f"<tool_call>\n```json\n{JSON}\n```\n</tool_call>",
    "function_call": f"<function_call>{JSON}</function_call>",
    "llama": f"<|python_tag|>{JSON}",
    "mistral": f"[TOOL_CALLS][{JSON}]",
    "mistral, name outside": '[TOOL_CALLS]execute{"language": "python", "code": "print(1)\\nx = 2"}',
    "parameters": JSON.replace("arguments", "parameters"),
    "function object": '{"type": "function", "function": ' + JSON + "}",
    "qwen coder": "<tool_call>\n<function=execute>\n<parameter=language>\npython\n</parameter>\n<parameter=code>\n"
    "print(1)\nx = 2\n</parameter>\n</function>\n</tool_call>",
    "qwen coder, not closed": "<function=execute>\n<parameter=language>python</parameter>\n<parameter=code>\n"
    "print(1)\nx = 2\n</parameter>",
    "attributes": '<invoke name="execute"><parameter name="language">python</parameter>'
    '<parameter name="code">print(1)\nx = 2</parameter></invoke>',
    "glm": "<tool_call>execute\n<arg_key>language</arg_key>\n<arg_value>python</arg_value>\n<arg_key>code</arg_key>\n"
    "<arg_value>print(1)\nx = 2</arg_value>\n</tool_call>",
    "harmony": '<|channel|>commentary to=functions.execute <|constrain|>json<|message|>{"language": "python", '
    '"code": "print(1)\\nx = 2"}<|call|>',
    "raw line break": "<tool_call>\n" + JSON.replace("\\n", "\n") + "\n</tool_call>",
    "missing brace": f"<tool_call>\n{JSON[:-1]}\n</tool_call>",
    "one brace too many": f"<tool_call>\n{JSON}}}\n</tool_call>",
    "arguments in a string": '<tool_call>{"name": "execute", "arguments": '
    '"{\\"language\\": \\"python\\", \\"code\\": \\"print(1)\\\\nx = 2\\"}"}</tool_call>',
    "bare": JSON,
    "bare, in prose": f"I will run this:\n\n{JSON}\n\nThen we see.",
    "bare, indented": JSON.replace(", ", ",\n  ").replace("{", "{\n  "),
    "bare arguments": '{"language": "python", "code": "print(1)\\nx = 2"}',
    "bare list": f"[{JSON}]",
    "json block": f"```json\n{JSON}\n```",
    "json block of arguments": '```json\n{"language": "python", "code": "print(1)\\nx = 2"}\n```',
    "tool_code": "```tool_code\nprint(1)\nx = 2\n```",
    "fence": "```python\nprint(1)\nx = 2\n```",
    "four backticks": "````python\nprint(1)\nx = 2\n````",
    "tildes": "~~~python\nprint(1)\nx = 2\n~~~",
    "indented": "1. First:\n   ```python\n   print(1)\n   x = 2\n   ```",
    "list item": "- ```python\n  print(1)\n  x = 2\n  ```",
    "py": "```py\nprint(1)\nx = 2\n```",
    "Python3": "```Python3\nprint(1)\nx = 2\n```",
    "{python}": "```{python}\nprint(1)\nx = 2\n```",
    "with a title": "```python title=a.py\nprint(1)\nx = 2\n```",
    "blank before the language": "``` python\nprint(1)\nx = 2\n```",
    "never closed fence": "Here:\n```python\nprint(1)\nx = 2\n",
    "CRLF": "```python\r\nprint(1)\nx = 2\r\n```\r\n",
    "no language": "```\nprint(1)\nx = 2\n```",
    "language on the first line": "```\npython\nprint(1)\nx = 2\n```",
    "call as a program": "```python\nexecute(language='python', code='print(1)\\nx = 2')\n```",
}


@pytest.mark.parametrize("name", TAGS)
def test_what_small_models_really_emit(name: str) -> None:
    reading = read(TAGS[name])
    assert [e.message for e in reading.errors] == []
    assert programs(reading) == [("python", CODE)]
    assert reading.actions[0].repairs


def test_several_tags_run_in_order() -> None:
    second = JSON.replace("python", "shell").replace("print(1)\\nx = 2", "ls")
    reading = read(f"a <tool_call>{JSON}</tool_call> b <tool_call>{second}</tool_call> c")
    assert programs(reading) == [("python", CODE), ("shell", "ls")]
    assert reading.text.split() == ["a", "b", "c"]


def test_several_objects_in_one_tag() -> None:
    second = JSON.replace("python", "shell").replace("print(1)\\nx = 2", "ls")
    assert programs(read(f"<tool_call>\n{JSON}\n{second}\n</tool_call>")) == [("python", CODE), ("shell", "ls")]


def test_several_fences_run_in_order() -> None:
    reading = read("First\n```bash\ncd /tmp\n```\nthen\n```python\nprint(1)\n```\n")
    assert programs(reading) == [("shell", "cd /tmp"), ("python", "print(1)")]
    assert reading.text.split() == ["First", "then"]


def test_fences_beside_tags_are_only_shown() -> None:
    assert programs(read(f"```bash\nrm -rf x\n```\n<tool_call>{JSON}</tool_call>")) == [("python", CODE)]


SHOWN = [
    "Use `rm -rf build` or ``ls`` to look.",
    "```text\nrm -rf x\n```",
    '```json\n{"a": 1}\n```',
    '```json\n{"name": "left-pad", "version": "1.0"}\n```',
    "```diff\n- a\n+ b\n```",
    "```output\n5\n```",
    "```console\n$ ls\na.txt\n```",
    "```yaml\na: 1\n```",
    "```csv\na,b\n1,2\n```",
    "```markdown\n# Title\n```",
    "```plaintext\nprint(1)\n```",
    "```html\n<p>hi</p>\n```",
    "```toml\n[a]\n```",
    "```dockerfile\nRUN ls\n```",
    "```mermaid\ngraph TD\n```",
    "The result is:\n```\n42\n```",
    "```\ntotal 3\n-rw-r--r-- 1 a\n```",
    "```\nx = 5\n```",
    "```\nls -la\n```",
    "```\nprint(1)\n```\nand\n```\nprint(2)\n```",
    '{"name": "left-pad", "version": "1.0.0"}',
    '{"name": "search", "arguments": {"q": 1}}',
    '{"result": {"language": "de", "count": 3}}',
    "I could call execute(language, code) but I am done.",
    "The tag <tool> is not one of ours.",
    "a < b and b > c",
    "",
    "   \n",
    "```",
    "````",
]


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_only_shown(text: str) -> None:
    reading = read(text)
    assert (reading.actions, reading.errors) == ((), ())
    assert reading.text == text.strip()


@pytest.mark.parametrize("word", ["pyhton", "phyton", "pythn", "pyton", "Pythonn", "pythom"])
def test_a_name_with_one_slip_is_the_language(word: str) -> None:
    assert programs(read(f"So:\n```{word}\n{CODE}\n```")) == [("python", CODE)]
    (action,) = read(f"```{word}\n{CODE}\n```").actions
    assert any(word.lower() in repair for repair in action.repairs)


@pytest.mark.parametrize(
    "word", ["note", "base", "cash", "phantom", "p", "pythagoras", "on", "shells2", "hell", "yaml"]
)
def test_another_word_is_no_language(word: str) -> None:
    assert programs(read(f"So:\n```{word}\n{CODE}\n```")) == []


SPOKEN = [
    'execute(language="python", code="print(1)\\nx = 2")',
    'execute("python", "print(1)\\nx = 2")',
    'execute({"language": "python", "code": "print(1)\\nx = 2"})',
    'execute(language="python", code="""print(1)\nx = 2""")',
    'execute(code="print(1)\\nx = 2", language="py")',
]


@pytest.mark.parametrize("call", SPOKEN)
@pytest.mark.parametrize("around", ["{}", "我来修正，调用 {}", "Now:\n\n{}\n", "I run `{}`.", "好的。{}。"])
def test_a_call_in_prose_at_the_end_is_read(call: str, around: str) -> None:
    reading = read(around.format(call))
    assert programs(reading) == [("python", CODE)]
    assert "execute(" not in reading.text


@pytest.mark.parametrize(
    "text",
    [
        f"You can run {SPOKEN[0]}",
        f"For example:\n{SPOKEN[0]}",
        f"{SPOKEN[0]} is what I would do.",
        f"x.{SPOKEN[0]}",
        SPOKEN[0][:-1],
        'execute(language="python", code=open("x").read())',
        "execute()",
        "execute(language, code)",
    ],
)
def test_a_call_in_prose_that_may_mean_something_else_is_not(text: str) -> None:
    assert programs(read(text)) == []


def test_a_call_in_prose_that_was_cut_off_is_not_read() -> None:
    assert programs(read(SPOKEN[0], finish="length")) == []


def test_fences_within_a_program() -> None:
    code = 'text = """\n# Title\n```bash\nls\n```\n"""\nprint(text)'
    assert programs(read(f"```python\n{code}\n```\nDone.")) == [("python", code)]


def test_a_longer_fence_holds_shorter_ones() -> None:
    code = 'text = """\n```\nls\n```\n"""'
    assert programs(read(f"````python\n{code}\n````")) == [("python", code)]


def test_a_heredoc_that_writes_markdown() -> None:
    code = "cat > README.md <<'EOF'\n# A\n```python\nprint(1)\n```\nEOF\nls"
    assert programs(read(f"```bash\n{code}\n```")) == [("shell", code)]


@pytest.mark.parametrize(
    "code", ["cat > README.md <<'EOF'\n```\nls\n```\nEOF", 'text = """\n```\nls\n```\n"""'], ids=["shell", "python"]
)
def test_a_program_that_holds_bare_fences_is_never_run_in_part(code: str) -> None:
    reading = read(f"```{'bash' if 'EOF' in code else 'python'}\n{code}\n```")
    assert reading.actions == ()
    assert "four backticks" in reading.errors[0].message


INSIDE = [
    *("</parameter>", "</function>", "</tool_call>", "</arg_value>", "<tool_call>", "<parameter=code>", "<arg_key>"),
    *("</function></tool_call> x", "</parameter></function></tool_call>", "</arg_value></tool_call>", "<function=a>"),
]


@pytest.mark.parametrize("inside", INSIDE)
def test_a_program_that_holds_closing_tags_is_whole_or_not_run(inside: str) -> None:
    code = f"print('{inside}')\nprint(2)"
    xml = f"<tool_call><function=execute><parameter=language>python</parameter><parameter=code>\n{code}\n</parameter>"
    xml += "</function></tool_call>"
    pairs = "<tool_call>execute<arg_key>language</arg_key><arg_value>python</arg_value><arg_key>code</arg_key>"
    pairs += f"<arg_value>{code}</arg_value></tool_call>"
    for text in (xml, xml + "\nDone.", pairs):
        assert programs(read(text)) in ([], [("python", code)])


def test_prose_about_a_tag_is_no_call() -> None:
    assert read("I write `<tool_call>` to call.").errors == ()


def test_a_block_that_is_not_closed_before_the_next_is_refused() -> None:
    reading = read("```python\nprint(1)\n\nThen:\n```bash\nls\n```\n")
    assert reading.actions == ()
    assert "not closed" in reading.errors[0].message


def test_an_open_block_of_python_that_does_not_parse_is_refused() -> None:
    assert read("```python\nfor x in range(3").actions == ()


def test_tags_within_a_program_belong_to_it() -> None:
    code = f"s = '''<tool_call>{JSON}</tool_call>'''"
    assert programs(read(f"```python\n{code}\n```")) == [("python", code)]


def test_code_in_tags_may_hold_fences_and_tags() -> None:
    inner = "print('```python')\nprint('</tool_call>')"
    text = '<tool_call>{"name": "execute", "arguments": {"language": "python", "code": '
    text += '"' + inner.replace("\n", "\\n") + '"}}</tool_call>'
    assert programs(read(text)) == [("python", inner)]


CUT = [
    "```python\nprint(1)\nimport sh",
    "```python\nprint(1)\n",
    "```bash\nrm -rf /tmp/a",
    '<tool_call>\n{"name": "execute", "arguments": {"language": "python", "code": "print(1)',
    '<tool_call>\n{"name": "execute", "arguments": {"language": "python", "code": "print(1)"',
    "<tool_call>\n<function=execute>\n<parameter=language>python</parameter>\n<parameter=code>\nprint(1)\n",
    "<tool_call>execute\n<arg_key>language</arg_key><arg_value>python</arg_value>\n<arg_key>code</arg_key><arg_value>print(",
    "<|python_tag|>print(1)\nimport sh",
    '{"name": "execute", "arguments": {"language": "python", "code": "print(1)',
    "<tool_call>\n",
]


@pytest.mark.parametrize("text", CUT)
def test_what_was_cut_off_never_runs(text: str) -> None:
    reading = read("I will run this.\n" + text, finish="length")
    assert reading.actions == ()


@pytest.mark.parametrize("text", CUT[:8])
def test_what_was_cut_off_is_told(text: str) -> None:
    (error,) = read(text, finish="length").errors
    assert "cut off" in error.message
    assert "in parts" in error.message


def test_a_whole_block_before_the_cut_runs() -> None:
    reading = read("```python\nprint(1)\n```\nand\n```python\nprint(", finish="length")
    assert programs(reading) == [("python", "print(1)")]
    assert len(reading.errors) == 1


def test_broken_calls_in_tags_are_told() -> None:
    for text in (
        "<tool_call>I want to run code</tool_call>",
        "<tool_call>{{{</tool_call>",
        "<tool_call>[1]</tool_call>",
    ):
        reading = read(text)
        assert reading.actions == ()
        assert "Expected" in reading.errors[0].message


def test_unknown_tools_in_tags_are_told() -> None:
    reading = read('<tool_call>{"name": "web_search", "arguments": {"q": "x"}}</tool_call>')
    assert "execute, read_output" in reading.errors[0].message


def test_other_tools_in_tags() -> None:
    reading = read('<tool_call>{"name": "read_output", "arguments": {"id": "out1", "offset": 0}}</tool_call>')
    assert programs(reading) == [("read_output", '{"id":"out1","offset":0}')]


EXPLAINED = [
    "All done. You can run it with:\n```bash\npython app.py\n```",
    "Done.\n\nFor example:\n```python\nprint(1)\n```",
    "To run it again:\n```bash\nmake\n```",
    "完成了。你可以这样运行：\n```bash\npython app.py\n```",
]


@pytest.mark.parametrize("text", EXPLAINED)
def test_an_example_is_shown_once_the_model_has_made_native_calls(text: str) -> None:
    assert read(text, native_seen=True).actions == ()
    assert len(read(text).actions) == 1


def test_a_plain_block_runs_also_after_native_calls() -> None:
    assert programs(read("Now I fix it:\n```python\nprint(1)\n```", native_seen=True)) == [("python", "print(1)")]


def test_code_with_nul_in_a_block_is_refused() -> None:
    assert "NUL" in read("```python\nprint('\0')\n```").errors[0].message


STUTTERS = [
    *("<tool_call>x", "<tool_call>{", "<tool_call>execute<arg_key>", "to=functions.execute {"),
    *('[{"a":1},\n', "```py\n"),
]


@pytest.mark.parametrize("unit", STUTTERS)
def test_a_model_that_stutters_is_told_a_bounded_number_of_times(unit: str) -> None:
    reading = read(unit * 10_000)
    assert reading.actions == ()
    assert len(reading.errors) <= 48
