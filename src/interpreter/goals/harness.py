"""Executions of the harness itself: checks, health, undo. They pass the gate and the log like all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from ..agent.gate import Refused
from ..agent.turns import Turn
from ..types.actions import Action, Observation
from ..types.base import code_sha256, new_id
from ..types.events import ActionFinished, ActionProposed
from .gate import GoalGate
from .run import Run
from .runner import GoalRunner

Purpose = Literal["check", "health", "undo"]


class Harness:
    def __init__(self, run: Run, gate: GoalGate, runner: GoalRunner, where: Callable[[], str]) -> None:
        self._run, self._gate, self._runner, self._where = run, gate, runner, where

    async def execute(
        self, turn: Turn, purpose: Purpose, language: str, code: str, *, given: bool, seconds: float | None = None
    ) -> ActionFinished:
        """Run it in a new process inside the walls; a refusal or a person's stop is an end like any other.

        Args:
            given: the person wrote it.
            seconds: how long it may run; None: as everything else.

        Raises SandboxUnavailable, StoreError.
        """
        action = Action(
            id=new_id("act"), language=language, code=code, sha256=code_sha256(code), source=purpose, purpose=purpose
        )
        await self._run.emitter.emit(ActionProposed(turn=turn.id, step=max(1, turn.tally.steps), action=action))
        if turn.stop.is_set():
            return await self._unrun(action, "not_run", "Not run: the run was stopped.")
        admitted = await self._gate.harness(action, self._where(), given=given)
        if isinstance(admitted, Refused):
            return await self._unrun(action, admitted.status, admitted.told, admitted.shown)
        self._runner.allowed = seconds
        return await self._runner.run(admitted.permit, msgspec.structs.replace(admitted.action, purpose=purpose))

    async def _unrun(
        self, action: Action, status: Literal["denied", "not_run"], told: str, shown: str = ""
    ) -> ActionFinished:
        event = ActionFinished(action=action.id, status=status, observation=Observation(text=told, shown=shown))
        await self._run.emitter.emit(event)
        return event
