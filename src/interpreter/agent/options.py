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
    approvals: Literal["", "deny", "park"] = ""
    """What becomes of a question where nobody is there to answer. deny: a no. park: the run stops, durable, until it
    is answered. Empty: park in mode ask, else deny."""
    approval_timeout: float | None = None
    """Seconds after which a question that nobody answered is a no; None: it waits."""
    can_ask: bool = True
    """False: nobody is there to answer; `approvals` says what becomes of a question."""
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
    system_message: str = ""
    """Replaces the first lines of the built-in system prompt."""
    custom_instructions: str = ""
    """Added to the system prompt."""
    install: Literal["ask", "yes", "no"] = "ask"
    """What to do about a missing Python module; `ask` counts as no where nobody can be asked."""
    vision: bool = False
    """True: the model reads images; plots are shown to it."""

    @property
    def unattended(self) -> bool:
        return not self.can_ask

    @property
    def mode(self) -> Mode:
        """The mode that a session begins in."""
        return "plan" if self.plan else "auto" if self.auto_run else "ask"

    def parks(self, mode: Mode) -> bool:
        """Whether a question that nobody can answer waits in the log."""
        return self.approvals == "park" or (self.approvals == "" and mode == "ask")

    def steps(self) -> int | None:
        return self.max_steps if self.max_steps is not None or self.can_ask else 50

    def seconds(self) -> float | None:
        return self.max_seconds if self.max_seconds is not None or self.can_ask else 3600.0

    def tokens(self) -> int | None:
        return self.max_total_tokens if self.max_total_tokens is not None or self.can_ask else 2_000_000

    def execution_timeout(self, language: str) -> float | None:
        if language == "shell" and self.run_timeout is not None:
            return self.run_timeout
        return self.timeout if self.timeout is not None or self.can_ask else 600.0
