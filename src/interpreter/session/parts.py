"""What a session is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..agent.approvals import Approvals
from ..agent.gate import Gate
from ..agent.guards import FinalCheck
from ..agent.mind import Mind
from ..agent.options import AgentOptions
from ..agent.parse import Reading
from ..agent.runner import Runner
from ..agent.turns import End, Turn
from ..store import SessionLog
from ..types.actions import Action
from ..types.events import ActionFinished, TurnStarted
from ..types.messages import Answer
from ..types.ops import StageCommit, StageDrop
from ..types.tooling import Declaration
from .hub import Hub

if TYPE_CHECKING:
    from ..types.staging import Change
    from .rewinding import Rewinding

Preparation = Callable[[TurnStarted, Turn], Awaitable[End | None]]
"""Runs at a turn's start with the person's words: offers grants for files that they name, tells the model of skills;
how the turn ends, where that ends it."""


class Staging(Protocol):
    """The stage of a staged session; `app.staged` provides it."""

    async def changes(self) -> list[Change]:
        """What a commit would change. Raises StageError."""
        ...

    def diff(self, changes: Iterable[Change]) -> Iterator[str]:
        """The lines of a diff, harmless to show. Raises StageError."""
        ...

    def below(self, changes: Iterable[Change], paths: Sequence[str]) -> list[Change]:
        """Those at or below some paths; all where none is named."""
        ...

    async def commit(self, op: StageCommit) -> None:
        """Raises StageError, UsageError, StoreError."""
        ...

    async def drop(self, op: StageDrop) -> None: ...


class Worker(Protocol):
    """What works through a turn: `agent.loop`, or what drives it towards a goal."""

    async def run(
        self, turn: Turn, pending: tuple[Action, ...] = (), again: tuple[Answer, Reading] | None = None
    ) -> End: ...


class Machines(Protocol):
    """What the session itself needs of `kernels.Kernels`."""

    async def interrupt(self) -> None: ...

    async def restart(self, language: str | None = None) -> None: ...

    async def park(self, seconds: float | None) -> None: ...

    async def close(self, keep: bool = False) -> None: ...


KEPT = {"waiting": 3600.0, "interrupted": 600.0, "limit": 600.0, "model": 600.0}
"""Seconds that kernels live on after a turn that ended this way; after the others they end with the session."""


@dataclass(frozen=True)
class Parts:
    """What a session is made of; `app` puts it together."""

    log: SessionLog
    workspace: Path
    scratch: Path
    where: str
    hub: Hub
    approvals: Approvals
    gate: Gate
    mind: Mind
    runner: Runner
    loop: Worker
    machines: Machines
    staging: Staging | None
    """None where programs write to the folder itself."""
    options: AgentOptions
    final: Callable[[], FinalCheck | None]
    """What the final answer of a turn has to fit; None: it may be any text."""
    prepare: Preparation
    rewinding: Callable[[], Rewinding]
    """Takes steps back; made when it is wanted."""
    settle: Callable[[], Awaitable[None]]
    """Waits for what was begun beside the session."""
    release: Callable[[], None]
    """Lets go of the log."""
    offered: Callable[[], tuple[Declaration, ...]] = lambda: ()
    """All that can be called, for a caller that is a program: running code, and every tool under its own name."""
    recall: Callable[[dict[str, ActionFinished | None], str, int], None] = lambda _calls, _turn, _step: None
    """Takes the calls of tools that the log knows of code which may still run, with the turn and step that were left:
    none is carried out again."""
