"""What the conformance suite knows of one kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from interpreter.kernels.runtimes import Runtime


@dataclass
class Subject:
    """One kernel. An empty snippet is an exception, and `exceptions` says why."""

    name: str
    runtime: Callable[[Path], Runtime | None]
    """Given a folder of its own; None: not on this machine."""
    say: str
    """Prints `hi` to stdout, then `err` to stderr."""
    error: str
    """Fails; `error_says` stands in its report or its output."""
    error_says: str
    big: str
    """Prints five million x and a line end."""
    unicode: str
    """Prints `héllo 中文 😀`. One code may stand here, in `ask` and in `cwd`, and then runs once for the three."""
    busy: str
    """Prints `on`, as `nap` and `child` do, so that it is known to be under way."""
    begins: float = 0.4
    """The time limit of a busy one, in seconds: what has to be built first needs more until it is under way."""
    set: str = ""
    get: str = ""
    """Prints or shows what `set` kept: 41 and one more."""
    exit: str = ""
    """Ends its program with 3."""
    nap: str = ""
    child: str = ""
    """Waits for a child that sleeps."""
    ask: str = ""
    """Wants a line of input, and prints what it got between brackets."""
    cwd: str = ""
    background: str = ""
    """Leaves a sleeping child behind, and prints `went on`."""
    die: str = ""
    """Kills its own process."""
    exceptions: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def one_shot(self) -> bool:
        """Each execution is a program of its own, and there is no state to set."""
        return not self.set
