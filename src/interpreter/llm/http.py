"""A model behind any server that speaks chat completions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

from interpreter.errors import ContextExceeded, MalformedAnswer, ModelError, ToolsRefused
from interpreter.text.i18n import _
from interpreter.types.messages import Answer, ModelRequest, Piece, ServerFacts

from .chunks import Assembler, usage_of
from .contact import Contact, make_contact
from .faults import body_text, broke_off, from_status, not_the_api, refused_field
from .names import names
from .options import ModelOptions
from .sse import DataLines
from .transport import Exchange, read_whole
from .wire import Encoder

MAX_ANSWER = 64 << 20
"""Bytes of one streamed answer."""
LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more gets no retry."""
FORM_REFUSED = (400, 404, 422, 500, 501)
"""What servers say that do not take `response_format`, or not this schema."""


class Refused(Exception):
    """The server takes the request without this field."""

    def __init__(self, field: str, error: ModelError) -> None:
        super().__init__(field)
        self.field = field
        self.error = error


class HttpModel:
    """A ModelClient over HTTP. Nothing is connected before `connect` or the first `stream`."""

    def __init__(self, options: ModelOptions) -> None:
        self.options = options
        self.facts: ServerFacts | None = None
        self._contact: Contact | None = None
        self._encoder = Encoder()
        self._encoder.by_text = options.tools == "off"
        self._dropped: frozenset[str] = frozenset()
        self._connecting = asyncio.Lock()

    @property
    def by_text(self) -> bool:
        """Whether actions are asked for by text: configured, or because the server refused `tools`."""
        return self._encoder.by_text

    async def connect(self) -> ServerFacts:
        async with self._connecting:
            if self.facts is None:
                self._contact, self.facts = await make_contact(self.options)
            return self.facts

    async def close(self) -> None:
        if self._contact is not None:
            await self._contact.transport.close()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        await self.connect()
        retries = 0
        started = time.perf_counter()
        while True:
            said = False
            try:
                async with contextlib.aclosing(self._ask(request, started, retries)) as pieces:
                    async for piece in pieces:
                        said = True
                        yield piece
                return
            except Refused as refused:
                self._do_without(refused)
            except ModelError as error:
                wait = error.retry_after
                if said or not error.retryable or retries >= self.options.max_retries or (wait or 0) > LONGEST_WAIT:
                    raise
                await asyncio.sleep(self.options.retry_wait * 2**retries if wait is None else wait)
                retries += 1

    def _do_without(self, refused: Refused) -> None:
        """Remember what this server refuses, so that the request is sent again without it."""
        if refused.field == "tools":
            self._encoder.change_mode(by_text=True)
        else:
            self._dropped |= {refused.field}

    async def _ask(self, request: ModelRequest, started: float, retries: int) -> AsyncGenerator[Piece, None]:
        contact, facts = self._contact, self.facts
        assert contact is not None and facts is not None
        options = self.options
        if request.max_tokens is None or request.temperature is None:
            request = with_defaults(request, options)
        fields: dict[str, Any] = {**options.extra_body, "model": facts.model}
        body = self._encoder.body(request, fields, self._dropped)
        path = f"{contact.target.path}/chat/completions"
        exchange = await contact.transport.send("POST", path, contact.headers, body)
        try:
            if exchange.status != 200:
                await self._fail(exchange, contact, request)
            assembler = Assembler()
            first = 0.0
            async with contextlib.aclosing(read_events(exchange, assembler, contact)) as pieces:
                async for piece in pieces:
                    first = first or time.perf_counter() - started
                    yield piece
            text, reasoning, calls = assembler.result()
            answer = Answer(
                text=text,
                reasoning=reasoning,
                calls=calls,
                finish=assembler.finished(calls),
                usage=usage_of(assembler.usage, options.prices),
                model=assembler.model or facts.model,
                first_token=first,
                duration=time.perf_counter() - started,
                retries=retries,
            )
            await exchange.finish()
        finally:
            await exchange.close()
        yield answer

    async def _fail(self, exchange: Exchange, contact: Contact, request: ModelRequest) -> None:
        """Raise what the status means."""
        body = await read_whole(exchange)
        there = _("It has: {names}", names=names(contact.names)) if contact.names else ""
        error = from_status(exchange.status, exchange.headers, body, contact.target, there)
        field = refused_field(exchange.status, body_text(body))
        if field == "tools" and request.tools and not self.by_text:
            if self.options.tools == "on":
                raise ToolsRefused(
                    _("The server {url} does not take tools: {reason}", url=contact.target.url, reason=error.message),
                    _("Set tools to auto or off, or start the server with a tool-call parser."),
                )
            raise Refused(field, error)
        bound = request.response_schema is not None and "response_format" not in self._dropped
        if bound and exchange.status in FORM_REFUSED and not isinstance(error, ContextExceeded):
            # The answer is checked on this side anyway.
            raise Refused("response_format", error)
        if field and field != "tools" and field not in self._dropped:
            raise Refused(field, error)
        raise error


def with_defaults(request: ModelRequest, options: ModelOptions) -> ModelRequest:
    """The request with the bounds that the options set where it sets none."""
    return ModelRequest(
        messages=request.messages,
        tools=request.tools,
        max_tokens=options.max_tokens if request.max_tokens is None else request.max_tokens,
        temperature=options.temperature if request.temperature is None else request.temperature,
        tool_choice=request.tool_choice,
        response_schema=request.response_schema,
    )


async def read_events(exchange: Exchange, assembler: Assembler, contact: Contact) -> AsyncGenerator[Piece, None]:
    """The pieces of an answer with status 200.

    Raises ServerFault where it breaks off, MalformedAnswer where it is no answer.
    """
    if "json" in exchange.headers.get("content-type", ""):
        body = await read_whole(exchange)
        for piece in [*assembler.feed(body), *assembler.end()]:
            yield piece
        assembler.done = True
    else:
        lines, size = DataLines(), 0
        async with contextlib.aclosing(exchange.body()) as parts:
            async for data in parts:
                if (size := size + len(data)) > MAX_ANSWER:
                    raise MalformedAnswer(
                        _("The server sent an answer of more than {size} MB.", size=MAX_ANSWER >> 20),
                        _("Check that --api_base is the address of a model's server."),
                    )
                for line in lines.feed(data):
                    for piece in assembler.feed(line):
                        yield piece
                if assembler.done:
                    break
        for line in lines.end():
            for piece in assembler.feed(line):
                yield piece
        for piece in assembler.end():
            yield piece
        if not assembler.chunks and not assembler.done:
            raise not_the_api(lines.other, contact.target)
    if not assembler.chunks:
        raise MalformedAnswer(
            _("The server {url} sent an empty answer.", url=contact.target.url),
            _("Look at the server's log, then ask again."),
        )
    if not assembler.done and not assembler.finish:
        raise broke_off()
