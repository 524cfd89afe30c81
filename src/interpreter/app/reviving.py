"""A kernel that ended by itself is followed by one with its variables, as after the newest step that was saved.

Loaded only then.
"""

from __future__ import annotations

from ..agent.ports import Emitter
from ..aio import Tasks
from ..kernels.kernels import Kernels
from ..session.account import Back, names_of, title
from ..store import SessionLog
from ..text.i18n import _
from ..types.events import NoteAdded
from .restoring import Restoring, Steps, of_kernel

NAMES = 20


class Reviving:
    """Of one session."""

    def __init__(self, kernels: Kernels, log: SessionLog, emitter: Emitter, tasks: Tasks) -> None:
        self._log, self._emitter = log, emitter
        self._restoring = Restoring(kernels, emitter, tasks, log.folder / "checkpoints")

    async def revive(self, language: str) -> str:
        """Begin a kernel with the variables of the one that ended; what is executed next waits for it.

        What the model is to know of it; empty where nothing was saved, and the next kernel begins with nothing.
        """
        steps = Steps()
        for stored in self._log.events():
            steps.apply(stored.event)
        for back in await self._restoring.begin((of_kernel(language),), (), steps):
            number = steps.ended[back.execution]
            text = _("{language}: the variables are back as after step {n}.", language=title(back.language), n=number)
            await self._emitter.emit(NoteAdded(text=text, to_model=False))
            return told(back, number)
        return ""


def told(back: Back, number: int) -> str:
    named = f": {names_of(back.names, NAMES)}" if back.names else ""
    gone = f". Not back: {names_of([one.name for one in back.missing], NAMES)}" if back.missing else ""
    return f"But the new {back.language} kernel has the variables as they were after step {number}{named}{gone}."
