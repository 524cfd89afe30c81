"""Bringing the variables of kernels back that are gone: from the newest checkpoint after a step that the log knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from ..agent.ports import Emitter
from ..aio import Tasks
from ..errors import InterpreterError
from ..kernels.kernels import Kernels
from ..kernels.manifests import Manifest, manifests
from ..session.account import Back
from ..types.events import ActionFinished, ActionStarted, CheckpointSaved, ConversationReset, Event, NoteAdded
from ..types.rewinding import Rewound

ATTEMPTS = 3
"""How many checkpoints of a language are tried: each of them after an older step than the one before it."""
NAMES = 20


class Steps:
    """A reading of the log: after which executions a state still counts, with the numbers of their steps."""

    def __init__(self) -> None:
        self._count = 0
        self._begun: dict[str, tuple[int, str, str]] = {}
        self.ended: dict[str, int] = {}
        self._languages: dict[str, str] = {}
        self.logged: set[str] = set()
        """Checkpoints that are in the log."""

    def apply(self, event: Event) -> None:
        match event:
            case ActionStarted() if not event.parent:
                self._count += 1
                self._begun[event.action] = (self._count, event.execution, event.language)
            case ActionFinished() if event.completion is not None:
                number, execution, language = self._begun.pop(event.action, (0, "", ""))
                if execution and not event.completion.restarted:
                    self.ended[execution], self._languages[execution] = number, language
            case CheckpointSaved():
                self.logged.add(event.manifest)
            case ConversationReset():
                self.ended.clear()
            case Rewound() if "variables" in event.parts and not event.failed:
                back = {one.language: one.step for one in event.variables}
                for execution, number in list(self.ended.items()):
                    if number > back.get(of_kernel(self._languages[execution]), number):
                        del self.ended[execution]
            case _:
                pass


def of_kernel(language: str) -> str:
    """SQL runs in the Python kernel."""
    return "python" if language == "sql" else language


class Restoring:
    """Of one session that is taken up again."""

    def __init__(self, kernels: Kernels, emitter: Emitter, tasks: Tasks, folder: Path) -> None:
        self._kernels, self._emitter, self._tasks, self._folder = kernels, emitter, tasks, folder
        self._steps: dict[str, int] = {}

    async def begin(self, languages: Iterable[str], living: Iterable[str], steps: Steps) -> tuple[Back, ...]:
        """Begin to bring back what is gone, and say what will be there. It goes on in the background; whatever is
        executed waits for it."""
        self._steps = steps.ended
        wanted = {of_kernel(language) for language in languages} - set(living)
        if not wanted:
            return ()
        found = await asyncio.to_thread(self._choose, wanted)
        for choice in found.values():
            await self._log(choice[0], steps.logged)
            self._tasks.start(self._restore(choice))
        # Each has now taken its place before whatever is executed next.
        await asyncio.sleep(0)
        return tuple(
            Back(language, choice[0].execution, choice[0].names, choice[0].unsaved)
            for language, choice in found.items()
        )

    def _choose(self, wanted: set[str]) -> dict[str, list[Manifest]]:
        """For each language the checkpoints to try, the newest first."""
        found: dict[str, list[Manifest]] = {}
        for manifest in manifests(self._folder):
            if manifest.language in wanted and manifest.execution in self._steps:
                found.setdefault(manifest.language, []).append(manifest)
            if len(found) == len(wanted) and all(len(one) >= ATTEMPTS for one in found.values()):
                break
        return {
            language: sorted(some, key=lambda one: self._steps[one.execution], reverse=True)[:ATTEMPTS]
            for language, some in found.items()
        }

    async def _log(self, manifest: Manifest, logged: set[str]) -> None:
        """The keeper has written it when no host was there any more."""
        if manifest.sha256 not in logged:
            about = {name: getattr(manifest, name) for name in ("language", "kernel", "execution", "size", "unsaved")}
            await self._emitter.emit(CheckpointSaved(**about, manifest=manifest.sha256, names=len(manifest.names)))

    async def _restore(self, choice: list[Manifest]) -> None:
        language = choice[0].language
        try:
            restored = await self._kernels.restore(language, *(manifest.sha256 for manifest in choice))
        except InterpreterError as error:
            await self._tell(f"{error.message}. All {language} variables are gone.")
            return
        if restored.failed:
            number = self._steps[restored.execution]
            await self._tell(f"{restored.failed[0]}. The {language} variables are those after step {number} instead.")
        known = {one.name for manifest in choice for one in manifest.unsaved}
        if lost := [one for one in restored.missing if one.name not in known]:
            names = "; ".join(f"{one.name} ({one.reason})" for one in lost[:NAMES])
            await self._tell(f"Of the {language} variables these could not be loaded: {names}")

    async def _tell(self, text: str) -> None:
        await self._emitter.emit(NoteAdded(text=text))
