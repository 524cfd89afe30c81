"""Calls from outside, carried out in a session: one at a time, each a turn of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import anyio

from ..aio import Tasks
from ..errors import UsageError
from ..session.service import Session
from ..types.base import new_id, to_json
from ..types.events import ActionFinished, ActionProposed, ApprovalRequested, Event, NoteAdded, TurnFinished
from ..types.messages import ToolCall
from ..types.ops import Interrupt, ResolveApproval, SubmitInput
from ..types.tooling import Declaration
from .relay import Relay

LARGEST = 1 << 20
"""Bytes of one call's arguments."""
MOST_WAITING = 32
"""Calls that may wait for their turn."""
NOBODY = ("input", "continue")
"""Kinds of questions that cannot be answered from another terminal, or need not be."""


class Outcome:
    """What a call came to: what a model may read of it, and whether it failed."""

    def __init__(self, text: str, *, failed: bool) -> None:
        self.text, self.failed = text, failed


class Calls:
    """Raises nothing for what is called; a session that cannot go on answers every call with the reason."""

    def __init__(self, session: Session, relay: Relay) -> None:
        self._session, self._relay = session, relay
        self._turn, self._tasks = asyncio.Lock(), Tasks()
        self._waiting = 0

    def offered(self) -> tuple[Declaration, ...]:
        return self._session.parts.offered()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Outcome:
        """Carry it out. When the caller gives up, it is interrupted."""
        if name not in {one.name for one in self.offered()}:
            return Outcome(f"There is no tool {name[:60]!r}.", failed=True)
        text = to_json(dict(arguments)).decode()
        if len(text) > LARGEST:
            return Outcome(f"The arguments are too large: at most {LARGEST >> 10} kB.", failed=True)
        if self._waiting >= MOST_WAITING:
            return Outcome("Too many calls wait already: one is carried out at a time.", failed=True)
        self._waiting += 1
        try:
            async with self._turn:
                work = self._tasks.start(self._carried_out(name, text))
                try:
                    return await asyncio.shield(work)
                except asyncio.CancelledError:
                    # The lock is let go only when the turn is over, whoever waits for it.
                    stopping = self._tasks.start(self._stop(work))
                    with anyio.CancelScope(shield=True):  # else the SDK's scope cancels each of these waits at once
                        while not stopping.done():
                            with suppress(asyncio.CancelledError):
                                await asyncio.shield(stopping)
                    raise
        finally:
            self._waiting -= 1

    async def _stop(self, work: asyncio.Task[Outcome]) -> None:
        with suppress(UsageError):
            await self._session.send(Interrupt())
        await asyncio.gather(work, return_exceptions=True)

    async def _carried_out(self, name: str, arguments: str) -> Outcome:
        self._relay.take(ToolCall(id=new_id("call"), name=name, arguments=arguments))
        watch = self._session.watch()
        try:
            await self._session.send(SubmitInput(text=f"A call of {name} over MCP."))
            found = Found()
            async for event in watch:
                found.apply(event)
                if isinstance(event, ApprovalRequested) and event.kind in NOBODY:
                    await self._nobody(event.approval)
                if isinstance(event, TurnFinished):
                    return found.outcome(event)
        except UsageError as error:
            return Outcome(str(error), failed=True)
        finally:
            watch.close()
        return Outcome("The session was closed.", failed=True)

    async def _nobody(self, approval: str) -> None:
        with suppress(UsageError):
            await self._session.send(ResolveApproval(approval=approval, answer="no", by="harness", channel="mcp"))

    async def close(self) -> None:
        await self._tasks.close()


class Found:
    """A reading of one turn's events."""

    def __init__(self) -> None:
        self._actions: set[str] = set()
        self._end: ActionFinished | None = None
        self._notes: list[str] = []

    def apply(self, event: Event) -> None:
        match event:
            case ActionProposed() if not event.action.parent:
                self._actions.add(event.action.id)
            case ActionFinished() if event.action in self._actions:
                self._end = event
            case NoteAdded() if event.to_model and event.source != "person":
                self._notes.append(event.text)
            case _:
                pass

    def outcome(self, finished: TurnFinished) -> Outcome:
        if self._end is not None:
            return Outcome("\n".join([self._end.observation.text, *self._notes]), failed=self._end.status != "ok")
        return Outcome("\n".join(self._notes) or finished.text or "Not run.", failed=True)
