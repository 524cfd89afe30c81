"""One message to one target: attempts, and what is said of them."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from ...aio.threads import in_thread
from ...errors import ToolError
from ...text.clean import clean_text
from ..context import Web
from .mail import send
from .services import Note, Outcome, outcome_of, request_for
from .targets import Target, without_secrets

ATTEMPTS = 3
PAUSES = (0.5, 2.0)
"""Seconds between two attempts, where the service does not say."""
LONGEST_WAIT = 10.0
SECONDS = 15.0


class Delivered(NamedTuple):
    attempts: int
    problem: str = ""
    """Why it was not taken, without the target's secrets; empty: it was."""
    again: bool = False
    """Whether it may be taken later."""


async def deliver(http: Web | None, target: Target, note: Note) -> Delivered:
    """Send it, again where that may help."""
    outcome, attempt = Outcome("it was not tried"), 0
    for attempt in range(1, ATTEMPTS + 1):
        outcome = await sent(http, target, note)
        if not outcome.problem:
            return Delivered(attempt)
        if not outcome.again or attempt == ATTEMPTS:
            break
        await asyncio.sleep(min(outcome.wait or PAUSES[attempt - 1], LONGEST_WAIT))
    return Delivered(attempt, without_secrets(clean_text(outcome.problem), target), outcome.again)


async def sent(http: Web | None, target: Target, note: Note) -> Outcome:
    """One attempt."""
    if target.kind == "email":
        return await in_thread(send, target, note)
    if http is None:
        return Outcome("there is no way out of this session")
    request = request_for(target, note)
    try:
        answer = await http.request(
            "POST", request.url, headers=request.headers, body=request.body, seconds=SECONDS, most=1 << 16,
            configured=True, redirects=0,
        )  # fmt: skip
    except ToolError as error:
        return Outcome(error.message, True)
    return outcome_of(target.kind, answer)
