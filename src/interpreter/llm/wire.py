"""Requests in the form of chat completions.

The encoding is prefix-stable: what was sent once is sent again byte for byte, and new messages come behind it, so that
a server's prefix cache serves all but the newest. Encoded messages are kept, so the cost of a request does not grow
with the conversation.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from interpreter.types.messages import ImagePart, Message, ModelRequest, TextPart, ToolCall, ToolSpec

from ..text.expression import expression
from .textmode import as_text, instructions

encode = msgspec.json.encode
BAD_NAME = expression(r"[^a-zA-Z0-9_-]")


class Encoder:
    """Encodes the requests of one session. `by_text` is how actions are asked for; changing it begins anew."""

    def __init__(self) -> None:
        self.by_text = False
        # Keyed by identity, which holds as long as the entry holds the message.
        self._kept: dict[int, tuple[Message, bytes]] = {}

    def body(self, request: ModelRequest, fields: Mapping[str, Any], dropped: frozenset[str]) -> bytes:
        """The whole body. `fields` stand first, the messages last; `dropped` names what this server refuses."""
        head: dict[str, Any] = {**fields, "stream": True}
        if "stream_options" not in dropped:
            head["stream_options"] = {"include_usage": True}
        if request.max_tokens is not None:
            head["max_completion_tokens" if "max_tokens" in dropped else "max_tokens"] = request.max_tokens
        if request.temperature is not None and "temperature" not in dropped:
            head["temperature"] = request.temperature
        if request.tools and not self.by_text:
            head["tools"] = [tool(t, strict="strict" not in dropped) for t in request.tools]
            if request.tool_choice != "auto":
                head["tool_choice"] = request.tool_choice
        if request.response_schema is not None and "response_format" not in dropped:
            schema = {"name": "answer", "schema": request.response_schema, "strict": True}
            head["response_format"] = {"type": "json_schema", "json_schema": schema}
        found = self._messages(request) or [b""]
        # One join: a long conversation is copied once.
        found[0] = encode(head)[:-1] + b',"messages":[' + found[0]
        found[-1] += b"]}"
        return b",".join(found)

    def _messages(self, request: ModelRequest) -> list[bytes]:
        messages = request.messages
        found: list[bytes] = []
        if self.by_text and request.tools:
            system = messages[0].text if messages and messages[0].role == "system" else ""
            messages = messages[1:] if messages and messages[0].role == "system" else messages
            text = "\n\n".join(t for t in (system, instructions(request.tools)) if t)
            found.append(encode({"role": "system", "content": text}))
        if len(self._kept) > 2 * len(messages) + 64:
            wanted = {id(m) for m in messages}
            self._kept = {key: kept for key, kept in self._kept.items() if key in wanted}
        for message in messages:
            kept = self._kept.get(id(message))
            if kept is None:
                kept = (message, self._encode(message, first=not found))
                self._kept[id(message)] = kept
            found.append(kept[1])
        return found

    def _encode(self, message: Message, first: bool) -> bytes:
        if self.by_text:
            message = as_text(message)
        body: dict[str, Any] = {"role": message.role}
        if message.role == "system" and not first:
            body["role"] = "user"
        if message.role == "tool":
            body["tool_call_id"] = message.call_id
        if any(isinstance(p, ImagePart) for p in message.parts):
            body["content"] = [part(p) for p in message.parts]
        else:
            body["content"] = message.text or (None if message.calls else "")
        if message.calls:
            body["tool_calls"] = [call(c) for c in message.calls]
        try:
            return encode(body)
        except UnicodeEncodeError:
            return encode(whole_characters(body))

    def change_mode(self, by_text: bool) -> None:
        self.by_text = by_text
        self._kept.clear()


def part(value: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(value, TextPart):
        return {"type": "text", "text": value.text}
    data = base64.b64encode(value.data).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:{value.mime};base64,{data}"}}


def call(value: ToolCall) -> dict[str, Any]:
    """An earlier call. Servers' templates parse the arguments and fail on what is no JSON object."""
    arguments = value.arguments
    try:
        sound = isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        sound = False
    if not sound:
        arguments = encode({"unreadable": arguments.encode("utf-8", "replace").decode()}).decode()
    name = BAD_NAME.sub("_", value.name)[:64] or "unnamed"
    return {"id": value.id, "type": "function", "function": {"name": name, "arguments": arguments}}


def tool(value: ToolSpec, strict: bool) -> dict[str, Any]:
    function: dict[str, Any] = {
        "name": value.name,
        "description": value.description,
        "parameters": value.parameters,
    }
    if strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def whole_characters(value: Any) -> Any:
    """The value with lone surrogates, which no wire can carry, replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {k: whole_characters(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [whole_characters(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value
