"""What a question says of its rules, and of what they could not understand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from interpreter.cli.contract import Question
from interpreter.cli.views.questions import question_lines, reason_lines
from interpreter.text.i18n import set_language
from interpreter.types.events import ApprovalRequested
from interpreter.types.rules import Reason


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    set_language("en")
    yield
    set_language("")


def reason(rule: str, subject: str) -> Reason:
    return Reason(rule=rule, layer="built-in", decision="ask", text="Why.", subject=subject)


def test_what_several_rules_are_about_is_said_once() -> None:
    lines = reason_lines([reason("one", "rm x"), reason("two", "rm x"), reason("three", "dd"), reason("four", "")])
    assert lines == [
        "Rule one (built-in) asks: Why.",
        "Rule two (built-in) asks: Why.\n  rm x",
        "Rule three (built-in) asks: Why.\n  dd",
        "Rule four (built-in) asks: Why.",
    ]
    assert reason_lines([]) == []


def asked_about(*unknown: str) -> list[str]:
    return question_lines(Question(ApprovalRequested(approval="ap_1", kind="run", unknown=unknown), None))


def test_what_was_not_understood_is_said() -> None:
    assert "Not understood: The code that 'eval' runs is not known." in asked_about(
        "The code that 'eval' runs is not known."
    )
    set_language("zh_CN")
    assert "未能读懂：不知道 'eval' 会运行什么代码。" in asked_about("The code that 'eval' runs is not known.")


def test_it_cannot_move_the_cursor_or_fill_the_screen() -> None:
    lines = asked_about(*(f"A command that is made while the code runs: \x1b[2J{n}" for n in range(40)))
    assert not any("\x1b" in line for line in lines)
    assert len(lines) < 10
