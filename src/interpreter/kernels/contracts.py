"""What the kernels ask of others, and what they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..types.actions import Completion, Display
from ..types.base import Value
from ..types.events import NetworkAttempt, Unsaved
from ..types.walls import CheckpointLimits, Launch


class Sink(Protocol):
    """Who watches one execution. Called on the loop while it runs; may miss pieces, never the completion."""

    def output(self, stream: str, data: bytes, skipped: int) -> None:
        """`stream` is stdout or stderr; `skipped` bytes came before and are only on disk. Must not raise or block."""
        ...

    def display(self, display: Display) -> None: ...

    async def ask_input(self, prompt: str, secret: bool) -> str | None:
        """The program asks for a line; None: nobody answers."""
        ...

    async def call_tool(self, number: int, name: str, arguments: str) -> str:
        """The program calls a tool, or with an empty name asks which there are; the answer is JSON. May raise
        InterpreterError, which the program is told.

        `arguments`: JSON of `args` and `kwargs`, as the program claims; `number`: of its calls, chosen by the keeper.
        """
        ...


class NetworkWatch(Protocol):
    """Who is told what the brokers of the network see, and answers for the person. Called on the loop."""

    def attempt(self, attempt: NetworkAttempt) -> None:
        """Must not raise or block."""
        ...

    async def ask(self, host: str, port: int, method: str) -> tuple[bool, str]:
        """Whether a host may be reached, and by whose word. Never waits for ever."""
        ...


class Walls(Protocol):
    """Where kernels are born; the sandbox room provides it."""

    def describe(self) -> str:
        """The backend's name, for people."""
        ...

    def launch(
        self, argv: Sequence[str], *, readable: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Launch:
        """`argv` behind walls. Raises SandboxUnavailable."""
        ...


class KernelOptions(Value):
    """The kernels' own settings."""

    python: str = ""
    """Executable of the Python in which the person's code runs; empty: what PATH has."""
    readable: tuple[str, ...] = ()
    """Paths of that environment that the walls must let through for reading."""
    written: tuple[str, ...] = ()
    """Folders that the session's code may write: what lies there opens nothing."""
    grace: float = 3.0
    """Seconds that an execution has to stop when asked, before its kernel is ended."""
    tools: bool = False
    """Whether shells get the way to the session's tools; other kernels have it at no cost."""
    startup: float = 20.0
    """Seconds until the keeper must answer."""

    checkpoints: CheckpointLimits = CheckpointLimits()
    checkpoint_folder: str = ""
    """Where checkpoints go; empty: there are none."""


class Running(Value):
    """An execution that a keeper has in hand."""

    execution: str
    kernel: str
    asked: dict[str, Any] | None = None
    size: int = 0
    """Bytes of its output that lie on the disk; what comes after them is told live."""


class KernelFacts(Value):
    id: str
    language: str
    state: str
    pid: int = 0
    version: str = ""


class Hello(Value):
    """What the keeper knows when its host comes (back)."""

    version: int
    pid: int = 0
    fresh: bool = True
    """True when the keeper was started for this host."""
    kernels: tuple[KernelFacts, ...] = ()
    completions: tuple[Completion, ...] = ()
    """Ended, and not yet collected."""
    running: tuple[Running, ...] = ()
    checkpoints: tuple[dict[str, Any], ...] = ()
    """Events of those that were saved and not collected."""


class Restored(Value):
    """What `Kernels.restore` brought back into a new kernel."""

    language: str
    kernel: str
    execution: str
    """After which execution the state is."""
    names: int = 0
    missing: tuple[Unsaved, ...] = ()
    """What the checkpoint never held, and what could not be loaded."""
    failed: tuple[str, ...] = ()
    """Why the checkpoints that were tried before this one did not come back."""
