"""The model with its memory: composes requests that fit the window, and reads answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec

from ..aio import Tasks
from ..errors import ContextExceeded
from ..llm.client import ModelClient
from ..llm.estimate import estimate_tokens
from ..types.events import Compacted
from ..types.messages import Answer, ModelRequest, Piece, ServerFacts, ToolSpec, Usage
from .account import tell
from .compaction import STAGES, Bounds, Gauge, Need, bounds, budget, can_shrink, lossy, summed_up
from .history import History
from .observe import Cap, cap_for
from .parse import Reading, read_answer
from .ports import Emitter, Toolbook
from .summary import Summarizer
from .turns import Turn

TOOLS_COST = 260
"""Tokens of the schemas of the two tools of a plain session, by estimate."""
PLAIN = ("execute", "read_output")


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
        summaries: bool = False,
        book: Toolbook | None = None,
    ) -> None:
        self._client, self._history, self._emitter = client, history, emitter
        self._tools, self._languages = tools, languages
        self._context_window, self._max_tokens, self._temperature = context_window, max_tokens, temperature
        self._book = book
        self._cost = tools_cost(tools)
        self._gauge = Gauge(self._cost)
        self._native_seen = False
        self._told_window: int | None = None
        """What the server said when a request did not fit: it counts for the rest of the session."""
        self._room: int | None = None
        """Tokens of a request's messages that fitted after one did not, where the server did not say its window."""
        self.settle: Callable[[Reading], Reading] | None = None
        """What a goal run makes of an answer that was read."""
        self.tasks = Tasks()
        self._summarizer = Summarizer(client, emitter, self.tasks) if summaries else None

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

    async def request(self, attempt: int, turn: Turn | None = None) -> ModelRequest:
        """The next request. `attempt` > 0: the server said the one before was too long; leave more room each time."""
        room = int(self.room() * (1.0, 0.7, 0.5, 0.35)[attempt])
        size = self._size()
        if attempt:  # the server's window is smaller than it says, or the estimate is wrong
            room = min(room, int(size * 0.7))
            if self._told_window is None:
                self._room = room
        if size > room:
            await self._shorten(room, turn)
        closing = turn.guards.closing() if turn is not None else None
        return ModelRequest(
            messages=self._history.messages(),
            tools=self._tools,
            max_tokens=self._max_tokens,
            temperature=self._temperature,
            tool_choice="auto" if closing is None else "none",
            response_schema=closing,
        )

    def _size(self) -> int:
        return self._gauge.tokens(self._history.tokens())

    async def _shorten(self, room: int, turn: Turn | None) -> None:
        """Let the gentlest measures give way first, until enough is free that the next steps need none."""
        history, gauge = self._history, self._gauge
        allowed = bounds(gauge.plain(room), self._cost + history.fixed())
        for stage in STAGES:
            for measure, keep in stage.measures:
                size = self._size()
                if size <= room * stage.enough:
                    break
                event = measure(history, Need(gauge.plain(size - int(room * stage.goal)), allowed), keep)
                if event is None:
                    continue
                if turn is not None and self._summarizer is not None and lossy(history, event):
                    event = await self._summed_up(self._summarizer, turn, event, allowed, gauge.plain(room))
                await self._emitter.emit(event)

    async def _summed_up(
        self, summarizer: Summarizer, turn: Turn, event: Compacted, allowed: Bounds, room: int
    ) -> Compacted:
        """The compaction with a summary; the account stands where there is none."""
        record = tell(self._history.stretch(event.answers))
        text = await summarizer.summary(turn, record, allowed.details // 2, room)
        return summed_up(self._history, event, text, allowed) if text else event

    def room(self) -> int:
        """Tokens that the messages of the next request may have."""
        whole = budget(self.window, self._max_tokens)
        return whole if self._room is None else min(whole, self._room)

    def can_shrink(self) -> bool:
        return can_shrink(self._history)

    def characters(self) -> int:
        """Of the messages of the request that was made last."""
        return self._history.characters()

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

    def read(self, answer: Answer, *, closing: bool = False) -> Reading:
        """The actions that an answer asks for, what could not be read of it, and what it says besides. `closing`: it
        was asked for as data, so nothing in it is an action.
        """
        if closing and not answer.calls:
            return Reading(text=answer.text)
        offered = tuple(tool.name for tool in self._tools)
        seen = self._native_seen
        self._native_seen = seen or bool(answer.calls)
        reading = read_answer(answer, offered, self._languages, native_seen=seen, book=self._book)
        return self.settle(reading) if self.settle is not None else reading

    def reread(self, answer: Answer, *, native: bool) -> Reading:
        """An answer of the log, read as it was. `native`: whether the model had called tools natively before it."""
        self._native_seen = native
        return self.read(answer)

    async def close(self) -> None:
        await self.tasks.close()
        await self._client.close()


def tools_cost(tools: Sequence[ToolSpec]) -> int:
    """Tokens of the tools' schemas, by estimate."""
    further = [tool for tool in tools if tool.name not in PLAIN]
    return TOOLS_COST + sum(estimate_tokens(msgspec.json.encode(tool).decode()) for tool in further)
