"""A small window is normal: what gives way, and what stays."""

from __future__ import annotations

from interpreter.agent.compaction import STAGES, Bounds, Gauge, Need, budget, outputs, stretches
from interpreter.agent.history import History
from interpreter.agent.observe import cap_for
from interpreter.llm.estimate import estimate_tokens
from interpreter.types.events import Compacted, ModelAnswered, SessionStarted, TurnStarted

from .test_history import step


def long_history(steps: int, size: int) -> History:
    history = History()
    history.apply(SessionStarted(session="s", workspace="/w", sandbox="host", version="0", system="SYSTEM"))
    history.apply(TurnStarted(turn="t", text="the person's words"))
    for n in range(steps):
        for event in step("t", f"print({n})", f"{n} " + "word " * (size // 5)):
            history.apply(event)
    return history


def test_the_budget_keeps_room_for_the_answer() -> None:
    assert budget(8192, 4096) == 8192 - 4096 - 64
    assert budget(None, None) > 20_000
    assert budget(1024, 4096) >= 512


def test_the_cap_of_an_observation_follows_the_window() -> None:
    assert cap_for(None) == (10_000, None)
    assert cap_for(131_072) == (10_000, 16_384)
    assert cap_for(8_192) == (3_072, 1_024)
    assert cap_for(512) == (600, 200)


NEED = Need(0, Bounds(2_000, 2_000))


def need(over: int) -> Need:
    return NEED._replace(over=over)


def test_the_oldest_outputs_give_way_first_and_the_newest_two_never() -> None:
    history = long_history(6, 3000)
    results = history.results()
    two = 2 * (estimate_tokens(results[0].text) - 80)
    assert outputs(history, need(two), 2) == Compacted(actions=(results[0].action, results[1].action))
    everything = outputs(history, need(100_000), 2)
    assert everything is not None
    assert set(everything.actions) == {r.action for r in results[:-2]}


def test_when_outputs_are_short_already_old_exchanges_give_way_but_not_the_newest_three() -> None:
    history = long_history(8, 10)
    first = stretches(history, need(1), 3)
    assert first is not None and first.answers == 1
    history.apply(first)
    whole = stretches(history, need(100_000), 3)
    assert whole is not None
    history.apply(whole)
    messages = history.messages()
    assert sum(1 for m in messages if m.role == "assistant") == 3
    assert "the person's words" in messages[1].text
    assert [m.role for m in messages][:3] == ["system", "user", "assistant"]


def test_a_compacted_history_has_an_answer_for_every_call_and_a_call_for_every_answer() -> None:
    history = long_history(9, 2000)
    for stage in STAGES:
        for measure, keep in stage.measures:
            if (smaller := measure(history, need(1000), keep)) is not None:
                history.apply(smaller)
            messages = history.messages()
            calls = [c.id for m in messages for c in m.calls]
            assert calls == [m.call_id for m in messages if m.role == "tool"]
    history.apply(ModelAnswered(turn="t", step=9, text="done"))
    assert history.messages()[-1].text == "done"


def test_the_gauge_learns_from_the_servers_count_and_only_gets_more_careful() -> None:
    gauge = Gauge(0)
    before = gauge.tokens(200)
    gauge.learn(before * 3 // 2)
    after = gauge.tokens(200)
    assert before < after <= before * 2
    gauge.learn(1)
    assert gauge.tokens(200) == after
