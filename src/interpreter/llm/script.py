"""What a scripted model says: replies, faults and the order they come in. Format: `docs/scripted.md`."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from interpreter.errors import ConfigError
from interpreter.text.i18n import _
from interpreter.types.base import Value
from interpreter.types.messages import CallPiece, Message, Piece, ReasoningPiece, TextPiece, ToolCall

Fault = Literal[
    "unreachable",
    "auth",
    "forbidden",
    "unknown_model",
    "overflow",
    "rate_limited",
    "bad_request",
    "server_error",
    "html",
    "empty",
    "garbage",
    "redirect",
    "break",
    "cut",
    "error_in_stream",
    "no_done",
    "hang",
]
Quirk = Literal[
    "whole_calls",
    "no_index",
    "object_arguments",
    "duplicate_ids",
    "reasoning_content",
    "think_tags",
    "no_usage",
    "whole_body",
]
TOKEN = re.compile(r"\s*\S{1,8}|\s+")


class ScriptCall(Value, forbid_unknown_fields=True):
    """A native tool call in a reply."""

    name: str = "execute"
    arguments: dict[str, Any] | str = {}
    """An object is sent as JSON text; a string exactly as it stands."""
    id: str = ""
    """Empty: one is made."""


class ScriptUsage(Value, forbid_unknown_fields=True):
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0


class Reply(Value, forbid_unknown_fields=True):
    """One answer of the scripted model. Text, reasoning and calls may stand together."""

    text: str = ""
    reasoning: str = ""
    code: str = ""
    """Short for one call of `execute` with this code."""
    language: str = "python"
    """Of `code`."""
    form: Literal["auto", "call", "fence", "tag"] = "auto"
    """How `code` is said: a native call, a fenced block, or `<tool_call>` text. auto: a call where the request offers
    tools, else a fenced block."""
    calls: tuple[ScriptCall, ...] = ()
    finish: Literal["", "stop", "tool_calls", "length"] = ""
    """Empty: `tool_calls` with calls, else `stop`."""
    usage: ScriptUsage | None = None
    """Tokens; None: counted from the pieces."""
    delay: float = 0.0
    """Seconds before the first piece."""
    pace: float = 0.0
    """Seconds between two pieces."""
    piece: int = 0
    """Characters of one piece; 0: about a word, as tokens come."""
    when: str = ""
    """Only for a request whose newest message holds these words."""
    times: int = 1
    """How often this reply may be given; 0: for ever."""
    fault: Fault | None = None
    after: int = 0
    """Pieces sent before a fault of the stream (`break`, `cut`, `error_in_stream`, `garbage`, `hang`)."""
    status: int = 0
    """HTTP status of the fault, where another than the usual one is wanted."""
    retry_after: float | None = None
    """Seconds, sent as Retry-After."""
    message: str = ""
    """Of the fault."""
    quirks: tuple[Quirk, ...] = ()
    """Habits of sloppy servers (HTTP only)."""


class Script(Value, forbid_unknown_fields=True):
    """A scripted model and the server it plays."""

    replies: tuple[Reply | str, ...] = ()
    """In order; a bare string is a reply with this text."""
    model: str = "scripted"
    models: tuple[str, ...] = ()
    """What the server lists; empty: `model` alone."""
    context_window: int | None = 32768
    kind: Literal["scripted", "vllm", "llama.cpp", "ollama", "lmstudio", "hosted"] = "scripted"
    """The server that is played."""
    refuse: tuple[Literal["tools", "strict", "stream_options", "max_tokens"], ...] = ()
    """Request fields that this server answers with status 400; no reply is used up."""
    api_key: str = ""
    """When set, any other key is refused with status 401."""
    loop: bool = False
    """Begin again when every reply is used up."""


class Player:
    """Chooses the reply for each request. May be used from several threads."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.replies = [Reply(text=r) if isinstance(r, str) else r for r in script.replies]
        self._used = [0] * len(self.replies)
        self._lock = threading.Lock()
        self.asked = 0

    def next(self, newest: str) -> Reply | None:
        """The first reply that is not used up and whose `when` fits; None when there is none."""
        with self._lock:
            self.asked += 1
            found = self._find(newest)
            if found is None and self.script.loop:
                self._used = [0] * len(self.replies)
                found = self._find(newest)
            return found

    def _find(self, newest: str) -> Reply | None:
        for n, reply in enumerate(self.replies):
            if (reply.times == 0 or self._used[n] < reply.times) and reply.when in newest:
                self._used[n] += 1
                return reply
        return None

    def exhausted(self) -> str:
        """The sentence for a request that no reply is left for."""
        return _(
            "The script has no reply for request {n}: it holds {count}, and those that fit are used up.",
            n=self.asked,
            count=len(self.replies),
        )


