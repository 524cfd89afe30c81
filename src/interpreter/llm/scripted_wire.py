"""How the scripted server writes what it says: the protocol's bodies, with the habits of the servers it plays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from interpreter.types.messages import CallPiece, Piece, ReasoningPiece, TextPiece, ToolCall

from .script import Reply, Script, finish_of

STATUS = {
    "auth": 401,
    "forbidden": 403,
    "unknown_model": 404,
    "overflow": 400,
    "rate_limited": 429,
    "bad_request": 400,
    "server_error": 500,
}
MESSAGE = {
    "auth": "Incorrect API key provided.",
    "forbidden": "You may not use this model.",
    "unknown_model": "The model does not exist.",
    "rate_limited": "Rate limit reached.",
    "bad_request": "This request cannot be served.",
    "server_error": "Internal server error.",
}
HTML = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


def names(script: Script) -> tuple[str, ...]:
    return script.models or (script.model,)


def model_card(script: Script, name: str) -> dict[str, Any]:
    """An entry of `/v1/models` as the played server writes it."""
    owner = {"llama.cpp": "llamacpp", "ollama": "library", "lmstudio": "organization_owner", "hosted": "system"}
    card: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": 1,
        "owned_by": owner.get(script.kind, script.kind),
    }
    if script.kind in ("vllm", "scripted"):
        card["max_model_len"] = script.context_window
    return card


def newest(body: dict[str, Any]) -> str:
    """The text of the request's newest message."""
    messages: list[dict[str, Any]] = body.get("messages") or [{}]
    content: Any = messages[-1].get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(p.get("text", "")) for p in content)


def refusal(script: Script, body: dict[str, Any]) -> str:
    """Why this server refuses the request; empty when it does not."""
    tools: list[Any] = body.get("tools") or []
    if "tools" in script.refuse and tools:
        if script.kind == "ollama":
            return f"registry.ollama.ai/library/{script.model} does not support tools"
        return '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    if "strict" in script.refuse and any("'strict'" in str(t) for t in tools):
        return "tools.0.function.strict: Extra inputs are not permitted"
    if "stream_options" in script.refuse and "stream_options" in body:
        return "Unrecognized request argument supplied: stream_options"
    if "max_tokens" in script.refuse and "max_tokens" in body:
        return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
    return ""


def overflow(script: Script, message: str) -> dict[str, Any]:
    """The body of a refusal for length, as the played server writes it."""
    window = script.context_window or 4096
    said = message or f"This model's maximum context length is {window} tokens. However, you requested more."
    if script.kind == "llama.cpp":
        text = "the request exceeds the available context size, try increasing it"
        kind = "exceed_context_size_error"
        return {"error": {"code": 400, "message": text, "type": kind, "n_prompt_tokens": window + 1, "n_ctx": window}}
    code = "context_length_exceeded" if script.kind == "hosted" else 400
    return {"error": {"message": said, "type": "BadRequestError", "param": None, "code": code}}


def usage_body(usage: dict[str, int]) -> dict[str, Any]:
    """Token counts in the protocol's form."""
    prompt, completion = usage.get("prompt", 0), usage.get("completion", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.get("cached", 0)},
        "completion_tokens_details": {"reasoning_tokens": usage.get("reasoning", 0)},
    }


def whole(reply: Reply, text: str, calls: tuple[ToolCall, ...]) -> dict[str, Any]:
    """The reply as one body, without a stream."""
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    if reply.reasoning:
        message["reasoning"] = reply.reasoning
    if calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": finish_of(reply, calls)}
    return {"object": "chat.completion", "choices": [choice]}


def wire(reply: Reply, found: list[Piece], calls: tuple[ToolCall, ...]) -> Iterator[dict[str, Any]]:
    """The deltas of the reply's pieces, with its quirks."""
    thinking = "reasoning_content" if "reasoning_content" in reply.quirks else "reasoning"
    tags = "think_tags" in reply.quirks
    open_tag = False
    for piece in found:
        if isinstance(piece, ReasoningPiece):
            if tags:
                yield {"content": piece.text if open_tag else "<think>" + piece.text}
                open_tag = True
            else:
                yield {thinking: piece.text}
            continue
        if open_tag:
            yield {"content": "</think>\n\n"}
            open_tag = False
        if isinstance(piece, TextPiece):
            yield {"content": piece.text}
        elif isinstance(piece, CallPiece):
            yield {"tool_calls": [call_delta(reply, piece, calls[piece.index])]}


def call_delta(reply: Reply, piece: CallPiece, call: ToolCall) -> dict[str, Any]:
    arguments: Any = piece.arguments
    if "object_arguments" in reply.quirks and piece.name:
        arguments = msgspec.json.decode(arguments) if arguments else {}
    delta: dict[str, Any] = {"function": {"arguments": arguments}}
    if "no_index" not in reply.quirks:
        delta["index"] = piece.index
    if piece.name:
        delta["id"] = "call_same" if "duplicate_ids" in reply.quirks else call.id
        delta["type"] = "function"
        delta["function"]["name"] = piece.name
    return delta
