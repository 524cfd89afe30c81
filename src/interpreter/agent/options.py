"""What a person may set about the loop."""

from __future__ import annotations

from typing import Literal

from ..types.base import Value
from ..types.rules import Mode


class AgentOptions(Value):
    auto_run: bool = False
    """True (-y): what stays inside the walls runs without a question."""
    plan: bool = False
    """True: nothing runs but what only reads; wins over `auto_run`."""
    approvals: Literal["", "deny", "park", "wait"] = ""
    """What becomes of a question where nobody is there to answer. deny: a no. park: the run stops, durable, until it
    is answered. wait: the process stays and waits. Empty: park in mode ask, else deny."""
    approval_timeout: float | None = None
    """Seconds after which a question that nobody answered is a no; None: it waits."""
    can_ask: bool = True
    """False: nobody is there to answer; `approvals` says what becomes of a question."""
    away: bool = False
    """With `can_ask`: nobody sits here, but answers come from elsewhere (another terminal, a link)."""
    bounded: bool = True
    """False: begun by a person who has left; the bounds that are not set are those of a conversation."""
    max_retries: int = 3
    """Failed steps in a row before the person is asked, or the run ends with 1."""
    max_steps: int | None = None
    """Requests to the model in one turn. None: 50 unattended, no bound attended. The same holds below."""
    max_seconds: float | None = None
    """Seconds of one turn. None: 3,600 unattended."""
    max_total_tokens: int | None = None
    """Tokens of one turn, prompt and completion together. None: 2,000,000 unattended."""
    max_cost: float | None = None
    """In the currency of the configured prices."""
    timeout: float | None = None
    """Seconds of one execution. None: 600 unattended, no bound attended."""
    run_timeout: float | None = None
    """Seconds of one shell command; None: as `timeout`."""
    rise_failures: int = 4
    """Of the last five actions: as many failures, after few before, count as a sudden rise; 0: none does."""
    rise_factor: float = 5.0
    """A request that takes as many times the usual cost (tokens, where there are no prices) is a sudden rise; 0: none
    is."""
    rise_tokens: int = 20_000
    """A request below as many tokens is never a sudden rise."""
    system_message: str = ""
    """Replaces the first lines of the built-in system prompt."""
    custom_instructions: str = ""
    """Added to the system prompt."""
    install: Literal["ask", "yes", "no"] = "ask"
    """What to do about a missing Python module; `ask` counts as no where nobody can be asked."""
    output_schema: str = ""
    """Absolute path of a JSON Schema that the final answer has to fit; empty: it may be any text."""
    summary: Literal["account", "model"] = "account"
    """What tells the model of older steps when its window fills. model: it is asked for a summary; the account stands
    where that is of no use."""
    tools_only: bool = False
    """True: the model runs no code of its own, it only calls tools."""
    vision: bool = False
    """True: the model reads images; plots are shown to it."""

    @property
    def here(self) -> bool:
        """Whether somebody sits at the session's own front end."""
        return self.can_ask and not self.away

    @property
    def mode(self) -> Mode:
        """The mode that a session begins in."""
        return "plan" if self.plan else "auto" if self.auto_run else "ask"

    def parks(self, mode: Mode) -> bool:
        """Whether a question that nobody can answer waits in the log."""
        return self.approvals in ("park", "wait") or (self.approvals == "" and mode == "ask")

    @property
    def free(self) -> bool:
        """Whether a bound that is not set is none."""
        return self.here or not self.bounded

    def steps(self) -> int | None:
        return self.max_steps if self.max_steps is not None or self.free else 50

    def seconds(self) -> float | None:
        return self.max_seconds if self.max_seconds is not None or self.free else 3600.0

    def tokens(self) -> int | None:
        return self.max_total_tokens if self.max_total_tokens is not None or self.free else 2_000_000

    def execution_timeout(self, language: str) -> float | None:
        if language == "shell" and self.run_timeout is not None:
            return self.run_timeout
        return self.timeout if self.timeout is not None or self.free else 600.0
