"""The lines of a recording: JSON, one a line, the first of them Begun. Format: docs/replay.md."""

from __future__ import annotations

from typing import Any

from ..types.base import Value
from ..types.events import Event
from ..types.messages import Answer, Message, ServerFacts, ToolSpec
from ..types.rules import Mode
from ..types.tooling import Declaration

FORMAT = "reinterpreter-recording/1"


class Tooled(Value):
    """The tools that a session had, beside the two of a plain one."""

    only: bool = False
    names: tuple[str, ...] = ()
    hidden: int = 0
    specs: tuple[ToolSpec, ...] = ()
    declarations: tuple[Declaration, ...] = ()


class Begun(Value, tag="begun"):
    """Where it happened: what prompts and rules depend on besides the settings."""

    format: str = FORMAT
    version: str = ""
    facts: ServerFacts = ServerFacts(api_base="", model="")
    system: str = ""
    """The system prompt as it was."""
    machine: str = ""
    """System and processor, as the prompt names them."""
    workspace: str = ""
    home: str = ""
    where: str = ""
    """In which walls, in words."""
    sandbox: str = ""
    network: str = "closed"
    access: str = "write"
    staged: bool = False
    languages: tuple[str, ...] = ()
    context: str = ""
    """What the prompt said of skills and of the project."""
    grants: tuple[str, ...] | None = None
    walled: bool = True
    mode: Mode = "ask"
    can_ask: bool = False
    tools: Tooled = Tooled()
    policy: tuple[str, ...] = ()
    """Rules of a goal's own, each as YAML of one list item."""
    kept: bool = True
    """Whether the workspace's files were kept before each step."""


class Asked(Value, tag="asked"):
    """A request. Its messages are the first `kept` of the one before, and these."""

    kept: int = 0
    messages: tuple[Message, ...] = ()
    tools: tuple[ToolSpec, ...] | None = None
    """None: the same as in the one before."""
    max_tokens: int | None = None
    temperature: float | None = None
    tool_choice: str = "auto"
    response_schema: dict[str, Any] | None = None


class Answered(Value, tag="answered"):
    answer: Answer


class Failed(Value, tag="failed"):
    """The model gave no answer."""

    error: str
    """The class name from the error tree."""
    message: str
    hint: str = ""


class Happened(Value, tag="happened"):
    """An event of the log that the run depends on."""

    event: Event


class Cut(Value, tag="cut"):
    """The recording ends here, because it became too large; the run went on."""


Line = Begun | Asked | Answered | Failed | Happened | Cut
