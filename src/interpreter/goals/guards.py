"""The step policies of a goal run: ceilings, three quarters of them, and being stuck."""

from __future__ import annotations

import hashlib
import re

from ..agent.guards import CHANGING, FAILED, FinalCheck, Guards, Stop, Tally, Tell, Verdict
from ..agent.options import AgentOptions
from ..text.cut import fit
from ..text.i18n import _
from ..types.goals import Ceiling, CeilingNeared, Spent
from .prompt import CHECKS, FINISH, PLAN
from .run import Run

NEAR = 0.75
SAME = 3
"""How often the same blocker may be met running."""
MEASURED = re.compile(r"\b\d{1,15}\.\d{1,15}\b")
OWN = (PLAN, CHECKS, FINISH)


class GoalGuards(Guards):
    def __init__(self, options: AgentOptions, tally: Tally, run: Run) -> None:
        super().__init__(options, tally)
        self._run = run
        self._last: str = ""
        self._running = 0
        """How often the last blocker was met running."""
        self._code, self._code_running = "", 0

    def answer_by(self, final: FinalCheck) -> None:
        """Nothing but the final answer is missing any more."""
        self._final = final

    def used(self) -> Spent:
        """Of the ceilings, by all turns of the run."""
        book, tally = self._run.book, self._tally
        before = book.spent
        cost = None if before.cost is None and tally.cost is None else (before.cost or 0.0) + (tally.cost or 0.0)
        return Spent(
            steps=before.steps + tally.steps,
            seconds=before.seconds + book.lost + tally.seconds(),
            tokens=before.tokens + tally.prompt + tally.completion,
            cost=cost,
        )

    def before_step(self) -> Verdict:
        if self._run.blocked:
            return Stop("failed", 1, self._run.blocked)
        for ceiling, used, most in self._ceilings():
            if used >= most:
                return Stop("limit", 5, reached(ceiling, most))
        if (risen := self.risen()) is not None:
            self._run.risen = risen
            return Stop("limit", 5, risen.text + " " + _("Everything done so far is kept."), ask=True)
        near: list[str] = []
        for ceiling, used, most in self._ceilings():
            if used >= NEAR * most and ceiling not in self._run.book.neared:
                event = CeilingNeared(turn=self._run.turn, ceiling=ceiling, used=used, most=most)
                self._run.waiting.append(event)
                self._run.book.neared.add(ceiling)
                near.append(f"{used:g} of {most:g} {ceiling}")
        if near:
            return Tell(
                f"Used: {', '.join(near)}. Finish now if the goal is reached, or change the plan to what still fits. "
                "If it cannot be reached, call finish with status failure or blocked."
            )
        return None

    def _ceilings(self) -> list[tuple[Ceiling, float, float]]:
        most, used = self._run.task.ceilings, self.used()
        pairs: list[tuple[Ceiling, float | None, float | None]] = [
            ("steps", used.steps, most.steps), ("seconds", used.seconds, most.seconds),
            ("tokens", used.tokens, most.tokens), ("cost", used.cost, most.cost),
        ]  # fmt: skip
        return [(name, value, bound) for name, value, bound in pairs if value is not None and bound is not None]

    def after_action(self, code: str, status: str, output: str) -> Verdict:
        if self._run.stopped:
            return Stop("failed", 1, "")
        if code.partition("\0")[0] in OWN:
            return self._count(status in FAILED)
        self._run.asked = 0
        self.rise.ran(failed=status in FAILED)
        if self._stuck(code, status, output):
            return Stop("failed", 1, self._run.blocked)
        verdict = self._count(status in FAILED)
        if verdict is not None:
            return verdict
        if self._code_running == SAME - 1 or (status != "ok" and self._running == SAME - 1):
            return Tell("Twice the same result. Try another way, or call finish with status blocked and say why.")
        return self._differs(status)

    def _stuck(self, code: str, status: str, output: str) -> bool:
        """Whether the same blocker, or the same action with the same result, was met three times running."""
        result = digest(status, obstacle(output) if status != "ok" else CHANGING.sub("", output))
        whole = digest(code, result)
        self._running = self._running + 1 if status != "ok" and result == self._last else 1
        self._code_running = self._code_running + 1 if whole == self._code else 1
        self._last, self._code = result, whole
        if status != "ok" and self._running >= SAME:
            gist = fit(next((line for line in reversed(output.splitlines()) if line.strip()), status).strip(), 200)
            self._run.blocked = _("Blocked: the same obstacle three times running: {what}", what=gist)
        elif self._code_running >= SAME:
            self._run.blocked = _("Blocked: the same action with the same result, three times running.")
        return bool(self._run.blocked)

    def _differs(self, status: str) -> Verdict:
        """A reflection is asked for only where a result is not what was expected."""
        if self._run.expected is None or status in ("denied", "not_run", "refused"):
            return None
        _action, expected, found = self._run.expected
        return Tell(f"You expected: {expected}. But {found}. Say in one sentence why, then go on.")


def obstacle(output: str) -> str:
    """What stood in the way, without what differs in each attempt: the code itself in a traceback, ids, times."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    return CHANGING.sub("", "\n".join(lines))


def steady(told: str) -> str:
    """What a check said, without what trembles: of a measured value its first digit stays."""
    return MEASURED.sub(lambda found: f"{float(found[0]):.1g}", CHANGING.sub("", told))


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def reached(ceiling: Ceiling, most: float) -> str:
    """What a person reads at a ceiling; not reached is never called success."""
    text = {
        "steps": _("The ceiling of {n} steps was met before the goal was shown to be reached.", n=f"{most:g}"),
        "seconds": _("The ceiling of {n} seconds was met before the goal was shown to be reached.", n=f"{most:g}"),
        "tokens": _("The ceiling of {n} tokens was met before the goal was shown to be reached.", n=f"{most:g}"),
        "cost": _("The ceiling of cost, {n}, was met before the goal was shown to be reached.", n=f"{most:g}"),
    }[ceiling]
    return text + " " + _("Everything done so far is kept.")
