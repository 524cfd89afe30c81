"""A summary of older steps by the model itself, where the person wants one: asked, logged, checked, never relied on."""

from __future__ import annotations

import asyncio

from ..aio import Tasks
from ..errors import ModelError
from ..llm.client import ModelClient
from ..llm.estimate import estimate_tokens
from ..text.cut import head_tail
from ..types.events import ModelAsked, Summarized
from ..types.messages import Answer, Message, ModelRequest, ServerFacts, TextPart
from .ports import Emitter
from .turns import Turn

LEAST = 60
"""Tokens below which a summary says nothing."""
RULES = """\
You keep the memory of a working session. From the record, write what must be known to go on: what was asked, what is \
done and where it lies (files, variables), what was learned (names, numbers, errors), what is still open. Only facts \
of the record, in its language, as plain sentences, without code. At most {n} words."""


class Summarizer:
    """`summary`: what to tell in place of an account. Every request is in the log with its usage."""

    def __init__(self, client: ModelClient, emitter: Emitter, tasks: Tasks) -> None:
        self._client, self._emitter, self._tasks = client, emitter, tasks

    async def summary(self, turn: Turn, record: str, most: int, room: int) -> str:
        """A summary of at most `most` tokens; empty where there is none that can be used.

        Args:
            record: the account in full detail.
            room: tokens that the whole request may take.
        """
        if most < LEAST:
            return ""
        size = max(1, estimate_tokens(record))
        if size > (free := max(LEAST, room - most - 200)):
            record = head_tail(record, len(record) * free // size)
        messages = (said("system", RULES.format(n=most * 3 // 5)), said("user", record))
        facts = self._client.facts or ServerFacts(api_base="", model="")
        await self._emitter.emit(
            ModelAsked(
                turn=turn.id, step=turn.tally.steps, model=facts.model, api_base=facts.api_base,
                messages=len(messages), size=sum(len(m.text) for m in messages), purpose="summary",
            )
        )  # fmt: skip
        answer, problem = await self._ask(turn, ModelRequest(messages=messages, max_tokens=most, temperature=0.0))
        text = answer.text.strip()
        problem = problem or fault_of(answer, text, most)
        turn.tally.add(answer.usage)
        await self._emitter.emit(
            Summarized(
                turn=turn.id, text=text, problem=problem, usage=answer.usage, model=answer.model,
                duration=answer.duration, retries=answer.retries,
            )
        )  # fmt: skip
        return "" if problem else text

    async def _ask(self, turn: Turn, request: ModelRequest) -> tuple[Answer, str]:
        """The answer, or why there is none. An interrupt ends it at once."""
        asking = self._tasks.start(self._whole(request))
        stopping = self._tasks.start(turn.stop.wait())
        await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not asking.done():
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            return Answer(), "Interrupted"
        try:
            return asking.result(), ""
        except ModelError as error:
            return Answer(), type(error).__name__

    async def _whole(self, request: ModelRequest) -> Answer:
        async for piece in self._client.stream(request):
            if isinstance(piece, Answer):
                return piece
        return Answer()


def said(role: str, text: str) -> Message:
    return Message(role="system" if role == "system" else "user", parts=(TextPart(text=text),))


def fault_of(answer: Answer, text: str, most: int) -> str:
    """Why an answer is no summary; empty where it is one."""
    if answer.calls:
        return "it asked for a tool"
    if not text:
        return "empty"
    if answer.finish == "length" or estimate_tokens(text) > most * 5 // 4:
        return "too long"
    return ""
