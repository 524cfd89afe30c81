"""What is said to a model and what it answers, independent of any wire format."""

from __future__ import annotations

from typing import Any, Literal

from .base import Value


class TextPart(Value, tag="text"):
    text: str


class ImagePart(Value, tag="image"):
    mime: str
    """`image/png` or `image/jpeg`."""
    data: bytes
    """The file's bytes (base64 in JSON)."""


Part = TextPart | ImagePart


class ToolCall(Value):
    """A native tool call, arguments exactly as the model wrote them."""

    id: str
    name: str
    arguments: str


class Message(Value):
    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    """Only on role `assistant`."""
    call_id: str = ""
    """Only on role `tool`: the call that this answers."""

    @property
    def text(self) -> str:
        return "".join(p.text for p in self.parts if isinstance(p, TextPart))


class ToolSpec(Value):
    """A tool as offered to a model."""

    name: str
    description: str
    parameters: dict[str, Any]
    """JSON Schema, suitable for `strict`."""


class ModelRequest(Value):
    """One question to a model."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    tool_choice: Literal["auto", "none", "required"] = "auto"
    response_schema: dict[str, Any] | None = None


class Usage(Value):
    """Tokens of one request, as the server counted them (0 where it does not say)."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    cost: float | None = None
    """In the currency of the configured prices; None without prices."""


class TextPiece(Value, tag="text"):
    """Live: a piece of the visible answer."""

    text: str


class ReasoningPiece(Value, tag="reasoning"):
    """Live: a piece of the model's thinking."""

    text: str


class CallPiece(Value, tag="call"):
    """Live: a piece of a tool call's arguments; `name` on the first piece only."""

    index: int
    arguments: str
    name: str = ""


class Answer(Value, tag="answer"):
    """The whole answer; always the last item of a stream that did not raise."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: Literal["stop", "tool_calls", "length", "other"] = "stop"
    usage: Usage = Usage()
    model: str = ""
    first_token: float = 0.0
    """Seconds from sending to the first piece."""
    duration: float = 0.0
    """Seconds from sending to the end."""
    retries: int = 0
    source: Literal["", "cache", "recording"] = ""
    """Where it comes from when no server was asked for it."""


Piece = TextPiece | ReasoningPiece | CallPiece | Answer


class ServerFacts(Value):
    """What first contact with a model server showed."""

    api_base: str
    model: str
    kind: str = "unknown"
    """vllm, llama.cpp, ollama, lmstudio, sglang, hosted, scripted, unknown."""
    context_window: int | None = None
    """Tokens; None where the server does not say."""
    models: tuple[str, ...] = ()
    found: bool = False
    """True when discovery on the usual local ports chose this server."""
    notes: tuple[str, ...] = ()
    """Sentences for the person, in their language: what was found, what to know about this server."""
