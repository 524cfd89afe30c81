"""Step policies beside the loop: each looks at what happened and answers go, tell or stop."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ..text.clean import INVISIBLE
from ..text.i18n import _
from ..types.messages import Usage
from .options import AgentOptions
from .rise import Rise, Risen

MOST_SEEN = 1_000
"""Results of a turn that are remembered: a turn may have any number of steps."""
CHANGING = re.compile(
    r"0x[0-9a-fA-F]+|<cell \d+>|\bline \d+|\bout\d+\b|\b\d+(?:\.\d+)? ?m?s\b|\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"
)
"""What differs in two results that say the same: addresses, ids, durations, times."""
FAILED = {"error", "timeout", "limit", "died", "lost", "refused"}
LAST = 4000
"""Characters of an answer that are looked at for a call."""
WRITTEN = re.compile(r"""(?<![A-Za-z0-9_.])execute\(\s*(?:\{|language\s*=)|"name"\s*:\s*"execute\"""")
"""A call in the middle of words, where it is not read as one."""
UNREAD = "The call among your words could not be read, so nothing ran."


@dataclass(frozen=True)
class Tell:
    text: str
    """A sentence to the model."""


@dataclass(frozen=True)
class Stop:
    reason: Literal["failed", "limit"]
    exit_code: int
    text: str
    """What the person reads."""
    ask: bool = False
    """True: a person who is there may say go on."""


Verdict = Tell | Stop | None


@dataclass
class Tally:
    """What one turn has used so far."""

    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    cost: float | None = None
    fresh: list[Usage] = field(default_factory=lambda: list[Usage]())
    """Of requests that the guards have not looked at yet."""

    def add(self, usage: Usage) -> None:
        self.fresh.append(usage)
        self.prompt += usage.prompt
        self.cached += usage.cached
        self.completion += usage.completion
        self.reasoning += usage.reasoning
        if usage.cost is not None:
            self.cost = (self.cost or 0.0) + usage.cost

    def usage(self) -> Usage:
        return Usage(
            prompt=self.prompt,
            cached=self.cached,
            completion=self.completion,
            reasoning=self.reasoning,
            cost=self.cost,
        )

    def seconds(self) -> float:
        return time.monotonic() - self.started


class FinalCheck(Protocol):
    """What a final answer has to fit; `agent.shape.AnswerCheck`."""

    answer: str | None
    closing: dict[str, Any] | None

    def asked(self) -> str:
        """What the model is told when the work is over and nothing but the answer is missing."""
        ...

    def after_text(self, text: str) -> Verdict: ...


class Guards:
    """All step policies of one turn."""

    def __init__(self, options: AgentOptions, tally: Tally, final: FinalCheck | None = None) -> None:
        self._final = final
        self._options = options
        self._tally = tally
        self.rise = Rise(options)
        self._failures = 0
        self._seen: dict[str, int] = {}
        self._empty = 0
        self._promises = 0
        self._act = "Call a tool" if options.tools_only else "Call execute"

    def before_step(self) -> Verdict:
        """The bounds of the turn: steps, seconds, tokens, cost."""
        o, t = self._options, self._tally
        kept = _("Everything done so far is kept. To go on: say so, or raise the limit.")
        if (most := o.steps()) is not None and t.steps >= most:
            return Stop("limit", 5, _("The limit of {n} steps was reached.", n=most) + " " + kept)
        if (longest := o.seconds()) is not None and t.seconds() >= longest:
            return Stop("limit", 5, _("The limit of {n} seconds was reached.", n=round(longest)) + " " + kept)
        if (tokens := o.tokens()) is not None and t.prompt + t.completion >= tokens:
            return Stop("limit", 5, _("The limit of {n} tokens was reached.", n=tokens) + " " + kept)
        if o.max_cost is not None and t.cost is not None and t.cost >= o.max_cost:
            return Stop("limit", 5, _("The cost limit of {n} was reached.", n=o.max_cost) + " " + kept)
        if (risen := self.risen()) is not None and not o.free:
            return Stop("limit", 5, f"{risen.text} {kept}", ask=True)
        return None

    def risen(self) -> Risen | None:
        """Whether failures or cost have risen suddenly, as far as is known before the next request."""
        self.rise.asked(self._tally.fresh)
        self._tally.fresh.clear()
        return self.rise.found()

    def after_action(self, code: str, status: str, output: str) -> Verdict:
        """Failures in a row, and the same code with the same result."""
        self.rise.ran(failed=status in FAILED)
        result = CHANGING.sub("", output) if status in FAILED else output
        key = hashlib.sha256(f"{code}\0{status}\0{result}".encode("utf-8", "replace")).hexdigest()
        self._seen[key] = self._seen.pop(key, 0) + 1
        if len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        if self._seen[key] >= 3:
            text = _("The model ran the same code three times with the same result. Stopped.")
            return Stop("failed", 1, text, ask=True)
        verdict = self._count(status in FAILED)
        if verdict is None and self._seen[key] == 2:
            return Tell(
                "You ran exactly this code before, with exactly this result. Running it again will not help: "
                "try another way, or say what stands in the way."
            )
        return verdict

    def after_format_error(self) -> Verdict:
        return self._count(True)

    def after_text(self, text: str, finish: str) -> Verdict:
        """An answer without an action: empty, or a promise and nothing more, is asked once more."""
        if not INVISIBLE.sub("", text).strip():
            self._empty += 1
            if self._empty > 2:
                return Stop("failed", 1, _("The model answered nothing three times. Stopped."))
            return Tell(f"Your answer was empty. {self._act} to go on, or give the final answer in words.")
        if self._final is not None and (self._final.closing is not None or text.lstrip()[:1] in "{[`"):
            return self._final.after_text(text)
        if finish != "length" and WRITTEN.search(text[-LAST:]):
            return self._count(True) or Tell(f"{UNREAD} {self._act}, and write nothing else around it.")
        if self._promises == 0 and finish != "length" and promises(text):
            self._promises += 1
            return Tell(
                f"You said what you will do but ran nothing. {self._act} now; if the task is done, give the answer."
            )
        return self._final.after_text(text) if self._final is not None else None

    def closing(self) -> dict[str, Any] | None:
        """The schema that the next answer is bound to, when nothing but the form of the final answer is missing."""
        return self._final.closing if self._final is not None else None

    def answer(self, text: str) -> str:
        """The final answer as it is given out."""
        return text if self._final is None or self._final.answer is None else self._final.answer

    def forgive(self) -> None:
        """The person said go on."""
        self._failures = 0
        self._seen.clear()
        self.begin_anew()

    def begin_anew(self) -> None:
        """What was seen so far is no measure of what is sudden: a person knows of it, or a process before has asked."""
        self._tally.fresh.clear()
        self.rise.forget()

    def _count(self, failed: bool) -> Verdict:
        self._failures = self._failures + 1 if failed else 0
        if self._failures > self._options.max_retries:
            text = _("{n} attempts in a row failed. Stopped.", n=self._failures)
            return Stop("failed", 1, text, ask=True)
        return None


BEGINNINGS = (
    *("let me ", "let's ", "now let me", "now i will", "now i'll", "next, i", "next i will", "first, i"),
    *("i will ", "i'll "),
    *("i am going to", "i'm going to", "我将", "我会", "让我", "接下来我", "下面我", "现在我", "首先我"),
)


def promises(text: str) -> bool:
    """True when the last sentence announces an act instead of reporting one."""
    last = [line for line in text.strip().splitlines() if line.strip()][-1].strip().lstrip("#*-> ")
    sentence = last
    for mark in (". ", "。", "! ", "！"):
        sentence = sentence.rstrip(".。!！:：…").rsplit(mark, 1)[-1].strip()
    if last.endswith(("?", "？")):
        return False
    if sentence.lower().startswith(("let me know", "i'll be ", "i will be ", "让我知道")):
        return False
    return last.endswith((":", "：", "...", "…")) or sentence.lower().startswith(BEGINNINGS)
