"""The pieces of a streamed answer, read tolerantly and put together."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from interpreter.errors import MalformedAnswer
from interpreter.text.i18n import _
from interpreter.types.base import new_id
from interpreter.types.messages import CallPiece, Piece, ReasoningPiece, TextPiece, ToolCall, Usage

from .faults import in_json, in_stream, short
from .options import Prices
from .think import ThinkSplitter, split_unopened


class FunctionDelta(msgspec.Struct, gc=False):
    name: Any = None
    arguments: Any = None


class CallDelta(msgspec.Struct, gc=False):
    index: Any = None
    id: Any = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None


class Choice(msgspec.Struct, gc=False):
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: Any = None


class Chunk(msgspec.Struct, gc=False):
    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    detail: Any = None
    model: Any = None


FINISH: dict[str, Literal["stop", "tool_calls", "length"]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
}
MOST_JOINED, LONGEST_JOINED = 100, 1 << 20
"""Data lines of one JSON value, and bytes of those that are no JSON yet: each is read again with all before it."""
MOST_TOKENS = 1 << 53
"""A count beyond it is none, and could not be multiplied by a price."""
LONGEST_TRIED = 1 << 18
"""Characters of a call's arguments, up to which they are looked at for being whole."""
decode_chunk = msgspec.json.Decoder(Chunk).decode


