"""A summary by the model: asked for, logged with its usage, checked, and never relied on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from interpreter.agent.guards import Guards, Tally
from interpreter.agent.options import AgentOptions
from interpreter.agent.turns import Turn
from interpreter.llm.script import Reply, Script, ScriptCall
from interpreter.llm.scripted import ScriptedModel
from interpreter.types.events import Compacted, Event, ModelAsked, Summarized

from .lives import Life, keeps_the_rules, sent

SUMMARY = "The tables 0 to 9 were read; each has 100 rows. Nothing failed."


def turn_of() -> Turn:
    tally = Tally()
    return Turn("t_1", tally, Guards(AgentOptions(), tally))


def lived(
    replies: Sequence[Reply | str], turn: Turn, *, summaries: bool = True
) -> tuple[Life, list[Event], ScriptedModel]:
    """A life that outgrows its account, and the events of its compactions."""
    model = ScriptedModel(Script(replies=tuple(r if isinstance(r, Reply) else Reply(text=r) for r in replies)))
    life = Life(4096, client=model, summaries=summaries)
    found: list[Event] = []

    async def story() -> None:
        for n in range(6):
            life.ask(f"Read table{n}.csv and tell me how it is.")
            for k in range(8):
                life.events.clear()
                await life.mind.request(0, turn)
                found.extend(life.events)
                keeps_the_rules(life.history.messages())
                life.step(f"part{k} = read('table{n}.csv', {k})\npart{k}.describe()", f"count {k} " * 40)
            life.answer(f"Table {n} has {n + 100} rows, and its columns are region, date, amount and a long comment.")

    asyncio.run(story())
    assert sent(life.reread().messages()) == sent(life.history.messages())
    return life, found, model


def told(life: Life) -> str:
    return life.history.messages()[1].text


def test_a_summary_stands_in_place_of_older_steps_and_the_words_stay() -> None:
    turn = turn_of()
    life, events, model = lived([SUMMARY] * 40, turn)
    asked = [e for e in events if isinstance(e, ModelAsked)]
    made = [e for e in events if isinstance(e, Summarized)]
    assert len(asked) == len(made) == len(model.requests) > 0
    assert all(e.purpose == "summary" for e in asked) and not any(e.problem for e in made)
    assert SUMMARY in told(life) and "The person said: Read table0.csv and tell me how it is." in told(life)
    assert turn.tally.prompt == sum(e.usage.prompt for e in made) > 0, "it counts for the turn's limits"
    assert all(not r.tools and r.max_tokens for r in model.requests)
    assert "table0.csv" in model.requests[0].messages[1].text
    for before, event, after in zip(events, events[1:], events[2:], strict=False):
        if isinstance(event, Summarized):
            assert isinstance(before, ModelAsked) and isinstance(after, Compacted)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(text="  "), "empty"),
        (Reply(text="word " * 900), "too long"),
        (Reply(text="It was", finish="length"), "too long"),
        (
            Reply(calls=(ScriptCall(name="execute", arguments='{"language": "python", "code": "1"}'),)),
            "it asked for a tool",
        ),
        (Reply(fault="server_error"), "ServerFault"),
        (Reply(text="half of", fault="cut", after=1), "ServerFault"),
        (Reply(fault="overflow"), "ContextExceeded"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_summary_that_fails_leaves_the_account_and_is_in_the_log(reply: Reply, problem: str) -> None:
    life, events, _model = lived([reply] * 40, turn_of())
    plain, _events, _other = lived([], turn_of(), summaries=False)
    made = [e for e in events if isinstance(e, Summarized)]
    assert made and {e.problem for e in made} == {problem}
    assert told(life) == told(plain), "as if no summary had been asked for"


def test_an_interrupt_ends_the_asking_at_once() -> None:
    turn = turn_of()
    turn.stop.set()
    _life, events, model = lived([Reply(text="x", fault="hang")] * 40, turn)
    made = [e for e in events if isinstance(e, Summarized)]
    assert made and {e.problem for e in made} == {"Interrupted"}
    assert model.cancelled == len(model.requests)


def test_nothing_is_asked_unless_it_is_set() -> None:
    _life, events, model = lived([], turn_of(), summaries=False)
    assert any(isinstance(e, Compacted) and e.account for e in events)
    assert not model.requests and not any(isinstance(e, Summarized | ModelAsked) for e in events)
