"""A caller that gives up, as the SDK's own scopes do it: they cancel again in every round of the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from interpreter.mcp import calls
from interpreter.mcp.relay import Relay
from interpreter.types.ops import Interrupt


class Slow:
    """A session with one tool, whose turn ends half a second after it was interrupted."""

    name = "t"

    def __init__(self) -> None:
        self.parts, self.over = self, asyncio.Event()

    def offered(self) -> tuple[Any, ...]:
        return (self,)

    def watch(self) -> Slow:
        return self

    def __aiter__(self) -> Slow:
        return self

    async def __anext__(self) -> Any:
        await self.over.wait()
        raise StopAsyncIteration

    def close(self) -> None:
        pass

    async def send(self, op: Any) -> None:
        if isinstance(op, Interrupt):
            asyncio.get_running_loop().call_later(0.5, self.over.set)


def test_a_caller_that_gives_up_waits_for_the_end_without_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    waits, shield = list[Any](), asyncio.shield

    def counted(one: Any) -> Any:
        waits.append(one)
        return shield(one)

    async def story() -> None:
        session: Any = Slow()
        made = calls.Calls(session, Relay())
        with anyio.move_on_after(0.1) as scope:
            await made.call("t", {})
        assert scope.cancelled_caught and session.over.is_set(), "the turn is over when the next one may begin"
        await made.close()

    monkeypatch.setattr(calls.asyncio, "shield", counted)
    asyncio.run(asyncio.wait_for(story(), 30))
    assert len(waits) < 10
