"""Short ways to ask a real server through the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from interpreter.agent.options import AgentOptions
from interpreter.agent.prompt import system_prompt, tools
from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions
from interpreter.types.messages import Answer, Message, ModelRequest, Piece, TextPart

LANGUAGES = ("python", "shell", "javascript")
SYSTEM = system_prompt(AgentOptions(), workspace="/work", sandbox="bubblewrap", network="closed", languages=LANGUAGES)
TOOLS = tools(LANGUAGES)


def said(role: str, text: str, **fields: Any) -> Message:
    return Message(role=role, parts=(TextPart(text=text),), **fields)  # pyright: ignore[reportArgumentType]


def request(*messages: Message, **fields: Any) -> ModelRequest:
    """With the real system prompt and tools of a session."""
    given: dict[str, Any] = {"tools": TOOLS, "temperature": 0.0, "max_tokens": 96, **fields}
    return ModelRequest(messages=(said("system", SYSTEM), *messages), **given)


@asynccontextmanager
async def client(url: str | None, **options: Any) -> AsyncGenerator[HttpModel]:
    model = HttpModel(ModelOptions(api_base=url, retry_wait=0.0, **options))
    try:
        yield model
    finally:
        await model.close()


async def ask(model: HttpModel, asked: ModelRequest) -> tuple[list[Piece], Answer]:
    """All pieces, and the answer that ends them."""
    pieces = [piece async for piece in model.stream(asked)]
    answer = pieces.pop()
    assert isinstance(answer, Answer)
    return pieces, answer


def run(work: Callable[[HttpModel], Awaitable[None]], url: str | None, **options: Any) -> None:
    """Do `work` with a client, within two minutes."""

    async def go() -> None:
        async with asyncio.timeout(120), client(url, **options) as model:
            await work(model)

    asyncio.run(go())


def fits(arguments: str, schema: dict[str, Any]) -> bool:
    """Whether a call's arguments are an object as its flat schema wants it."""
    try:
        value: Any = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return False
    kinds: dict[str, type] = {"string": str, "integer": int}
    wanted: dict[str, dict[str, Any]] = schema["properties"]
    return (
        isinstance(value, dict)
        and set(value) == set(schema["required"])  # pyright: ignore[reportUnknownArgumentType]
        and all(isinstance(value[key], kinds[rule["type"]]) for key, rule in wanted.items())
        and all(value[key] in rule["enum"] for key, rule in wanted.items() if "enum" in rule)
    )
