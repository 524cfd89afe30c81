"""Files named in the task that lie outside the walls: offered as read-only grants, before the model is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from ..text.expression import expression
from ..text.i18n import _
from ..types.base import new_id
from ..types.events import ApprovalRequested, GrantAdded, NoteAdded
from .approvals import Approvals
from .ports import Emitter

MOST = 8
QUOTED = expression(r"""["'`“”‘’「『]((?:~|/)[^"'`“”‘’」』\n]{1,4096})["'`“”‘’」』]""")
BARE = expression(r"(?<![\w:/.~])((?:~/|/)[^\s\"'`“”‘’「」『』，。；：！？、（）()<>|;,]{1,4096})")


class Granter(Protocol):
    """What this needs of the walls."""

    def settled(self, path: str) -> str:
        """The path to speak of: what it leads to, where code inside could turn a link on its way; else itself."""
        ...

    def reads(self, path: str) -> bool:
        """Whether code inside can read the path already."""
        ...

    def forbidden(self, path: str) -> bool:
        """Whether the path may never be granted (the tool's own home, keys)."""
        ...

    async def grant(self, path: str) -> bool:
        """Make it readable for the living kernels. False: only for kernels that start from now on."""
        ...


def named_paths(text: str, home: Path) -> list[str]:
    """Absolute paths of existing files and folders that a person's words name, in order, each once."""
    found: list[str] = []
    for pattern in (QUOTED, BARE):
        for match in pattern.finditer(text):
            raw = match.group(1).rstrip(".,;:!?")
            path = os.path.normpath(str(home / raw[2:]) if raw.startswith("~/") else raw)
            if path not in found and path != "/" and os.path.lexists(path):
                found.append(path)
    return found[:MOST]


class Grants:
    """Asks once for each path of the task that the walls hide."""

    def __init__(self, granter: Granter, approvals: Approvals, emitter: Emitter) -> None:
        self._granter, self._approvals, self._emitter = granter, approvals, emitter
        self._asked: set[str] = set()

    async def offer(self, text: str) -> None:
        """Go through the paths of a task. A refusal is remembered for the session and told to the model."""
        for named in named_paths(text, Path.home()):
            path = self._granter.settled(named)
            if path in self._asked or self._granter.reads(path):
                continue
            self._asked.add(path)
            if self._granter.forbidden(path):
                await self._tell(f"{path} lies outside the sandbox and is never opened to code.")
                continue
            if not self._approvals.can_ask:
                await self._tell(f"{path} lies outside the sandbox; nobody was there to allow reading it.")
                continue
            await self._ask(path, named)

    async def _ask(self, path: str, named: str) -> None:
        question = _("This lies outside the sandbox. May the code read it (only read) in this session?")
        if path != named:
            question = _(
                "{name} leads to this place outside the sandbox. May the code read it (only read)?", name=named
            )
        request = ApprovalRequested(
            approval=new_id("ap"),
            kind="grant",
            question=question,
            subject=path,
        )
        answer, _edited = await self._approvals.ask(request)
        if answer is None:
            return
        if answer.answer == "no":
            await self._tell(f"The person did not allow reading {path}.")
            return
        alive = await self._granter.grant(path)
        await self._emitter.emit(GrantAdded(path=path, access="read", by=answer.by))
        if not alive:
            await self._tell(f"{path} is readable now; the kernels had to be started anew for it, their state is gone.")

    async def _tell(self, text: str) -> None:
        await self._emitter.emit(NoteAdded(text=text))
