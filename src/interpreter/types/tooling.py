"""Tools: what is declared about one, and what a call of one says."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any, Literal

import msgspec

from .base import Value, from_json
from .messages import ToolSpec

Access = Literal["read", "write"]
"""read: it changes nothing that lasts, anywhere; plan mode admits it. write: everything else."""
TargetKind = Literal["path", "host", "name"]
"""path: a file or folder. host: a host, or the URL that names one. name: anything else (a deployment, a channel)."""
TOOL = "tool"
"""The language of an action that calls a tool; its code is what `call_code` makes."""


class Target(Value):
    """A parameter that says what a call is about, so that rules can ask about it."""

    parameter: str
    kind: TargetKind = "name"


class Declaration(Value):
    """Everything about a tool but its code: what models, rules, people and other programs are told."""

    name: str
    description: str
    """One or two sentences for the model."""
    parameters: dict[str, Any]
    """JSON Schema of an object, with a description for each parameter; `required` names those without a default."""
    access: Access = "write"
    reads_when: dict[str, tuple[str, ...]] = {}
    """Of a tool that writes: the values of parameters with which a call only reads (`{"method": ("GET", "HEAD")}`)."""
    targets: tuple[Target, ...] = ()
    undo: str = ""
    """The shell command or the sentence that takes a call back, with `{parameter}` for its arguments. Empty: there is
    nothing to take back, or nobody knows how."""
    timeout: float = 60.0
    """Seconds of one call."""
    origin: str = "built-in"
    """Who brings it: `built-in`, `skill:NAME`, `mcp:NAME`, `python` (registered by a program)."""
    runs: str = ""
    """The language whose code the one required parameter is: the call is then an action of that language, judged and
    run as such (`run_command`: shell). Empty: it is a call of a tool."""

    def reads(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a call with these arguments only reads."""
        if self.access == "read":
            return True
        properties: dict[str, Any] = self.parameters.get("properties", {})
        return bool(self.reads_when) and all(
            str(arguments.get(name, properties.get(name, {}).get("default"))) in values
            for name, values in self.reads_when.items()
        )

    def taken_back(self, arguments: Mapping[str, Any]) -> str:
        """`undo` for these arguments, each as one word of a shell; empty where there is no undo, or one of the
        arguments that it names was not given.
        """
        properties: dict[str, Any] = self.parameters.get("properties", {})
        text = self.undo
        for name in properties:
            if f"{{{name}}}" in text:
                value = arguments.get(name, properties[name].get("default"))
                if value is None:
                    return ""
                text = text.replace(f"{{{name}}}", quote(value if isinstance(value, str) else str(value)))
        return text

    def spec(self) -> ToolSpec:
        """As models are offered it."""
        return ToolSpec(name=self.name, description=self.description, parameters=self.parameters)


class Called(Value):
    """What an action of the language `tool` asks for."""

    tool: str
    arguments: dict[str, Any] = {}


def call_code(tool: str, arguments: Mapping[str, Any]) -> str:
    """The code of a call's action: canonical, so that the same call has the same hash."""
    return msgspec.json.encode({"tool": tool, "arguments": dict(arguments)}, order="sorted").decode()


def readable(language: str, code: str) -> str:
    """Code as a person reads it: a call of a tool as its name and one argument on each line, other code as it is."""
    if language != TOOL:
        return code
    try:
        called = read_call(code)
    except ValueError:
        return code
    rows = [f"  {name}: {msgspec.json.encode(value).decode()}" for name, value in called.arguments.items()]
    return "\n".join([called.tool, *rows])


def in_a_line(language: str, code: str) -> str:
    """The same where there is one line for it: `read_log(path="a.log", lines=5)`."""
    if language != TOOL:
        return code
    try:
        called = read_call(code)
    except ValueError:
        return code
    given = ", ".join(f"{name}={msgspec.json.encode(value).decode()}" for name, value in called.arguments.items())
    return f"{called.tool}({given})"


def read_call(code: str) -> Called:
    """What `call_code` made. Raises ValueError for anything else."""
    called: Called = from_json(code, Called)
    return called
