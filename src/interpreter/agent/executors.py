"""Kernels and tools behind one executor: an action's language says who carries it out."""

from __future__ import annotations

from ..types.actions import Action, Completion, OutputRef, Permit
from ..types.tooling import TOOL
from ..types.walls import Limits
from .runner import Executor, Watcher


class Executors:
    """The runner's executor where a session has tools."""

    def __init__(self, kernels: Executor, tools: Executor) -> None:
        self._kernels, self._tools = kernels, tools
        self._calls: set[str] = set()
        """Executions that are calls and not collected yet."""

    async def execute(
        self, permit: Permit, action: Action, execution: str, sink: Watcher, limits: Limits
    ) -> Completion:
        if action.language != TOOL:
            return await self._kernels.execute(permit, action, execution, sink, limits)
        self._calls.add(execution)
        return await self._tools.execute(permit, action, execution, sink, limits)

    async def reattach(self, execution: str, sink: Watcher) -> Completion:
        """Of what was begun before, only kernels go on."""
        return await self._kernels.reattach(execution, sink)

    async def collect(self, execution: str) -> None:
        if execution in self._calls:
            self._calls.discard(execution)
            await self._tools.collect(execution)
        else:
            await self._kernels.collect(execution)

    def left_output(self, execution: str) -> OutputRef:
        return self._kernels.left_output(execution)