class Slot:
    """A call that is being put together."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = ""
        self.name = ""
        self.parts: list[str] = []
        self.size = 0
        self.announced = False

    @property
    def arguments(self) -> str:
        return "".join(self.parts)

    def complete(self) -> bool:
        """Whether its arguments are whole JSON already; long ones never are, for this may be asked at each piece."""
        if self.size > LONGEST_TRIED:
            return False
        try:
            msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True


class Assembler:
    """Takes the data of each event, gives live pieces, and keeps what they add up to."""

    def __init__(self) -> None:
        self.finish = ""
        """The server's own finish reason; empty until it comes."""
        self.model = ""
        self.usage: dict[str, Any] = {}
        self.done = False
        self.chunks = 0
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._slots: list[Slot] = []
        self._by_index: dict[int, Slot] = {}
        self._think = ThinkSplitter()
        self._broken = b""
        self._joined = 0

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces of one event. Raises ModelError for an error that the server reports, or for what is no JSON."""
        if data == b"[DONE]":
            self.done = True
            return []
        if not data:
            return []
        if self._broken:
            data, self._broken = self._broken + b"\n" + data, b""
        try:
            chunk = read_chunk(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # One JSON value may be written over several data lines, though not over many.
            self._broken, self._joined = data, self._joined + 1
            if self._joined > MOST_JOINED or len(data) > LONGEST_JOINED:
                raise malformed(data) from None
            return []
        self._joined = 0
        self.chunks += 1
        if chunk.error:
            raise in_stream(chunk.error)
        if chunk.choices is None and chunk.detail:
            raise in_stream(chunk.detail)
        if chunk.usage:
            self.usage = chunk.usage
        if isinstance(chunk.model, str) and chunk.model:
            self.model = chunk.model
        pieces: list[Piece] = []
        for choice in chunk.choices or ():
            if isinstance(choice.finish_reason, str) and choice.finish_reason:
                self.finish = choice.finish_reason
            if delta := choice.delta or choice.message:
                self._delta(delta, pieces)
        return pieces

    def _delta(self, delta: Delta, pieces: list[Piece]) -> None:
        thinking = delta.reasoning or delta.reasoning_content
        if thinking and isinstance(thinking, str):
            self._reasoning.append(thinking)
            pieces.append(ReasoningPiece(text=thinking))
        content = delta.content
        if content:
            self._content(content if isinstance(content, str) else joined(content), pieces)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._call(call, pieces)
        if delta.function_call:
            self._call(CallDelta(index=0, function=delta.function_call), pieces)

    def _content(self, content: str, pieces: list[Piece]) -> None:
        thinking, text = self._think.feed(content)
        self._said(thinking, text, pieces)

    def _said(self, thinking: str, text: str, pieces: list[Piece]) -> None:
        if thinking:
            self._reasoning.append(thinking)
            pieces.append(ReasoningPiece(text=thinking))
        if text:
            self._text.append(text)
            pieces.append(TextPiece(text=text))

    def _call(self, delta: CallDelta, pieces: list[Piece]) -> None:
        function = delta.function or FunctionDelta()
        name = function.name if isinstance(function.name, str) else ""
        ident = delta.id if isinstance(delta.id, str) else ""
        slot = self._slot(delta.index if isinstance(delta.index, int) else None, ident, name)
        slot.id = slot.id or ident
        slot.name = slot.name or name
        raw = function.arguments
        arguments = raw if isinstance(raw, str) else ("" if raw is None or raw == {} else in_json(raw))
        slot.parts.append(arguments)
        slot.size += len(arguments)
        if slot.name and (arguments or not slot.announced):
            shown = arguments if slot.announced else slot.arguments
            first = "" if slot.announced else slot.name
            slot.announced = True
            pieces.append(CallPiece(index=slot.number, name=first, arguments=shown))

    def _slot(self, index: int | None, ident: str, name: str) -> Slot:
        """The call that a delta belongs to; a new one where the delta begins it."""
        slot = self._slots[-1] if index is None and self._slots else self._by_index.get(-1 if index is None else index)
        if slot is not None and name and slot.name:
            other = ident != slot.id if ident and slot.id else slot.complete()
            if other or (index is None and slot.complete()):
                slot = None
        if slot is None:
            slot = Slot(len(self._slots))
            self._slots.append(slot)
            if index is not None:
                self._by_index[index] = slot
        return slot

    def end(self) -> list[Piece]:
        """The last pieces, once nothing more comes. Raises MalformedAnswer for data that never became JSON."""
        if self._broken:
            raise malformed(self._broken)
        pieces: list[Piece] = []
        self._said(*self._think.rest(), pieces)
        return pieces

    def result(self) -> tuple[str, str, tuple[ToolCall, ...]]:
        """Text, reasoning and calls, whole."""
        text, reasoning = "".join(self._text), "".join(self._reasoning)
        if not reasoning:
            reasoning, text = split_unopened(text)
        seen: set[str] = set()
        calls: list[ToolCall] = []
        for slot in self._slots:
            if not slot.name and not slot.arguments.strip():
                continue
            ident = slot.id if slot.id and slot.id not in seen else new_id("call")
            seen.add(ident)
            calls.append(ToolCall(id=ident, name=slot.name, arguments=slot.arguments))
        return text, reasoning, tuple(calls)

    def finished(self, calls: tuple[ToolCall, ...]) -> Literal["stop", "tool_calls", "length", "other"]:
        if self.finish:
            return FINISH.get(self.finish.lower(), "other")
        return "tool_calls" if calls else "stop"


def malformed(data: bytes) -> MalformedAnswer:
    words = short(data[:4096].decode("utf-8", "replace"))
    return MalformedAnswer(
        _("The server sent what is not the protocol: {reason}", reason=words),
        _("Look at the server's log, then ask again."),
    )


def read_chunk(data: bytes) -> Chunk:
    """Raises msgspec.DecodeError and UnicodeDecodeError for what is no JSON."""
    try:
        return decode_chunk(data)
    except (msgspec.ValidationError, RecursionError):
        return lenient(data)


def lenient(data: bytes) -> Chunk:
    """A chunk of another shape than usual, as far as it can be used."""
    try:
        raw: Any = msgspec.json.decode(data)
    except RecursionError:
        return Chunk()
    if not isinstance(raw, dict):
        return Chunk()
    table = cast(dict[str, Any], raw)
    usage = table.get("usage")
    chunk = Chunk(error=table.get("error"), detail=table.get("detail"), model=table.get("model"))
    chunk.usage = cast(dict[str, Any], usage) if isinstance(usage, dict) else None
    choices: list[Choice] = []
    for item in as_list(table.get("choices")):
        choice = as_dict(item)
        made = Choice(finish_reason=choice.get("finish_reason"))
        made.delta = lenient_delta(as_dict(choice.get("delta") or choice.get("message")))
        choices.append(made)
    chunk.choices = choices
    return chunk


def lenient_delta(raw: dict[str, Any]) -> Delta:
    delta = Delta(raw.get("content"), raw.get("reasoning"), raw.get("reasoning_content"))
    delta.tool_calls = []
    tools: Any = raw.get("tool_calls")
    for item in as_list([tools] if isinstance(tools, dict) else tools):
        call = as_dict(item)
        function = as_dict(call.get("function")) or call
        made = FunctionDelta(function.get("name"), function.get("arguments"))
        delta.tool_calls.append(CallDelta(call.get("index"), call.get("id"), made))
    return delta


def as_list(value: Any) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def as_dict(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def as_text(value: Any) -> str:
    """Never `str`: what is nested deeply enough to be read can be too deep to be written."""
    return value if isinstance(value, str) else ""


def joined(content: Any) -> str:
    """The text of content that comes as a list of parts."""
    return "".join(as_text(as_dict(part).get("text")) for part in as_list(content))


def count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < MOST_TOKENS else 0


def usage_of(raw: dict[str, Any], prices: Prices | None) -> Usage:
    """Token counts of any of the usual shapes, and what they cost."""
    prompt = count(raw.get("prompt_tokens"))
    cached = count(as_dict(raw.get("prompt_tokens_details")).get("cached_tokens")) or count(raw.get("cached_tokens"))
    completion = count(raw.get("completion_tokens"))
    reasoning = count(as_dict(raw.get("completion_tokens_details")).get("reasoning_tokens"))
    cost = None
    if prices is not None and raw:
        of_cached = prices.input if prices.cached is None else prices.cached
        cost = ((prompt - cached) * prices.input + cached * of_cached + completion * prices.output) / 1e6
    return Usage(prompt=prompt, cached=cached, completion=completion, reasoning=reasoning, cost=cost)
