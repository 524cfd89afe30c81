"""What a guest says about itself, made harmless: nothing of it may move a cursor or read otherwise than it is."""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec

from ..errors import InterpreterError
from ..text.clean import clean_text
from ..types.actions import Completion
from ..types.base import to_json
from ..types.events import NetworkAttempt
from .contracts import NetworkWatch, Sink

LEVELS = 32
"""Lists and tables within each other that are looked into; what lies deeper is left out."""


def cleaned(completion: Completion) -> Completion:
    """The completion with its words cleaned: the result, the error, the displays' texts, the context."""
    error = completion.error
    if error is not None:
        error = msgspec.structs.replace(
            error,
            name=clean_text(error.name),
            message=clean_text(error.message),
            traceback=clean_text(error.traceback),
        )
    displays = tuple(msgspec.structs.replace(d, text=clean_text(d.text)) for d in completion.displays)
    return msgspec.structs.replace(
        completion,
        error=error,
        result=clean_text(completion.result),
        displays=displays,
        limit=clean_text(completion.limit),
        context=clean_value(completion.context),
    )


def clean_value(value: Any, levels: int = LEVELS) -> Any:
    """A value as JSON has them, with every text in it cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if not levels and isinstance(value, (dict, list)):
        return None
    if isinstance(value, dict):
        table = cast("dict[Any, Any]", value)
        return {clean_text(str(key)): clean_value(item, levels - 1) for key, item in table.items()}
    if isinstance(value, list):
        return [clean_value(item, levels - 1) for item in cast("list[Any]", value)]
    return value


def attempt_of(event: dict[str, Any]) -> NetworkAttempt:
    """What a broker tells of an attempt; host and method were chosen inside the walls."""
    decisions: dict[str, Literal["allowed", "denied"]] = {"allowed": "allowed", "refused": "denied"}
    return NetworkAttempt(
        host=clean_text(str(event.get("host", "")))[:255],
        port=int(event.get("port", 0)),
        decision=decisions.get(str(event.get("verdict")), "failed"),
        by=clean_text(str(event.get("by", "")))[:300],
        method=clean_text(str(event.get("method", "")))[:16],
        reason=clean_text(str(event.get("reason", "")))[:300],
        count=max(1, int(event.get("count", 1))),
    )


async def answered(sink: Sink, event: dict[str, Any]) -> dict[str, Any]:
    """The keeper's op that answers what code asks for: a line of input (none where nobody answers), or a tool."""
    execution = event["execution"]
    if event["event"] == "tool":
        call = int(event["call"])
        try:
            text = await sink.call_tool(call, str(event["name"]), str(event["arguments"]))
        except InterpreterError as error:
            text = to_json({"ok": False, "error": str(error)}).decode()
        return {"op": "tool", "execution": execution, "call": call, "text": text}
    try:
        line = await sink.ask_input(clean_text(event["prompt"]), event["secret"])
    except InterruptedError:
        line = None
    return {"op": "input", "execution": execution, "text": line}


async def judged(watch: NetworkWatch | None, event: dict[str, Any]) -> dict[str, Any]:
    """The op that says whether a host may be reached that a broker asks for, and by whose word; all of it began inside
    the walls.
    """
    allow, by = False, "nobody can be asked"
    if watch is not None:
        host, method = clean_text(str(event["host"]))[:255], clean_text(str(event["method"]))[:16]
        allow, by = await watch.ask(host, int(event["port"]), method)
    return {"op": "network", "question": event["question"], "allow": allow, "by": by}
