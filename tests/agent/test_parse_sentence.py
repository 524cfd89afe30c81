"""A fence behind the words of a sentence: read where nothing else can be meant, and never where it is spoken of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .parsing import programs, read

CODE = "import os\nfor name in os.listdir('.'):\n    print(name)\n\n  \n# \t end"
READ = {
    "a colon": (f"Let me see: ```python\n{CODE}\n```", "python"),
    "a sentence": (f"First I look at the files. ```python\n{CODE}\n```\nThen we go on.", "python"),
    "several lines before": (f"I have a plan.\n\n1. Look at the files: ```py\n{CODE}\n```\n", "python"),
    "Chinese": (f"我先看看有哪些文件：```python\n{CODE}\n```\n然后继续。", "python"),
    "carriage returns": ("Now: ```python\r\nprint(1)\r\n```\r\n", "python"),
    "shell at the end": ("Now I list them: ```bash\nls -la\n```", "shell"),
}
SHOWN = [
    "Put the code between ```python\nand\n```\nlike this.",
    "A block begins with: ```python\nprint('hi')\n```",
    "Use a fence, as in: ```python\nprint('hi')\n```",
    "You can run it yourself: ```python\nprint('hi')\n```",
    "For example: ```python\nprint('hi')\n```",
    "代码块这样写：```python\nprint('hi')\n```",
    "I used ```python\nprint('hi')\n```",
    "The answer is: ```text\nprint('hi')\n```",
    'The answer is: ```json\n{"a": 1}\n```',
    "Result: ```python\n42\n```",
    "Names: ```python\nname\n```",
    "Not closed: ```python\nprint('hi')\n",
    "On one line: ```python print('hi')```",
    "Closed too late: ```python\nprint('hi') ```\n",
    "Inline `code` and: ```python\nprint('hi')\n```",
    "Two: ```python\nprint(1)\n```\nand: ```python\nprint(2)\n```",
    "More backticks: ````python\nprint(1)\n````",
    "Shell, and then words: ```bash\nrm -rf build\n```\nThat is what I did.",
    "I ran it. ```bash\nrm -rf build\n```",
    "Half a program: ```python\nprint('hi'\n```",
    "<p>x</p> It looks: ```html\n<p>hi</p>\n```",
    "Within: ```python\nprint('```')\n```",
]


@pytest.mark.parametrize("name", READ)
def test_it_is_read_byte_for_byte(name: str) -> None:
    text, language = READ[name]
    reading = read(text)
    code = {"carriage returns": "print(1)", "shell at the end": "ls -la"}.get(name, CODE)
    assert programs(reading) == [(language, code)] and reading.errors == ()
    assert "```" not in reading.text and reading.text != "" and "fenced block" in reading.actions[0].repairs[0]
    # What was cut off is never run, and once more native calls are the way it is all the same.
    assert read(text, finish="length").actions == () and programs(read(text, native_seen=True)) == [(language, code)]


@pytest.mark.parametrize("text", SHOWN)
def test_what_only_speaks_of_fences_never_runs(text: str) -> None:
    assert read(text).actions == ()


def test_in_another_block_it_is_text() -> None:
    text = "```text\nLet me see: ```python\nprint(1)\n```\n```\n"
    assert read(text).actions == ()
    outer = "```python\nprint(2)\n```\nThen: ```python\nprint(1)\n```"
    assert [code for _language, code in programs(read(outer))] in ([], ["print(2)"])


@given(st.text("`python: \n.a(1)", max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    for _language, code in programs(read(text)):
        assert code in text
