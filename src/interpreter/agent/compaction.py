"""When the window fills: which old outputs give way, which old stretches are told in short, and what is left then."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..llm.estimate import estimate_tokens
from ..types.account import Chapter, Compacted, Shortened
from .account import merged
from .coarser import BEGINNING, fit
from .history import History
from .render import STUB_SIZE, STUB_TOKENS, Said, Segment

MARGIN = 64
FALLBACK_WINDOW = 32_768
FALLBACK_ANSWER = 4_096
LOW, ENOUGH, NARROW = 0.6, 0.75, 0.9
"""Shares of the room: what a compaction aims at, what is small enough, and what the last measures aim at."""
SUMMARY_FILES = 8
LINE_TOKENS = 30
"""About what an exchange comes to in an account."""


def budget(window: int | None, max_tokens: int | None) -> int:
    """Tokens that a request's messages may take: the window less what is kept for the answer."""
    whole = window or FALLBACK_WINDOW
    kept = min(max_tokens or min(FALLBACK_ANSWER, whole // 4), whole // 2 + 64)
    return max(512, whole - kept - MARGIN)


class Gauge:
    """Estimates a history's tokens, corrected by what the server counted last."""

    def __init__(self, fixed: int) -> None:
        self._fixed = fixed
        """Tokens of what goes with every request beside the messages (the tools)."""
        self._ratio = 1.0
        self._last = 0

    def tokens(self, estimated: int) -> int:
        """The whole request, when its messages are estimated so."""
        self._last = self._fixed + estimated
        return int(self._last * self._ratio)

    def learn(self, counted: int) -> None:
        """The server's own count of the request that was estimated last; only ever makes the estimate more careful."""
        if counted > 0 and self._last > 0:
            self._ratio = min(2.0, max(self._ratio, counted / self._last))

    def plain(self, tokens: int) -> int:
        """So many corrected tokens as the estimate counts them."""
        return int(tokens / self._ratio)


class Bounds(NamedTuple):
    """What an account may take; tokens, by estimate."""

    details: int
    words: int


def bounds(room: int, fixed: int) -> Bounds:
    """Args: room: tokens of a whole request. fixed: those of them that the system prompt and the tools take."""
    free = max(300, room - fixed)
    return Bounds(max(120, min(free // 6, 3_000)), max(120, free * 3 // 10))


class Need(NamedTuple):
    """Why something must give way."""

    over: int
    """Tokens that are to become free."""
    bounds: Bounds


def outputs(history: History, need: Need, keep: int) -> Compacted | None:
    """Old outputs become head, tail and id, from the oldest; not the newest `keep`."""
    found = history.results()
    freed = 0
    actions: list[str] = []
    for result in found[: len(found) - keep]:
        if freed < need.over and len(result.text) > STUB_SIZE:
            actions.append(result.action)
            freed += estimate_tokens(result.text) - STUB_TOKENS
    return Compacted(actions=tuple(actions)) if actions else None


def closed(history: History, need: Need, keep: int) -> int:
    """How many of the oldest answers have to be told in short; not the newest `keep`."""
    most = len(history.segments) - 1 - keep
    if keep == 0 and history.unanswered():
        most -= 1
    freed = answers = 0
    while answers < most and freed < need.over:
        freed += sum(history.segments[answers].weights()) + results_of(history.segments[answers + 1]) - LINE_TOKENS
        answers += 1
    return answers


def results_of(segment: Segment) -> int:
    calls = sum(1 for result in segment.results if result.call_id)
    return sum(segment.weights()[:calls])


def stretches(history: History, need: Need, keep: int) -> Compacted | None:
    """Old stretches become an account; with what older accounts tell it stays within its bounds."""
    answers = closed(history, need, keep)
    if not answers and not history.account:
        return None
    whole = history.stretch(answers)
    account = fit(whole, *need.bounds)
    if not answers and account == history.account:
        return None
    return Compacted(answers=answers, account=account, cut=untold(account) - untold(whole))


def untold(chapters: tuple[Chapter, ...]) -> int:
    """Things that the person said and that are not told in full."""
    return sum(chapter.left + sum(1 for words in chapter.words if words.cut) for chapter in chapters)


def sayings(history: History, need: Need, keep: int) -> Compacted | None:
    """What the person said since, by its beginning, the oldest first; of the newest as much as fits, and with `keep` at
    least what an account may have of the person's words."""
    least = need.bounds.words if keep else 0
    found = [said for segment in history.segments for said in segment.said if said.person]
    shortened: list[Shortened] = []
    over = need.over
    for said in found[:-1]:
        if over > 0 and len(said.text) > BEGINNING + 40:
            over -= shorter(said, BEGINNING, shortened)
    if over > 0 and found:
        size = max(1, estimate_tokens(found[-1].text))
        kept = max(BEGINNING, len(found[-1].text) * max(least, size - over) // size)
        if kept + 80 < len(found[-1].text):
            shorter(found[-1], kept, shortened)
    return Compacted(shortened=tuple(shortened), cut=len(shortened)) if shortened else None


def shorter(said: Said, kept: int, into: list[Shortened]) -> int:
    into.append(Shortened(said=said.person, kept=kept))
    return estimate_tokens(said.text[kept:])


Measure = Callable[[History, Need, int], Compacted | None]
"""The number: how much of the newest it spares."""


class Stage(NamedTuple):
    measures: tuple[tuple[Measure, int], ...]
    """Tried in this order, each once."""
    enough: float
    """Share of the room that is small enough to stop."""
    goal: float
    """Share of the room that each measure aims at."""


STAGES = (
    Stage(((outputs, 2), (stretches, 3)), ENOUGH, LOW),
    Stage(((outputs, 1), (stretches, 1)), ENOUGH, LOW),
    Stage(((sayings, 1), (outputs, 0), (stretches, 0), (sayings, 0)), 1.0, NARROW),
)
"""The usual one leaves room for many steps; the others are for very small windows: until it fits at all."""


def can_shrink(history: History) -> bool:
    """Whether anything is left that could give way."""
    need = Need(1, Bounds(120, 120))
    return any(measure(history, need, keep) is not None for stage in STAGES for measure, keep in stage.measures)


def lossy(history: History, event: Compacted) -> bool:
    """Whether the account has grown coarser than what it is made from."""
    return bool(event.account) and detail(event.account) < detail(history.stretch(event.answers))


def detail(chapters: tuple[Chapter, ...]) -> int:
    return sum(len(c.acts) + len(c.learned) + len(c.summary) for c in chapters)


def summed_up(history: History, event: Compacted, summary: str, bounds: Bounds) -> Compacted:
    """The same compaction, told by a summary beside the person's own words."""
    chapters = history.stretch(event.answers)
    whole = chapters[0]
    for chapter in chapters[1:]:
        whole = merged(whole, chapter)
    told = Chapter(
        words=whole.words, left=whole.left, steps=whole.steps, failed=whole.failed, files=whole.files[-SUMMARY_FILES:],
        summary=summary, taken_back=whole.taken_back,
    )  # fmt: skip
    return Compacted(answers=event.answers, account=fit((told,), *bounds), cut=event.cut)
