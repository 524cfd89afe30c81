"""A model that plays a script, in process: for tests of this package and of programs that embed it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from interpreter.errors import (
    ContextExceeded,
    MalformedAnswer,
    ModelAuthRefused,
    ModelError,
    ModelUnknown,
    ModelUnreachable,
    RateLimited,
    ServerFault,
)
from interpreter.text.i18n import _
from interpreter.types.messages import Answer, ModelRequest, Piece, ServerFacts, Usage

from .script import Player, Reply, Script, ScriptCall, finish_of, load_script, newest_text, pieces, said, usage_of

__all__ = ["Reply", "Script", "ScriptCall", "ScriptedModel", "load_script"]

ERRORS: dict[str, type[ModelError]] = {
    "unreachable": ModelUnreachable,
    "auth": ModelAuthRefused,
    "forbidden": ModelAuthRefused,
    "unknown_model": ModelUnknown,
    "overflow": ContextExceeded,
    "rate_limited": RateLimited,
    "bad_request": ModelError,
    "server_error": ServerFault,
    "html": MalformedAnswer,
    "empty": MalformedAnswer,
    "garbage": MalformedAnswer,
    "redirect": MalformedAnswer,
    "break": ServerFault,
    "cut": ServerFault,
    "error_in_stream": ServerFault,
}
IN_STREAM = ("garbage", "break", "cut", "error_in_stream", "hang")


class ScriptedModel:
    """A ModelClient that answers from a script.

    Args:
        script: a Script, a list of replies (a string is a reply with this text), or the path of a YAML or JSON file.
    """

    def __init__(self, script: Script | Sequence[Reply | str] | Path) -> None:
        if isinstance(script, Path):
            script = load_script(script)
        elif not isinstance(script, Script):
            script = Script(replies=tuple(script))
        self.script = script
        self.player = Player(script)
        self.facts: ServerFacts | None = None
        self.requests: list[ModelRequest] = []
        """Every request, in order."""
        self.cancelled = 0
        """How many answers were broken off by the one who asked."""

    async def connect(self) -> ServerFacts:
        if self.facts is None:
            name = self.script.model
            self.facts = ServerFacts(
                api_base="scripted:",
                model=name,
                kind="scripted",
                context_window=self.script.context_window,
                models=self.script.models or (name,),
            )
        return self.facts

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        await self.connect()
        self.requests.append(request)
        reply = self.player.next(newest_text(request.messages))
        if reply is None:
            raise ModelError(self.player.exhausted(), _("Add replies to the script, or set `times` or `loop`."))
        started = time.perf_counter()
        done = False
        try:
            async for piece in self._play(reply, request, started):
                yield piece
            done = True
        except ModelError:
            done = True
            raise
        finally:
            self.cancelled += not done

    async def _play(self, reply: Reply, request: ModelRequest, started: float) -> AsyncGenerator[Piece, None]:
        await asyncio.sleep(reply.delay)
        if reply.fault and reply.fault not in (*IN_STREAM, "no_done"):
            raise fault_error(reply)
        first = 0.0
        tools = bool(request.tools)
        found = pieces(reply, tools, self.player.asked)
        for n, piece in enumerate(found):
            if reply.fault in IN_STREAM and n >= reply.after:
                break
            if reply.pace and n:
                await asyncio.sleep(reply.pace)
            first = first or time.perf_counter() - started
            yield piece
        if reply.fault == "hang":
            await asyncio.Event().wait()
        if reply.fault in IN_STREAM:
            raise fault_error(reply)
        text, calls = said(reply, tools, self.player.asked)
        usage = usage_of(reply, sum(len(m.text) for m in request.messages), len(found))
        yield Answer(
            text=text,
            reasoning=reply.reasoning,
            calls=calls,
            finish=finish_of(reply, calls),
            usage=Usage(
                prompt=usage.prompt, cached=usage.cached, completion=usage.completion, reasoning=usage.reasoning
            ),
            model=self.script.model,
            first_token=first,
            duration=time.perf_counter() - started,
        )

    async def close(self) -> None:
        """Nothing is held open."""


def fault_error(reply: Reply) -> ModelError:
    """The error that a client raises for the reply's fault."""
    message = reply.message or _("The script plays the fault {fault}.", fault=reply.fault)
    return ERRORS[reply.fault or "server_error"](message, retry_after=reply.retry_after)
