"""The model with its memory: composes requests that fit the window, and reads answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from ..aio import Tasks
from ..errors import ContextExceeded
from ..llm.client import ModelClient
from ..types.messages import Answer, ModelRequest, Piece, ServerFacts, ToolSpec, Usage
from .compaction import Gauge, budget, plan
from .history import History
from .observe import Cap, cap_for
from .parse import Reading, read_answer
from .ports import Emitter

TOOLS_COST = 260
"""Tokens of the tools' schemas, by estimate."""


class Mind:
    def __init__(
        self,
        client: ModelClient,
        history: History,
        emitter: Emitter,
        tools: tuple[ToolSpec, ...],
        languages: Mapping[str, str],
        *,
        context_window: int | None,
        max_tokens: int | None,
        temperature: float | None,
    ) -> None:
        self._client, self._history, self._emitter = client, history, emitter
        self._tools, self._languages = tools, languages
        self._context_window, self._max_tokens, self._temperature = context_window, max_tokens, temperature
        self._gauge = Gauge(TOOLS_COST)
        self._native_seen = False
        self._told_window: int | None = None
        """What the server said when a request did not fit: it counts for the rest of the session."""
        self._room: int | None = None
        """Tokens of a request's messages that fitted after one did not, where the server did not say its window."""
        self.tasks = Tasks()

    @property
    def facts(self) -> ServerFacts:
        return self._client.facts or ServerFacts(api_base="", model="")

    @property
    def window(self) -> int | None:
        """The context window in tokens: what the person set, else what the server says; less, once it refused more."""
        stated = self._context_window or self.facts.context_window
        return min(stated or self._told_window, self._told_window) if self._told_window else stated

    async def connect(self) -> ServerFacts:
        """First contact; does nothing when it was made before. Raises ModelError."""
        return self._client.facts or await self._client.connect()

    def cap(self) -> Cap:
        """How much of one observation may reach the model."""
        return cap_for(self.window)

    async def request(self, attempt: int) -> ModelRequest:
        """The next request. `attempt` > 0: the server said the one before was too long; leave more room each time."""
        room = int(self.room() * (1.0, 0.7, 0.5, 0.35)[attempt])
        messages = self._history.messages()
        size = self._gauge.tokens(messages)
        if attempt:  # the server's window is smaller than it says, or the estimate is wrong
            room = min(room, int(size * 0.7))
            if self._told_window is None:
                self._room = room
        if size > room:
            while size > room and (smaller := plan(self._history, size - int(room * 0.6))) is not None:
                await self._emitter.emit(smaller)
                messages = self._history.messages()
                size = self._gauge.tokens(messages)
        return ModelRequest(
            messages=messages, tools=self._tools, max_tokens=self._max_tokens, temperature=self._temperature
        )

    def room(self) -> int:
        """Tokens that the messages of the next request may have."""
        whole = budget(self.window, self._max_tokens)
        return whole if self._room is None else min(whole, self._room)

    def can_shrink(self) -> bool:
        return plan(self._history, 1) is not None

    async def stream(self, request: ModelRequest) -> AsyncIterator[Piece]:
        """The pieces of the answer. Raises ModelError; a window that the server names in one is remembered."""
        try:
            async for piece in self._client.stream(request):
                yield piece
        except ContextExceeded as error:
            if error.window:
                self._told_window = min(error.window, self._told_window or error.window)
            raise

    def learn(self, usage: Usage) -> None:
        self._gauge.learn(usage.prompt)

    def read(self, answer: Answer) -> Reading:
        """The actions that an answer asks for, what could not be read of it, and what it says besides."""
        offered = tuple(tool.name for tool in self._tools)
        seen = self._native_seen
        self._native_seen = seen or bool(answer.calls)
        return read_answer(answer, offered, self._languages, native_seen=seen)

    async def close(self) -> None:
        await self.tasks.close()
        await self._client.close()
