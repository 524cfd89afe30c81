"""The run's own small tools: they run nothing, and what they say is an event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ..agent.turns import End, Own
from ..types.actions import Action, Observation
from ..types.events import ActionFinished
from ..types.goals import Check, ChecksStated, Claimed, PlanChanged
from .prompt import CHECKS, FINISH, PLAN
from .reading import checks_of, claim_of, deep, plan_of
from .run import Run

Look = Callable[[tuple[Check, ...]], Awaitable[str]]
"""Runs checks that were just stated; what the model is told of it."""


class OwnTools:
    def __init__(self, run: Run, look: Look) -> None:
        self._run, self._look = run, look

    def table(self) -> dict[str, Own]:
        own: dict[str, Own] = {PLAN: self.plan, FINISH: self.finish}
        return own if self._run.task.checks else {**own, CHECKS: self.checks}

    async def plan(self, action: Action) -> tuple[ActionFinished, End | None]:
        steps = plan_of(arguments(action))
        if not steps:
            return await self._end(action, 'Expected: plan with {"steps": ["[x] done step", "[>] this step", "next"]}.')
        if steps != self._run.book.plan:
            await self._run.emitter.emit(PlanChanged(turn=self._run.turn, steps=steps))
        return await self._end(action, "Noted.", ok=True)

    async def checks(self, action: Action) -> tuple[ActionFinished, End | None]:
        checks = checks_of(arguments(action))
        if not checks:
            return await self._end(action, 'Expected: checks with {"commands": ["test -s out.txt"]}.')
        if self._run.book.written:
            return await self._end(action, "The checks cannot be changed after your first change.")
        await self._run.emitter.emit(ChecksStated(turn=self._run.turn, checks=checks))
        return await self._end(action, await self._look(checks), ok=True)

    async def finish(self, action: Action) -> tuple[ActionFinished, End | None]:
        claim = claim_of(arguments(action))
        if claim is None:
            told = 'Expected: finish with {"status": "success" | "failure" | "blocked", "evidence": "what you saw"}.'
            return await self._end(action, told)
        status, evidence = claim
        await self._run.emitter.emit(Claimed(turn=self._run.turn, status=status, evidence=evidence))
        told = "Noted; the checks are run now." if status == "success" else "Noted."
        finished, _end = await self._end(action, told, ok=True)
        return finished, End("done", 0, evidence)

    async def _end(self, action: Action, told: str, *, ok: bool = False) -> tuple[ActionFinished, End | None]:
        event = ActionFinished(
            action=action.id, status="ok" if ok else "error", observation=Observation(text=told, shown="")
        )
        await self._run.emitter.emit(event)
        return event, None


def arguments(action: Action) -> dict[str, Any]:
    """Of a call; empty where they are no object."""
    try:
        found: dict[str, Any] = msgspec.json.decode(action.code, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        return {}
    return {} if deep(found) else found
