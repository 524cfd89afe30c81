"""What the agent needs of the rooms beside and above it, as contracts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from ..types.actions import Action, Permit
from ..types.events import ActionFinished, ApprovalResolved, Event, Stored
from ..types.rules import Circumstances, Verdict


class Emitter(Protocol):
    """The one way out. `session/hub.py` is one; the log comes before the watchers."""

    async def emit(self, event: Event, *more: Event) -> None:
        """Store the event as durably as its kind asks, then show it. Raises StoreError: nothing was shown.

        Several are stored together, all or none, as durably as the strictest asks.
        """
        ...

    def hold(self, event: Event) -> None:
        """Store the event with the next one that is emitted, right before it, and let it be seen then."""
        ...

    def show(self, event: Event) -> None:
        """Show a live-only event; it is not stored."""
        ...


Asker = Callable[[str], Awaitable[bool]]
"""Asks the person whether to go on after a bound was met; False where nobody can be asked."""

Place = Callable[[], str]
"""Where code would run, in words, for the approval prompt."""


class Runs(Protocol):
    """What the loop needs of `agent.runner`; `agent.rerun` tells what was recorded instead."""

    async def run(self, permit: Permit, action: Action) -> ActionFinished:
        """Carry out one permitted action and log its end."""
        ...

    async def page(self, action: Action, arguments: str) -> ActionFinished:
        """Answer `read_output`."""
        ...


class Rules(Protocol):
    """What the gate needs of the policy."""

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        """What the rules say about running this. Raises PolicyError: they cannot be read, so nothing may run."""
        ...

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        """The narrowest useful `allow` rule that would cover this code, as YAML, and examples of what else it would
        allow. Empty where there is none.
        """
        ...

    @property
    def place(self) -> str:
        """Path of the person's policy file, for words."""
        ...

    def write(self, rule: str) -> None:
        """Add a rule to the person's policy file; it holds from now on. Raises InterpreterError: nothing changed."""
        ...

    def learn(self, rule: str) -> None:
        """A rule that holds for this session only."""
        ...


class Toolbook(Protocol):
    """What the agent needs of the tools; `tools.registry.Registry` is one."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def action(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        call_id: str = "",
        repairs: Iterable[str] = (),
        parent: str = "",
    ) -> Action:
        """The action that a call is, its arguments mended where they can be.

        Raises ToolError: there is no such tool, or the arguments do not fit; the message is for the model.
        """
        ...

    def expected(self, name: str) -> str:
        """How a call of this tool should look, in words."""
        ...

    def inside(self) -> list[dict[str, Any]]:
        """What code in kernels may call: name, description and parameters of each."""
        ...

    def bound(self, name: str, positional: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call from a kernel by name. Raises ToolError, also where code may not call it."""
        ...


class Elsewhere(Protocol):
    """The answers of other programs: they write into the same log."""

    def find(self, approval: str) -> Stored | None:
        """The answer that a question has got, whoever gave it; None while it has none. Raises StoreError."""
        ...

    def relay(self, event: ApprovalResolved) -> None:
        """Let this session's readings and watchers see an answer that is in the log already."""
        ...
