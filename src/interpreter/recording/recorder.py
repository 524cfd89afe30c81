"""Writes a recording while a session runs: beside its log, where code cannot reach it, until the session is over."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ModelError
from ..llm.client import ModelClient
from ..text.redact import Redactor
from ..types.base import to_json
from ..types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    ConversationReset,
    ConversationUndone,
    Event,
    ModeChanged,
    NoteAdded,
    TurnFinished,
    TurnStarted,
)
from ..types.goals import GoalStarted
from ..types.messages import Answer, Message, ModelRequest, Piece, ServerFacts, ToolSpec
from .values import Answered, Asked, Begun, Cut, Failed, Happened, Line

LARGEST = 256 << 20
"""Bytes of a recording."""
KINDS = (
    TurnStarted, ActionProposed, ActionJudged, ActionStarted, ApprovalRequested, ApprovalResolved, ActionFinished,
    GoalStarted, NoteAdded, ModeChanged, ConversationUndone, ConversationReset, TurnFinished,
)  # fmt: skip


class Recorder:
    """One recording. What it cannot write ends it, never the run."""

    def __init__(self, path: Path, redactor: Redactor, begin: Callable[[ServerFacts], Begun]) -> None:
        """`path`: in the session's own folder. `begin`: what the first line says, known at the first request."""
        self.path, self._redactor, self._begin = path, redactor, begin
        self.problem = ""
        """Why it ended early; empty: it did not."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")
        self._size = 0
        self._begun = False
        self._early: list[Line] = []
        """What happened before the first request."""
        self._messages: tuple[Message, ...] = ()
        self._tools: tuple[ToolSpec, ...] = ()

    def apply(self, event: Event) -> None:
        """Take what the log has taken."""
        if isinstance(event, KINDS):
            self._write(Happened(event=event))

    def asked(self, request: ModelRequest, facts: ServerFacts) -> None:
        if not self._begun:
            self._begun = True
            early, self._early = self._early, []
            for line in (self._begin(facts), *early):
                self._write(line)
        kept = 0
        for old, new in zip(self._messages, request.messages, strict=False):
            if old is not new and old != new:
                break
            kept += 1
        tools = None if request.tools == self._tools else request.tools
        self._messages, self._tools = request.messages, request.tools
        self._write(
            Asked(
                kept=kept, messages=request.messages[kept:], tools=tools, max_tokens=request.max_tokens,
                temperature=request.temperature, tool_choice=request.tool_choice,
                response_schema=request.response_schema,
            )
        )  # fmt: skip

    def answered(self, answer: Answer) -> None:
        self._write(Answered(answer=answer))

    def failed(self, error: ModelError) -> None:
        self._write(Failed(error=type(error).__name__, message=error.message, hint=error.hint))

    def close(self) -> None:
        if not self._begun and not self._file.closed:
            self._begun = True
            for line in (self._begin(ServerFacts(api_base="", model="")), *self._early):
                self._write(line)
        self._file.close()

    def _write(self, line: Line) -> None:
        if not self._begun:
            self._early.append(line)
            return
        if self._file.closed:
            return
        try:
            data = to_json(public(self._redactor, line)) + b"\n"
            if self._size + len(data) > LARGEST:
                data = to_json(Cut()) + b"\n"
                self.problem = f"{LARGEST >> 20} MB"
            self._file.write(data)
            self._size += len(data)
        except OSError as error:
            self.problem = error.strerror or str(error)
        if self.problem:
            self._file.close()


class RecordedModel:
    """A ModelClient whose requests and answers are recorded."""

    def __init__(self, client: ModelClient, recorder: Recorder) -> None:
        self._client, self._recorder = client, recorder

    @property
    def facts(self) -> ServerFacts | None:
        return self._client.facts

    async def connect(self) -> ServerFacts:
        return await self._client.connect()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        facts = await self._client.connect()
        self._recorder.asked(request, facts)
        try:
            async for piece in self._client.stream(request):
                if isinstance(piece, Answer):
                    self._recorder.answered(piece)
                yield piece
        except ModelError as error:
            self._recorder.failed(error)
            raise

    async def close(self) -> None:
        await self._client.close()


def public(redactor: Redactor, line: Line) -> Any:
    """The line for a file that may be kept beside the source: without secrets, and without paths of this machine's
    outputs, which no replay reads."""
    plain: Any = msgspec.to_builtins(line, builtin_types=(bytes,))
    return redactor.sure_all(plain)
