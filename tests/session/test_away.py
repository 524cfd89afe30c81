"""`--approvals wait`: nobody sits here, and answers come from elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from interpreter.agent.options import AgentOptions
from interpreter.app.answering import Answering
from interpreter.cli.configure import LONGEST_WAIT, with_person
from interpreter.config.settings import Settings
from interpreter.llm.script import Reply
from interpreter.types.events import ActionFinished, ActionStarted, ApprovalRequested, Event
from tests.bad.command import needs_walls

from .helpers import Talk, run


def approve(event: Event) -> None:
    """Answers as another terminal does."""
    if isinstance(event, ApprovalRequested):
        Answering(Settings()).answer(event.approval, "yes")


@needs_walls
def test_code_waits_and_its_input_does_not(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("go", on=approve)
        assert end.exit_code == 0 and len(talk.of(ApprovalRequested)) == 1 and len(talk.of(ActionStarted)) == 1
        assert "EOFError" in talk.of(ActionFinished)[0].observation.text, "nobody can type a line from elsewhere"

    run(
        story,
        [Reply(code="input('name? ')"), "Done."],
        tmp_path,
        auto_run=False,
        away=True,
        can_ask=True,
        approval_timeout=60.0,
    )


@needs_walls
def test_a_rule_that_denies_ends_it_like_any_run_that_nobody_watches(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await talk.turn("go")
        assert end.exit_code == 3 and not talk.of(ActionStarted)

    run(
        story,
        [Reply(code="sudo id", language="shell"), "I could not."],
        tmp_path,
        away=True,
        can_ask=True,
        approval_timeout=60.0,
    )


@needs_walls
def test_silence_is_a_no_at_the_deadline(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        end = await asyncio.wait_for(talk.turn("go"), 30)
        assert end.exit_code == 3 and not talk.of(ActionStarted)

    run(story, [Reply(code="1"), "Done."], tmp_path, auto_run=False, away=True, can_ask=True, approval_timeout=0.2)


@pytest.mark.parametrize(
    ("agent", "present", "away", "wait"),
    [
        (AgentOptions(approvals="wait"), False, True, LONGEST_WAIT),
        (AgentOptions(approvals="wait", max_seconds=9.0), False, True, 9.0),
        (AgentOptions(approvals="wait", approval_timeout=5.0, max_seconds=9.0), False, True, 5.0),
        (AgentOptions(approvals="wait"), True, False, None),
        (AgentOptions(approvals="park"), False, False, None),
    ],
)
def test_it_waits_only_where_nobody_is_there_and_never_for_ever(
    agent: AgentOptions, present: bool, away: bool, wait: float | None
) -> None:
    made = with_person(Settings(agent=agent), present).agent
    assert (made.away, made.approval_timeout, made.here) == (away, wait, present)
    assert (made.steps() is None) == present, "what nobody watches is bounded"
