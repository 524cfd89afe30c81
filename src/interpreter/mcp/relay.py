"""The program at the other end, as the model of a session: each of its calls is one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ..types.messages import Answer, ModelRequest, Piece, ServerFacts, ToolCall

WINDOW = 1_000_000
"""Tokens of a history that nobody reads: large enough that hardly anything is ever compacted."""
DONE = "Done."


class Relay:
    """A `ModelClient`. A turn has two answers: the call, and after its result that there is nothing more."""

    def __init__(self) -> None:
        self.facts: ServerFacts | None = None
        self._next: ToolCall | None = None

    def take(self, call: ToolCall) -> None:
        """What the next answer is."""
        self._next = call

    async def connect(self) -> ServerFacts:
        if self.facts is None:
            self.facts = ServerFacts(api_base="mcp:", model="mcp client", kind="mcp", context_window=WINDOW)
        return self.facts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        call, self._next = self._next, None
        if call is None:
            yield Answer(text=DONE, model="mcp client")
        else:
            yield Answer(calls=(call,), finish="tool_calls", model="mcp client")

    async def close(self) -> None:
        """Nothing is held open."""
