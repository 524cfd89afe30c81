"""The recorded model: gives the answers of a recording in order, and notes which requests are not the recorded ones."""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from .. import errors
from ..errors import ModelError
from ..text.i18n import _
from ..text.redact import Redactor
from ..types.base import Value
from ..types.messages import CallPiece, ModelRequest, Piece, ServerFacts, TextPiece, Usage
from .reader import Exchange, texts
from .values import Failed

MOST_LINES = 200
"""Of one difference."""


class Compared(Value):
    """One request beside the recorded one."""

    number: int
    difference: tuple[str, ...] = ()
    """Lines of a unified diff; empty: it is the same."""


class PlayedModel:
    """A ModelClient without a server."""

    def __init__(
        self, facts: ServerFacts, exchanges: list[Exchange], redactor: Redactor, steer: Callable[[str], None]
    ) -> None:
        """`steer` gets what the person said in mid-turn, at its place."""
        self.facts: ServerFacts | None = facts
        self.compared: list[Compared] = []
        self._exchanges, self._redactor, self._steer = exchanges, redactor, steer

    async def connect(self) -> ServerFacts:
        assert self.facts is not None
        return self.facts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        at = len(self.compared)
        if at >= len(self._exchanges):
            self.compared.append(Compared(number=at + 1, difference=(_("The recorded run did not ask it."),)))
            raise ModelError(_("The recording holds no answer to request {n}.", n=at + 1))
        exchange = self._exchanges[at]
        self.compared.append(
            Compared(number=at + 1, difference=tuple(difference(exchange.request, request, self._redactor)))
        )
        for text in exchange.said:
            self._steer(text)
        outcome = exchange.outcome
        if outcome is None:
            raise ModelError(_("The recording ends before the answer to request {n}.", n=at + 1))
        if isinstance(outcome, Failed):
            raise as_error(outcome)
        answer = outcome.answer
        usage = answer.usage
        if answer.text:
            yield TextPiece(text=answer.text)
        for index, call in enumerate(answer.calls):
            yield CallPiece(index=index, name=call.name, arguments=call.arguments)
        free = Usage(
            prompt=usage.prompt, cached=usage.cached, completion=usage.completion, reasoning=usage.reasoning,
            cost=None if usage.cost is None else 0.0,
        )  # fmt: skip
        yield msgspec.structs.replace(answer, usage=free, source="recording")

    async def close(self) -> None:
        """Nothing is held open."""


def as_error(failed: Failed) -> ModelError:
    kind: Any = getattr(errors, failed.error, None)
    known = isinstance(kind, type) and issubclass(kind, ModelError)
    return (kind if known else ModelError)(failed.message, failed.hint)


def difference(recorded: ModelRequest, now: ModelRequest, redactor: Redactor) -> list[str]:
    """What differs, as a diff; empty where nothing does."""
    old, new = shown(recorded, redactor), shown(now, redactor)
    if old == new:
        return []
    lines = list(difflib.unified_diff(old, new, "recorded", "now", lineterm="", n=2))
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], _("… and {n} more lines", n=more)]


def shown(request: ModelRequest, redactor: Redactor) -> list[str]:
    lines = [
        f"max_tokens: {request.max_tokens}",
        f"temperature: {request.temperature}",
        f"tool_choice: {request.tool_choice}",
        f"response_schema: {msgspec.json.encode(request.response_schema, order='sorted').decode()}",
        *(
            f"tool {tool.name}: {tool.description} {msgspec.json.encode(tool.parameters, order='sorted').decode()}"
            for tool in request.tools
        ),
        *(line for message in request.messages for line in texts(message)),
    ]
    return [redactor.sure(line) for line in lines]
