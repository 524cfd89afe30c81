"""What the readers could not understand is told in the person's language, every sentence of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.policy.facts import Reading
from interpreter.policy.policy import read_code
from interpreter.text.i18n import set_language
from interpreter.text.verdicts import known, unclear

POLICY = Path(__file__).resolve().parents[2] / "src" / "interpreter" / "policy"
SAYS = ("note", "Broken", "TooMuch", "not_known", "append")


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    yield
    set_language("")


def filled(node: ast.expr) -> str:
    """A sentence as it stands in the source, with a word in each of its holes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else "thing" for one in node.values]
        return "".join(parts)
    return ""


def sentences() -> dict[str, str]:
    """Every sentence by which a reader says that it does not understand, and where."""
    found: dict[str, str] = {}
    for path in sorted(POLICY.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.name}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                name = called.rpartition(".")[2]
                if name in SAYS and (name != "append" or "unknown" in called or "notes" in called) and node.args:
                    text = filled(node.args[0])
                    if text and (name == "note" or "notes" in called):
                        text = f"{text[0].upper()}{text[1:]}."
                    if text:
                        found[text] = place
                for keyword in node.keywords:
                    if keyword.arg == "unknown" and isinstance(keyword.value, ast.Tuple):
                        found |= {filled(one): place for one in keyword.value.elts if filled(one)}
    return found


def test_every_sentence_of_the_readers_has_its_template() -> None:
    found = sentences()
    assert len(found) > 70
    assert [f"{place}: {text}" for text, place in found.items() if not known(text)] == []


def unknown_of(language: str, code: str) -> str:
    reading: Reading = read_code(language, code)
    return " ".join(unclear(one) for one in reading.unknown)


@pytest.mark.parametrize(
    ("code", "english", "chinese"),
    [
        ('eval "$X"', "The code that 'eval' runs is not known.", "不知道 'eval' 会运行什么代码。"),
        (
            "echo 'a",
            "It does not parse as shell: a single",
            "不是有效的 shell：单引号没有闭合。",
        ),
        ("$X -rf /", "Which program runs is not known: ", "不知道运行的是哪个程序："),
    ],
)
def test_in_both_languages(code: str, english: str, chinese: str) -> None:
    set_language("en")
    assert unknown_of("shell", code).startswith(english)
    set_language("zh_CN")
    assert unknown_of("shell", code).startswith(chinese)


def test_what_code_says_is_no_template() -> None:
    """A sentence that the code itself brings stays as it is, braces and all."""
    set_language("zh_CN")
    assert unclear("{program} {0} {}") == "{program} {0} {}"
    assert unclear("A command that is made while the code runs: {what}{0}").endswith("{what}{0}")
