"""No code breaks the readers, and none takes them long."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.policy.code.javascript import read_javascript
from interpreter.policy.code.python import read_python
from interpreter.policy.facts import Reading

FOLDER = Path(__file__).parent / "corpus"
READERS = {"python": read_python, "javascript": read_javascript}


@lru_cache
def snippets(language: str) -> list[str]:
    found = cast("dict[str, list[Any]]", yaml.safe_load((FOLDER / f"{language}.yaml").read_text(encoding="utf-8")))
    return [*(case["code"] for case in found["dangerous"]), *found["everyday"]]


MUTATIONS = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from(["(", ")", "'", '"', "`", "\n", "\\", "{", "}", "=", ".", "*", "\0", "é", "!", "%"]),
    ),
    max_size=4,
)


@pytest.mark.parametrize("language", ["python", "javascript"])
@settings(max_examples=80, derandomize=True, deadline=None)
@given(data=st.data())
def test_mutated_code_breaks_no_reader(language: str, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(snippets(language)))
    for place, piece in data.draw(MUTATIONS):
        at = int(place * len(code))
        code = code[:at] + piece + code[at + 1 :]
    assert isinstance(READERS[language](code), Reading)


@pytest.mark.parametrize("language", ["python", "javascript"])
@settings(max_examples=40, derandomize=True, deadline=None)
@given(code=st.text(max_size=300))
def test_any_text_breaks_no_reader(language: str, code: str) -> None:
    assert isinstance(READERS[language](code), Reading)


BOMBS = [
    (
        "python",
        "a = 'x' * 9999\n"
        + "\n".join(f"a{i} = a{i - 1 if i else ''} + a{i - 1 if i else ''}" for i in range(40))
        + "\nimport os\nos.system(a39)",
    ),
    ("python", "import os\nos.system('%999999999d' % 1)"),
    ("python", "import os\nos.system('{:>999999999}'.format('x'))"),
    ("python", "import os\nos.system('a' * 9999999999)"),
    ("python", "import os\nx = x + x\nos.system(x)"),
    ("python", "exec('exec(\"exec(1)\")')\n" * 50),
    ("python", "(" * 5000 + ")" * 5000),
    ("python", "x = " + "-" * 20000 + "1"),
    ("python", "os.system(" + " + ".join(["'a'"] * 3000) + ")"),
    ("python", "bytes(9999999999)\nimport os\nos.system(bytes(9999999999))"),
    (
        "javascript",
        "let a = 'x';\n"
        + "\n".join(f"const a{i} = a{i - 1 if i else ''} + a{i - 1 if i else ''};" for i in range(40))
        + "\neval(a39)",
    ),
    ("javascript", "x = x + x; eval(x)"),
    ("javascript", "(" * 20000),
    ("javascript", "eval(" + " + ".join(["'a'"] * 3000) + ")"),
    ("javascript", "a" + ".b" * 5000 + "()"),
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("language", "code"), BOMBS, ids=range(len(BOMBS)))
def test_hostile_code_is_read_in_bounded_time(language: str, code: str) -> None:
    reading = READERS[language](code)
    assert isinstance(reading, Reading)


@pytest.mark.parametrize("piece", ["a39", "x"])
def test_what_is_too_much_to_be_worked_out_is_unknown(piece: str) -> None:
    code = next(code for language, code in BOMBS if language == "python" and f"os.system({piece})" in code)
    assert read_python(code).unknown
