"""When the window fills: which old outputs give way, and then which old exchanges."""

from __future__ import annotations

from ..llm.estimate import estimate_tokens
from ..types.events import Compacted
from ..types.messages import Message
from .history import STUB_SIZE, History

MARGIN = 64
FALLBACK_WINDOW = 32_768
FALLBACK_ANSWER = 4_096


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
        self._known: dict[int, tuple[Message, int]] = {}

    def tokens(self, messages: tuple[Message, ...]) -> int:
        """The estimate for these messages; each message object is counted once and remembered."""
        known: dict[int, tuple[Message, int]] = {}
        total = self._fixed
        for message in messages:
            entry = self._known.get(id(message)) or (message, weigh(message))
            known[id(message)] = entry
            total += entry[1]
        self._known = known
        self._last = total
        return int(total * self._ratio)

    def learn(self, counted: int) -> None:
        """The server's own count of the request that was estimated last; only ever makes the estimate more careful."""
        if counted > 0 and self._last > 0:
            self._ratio = min(2.0, max(self._ratio, counted / self._last))


def weigh(message: Message) -> int:
    images = sum(1 for part in message.parts if not hasattr(part, "text"))
    calls = sum(estimate_tokens(c.arguments) + 12 for c in message.calls)
    return estimate_tokens(message.text) + calls + images * 1_200 + 5


def plan(history: History, over: int) -> Compacted | None:
    """What to shorten so that about `over` tokens become free; None when nothing is left to give way.

    Old outputs first, from the oldest, but not the newest two; then whole old exchanges, but not the newest three;
    then, in a very small window, more of both. What the person said is not touched.
    """
    for keep_outputs, keep_exchanges in ((2, 3), (1, 1)):
        if actions := _outputs(history, over, keep_outputs):
            return Compacted(actions=actions)
        if dropped := _exchanges(history, over, keep_exchanges):
            return Compacted(dropped=dropped)
    return None


def _outputs(history: History, over: int, keep: int) -> tuple[str, ...]:
    freed = 0
    actions: list[str] = []
    for result in history.results()[:-keep]:
        if freed < over and len(result.text) > STUB_SIZE:
            actions.append(result.action)
            freed += estimate_tokens(result.text) - 80
    return tuple(actions)


def _exchanges(history: History, over: int, keep: int) -> tuple[str, ...]:
    freed = 0
    dropped: list[str] = []
    closed = [s for s in history.segments if s.answer is not None and s.actions and not s.dropped]
    for segment in closed[:-keep]:
        if freed < over:
            dropped.append(segment.actions[0].id)
            freed += sum(estimate_tokens(a.code) for a in segment.actions)
    return tuple(dropped)
