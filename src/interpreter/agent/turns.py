"""The state of one turn, and how turns end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..types.actions import Action
from ..types.events import ActionFinished
from .guards import Guards, Tally

Reason = Literal["done", "failed", "interrupted", "denied", "limit", "model", "waiting", "sandbox"]


@dataclass(frozen=True)
class End:
    """Why a turn is over."""

    reason: Reason
    exit_code: int
    text: str = ""


Own = Callable[[Action], Awaitable[tuple[ActionFinished, End | None]]]
"""Carries out a call that runs nothing, such as a change of the plan, and logs its end."""


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
    proposed: set[str] = field(default_factory=lambda: set[str]())
    """Ids of actions that the log holds as proposed already: the turn was begun by a process that is gone."""
    own: Mapping[str, Own] = field(default_factory=lambda: dict[str, Own]())
    """By the name of the tool."""


INTERRUPTED = End("interrupted", 130)
Unrun = Literal["denied", "not_run"]
