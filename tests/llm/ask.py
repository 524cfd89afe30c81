"""A real server that plays a script, and short ways to ask it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions
from interpreter.llm.script import Reply, Script
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.types.messages import (
    Answer,
    CallPiece,
    Message,
    ModelRequest,
    Piece,
    ReasoningPiece,
    TextPart,
    TextPiece,
    ToolSpec,
)

EXECUTE = ToolSpec(
    name="execute",
    description="Run code.",
    parameters={
        "type": "object",
        "properties": {"language": {"type": "string"}, "code": {"type": "string"}},
        "required": ["language", "code"],
        "additionalProperties": False,
    },
)


def user(text: str) -> Message:
    return Message(role="user", parts=(TextPart(text=text),))


def request(*messages: Message, tools: bool = True, **fields: Any) -> ModelRequest:
    return ModelRequest(messages=messages or (user("hello"),), tools=(EXECUTE,) if tools else (), **fields)


@asynccontextmanager
async def serving(
    script: Script | Sequence[Reply | str], **options: Any
) -> AsyncGenerator[tuple[HttpModel, ScriptedServer], None]:
    """A server in a thread, and a client that is configured for it."""
    script = script if isinstance(script, Script) else Script(replies=tuple(script))
    with ScriptedServer(script) as server:
        given: dict[str, Any] = {"api_base": server.url, "retry_wait": 0.0, "read_timeout": 20.0, **options}
        model = HttpModel(ModelOptions(**given))
        try:
            yield model, server
        finally:
            await model.close()


async def ask(model: HttpModel, asked: ModelRequest | None = None) -> tuple[list[Piece], Answer]:
    """All pieces, and the answer that ends them."""
    pieces = [piece async for piece in model.stream(asked or request())]
    answer = pieces.pop()
    assert isinstance(answer, Answer)
    return pieces, answer


def text(pieces: list[Piece]) -> str:
    return "".join(p.text for p in pieces if isinstance(p, TextPiece))


def reasoning(pieces: list[Piece]) -> str:
    return "".join(p.text for p in pieces if isinstance(p, ReasoningPiece))


def arguments(pieces: list[Piece], index: int) -> str:
    return "".join(p.arguments for p in pieces if isinstance(p, CallPiece) and p.index == index)
