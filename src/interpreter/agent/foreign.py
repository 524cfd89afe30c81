"""A file of another owner in a staged session: why it could not be changed, for the model and for the person."""

from __future__ import annotations

from ..text.i18n import _
from ..types.actions import Action, Completion
from ..types.events import NoteAdded
from .outside import said_of
from .ports import Emitter

SIGNS = ("Value too large for defined data type", "EOVERFLOW", "[Errno 75]")
TOLD = (
    "EOVERFLOW in this staged session: the file, or its folder, belongs to an owner or group that the stage cannot "
    "hold. It can be read; to change it, write a copy under another name, and say so."
)


class Foreign:
    """A remedy of the runner, of a staged session."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter, self._told = emitter, False

    async def __call__(self, action: Action, completion: Completion) -> str:
        if completion.status != "error":
            return ""
        said = await said_of(completion)
        if not any(sign in said for sign in SIGNS):
            return ""
        if not self._told:
            self._told = True
            text = _("In a staged session the code cannot change files of other owners: "
                     "give them to you, or work without --stage.")  # fmt: skip
            await self._emitter.emit(NoteAdded(text=text, to_model=False))
        return TOLD
