"""A request leaves while the log takes the event that it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from interpreter.agent.gate import Gate
from interpreter.agent.guards import Guards, Tally
from interpreter.agent.loop import Loop
from interpreter.agent.options import AgentOptions
from interpreter.agent.turns import Turn
from interpreter.errors import StoreError
from interpreter.types.events import Event, ModelAsked
from interpreter.types.messages import ModelRequest, Piece, ServerFacts, TextPiece

from .lives import Life


class Waiting:
    """A model that begins to answer and never ends; it knows when it was given up."""

    def __init__(self) -> None:
        self.facts: ServerFacts | None = ServerFacts(model="m", api_base="scripted:")
        self.asked = self.given_up = 0

    async def connect(self) -> ServerFacts:
        assert self.facts is not None
        return self.facts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        self.asked += 1
        try:
            yield TextPiece(text="Half of an ans")
            await asyncio.Event().wait()
        finally:
            self.given_up += 1

    async def close(self) -> None:
        pass


class Full(Life):
    """Its log takes everything but that a model was asked."""

    async def emit(self, event: Event, *more: Event) -> None:
        await asyncio.sleep(0.01)
        if isinstance(event, ModelAsked):
            raise StoreError("the disk is full")
        self.add(event, *more)


def test_a_request_that_the_log_does_not_take_is_given_up_and_nothing_of_it_is_seen() -> None:
    async def story() -> None:
        model = Waiting()
        life = Full(8192, client=model)
        life.ask("go on")
        loop = Loop(life.mind, cast(Gate, None), cast(Any, None), life, cast(Any, None), lambda: "here")
        tally = Tally()
        with pytest.raises(StoreError, match="the disk is full"):
            await loop.run(Turn(life.turn, tally, Guards(AgentOptions(), tally)))
        await asyncio.sleep(0.05)
        assert (model.asked, model.given_up) == (1, 1), "it had left, and was cancelled"

    asyncio.run(story())
