"""Taking back what a run has done: the newest first, each undo an execution like any other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from ..agent.turns import Turn
from ..text.cut import head_tail
from ..types.goals import UndoFinished, UndoStarted, UndoStepFinished
from .book import Entry
from .checks import Checker
from .harness import Harness
from .run import Run

Restore = Callable[[int], Awaitable[str]]
"""Brings the workspace's files back to how they were after a step; why that did not work, else empty."""
TOLD = 500


class Undoing:
    def __init__(self, run: Run, harness: Harness, checker: Checker, restore: Restore) -> None:
        self._run, self._harness, self._checker, self._restore = run, harness, checker, restore
        self._files: list[Entry] = []
        """Undone but for their files."""
        self._told: dict[str, tuple[bool, str]] = {}

    async def carry_out(self, turn: Turn, reason: Literal["health", "person"]) -> UndoFinished:
        """Undo what is not undone yet. Raises StoreError, SandboxUnavailable."""
        run = self._run
        entries = [entry for entry in reversed(run.book.written) if not entry.undone]
        actions = tuple(entry.action for entry in entries)
        await run.emitter.emit(UndoStarted(turn=turn.id, reason=reason, actions=actions))
        for entry in entries:
            if turn.stop.is_set():
                break
            if entry.tried:
                told = "It was cut off; how far it got is not known, and it was not run again."
                self._told[entry.action] = entry.result or (False, told)
            elif entry.code:
                # It may read files: they have to be as they were when it could have run.
                await self._bring_files(turn)
                # What the person has said yes to beforehand still meets the rules that deny.
                finished = await self._harness.execute(turn, "undo", entry.language, entry.code, given=entry.approved)
                told = head_tail(finished.observation.text, TOLD)
                self._told[entry.action] = (finished.status == "ok", told)
            elif entry.by != "snapshot":
                told = f"By hand: {entry.why}" if entry.by == "tool" else f"There is no undo for it: {entry.why}"
                self._told[entry.action] = (False, told)
            else:
                self._told[entry.action] = (True, "")
            self._files.append(entry)
        await self._bring_files(turn)
        healthy = None
        if run.task.health:
            results = await self._checker.all(turn, run.task.health, "undo")
            healthy = all(result.passed for result in results) and not turn.stop.is_set()
        left = tuple(entry.action for entry in run.book.written if not entry.undone)
        event = UndoFinished(turn=turn.id, undone=len(entries) - len(left), left=left, healthy=healthy)
        await run.emitter.emit(event)
        return event

    async def _bring_files(self, turn: Turn) -> None:
        """The files as they were before the oldest of the steps that are waiting for it."""
        if not self._files:
            return
        waiting, self._files = self._files, []
        problem = await self._restore(waiting[-1].step - 1)
        for entry in waiting:
            undone, told = self._told.pop(entry.action)
            if problem:
                told = f"{told}\n{problem}".strip()
            event = UndoStepFinished(
                turn=turn.id, action=entry.action, by=entry.by, undone=undone and not problem, told=told
            )
            await self._run.emitter.emit(event)
