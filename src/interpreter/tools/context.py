"""What the host lends to a tool while it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..types.base import Value


class WebAnswer(Value):
    """What a server answered."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """In the server's order and spelling."""
    body: bytes = b""
    size: int = 0
    """Bytes that came; more than `body` holds where the rest was over the bound."""
    cut: bool = False
    """Whether the server had more to say than was read."""
    url: str = ""
    """That answered: the last one, where redirects were followed."""


Listen = Callable[[WebAnswer, bytes], Awaitable[bool]]
"""Takes the head of an answer and whole lines of its body as they come; says whether that is enough."""


class ToolResult(Value):
    """A result that a model reads in other words than a program."""

    text: str
    """For models and people."""
    value: Any = None
    """For code in kernels and for other programs: anything that JSON has a form for."""


class Walled(Protocol):
    """Runs a short program of ours inside the session's walls: how a tool reads what models' code can write."""

    async def __call__(self, program: str, request: Any, *, seconds: float, most: int = 1 << 20) -> bytes:
        """What the program printed, at most `most` bytes.

        Args:
            program: Python source, standard library only, for 3.8 and later; it finds `request` as JSON in
                `sys.argv[1]`, and the workspace is its folder.
            request: anything that JSON has a form for, up to 100 kB.
            seconds: after which it is ended.

        Raises ToolError: it failed (its last words are in the message), took too long, or there are no walls to be had.
        What it says is a claim of walled code.
        """
        ...


class Apart(Protocol):
    """Runs a program of ours, in the tool's own Python, on a document of others and nothing else."""

    async def __call__(
        self, program: str, data: bytes, request: dict[str, Any], *, path: Sequence[str], seconds: float, most: int
    ) -> bytes:
        """What the program printed, at most `most` bytes: a claim.

        Args:
            program: Python source; it finds `request` as JSON in `sys.argv[1]`, with `file`, where `data` is, and
                `path`, where the packages are that it needs.

        Raises ToolError: it took too long, ended without a word, or there are no walls to be had.
        """
        ...


class Web(Protocol):
    """HTTP from the host's side, under the policy's network rules and with bounds."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        seconds: float = 30.0,
        most: int = 1 << 20,
        configured: bool = False,
        redirects: int = 3,
        listen: Listen | None = None,
    ) -> WebAnswer:
        """The answer, whatever its status.

        Args:
            seconds: for the whole request.
            most: bytes of the body that are read.
            configured: the person named this very address in their configuration: host rules are not asked, and a
                private address is reached. Never for an address that a model chose.
            redirects: that are followed at most, and only on the same host.
            listen: hears the body while it comes, and may say that it is enough.

        Raises ToolError: the host is not allowed, cannot be reached, took too long or talks no HTTP.
        """
        ...


class Human(Protocol):
    """Asks the person, where somebody is there to be asked."""

    async def ask(self, question: str, choices: Sequence[str] = (), *, seconds: float | None = None) -> str | None:
        """The answer; None: nobody answered. The question is in the log, as every question is."""
        ...


@dataclass(frozen=True)
class ToolContext:
    """The first parameter of every tool. What is None is not to be had in this session."""

    workspace: str = ""
    """Absolute path of the working folder. The host itself never reads below it: `walled` does."""
    session: str = ""
    action: str = ""
    """Id of the action that this call is."""
    home: Path | None = None
    """The folder of the product's own files; tools keep theirs below `home / "tools"`."""
    settings: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())
    """The person's settings of this tool: `tool_settings.NAME` of the configuration."""
    attended: bool = False
    """Whether somebody is there."""
    walled: Walled | None = None
    apart: Apart | None = None
    http: Web | None = None
    human: Human | None = None
