"""Telling people: over the services that the person configured by name."""

from __future__ import annotations

import os

from ...errors import ToolError
from ...text.clean import clean_text
from ...text.redact import redact, secret_values
from ..definition import ToolContext, tool
from ..notify.deliver import deliver
from ..notify.services import Level, Note
from ..notify.targets import find_target

MOST_MESSAGE, MOST_TITLE = 50_000, 200


@tool(access="write", targets=("target",), timeout=90.0, needs=("targets",))
async def notify(ctx: ToolContext, message: str, title: str = "", level: Level = "info", target: str = "") -> str:
    """Send a message to people, for example when a task is done or needs them.

    Args:
        message: What they should know, in a few sentences.
        title: A short title.
        level: How urgent it is.
        target: The name of a configured target; empty for the usual one.
    """
    if not message.strip():
        raise ToolError("The message is empty.")
    found = find_target(ctx.settings, target)
    known = secret_values(os.environ)
    note = Note(
        message=redact(clean_text(message), known)[:MOST_MESSAGE],
        title=" ".join(redact(clean_text(title), known).split())[:MOST_TITLE],
        level=level,
        session=ctx.session,
    )
    done = await deliver(ctx.http, found, note)
    if not done.problem:
        return f"Sent to {found.name}." + (f" (attempt {done.attempts})" if done.attempts > 1 else "")
    tried = f" after {done.attempts} attempts" if done.again else ""
    raise ToolError(f"Not sent to {found.name}{tried}: {done.problem}")
