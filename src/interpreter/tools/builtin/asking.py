"""Asking the person."""

from __future__ import annotations

from ...errors import ToolError
from ...text.clean import clean_text
from ..definition import ToolContext, tool

LONGEST = 2000
MOST = 9


@tool(access="read", timeout=86_400.0, inside=False)
async def ask_human(ctx: ToolContext, question: str, options: list[str] | None = None) -> str:
    """Ask the person something that only they can decide or know. Not for leave to run code: that is asked by itself.

    Args:
        question: The question, with what is needed to answer it.
        options: Answers to choose from; leave out where any answer will do.
    """
    text = clean_text(question).strip()
    if not text:
        raise ToolError("The question is empty.")
    if ctx.human is None:
        raise ToolError("Nobody can be asked in this session.")
    choices = [" ".join(clean_text(one).split())[:200] for one in (options or [])][:MOST]
    answer = await ctx.human.ask(text[:LONGEST], choices)
    if answer is None:
        raise ToolError(
            "Nobody answered.", "Go on without the answer where that is safe; otherwise stop and say what is needed."
        )
    return f"The person answered: {answer}"
