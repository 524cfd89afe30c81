"""The contract of a model's client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from interpreter.types.messages import ModelRequest, Piece, ServerFacts


class ModelClient(Protocol):
    """One model on one server. The agent's loop asks one request at a time."""

    facts: ServerFacts | None
    """What first contact showed; None before `connect`."""

    async def connect(self) -> ServerFacts:
        """First contact; a second call returns the same facts. Raises ModelError."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """Ask, and yield the answer in pieces, at the end exactly one `Answer`.

        Connects first where that was not done. Closing or cancelling the iterator stops the server's work at once.
        Raises only ModelErrors; once a piece has been yielded nothing is asked again, so no text comes twice.
        An implementation must not change or reorder the request's messages.
        """
        ...

    async def close(self) -> None:
        """Release every connection; never raises."""
        ...
