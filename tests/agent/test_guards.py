"""The step policies beside the loop."""

from __future__ import annotations

import pytest

from interpreter.agent.guards import Guards, Stop, Tally, Tell, promises
from interpreter.agent.options import AgentOptions
from interpreter.types.messages import Usage

ATTENDED = AgentOptions()
UNATTENDED = AgentOptions(can_ask=False, auto_run=True)


def guards(options: AgentOptions = ATTENDED) -> Guards:
    return Guards(options, Tally())


def test_failures_in_a_row_are_capped_and_a_success_forgives() -> None:
    g = guards()
    assert [g.after_action(f"c{n}", "error", f"e{n}") for n in range(3)] == [None] * 3
    assert g.after_action("good", "ok", "fine") is None
    for n in range(3):
        assert g.after_action(f"d{n}", "error", f"e{n}") is None
    stop = g.after_action("last", "error", "e")
    assert isinstance(stop, Stop)
    assert (stop.reason, stop.exit_code, stop.ask) == ("failed", 1, True)


def test_a_denial_is_no_failure() -> None:
    g = guards()
    assert [g.after_action(f"c{n}", "denied", f"{n}") for n in range(6)] == [None] * 6


def test_unreadable_answers_count_as_failures() -> None:
    g = guards(AgentOptions(max_retries=1))
    assert g.after_format_error() is None
    assert isinstance(g.after_format_error(), Stop)


def test_the_same_code_with_the_same_result_gets_a_nudge_then_a_stop() -> None:
    g = guards()
    assert g.after_action("ls", "ok", "a") is None
    assert isinstance(g.after_action("ls", "ok", "a"), Tell)
    assert isinstance(g.after_action("ls", "ok", "a"), Stop)


def test_the_same_failure_is_the_same_in_whatever_cell() -> None:
    g = guards()
    said = [
        g.after_action("f()", "error", f'  File "<cell {n}>", line 1\nTypeError: <f at 0x7f{n}a>') for n in range(3)
    ]
    assert [type(verdict) for verdict in said] == [type(None), Tell, Stop]


def test_the_same_code_with_another_result_is_fine() -> None:
    g = guards()
    assert [g.after_action("date", "ok", f"{n}") for n in range(5)] == [None] * 5


def test_unattended_turns_are_bounded_by_default_and_attended_ones_are_not() -> None:
    tally = Tally(steps=50)
    stop = Guards(UNATTENDED, tally).before_step()
    assert isinstance(stop, Stop)
    assert stop.exit_code == 5
    assert Guards(ATTENDED, tally).before_step() is None


@pytest.mark.parametrize(
    ("options", "usage"),
    [
        (AgentOptions(max_total_tokens=100), Usage(prompt=80, completion=20)),
        (AgentOptions(max_cost=0.5), Usage(cost=0.5)),
        (AgentOptions(max_seconds=0.0), Usage()),
    ],
)
def test_each_bound_ends_with_5(options: AgentOptions, usage: Usage) -> None:
    tally = Tally()
    g = Guards(options, tally)
    tally.add(usage)
    stop = g.before_step()
    assert isinstance(stop, Stop)
    assert (stop.reason, stop.exit_code) == ("limit", 5)


def test_an_empty_answer_is_asked_again_twice() -> None:
    g = guards()
    assert isinstance(g.after_text("", "stop"), Tell)
    assert isinstance(g.after_text(" \n", "stop"), Tell)
    assert isinstance(g.after_text("", "stop"), Stop)


def test_a_promise_is_asked_once() -> None:
    g = guards()
    assert isinstance(g.after_text("I will now read the file.", "stop"), Tell)
    assert g.after_text("I will now read the file.", "stop") is None


@pytest.mark.parametrize(
    "text",
    [
        '我来读取。execute({"language": "python", "code": "print(1)"}) 然后',
        "execute(language='python', code='print(1) and so on",
        'I read it. {"name": "execute", "arguments": {"code": "1"}} It is done.',
    ],
)
def test_a_call_among_words_that_is_not_read_is_a_failure_each_time(text: str) -> None:
    g = guards(AgentOptions(max_retries=2))
    first, second, third = (g.after_text(text, "stop") for _ in range(3))
    assert isinstance(first, Tell)
    assert "nothing ran" in first.text
    assert isinstance(second, Tell)
    assert isinstance(third, Stop)


@pytest.mark.parametrize(
    "text", ["I could call execute(language, code) but am done.", "cursor.execute({'a': 1}) is what your code calls."]
)
def test_words_about_a_call_are_none(text: str) -> None:
    assert guards().after_text(text, "stop") is None


@pytest.mark.parametrize(
    ("text", "announces"),
    [
        ("I will now read the file.", True),
        ("The file has 3 rows. Let me plot it:", True),
        ("文件有三行。接下来我将画图。", True),
        ("Here is the plan:", True),
        ("The mean is 4.2.", False),
        ("Done. Let me know if you need more.", False),
        ("Done! I'll be happy to help further.", False),
        ("Shall I go on?", False),
        ("平均值是 4.2。", False),
    ],
)
def test_what_counts_as_a_promise(text: str, announces: bool) -> None:
    assert promises(text) is announces
