"""A completion in its readings: the model's, and the person's."""

from __future__ import annotations

import pytest

from interpreter.agent.observe import observe
from interpreter.types.actions import Completion, Display, ErrorReport


def text(completion: Completion, output: str = "", facts: tuple[str, ...] = ()) -> str:
    return observe(completion, output, 1000, facts).text


def test_a_quiet_success_says_so() -> None:
    assert text(Completion(execution="x", status="ok", exit_status=0)) == "(no output)"


def test_output_then_result_and_the_person_is_shown_the_output_alone() -> None:
    seen = observe(Completion(execution="x", status="ok", result="42"), "printed\n", 1000, ())
    assert seen.text == "printed\n42"
    assert seen.shown == "printed"


def test_an_error_stands_once_with_the_facts_below_it() -> None:
    report = ErrorReport(name="KeyError", message="'a'", traceback="Traceback ...\nKeyError: 'a'\n")
    completion = Completion(execution="x", status="error", exit_status=1, error=report)
    assert text(completion, "before\n", ("keys that are there: b",)) == (
        "before\nTraceback ...\nKeyError: 'a'\nFacts:\n- keys that are there: b"
    )
    assert text(completion, "Traceback ...\nKeyError: 'a'\n").count("KeyError") == 1


def test_a_failed_shell_says_its_status() -> None:
    assert text(Completion(execution="x", status="error", exit_status=3), "oops\n") == "oops\n[exit status 3]"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("interrupted", "The person stopped this"),
        ("timeout", "longer than its limit"),
        ("limit", "Stopped by a limit: memory"),
        ("died", "kernel ended"),
        ("lost", "not an error of your code"),
    ],
)
def test_every_other_end_says_what_happened(status: str, words: str) -> None:
    assert words in text(Completion(execution="x", status=status, limit="memory"))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("status", ["interrupted", "timeout", "limit"])
def test_a_restart_names_the_loss(status: str) -> None:
    completion = Completion(execution="x", status=status, restarted=True)  # pyright: ignore[reportArgumentType]
    assert "variables and imports are gone" in text(completion)


def test_a_display_is_named_without_its_folder() -> None:
    display = Display(mime="image/png", path="/secret/place/plot.png")
    told = text(Completion(execution="x", status="ok", displays=(display,)))
    assert "plot.png" in told
    assert "/secret" not in told


def test_a_huge_result_or_traceback_is_cut() -> None:
    report = ErrorReport(name="E", traceback="line\n" * 10_000)
    assert len(text(Completion(execution="x", status="error", error=report, result="r" * 50_000))) < 1_500
