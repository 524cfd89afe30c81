"""Asking for actions by text, for servers and models that know no native tool calls."""

from __future__ import annotations

from typing import Any

import msgspec

from interpreter.types.messages import Message, Part, TextPart, ToolCall, ToolSpec

EXECUTE = "execute"
HOW = """\
To run code, write it in a fenced block with its language, for example:
```python
print(1)
```
It runs at once and you get its output in the next message. Write nothing after the block. Without a block, your text \
is the final answer."""
OTHERS = """
To use one of these tools instead, write <tool_call>{"name": NAME, "arguments": {...}}</tool_call>:
"""


def instructions(tools: tuple[ToolSpec, ...]) -> str:
    """What the system message says in place of the request's `tools`."""
    text = HOW if any(t.name == EXECUTE for t in tools) else ""
    others = [t for t in tools if t.name != EXECUTE]
    if others:
        lines = [f"- {t.name}: {t.description} Arguments: {arguments_of(t)}" for t in others]
        text += OTHERS + "\n".join(lines)
    return text.strip()


def arguments_of(tool: ToolSpec) -> str:
    properties: dict[str, Any] = tool.parameters.get("properties") or {}
    return ", ".join(properties) or "none"


def as_text(message: Message) -> Message:
    """The message without calls and without the role `tool`."""
    if message.role == "tool":
        said = f"Result of your code:\n{message.text}"
        others: list[Part] = [p for p in message.parts if not isinstance(p, TextPart)]
        return Message(role="user", parts=(TextPart(text=said), *others))
    if message.calls:
        blocks = [message.text] if message.text else []
        blocks += [block(call) for call in message.calls]
        return Message(role=message.role, parts=(TextPart(text="\n".join(blocks)),))
    return message


def plain(arguments: str) -> Any:
    """The arguments as the object that they say, where they do."""
    try:
        return msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments


def block(call: ToolCall) -> str:
    """An earlier call as the text that would ask for the same."""
    try:
        arguments: Any = msgspec.json.decode(call.arguments)
        language, code = str(arguments["language"]), str(arguments["code"])
    except (msgspec.DecodeError, KeyError, TypeError, IndexError, RecursionError):
        body = msgspec.json.encode({"name": call.name, "arguments": plain(call.arguments)}).decode()
        return f"<tool_call>{body}</tool_call>"
    fence = "```"
    while fence in code:
        fence += "`"
    end = "" if code.endswith("\n") else "\n"
    return f"{fence}{language}\n{code}{end}{fence}"
