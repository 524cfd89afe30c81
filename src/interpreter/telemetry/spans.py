"""Events of a session as spans and measurements, after OpenTelemetry's conventions for generative AI.

A span `invoke_agent` for each turn; below it a span `chat` for each request and `execute_tool` for each action. What
was said, written and printed is left out unless it is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from ..text.redact import redact
from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    TurnFinished,
    TurnStarted,
)
from ..types.tooling import TOOL, read_call

AGENT = "reinterpreter"
PROVIDER = "openai"
"""The form that requests have, which is what the conventions mean by it; who serves the model stands in
`server.address`."""
MOST = 8_000
"""Characters of one content."""
SEEN = 3 * MOST
"""Characters of it that are looked through for secrets; of the last third, half a secret could be left."""
MOST_OPEN = 1_000
"""Actions whose span is open at a time."""
Values = Mapping[str, Any]


class Mark(Protocol):
    """An open span."""

    def set(self, values: Values) -> None: ...

    def event(self, name: str, values: Values) -> None: ...

    def end(self, moment: int, error: str = "") -> None:
        """`moment`: nanoseconds since 1970; `error`: why it is one, empty where it is none."""
        ...


class Exporter(Protocol):
    """What spans and measurements are given to; it never blocks and never raises for a collector that is not there."""

    def begin(self, name: str, kind: str, values: Values, moment: int, parent: Mark | None) -> Mark: ...

    def measure(self, name: str, value: float, values: Values) -> None: ...


class Spans:
    """A reading of the events. Whatever goes wrong in it ends it, and nothing else."""

    def __init__(
        self, exporter: Exporter, session: str, version: str, secrets: tuple[str, ...], *, content: bool,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self._exporter, self._session, self._version, self._secrets = exporter, session, version, secrets
        self._content, self._clock = content, clock
        self._turn: tuple[Mark, int] | None = None
        self._asked: tuple[Mark, int, dict[str, Any]] | None = None
        self._proposed: dict[str, Action] = {}
        self._running: dict[str, tuple[Mark, int]] = {}
        self._model = ""
        self.broken = ""

    def apply(self, event: Event) -> None:
        if self.broken:
            return
        try:
            self._apply(event)
        except Exception as error:  # telemetry is never a reason for work to fail
            self.broken = f"{type(error).__name__}: {error}"

    def _apply(self, event: Event) -> None:
        now = self._clock()
        match event:
            case TurnStarted():
                self._begin_turn(event, now)
            case ModelAsked():
                self._ask(event, now)
            case ModelAnswered():
                self._answer(event, now)
            case ModelFailed():
                self._close_request(now, event.error, {})
            case ActionProposed():
                if len(self._proposed) < MOST_OPEN:
                    self._proposed[event.action.id] = event.action
            case ApprovalResolved():
                self._approve(event)
            case ActionStarted():
                self._start(event, now)
            case ActionFinished():
                self._finish(event, now)
            case TurnFinished():
                self._end_turn(event, now)
            case _:
                return

    def _approve(self, event: ApprovalResolved) -> None:
        if event.action is not None:
            self._proposed[event.action.id] = event.action
        if self._turn is not None:
            self._turn[0].event("interpreter.approval", {"interpreter.approval.answer": event.answer})

    def _start(self, event: ActionStarted, now: int) -> None:
        if (action := self._proposed.get(event.action)) is not None:
            self._running[event.action] = (self._tool(action, now), now)

    def _parent(self) -> Mark | None:
        return self._turn[0] if self._turn is not None else None

    def _begin_turn(self, event: TurnStarted, now: int) -> None:
        values: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.agent.name": AGENT,
            "gen_ai.agent.version": self._version,
            "gen_ai.conversation.id": self._session,
        }
        if self._content:
            values["gen_ai.input.messages"] = self._messages("user", [text_part(event.text)])
        self._turn = (self._exporter.begin(f"invoke_agent {AGENT}", "internal", values, now, None), now)

    def _ask(self, event: ModelAsked, now: int) -> None:
        self._close_request(now, "unfinished", {})
        self._model = event.model
        values: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": event.model,
            **server_of(event.api_base),
        }
        all_ = {**values, "gen_ai.conversation.id": self._session, "gen_ai.request.stream": True}
        self._asked = (self._exporter.begin(f"chat {event.model}", "client", all_, now, self._parent()), now, values)

    def _answer(self, event: ModelAnswered, now: int) -> None:
        if self._asked is None:
            return
        usage = event.usage
        found: dict[str, Any] = {
            "gen_ai.response.model": event.model,
            "gen_ai.response.finish_reasons": [event.finish],
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
        }
        if usage.cached:
            found["gen_ai.usage.cache_read.input_tokens"] = usage.cached
        if usage.reasoning:
            found["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning
        if event.first_token:
            found["gen_ai.response.time_to_first_chunk"] = event.first_token
        if event.source:
            found["interpreter.answer.source"] = event.source
        if self._content:
            parts = [text_part(event.text)] if event.text else []
            parts += [
                {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
                for call in event.calls
            ]
            found["gen_ai.output.messages"] = self._messages("assistant", parts)
        _mark, _began, values = self._asked
        if not event.source:  # what no server was asked for is no use of its tokens
            values = {**values, "gen_ai.response.model": event.model}
            for kind, tokens in (("input", usage.prompt), ("output", usage.completion)):
                self._exporter.measure("gen_ai.client.token.usage", tokens, {**values, "gen_ai.token.type": kind})
        self._close_request(now, "", found, measured=not event.source)

    def _close_request(self, now: int, error: str, found: Values, *, measured: bool = True) -> None:
        if self._asked is None:
            return
        (mark, began, values), self._asked = self._asked, None
        mark.set(found)
        mark.end(now, error)
        if measured:
            labels = {**values, **({"error.type": error} if error else {})}
            self._exporter.measure("gen_ai.client.operation.duration", (now - began) / 1e9, labels)

    def _tool(self, action: Action, now: int) -> Mark:
        name = name_of(action)
        values: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": action.call_id or action.id,
            "interpreter.language": action.language,
            "interpreter.action.id": action.id,
        }
        if self._content:
            values["gen_ai.tool.call.arguments"] = self._safe(action.code)
        return self._exporter.begin(f"execute_tool {name}", "internal", values, now, self._parent())

    def _finish(self, event: ActionFinished, now: int) -> None:
        action = self._proposed.pop(event.action, None)
        begun = self._running.pop(event.action, None)
        if action is None:
            return
        mark, began = begun if begun is not None else (self._tool(action, now), now)
        found: dict[str, Any] = {"interpreter.action.status": event.status}
        if event.completion is not None and event.completion.exit_status is not None:
            found["interpreter.exit_status"] = event.completion.exit_status
        if self._content:
            found["gen_ai.tool.call.result"] = self._safe(event.observation.text)
        mark.set(found)
        error = "" if event.status == "ok" else event.status
        mark.end(now, error)
        if begun is not None:
            labels = {"gen_ai.tool.name": name_of(action), **({"error.type": error} if error else {})}
            self._exporter.measure("gen_ai.execute_tool.duration", (now - began) / 1e9, labels)

    def _end_turn(self, event: TurnFinished, now: int) -> None:
        self._close_request(now, "unfinished", {})
        if self._turn is None:
            return
        (mark, began), self._turn = self._turn, None
        found: dict[str, Any] = {
            "gen_ai.request.model": self._model,
            "gen_ai.usage.input_tokens": event.usage.prompt,
            "gen_ai.usage.output_tokens": event.usage.completion,
            "interpreter.exit_code": event.exit_code,
            "interpreter.steps": event.steps,
        }
        if event.usage.cost is not None:
            found["interpreter.cost"] = event.usage.cost
        if self._content:
            found["gen_ai.output.messages"] = self._messages("assistant", [text_part(event.text)])
        mark.set(found)
        error = "" if event.reason == "done" else event.reason
        mark.end(now, error)
        labels = {"gen_ai.agent.name": AGENT, **({"error.type": error} if error else {})}
        self._exporter.measure("gen_ai.invoke_agent.duration", (now - began) / 1e9, labels)

    def _messages(self, role: str, parts: list[dict[str, str]]) -> str:
        whole = [{"role": role, "parts": [{key: self._safe(text) for key, text in part.items()} for part in parts]}]
        return json.dumps(whole, ensure_ascii=False)

    def _safe(self, text: str) -> str:
        return beginning(text, self._secrets)


def beginning(text: str, secrets: Iterable[str]) -> str:
    """At most the first MOST characters of a text without secrets; fewer where it is long and they fill it."""
    safe = redact(text[:SEEN], secrets)
    # Half a secret is not known as one: what stands before a cut is left out, also where much shrank before it.
    return safe[:MOST] if len(text) <= SEEN else safe[: max(0, min(MOST, len(safe) - MOST))]


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}


def name_of(action: Action) -> str:
    """The tool: its own name for a call, `execute` for code."""
    if action.language != TOOL:
        return "execute" if action.language != "read_output" else "read_output"
    try:
        return read_call(action.code).tool
    except ValueError:
        return TOOL


def server_of(api_base: str) -> dict[str, Any]:
    """Address and port; nothing of a login that may stand in it."""
    parts = urlsplit(api_base)
    if not parts.hostname:
        return {}
    return {"server.address": parts.hostname, "server.port": parts.port or (443 if parts.scheme == "https" else 80)}