def newest_text(messages: tuple[Message, ...]) -> str:
    return messages[-1].text if messages else ""


def split(text: str, size: int) -> list[str]:
    """The text in pieces that add up to it."""
    if size > 0:
        return [text[i : i + size] for i in range(0, len(text), size)]
    return TOKEN.findall(text)


def said(reply: Reply, tools: bool, n: int) -> tuple[str, tuple[ToolCall, ...]]:
    """The reply's whole text and its calls, for a request that offers tools or does not.

    `n` is the number of the request: it makes the ids of calls unique.
    """
    text, calls = reply.text, list(reply.calls)
    if reply.code:
        arguments = {"language": reply.language, "code": reply.code}
        form = reply.form if reply.form != "auto" else ("call" if tools else "fence")
        gap = "\n" if text else ""
        if form == "call":
            calls.append(ScriptCall(arguments=arguments))
        elif form == "fence":
            body = reply.code if reply.code.endswith("\n") else reply.code + "\n"
            text += f"{gap}```{reply.language}\n{body}```\n"
        else:
            body = msgspec.json.encode({"name": "execute", "arguments": arguments}).decode()
            text += f"{gap}<tool_call>\n{body}\n</tool_call>"
    made: list[ToolCall] = []
    for i, call in enumerate(calls):
        arguments = call.arguments
        written = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        made.append(ToolCall(id=call.id or f"call_{n}_{i}", name=call.name, arguments=written))
    return text, tuple(made)


def pieces(reply: Reply, tools: bool, n: int) -> list[Piece]:
    """The reply as a model would stream it."""
    text, calls = said(reply, tools, n)
    found: list[Piece] = [ReasoningPiece(text=t) for t in split(reply.reasoning, reply.piece)]
    found += [TextPiece(text=t) for t in split(text, reply.piece)]
    for i, call in enumerate(calls):
        parts = split(call.arguments, reply.piece)
        if "whole_calls" in reply.quirks:
            found.append(CallPiece(index=i, name=call.name, arguments=call.arguments))
            continue
        found.append(CallPiece(index=i, name=call.name, arguments=""))
        found += [CallPiece(index=i, arguments=t) for t in parts]
    return found


def finish_of(reply: Reply, calls: tuple[ToolCall, ...]) -> Literal["stop", "tool_calls", "length"]:
    return reply.finish or ("tool_calls" if calls else "stop")


def usage_of(reply: Reply, prompt_size: int, count: int) -> ScriptUsage:
    """Tokens: as the script says, else about 4 characters of prompt and one piece each."""
    return reply.usage or ScriptUsage(prompt=prompt_size // 4, completion=count)


def load_script(path: str | Path) -> Script:
    """Read a YAML or JSON file. Raises ConfigError with the file and what is wrong in it."""
    place = Path(path)
    try:
        raw: Any = yaml.safe_load(place.read_text(encoding="utf-8"))
        return msgspec.convert({"replies": raw} if isinstance(raw, list) else raw, Script)
    except OSError as error:
        raise ConfigError(_("The script {file} cannot be read: {reason}.", file=place, reason=error.strerror)) from None
    except (yaml.YAMLError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            _("The script {file} is not valid: {reason}", file=place, reason=error),
            _("Its format is described in docs/scripted.md."),
        ) from None
