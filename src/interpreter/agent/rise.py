"""A sudden rise of failures or of cost: found by counting, never by asking a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from ..text.i18n import _
from ..types.goals import Rising
from ..types.messages import Usage
from .options import AgentOptions

LAST = 5
"""Actions at the end that are compared with those before."""
LEAST = 5
"""Actions, or requests, that there must have been before: short runs do not trip."""
FEW = 0.25
"""The share of failures before up to which many failures now are a rise, and not how this run is."""


MOST = 500
"""Actions and requests that are remembered: a run may have any number."""


class Risen(NamedTuple):
    what: Rising
    now: float
    before: float
    text: str
    """What a person reads."""


@dataclass
class Rise:
    """The actions and requests since the run began, or since a person last said go on."""

    options: AgentOptions
    failed: list[bool] = field(default_factory=lambda: list[bool]())
    requests: list[Usage] = field(default_factory=lambda: list[Usage]())

    def ran(self, *, failed: bool) -> None:
        self.failed.append(failed)
        del self.failed[:-MOST]

    def asked(self, requests: list[Usage]) -> None:
        self.requests += requests
        del self.requests[:-MOST]

    def forget(self) -> None:
        """What was seen so far is known to a person: it counts neither as before nor as now."""
        self.failed.clear()
        self.requests.clear()

    def found(self) -> Risen | None:
        return self._failures() or self._costs()

    def _failures(self) -> Risen | None:
        wanted, before, last = self.options.rise_failures, self.failed[:-LAST], self.failed[-LAST:]
        if not wanted or len(before) < LEAST or sum(last) < wanted or sum(before) > FEW * len(before):
            return None
        text = _(
            "Failures have risen suddenly: {now} of the last {last} actions failed; {before} of the {all} before.",
            now=sum(last), last=LAST, all=len(before), before=sum(before),
        )  # fmt: skip
        return Risen("failures", sum(last), sum(before), text)

    def _costs(self) -> Risen | None:
        """The last request against the median of those before; by cost where all of them have one, else by tokens."""
        factor, known = self.options.rise_factor, [one for one in self.requests if size(one)]
        if not factor or len(known) <= LEAST or not self.requests[-1:] or known[-1] is not self.requests[-1]:
            return None
        if size(known[-1]) < self.options.rise_tokens:
            return None
        costs = [one.cost for one in known if one.cost]
        priced = len(costs) == len(known)
        values = costs if priced else [float(size(one)) for one in known]
        usual, now = middle(values[:-1]), values[-1]
        if now < factor * usual:
            return None
        if priced:
            text = _("The cost of a request has risen suddenly: {now}; usual in this run: {before}.",
                     now=f"{now:g}", before=f"{usual:g}")  # fmt: skip
            return Risen("cost", now, usual, text)
        text = _("A request has suddenly taken more tokens: {now}; usual in this run: {before}.",
                 now=f"{now:g}", before=f"{usual:g}")  # fmt: skip
        return Risen("tokens", now, usual, text)


def middle(values: list[float]) -> float:
    """The median; `statistics` would cost every start 10 ms."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def size(usage: Usage) -> int:
    return usage.prompt + usage.completion
