"""What the harness runs at the start of a turn, before the model is asked: the first look of a skill."""

from __future__ import annotations

from ..types.actions import Action, Observation
from ..types.events import ActionFinished, ActionProposed
from .gate import Gate, Refused
from .ports import Emitter, Place
from .runner import Runner
from .turns import INTERRUPTED, End, Turn

CODES = {"denied": 3, "waiting": 4, "interrupted": 130}


class FirstLook:
    """Proposes, admits and runs one action like any other; its result reads as the harness's, not as the model's."""

    def __init__(self, gate: Gate, runner: Runner, emitter: Emitter, where: Place) -> None:
        self._gate, self._runner, self._emitter, self._where = gate, runner, emitter, where

    @property
    def walled(self) -> bool:
        """Whether it would run inside walls."""
        return self._gate.walled

    async def run(self, turn: Turn, action: Action) -> End | None:
        """How the turn ends, where that ends it. Raises StoreError, PolicyError, SandboxUnavailable."""
        await self._emitter.emit(ActionProposed(turn=turn.id, step=1, action=action))
        verdict = await self._gate.look(action, self._where())
        if isinstance(verdict, Refused):
            observation = Observation(text=verdict.told, shown=verdict.shown)
            await self._emitter.emit(ActionFinished(action=action.id, status=verdict.status, observation=observation))
            return End(verdict.ends, CODES[verdict.ends], verdict.shown) if verdict.ends else None
        finished = await self._runner.run(verdict.permit, verdict.action)
        return INTERRUPTED if turn.stop.is_set() or finished.status == "interrupted" else None
