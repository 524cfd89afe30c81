"""Long conversations: the window lasts, the prefix stays, and a resumed session has the same history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter.agent.compaction import budget
from interpreter.types.events import Rewound

from .lives import Life, keeps_the_rules, sent

BIG = "".join(f"row {n}: {n * 37 % 1000} {n * 91 % 977}\n" for n in range(90))
"""About as much as one observation may have in a window of 8,192."""


def test_hundreds_of_steps_with_large_outputs_and_long_words_fit_a_window_of_8192() -> None:
    life = Life(8192, 4096)
    room = budget(8192, 4096)
    beginnings = [f"Task {n}: take table{n}.csv and bring it into order, 请保留所有列。" for n in range(12)]

    async def story() -> None:
        for n, beginning in enumerate(beginnings):
            life.ask(beginning + " Mind the notes of last week." * 8)
            for k in range(25):
                await life.request()
                assert life.size() <= room
                keeps_the_rules(life.history.messages())
                life.step(f"part_{n}_{k} = read('table{n}.csv', {k})\nprint(part_{n}_{k})", BIG if k % 3 else "short")
            await life.request()
            life.answer(f"Table {n} is in order; it has {n * 100} rows.")

    asyncio.run(story())
    told = life.history.messages()[1].text
    assert all(beginning in told for beginning in beginnings[-8:]), "the person's words are there, word for word"
    assert "You ran 25 steps" in told and "it has 900 rows" in told
    assert len(life.history.segments) < 20, "what was folded is let go of"
    assert sent(life.reread().messages()) == sent(life.history.messages())


def test_what_the_person_said_is_cut_last_from_the_oldest_and_it_is_said() -> None:
    life = Life(4096)
    long = "This is what matters and has to be kept. " * 60
    said: list[int] = []

    async def story() -> None:
        for n in range(8):
            life.ask(f"Request {n}. {long}")
            await life.request()
            assert life.size() <= budget(4096, None)
            said.append(sum(event.cut for event in life.compactions))
            life.answer("Done.")

    asyncio.run(story())
    told = "\n".join(m.text for m in life.history.messages())
    assert said[0] == 0 and said[-1] > 0, "the first fits whole; later the person is told of what does not"
    assert "left out for space" in told
    assert f"Request 7. {long[:800]}" in told, "the newest keeps the most"


@pytest.mark.parametrize("window", [2048, 4096])
def test_one_message_that_is_larger_than_the_window_is_told_by_its_beginning(window: int) -> None:
    life = Life(window)
    life.ask("Sum the numbers below. " + "12345 " * 9000)
    asyncio.run(life.request())
    text = life.history.messages()[1].text
    assert text.startswith("Sum the numbers below. 12345") and "left out for space" in text
    assert life.size() <= budget(window, None)
    assert len(text) > 1000, "as much of it as there is room for"


def test_short_messages_without_end_leave_a_bounded_account() -> None:
    life = Life(4096)

    async def story() -> None:
        for n in range(400):
            life.ask(f"and now number {n}, please")
            await life.request()
            life.answer(f"{n} is done.")

    asyncio.run(story())
    assert life.size() <= budget(4096, None)
    (first, *_others) = life.history.account
    assert first.left > 100
    assert len(life.log[-3]) < 40_000 and max(map(len, life.log)) < 40_000
    told = life.history.messages()[1].text
    assert f"({first.left} older messages of the person left out for space.)" in told
    life.undo(350)
    assert "took back" in life.history.messages()[1].text


def test_the_prefix_stays_between_compactions_and_compactions_are_rare() -> None:
    life = Life(8192, 4096)
    broken: list[int] = []

    async def story() -> None:
        before: list[bytes] = []
        life.ask("Count.")
        for n in range(300):
            request = await life.request()
            now = sent(request.messages)
            if life.events:
                broken.append(n)
            else:
                assert now[: len(before)] == before
            before = now
            life.step(f"n = {n}\nprint(n)", f"{n}\n" * 20, native=n % 2 == 0)

    asyncio.run(story())
    assert 5 < len(broken) < 300 // 12


def test_an_undo_reaches_into_the_account() -> None:
    life = Life(4096)

    async def story() -> None:
        for n in range(6):
            life.ask(f"Question {n}.")
            for k in range(4):
                await life.request()
                life.step(f"x{n}{k} = {k}", BIG[:900])
            life.answer(f"Answer {n}.")

    asyncio.run(story())
    assert any(words.text == "Question 3." for chapter in life.history.account for words in chapter.words)
    life.undo(3)
    told = "\n".join(m.text for m in life.history.messages())
    assert "Question 2." in told and "Question 3." not in told and "Answer 4" not in told
    life.ask("Another.")
    asyncio.run(life.request())
    keeps_the_rules(life.history.messages())
    assert sent(life.reread().messages()) == sent(life.history.messages())


def test_a_rewind_into_steps_that_are_told_in_short_says_so() -> None:
    life = Life(4096)
    life.ask("Work.")
    first = life.propose("x = 1")
    life.finish(first, "1")

    async def story() -> None:
        for n in range(12):
            await life.request()
            life.step(f"y{n} = {n}", BIG[:900])

    asyncio.run(story())
    assert all(first.id != action.id for segment in life.history.segments for action in segment.actions)
    life.add(Rewound(step=1, parts=("conversation",), action=first.id))
    text = "\n".join(m.text for m in life.history.messages())
    assert "The person took back the later part of this." in text and "y11" not in text
    asyncio.run(life.request())
    keeps_the_rules(life.history.messages())
    assert sent(life.reread().messages()) == sent(life.history.messages())


def test_old_results_name_the_output_under_which_they_can_be_read_on() -> None:
    life = Life(8192, 4096)
    life.ask("Look.")

    async def story() -> None:
        for n in range(6):
            life.step(f"look({n})", BIG)
            await life.request()

    asyncio.run(story())
    stubs = [m.text for m in life.history.messages() if m.role == "tool" and len(m.text) < 300]
    assert stubs and all("full output: out" in text for text in stubs)


OPS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from([5, 60, 900, 6000])),
    st.tuples(st.just("step"), st.sampled_from([0, 30, 900, 3000]), st.booleans(), st.booleans()),
    st.tuples(st.just("step"), st.sampled_from([30, 3000]), st.booleans(), st.booleans()),
    st.tuples(st.just("answer"), st.sampled_from([10, 400, 5000])),
    st.tuples(st.just("steer"), st.sampled_from([20, 500])),
    st.tuples(st.just("own"), st.sampled_from([20, 3000])),
    st.tuples(st.just("cut off"), st.booleans()),
    st.tuples(st.just("undo"), st.integers(1, 4)),
    st.tuples(st.just("resume")),
    st.tuples(st.just("reset")),
)


def play(life: Life, op: tuple[Any, ...], n: int) -> None:
    text = f"{n}: say how it is 中文 "
    match op:
        case ("ask", size):
            life.ask((text * (size // 20 + 1))[:size])
        case ("step", size, native, fails):
            code = f"import os\nv{n} = f({n})\nopen('file{n % 7}.txt', 'w').write(str(v{n}))"
            life.step(
                code, (BIG * 2)[:size], "ValueError: bad" if fails else "", native=native, prose="I see." * (n % 2)
            )
        case ("answer", size):
            life.answer(("All is well. " * (size // 13 + 1))[:size])
        case ("steer", size):
            life.steer((text * (size // 20 + 1))[:size])
        case ("own", size):
            life.own(f"ls {n}", BIG[:size])
        case ("cut off", native):
            life.propose("while True: pass", native=native)
            life.ask("go on")
        case ("undo", turns) if turns <= len(life.turns):
            life.undo(turns)
        case ("resume",):
            life.resume()
        case ("reset",):
            life.reset()
        case _:
            pass


@settings(max_examples=60, deadline=None)
@given(st.lists(OPS, min_size=5, max_size=70), st.sampled_from([(2048, None), (4096, None), (8192, 4096)]))
def test_whatever_happens_it_fits_keeps_the_rules_and_is_read_again_byte_for_byte(
    ops: list[tuple[Any, ...]], window: tuple[int, int | None]
) -> None:
    life = Life(*window)
    life.ask("Begin.")

    async def story() -> None:
        before: list[bytes] = []
        for n, op in enumerate(ops):
            play(life, op, n)
            rewritten = op[0] in ("undo", "reset")
            if life.history.unanswered() or not life.turns:
                before = []
                continue
            request = await life.request()
            keeps_the_rules(request.messages)
            assert life.size() <= budget(*window)
            now = sent(request.messages)
            if not life.events and op[0] in ("step", "answer") and not rewritten:
                assert now[: len(before)] == before
            before = now

    asyncio.run(story())
    again = life.reread()
    assert sent(again.messages()) == sent(life.history.messages())
    assert again.tokens() == life.history.tokens() and again.characters() == life.history.characters()
