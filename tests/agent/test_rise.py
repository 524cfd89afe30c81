"""What counts as a sudden rise, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from interpreter.agent.guards import Guards, Stop, Tally
from interpreter.agent.options import AgentOptions
from interpreter.agent.rise import LAST, LEAST, MOST, Rise
from interpreter.types.messages import Usage


def rise(failed: str = "", tokens: tuple[int, ...] = (), cost: tuple[float, ...] = (), **options: Any) -> str:
    """What is found after these actions (`x`: failed) and requests."""
    made = Rise(AgentOptions(**options))
    for one in failed:
        made.ran(failed=one == "x")
    costs = cost or (None,) * len(tokens)
    made.asked([Usage(prompt=n, cost=c) for n, c in zip(tokens, costs, strict=True)])
    found = made.found()
    return found.what if found is not None else ""


@pytest.mark.parametrize(
    ("failed", "found"),
    [
        ("", ""),
        (".....xxx.x", "failures"),
        (".....xx.xx", "failures"),
        ("...xxxxx", ""),  # too short a run to say what is usual
        ("....xxxxx", ""),
        ("x....xxxx.", "failures"),
        ("xx...xxxx.", ""),  # it was like that before
        (".....xxx..", ""),
        ("....." + "xxxx." * 3, ""),  # half of what came before failed as well
    ],
)
def test_failures(failed: str, found: str) -> None:
    assert rise(failed) == found
    assert rise(failed, rise_failures=0) == ""


@pytest.mark.parametrize(
    ("tokens", "found"),
    [
        ((1_000,) * LEAST + (60_000,), "tokens"),
        ((1_000,) * (LEAST - 1) + (60_000,), ""),  # too few before
        ((100,) * LEAST + (19_999,), ""),  # below the floor
        ((10_000,) * LEAST + (49_999,), ""),
        ((10_000,) * LEAST + (50_000,), "tokens"),
        ((1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000), "tokens"),
        ((5_000, 9_000, 13_000, 17_000, 21_000, 25_000, 29_000, 33_000), ""),  # a conversation that grows
        ((1_000,) * LEAST + (60_000, 1_000), ""),  # it is over
        ((1_000,) * LEAST + (60_000, 0), ""),  # an answer from the cache costs nothing and says nothing
        ((0, 0, 0, 0, 0, 60_000), ""),
    ],
)
def test_tokens(tokens: tuple[int, ...], found: str) -> None:
    assert rise(tokens=tokens) == found
    assert rise(tokens=tokens, rise_factor=0.0) == ""


def test_cost_counts_where_there_are_prices() -> None:
    tokens = (30_000,) * 6
    assert rise(tokens=tokens, cost=(0.1,) * 5 + (0.6,)) == "cost"
    assert rise(tokens=tokens, cost=(0.1,) * 5 + (0.4,)) == ""
    assert rise(tokens=(1_000,) * 6, cost=(0.1,) * 5 + (9.0,)) == "", "a small request is never one"
    assert rise(tokens=(1_000,) * 6, cost=(0.1,) * 5 + (9.0,), rise_tokens=0) == "cost"


def test_a_yes_begins_anew_and_memory_is_bounded() -> None:
    made = Rise(AgentOptions())
    made.asked([Usage(prompt=1_000)] * LEAST + [Usage(prompt=60_000)])
    assert made.found() is not None
    made.forget()
    assert made.found() is None
    made.asked([Usage(prompt=60_000)] * (LEAST + 1))
    assert made.found() is None, "it is usual now"
    made.asked([Usage(prompt=1)] * 3 * MOST)
    for _n in range(3 * MOST):
        made.ran(failed=False)
    assert len(made.requests) == len(made.failed) == MOST > LAST


NOBODY, AWAY, HERE = AgentOptions(can_ask=False), AgentOptions(away=True), AgentOptions()


@pytest.mark.parametrize(("options", "stops"), [(NOBODY, True), (AWAY, True), (HERE, False)])
def test_a_run_that_nobody_watches_stops_and_may_be_told_to_go_on(options: AgentOptions, stops: bool) -> None:
    tally = Tally()
    guards = Guards(options, tally)
    for prompt in (1_000,) * LEAST + (60_000,):
        assert guards.before_step() is None
        tally.add(Usage(prompt=prompt))
    verdict = guards.before_step()
    assert isinstance(verdict, Stop) == stops
    if isinstance(verdict, Stop):
        assert (verdict.reason, verdict.exit_code, verdict.ask) == ("limit", 5, True) and "60000" in verdict.text
        guards.forgive()
        assert guards.before_step() is None, "not again for the same reason"
