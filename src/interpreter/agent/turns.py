"""The state of one turn, and how turns end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from .guards import Guards, Tally

Reason = Literal["done", "failed", "interrupted", "denied", "limit", "model", "waiting", "sandbox"]


@dataclass(frozen=True)
class End:
    """Why a turn is over."""

    reason: Reason
    exit_code: int
    text: str = ""


@dataclass
class Turn:
    """The state of one turn; everything lasting is in the log."""

    id: str
    tally: Tally
    guards: Guards
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by an interrupt."""
    steers: list[str] = field(default_factory=lambda: list[str]())
    """Said by the person while the turn runs; told before the next question."""


INTERRUPTED = End("interrupted", 130)
Unrun = Literal["denied", "not_run"]
