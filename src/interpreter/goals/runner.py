"""The runner of a goal run: it compares results with what was expected, and looks at health after each writing step."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from ..agent.runner import Runner
from ..types.actions import Action, Permit
from ..types.events import ActionFinished
from .run import Run

QUOTED = re.compile(r"[`\"“「]([^`\"”」\n]{2,80})[`\"”」]")
FAILING = re.compile(r"fail|error|non-?zero|refus|not found|missing|denied|失败|错误|报错|不存在", re.IGNORECASE)


class GoalRunner(Runner):
    goal: Run
    allowed: float | None = None
    """Seconds for the next execution of the harness."""
    after_writing: Callable[[str], Awaitable[None]] | None = None
    """Looks at the health; told the id of the action."""
    left: Callable[[], float | None] = staticmethod(lambda: None)
    """Seconds that the ceiling of time leaves."""

    async def run(self, permit: Permit, action: Action) -> ActionFinished:
        finished = await super().run(permit, action)
        await compare(self.goal, action, finished, self.after_writing)
        return finished

    def seconds(self, action: Action) -> float | None:
        bound = super().seconds(action)
        if action.purpose and self.allowed is not None:
            bound = self.allowed if bound is None else min(bound, self.allowed)
        left = self.left()
        if left is None:
            return bound
        return max(1.0, left) if bound is None else max(1.0, min(bound, left))


async def compare(
    goal: Run, action: Action, finished: ActionFinished, after_writing: Callable[[str], Awaitable[None]] | None
) -> None:
    """What follows an action of the model: how its result differs is kept, and after a writing one health is looked at.
    Nothing follows what the harness itself runs.
    """
    if action.purpose:
        return
    found = differs(action.expect, finished)
    goal.expected = (action.id, action.expect, found) if found else None
    if after_writing is not None and any(entry.action == action.id for entry in goal.book.entries):
        await after_writing(action.id)


def differs(expect: str, finished: ActionFinished) -> str:
    """How a result differs from what was expected, as far as that can be seen; empty where it does not."""
    if not expect.strip():
        return ""
    if finished.status != "ok":
        return "" if FAILING.search(expect) else f"it ended with {finished.status}"
    output = finished.observation.text.lower()
    absent = [word for word in QUOTED.findall(expect) if word.strip().lower() not in output]
    return f"the result does not hold {absent[0]!r}" if absent else ""
