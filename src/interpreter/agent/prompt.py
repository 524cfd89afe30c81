"""What the model is told before anything else: short, and the same for a session's whole life."""

from __future__ import annotations

import os
from typing import Literal

from ..types.messages import ToolSpec
from .options import AgentOptions

OPENING = "You are a careful assistant that gets things done on this person's computer by writing code and running it."

RULES = """\
How to work
- To act, call execute(language, code). If you cannot call tools, write one fenced block, such as ```python
- State is kept: variables, imports, the shell's folder. Do not repeat what has been done.
- One small step at a time: look at the data before you use it, print only what you need.
- If something fails, read the error and the facts below it, change the code, try again. Claim only what you saw.
- Long output is cut. The whole is kept under its id: read_output(id, offset).
- When the task is done, stop calling and say in a few words what you found or made, in the person's language."""


def system_prompt(
    options: AgentOptions,
    *,
    workspace: str,
    sandbox: str,
    network: str,
    languages: tuple[str, ...],
    access: Literal["read", "write"] = "write",
) -> str:
    """The system message of a session.

    Nothing in it changes later (no clock, no counters), so that a server's prefix cache serves it every time.
    """
    reach = {
        "closed": "There is no network.",
        "proxy": "Hosts that rules or the person allow can be reached through a proxy (set in the environment).",
        "host": "The network is open.",
    }[network]
    if sandbox == "host":
        place = f"Code runs in {workspace} with no sandbox. {reach}"
    elif access == "read":
        place = f"Code runs in a sandbox: it may read {workspace} and the system, and write only in $TMPDIR. {reach}"
    else:
        place = f"Code runs in a sandbox: it may write in {workspace} and read the system, nothing else. {reach}"
    parts = [
        options.system_message.strip() or OPENING,
        RULES,
        f"The machine\n- {os.uname().sysname} {os.uname().machine}. {place}\n- Languages: {', '.join(languages)}.",
        options.custom_instructions.strip(),
    ]
    return "\n\n".join(part for part in parts if part)


def tools(languages: tuple[str, ...]) -> tuple[ToolSpec, ...]:
    """The two tools of a plain session."""
    return (
        ToolSpec(
            name="execute",
            description="Run code and see its output. State is kept between calls.",
            parameters={
                "type": "object",
                "properties": {
                    "language": {"type": "string", "enum": list(languages)},
                    "code": {"type": "string"},
                },
                "required": ["language", "code"],
                "additionalProperties": False,
            },
        ),
        ToolSpec(
            name="read_output",
            description="Read on in a long output that was cut.",
            parameters={
                "type": "object",
                "properties": {"id": {"type": "string"}, "offset": {"type": "integer"}},
                "required": ["id", "offset"],
                "additionalProperties": False,
            },
        ),
    )
