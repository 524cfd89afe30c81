"""Segments of the model's history, and the messages that they are sent as."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..llm.estimate import estimate_tokens
from ..types.account import Act
from ..types.actions import Action
from ..types.events import ModelAnswered
from ..types.messages import ImagePart, Message, Part, TextPart

STUB_SIZE = 240
"""Characters below which a result is short enough to stay."""
STUB_TOKENS = 80
"""About what is left of a longer one."""
MOST_IMAGES = 4
"""Of one execution."""
IMAGE_TOKENS = 1_200
CUT = "[... {n:,} more characters of what the person said here are left out for space ...]"


@dataclass(slots=True)
class Result:
    """What the model reads about one action (or one unreadable call)."""

    action: str
    call_id: str
    text: str
    label: str = ""
    stub: bool = False
    status: str = "ok"
    error: str = ""
    """Name and message, where the program failed with one."""
    output: str = ""
    """The id under which what the program printed can be read."""

    def shorten(self) -> None:
        self.text, self.stub = stub(self.text, self.output), True


@dataclass(slots=True)
class Said:
    """Something said to the model from outside."""

    text: str
    turn: str = ""
    """Set where a turn begins here."""
    images: tuple[str, ...] = ()
    person: int = 0
    """Set where the person said it: which one, counted from the session's first."""
    cut: int = 0
    """Characters of the person's words that are left out behind `text`."""
    act: Act | None = None
    """What an account says of it; None, where nobody said it, for what need not be remembered (nudges)."""
    action: str = ""
    """Set where it is the result of what the person ran themselves."""
    output: str = ""
    stub: bool = False

    def shorten(self) -> None:
        self.text, self.stub = stub(self.text, self.output), True


class Segment:
    __slots__ = ("_cache", "_weights", "actions", "answer", "results", "said")

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.said: list[Said] = []
        self.answer: ModelAnswered | None = None
        self.actions: list[Action] = []
        """Proposed by `answer`."""
        self._cache: tuple[Message, ...] | None = None
        self._weights: list[int] = []

    def messages(self) -> tuple[Message, ...]:
        """The same objects every time, as long as nothing changed."""
        if self._cache is None:
            self._cache = tuple(render(self))
        return self._cache

    def weights(self) -> list[int]:
        """Tokens of each of the messages, by estimate; each is counted once."""
        found = self._weights
        found.extend(weigh(message) for message in self.messages()[len(found) :])
        return found

    def changed(self) -> None:
        self._cache = None
        self._weights.clear()

    def close(self, answer: ModelAnswered) -> None:
        """The answer comes behind what is there."""
        if self._cache is not None:
            self._cache += (spoken(answer),)
        self.answer = answer


def render(segment: Segment) -> list[Message]:
    """The messages of one segment: results of calls, then one user message, then the answer."""
    found: list[Message] = []
    lines: list[str] = []
    images: list[Part] = []
    for result in segment.results:
        if result.call_id:
            found.append(Message(role="tool", parts=(TextPart(text=result.text),), call_id=result.call_id))
        else:
            lines.append(f"{result.label}:\n{result.text}" if result.label else result.text)
    for said in segment.said:
        if said.text or said.cut:
            lines.append(said.text + (f"\n{CUT.format(n=said.cut)}" if said.cut else ""))
        images.extend(image for path in said.images if (image := read_image(path)) is not None)
    if lines or images:
        found.append(Message(role="user", parts=(TextPart(text="\n\n".join(lines)), *images)))
    if segment.answer is not None:
        found.append(spoken(segment.answer))
    return found


def spoken(answer: ModelAnswered) -> Message:
    parts = (TextPart(text=answer.text),) if answer.text else ()
    return Message(role="assistant", parts=parts, calls=answer.calls)


def weigh(message: Message) -> int:
    """Tokens that a message takes, by estimate."""
    images = sum(1 for part in message.parts if not hasattr(part, "text"))
    calls = sum(estimate_tokens(c.arguments) + 12 for c in message.calls)
    return estimate_tokens(message.text) + calls + images * IMAGE_TOKENS + 5


def stub(text: str, output: str = "") -> str:
    """Head, tail and id of an older result."""
    if len(text) <= STUB_SIZE:
        return text
    mark = next((line for line in text.splitlines() if "full output: out" in line), "")
    full = f"; full output: {output}" if output else ""
    return f"{text[:120].rstrip()}\n{mark or f'[... cut{full} ...]'}\n{text[-80:].lstrip()}"


def read_image(path: str) -> ImagePart | None:
    """An image that the person or a plot gave; None when it is no longer there."""
    suffix = path.rsplit(".", 1)[-1].lower()
    mime = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}.get(suffix)
    if mime is None:
        return None
    try:
        with Path(path).open("rb") as file:
            return ImagePart(mime=mime, data=file.read(20 << 20))
    except OSError:
        return None
