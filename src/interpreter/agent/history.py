"""The model's history: one reading of the log, append-only between compactions.

The history is a row of segments. A segment holds what came from outside since the model last spoke (results of its
actions, then what the person and the harness said) and the answer that followed. A segment that has its answer is
closed: its messages never change again, so the beginning of every request is the same bytes as before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalResolved,
    Compacted,
    ConversationReset,
    ConversationUndone,
    Event,
    ModelAnswered,
    NoteAdded,
    SessionResumed,
    SessionStarted,
    TurnStarted,
)
from ..types.messages import ImagePart, Message, Part, TextPart, ToolCall

STUB_SIZE = 240
"""Characters below which a result is short enough to stay."""
MOST_IMAGES = 4
"""Of one execution."""
NOT_RUN = "Not run: the turn ended before it."


@dataclass
class Result:
    """What the model reads about one action (or one unreadable call)."""

    action: str
    call_id: str
    text: str
    label: str = ""
    stub: bool = False


@dataclass
class Said:
    """Something said to the model from outside."""

    text: str
    turn: str = ""
    """Set where a turn begins here."""
    images: tuple[str, ...] = ()
    person: bool = False


@dataclass
class Segment:
    results: list[Result] = field(default_factory=lambda: list[Result]())
    said: list[Said] = field(default_factory=lambda: list[Said]())
    answer: ModelAnswered | None = None
    actions: list[Action] = field(default_factory=lambda: list[Action]())
    """Proposed by `answer`."""
    dropped: bool = False
    cache: tuple[Message, ...] | None = None


class History:
    """Feed it every event in order; ask it for messages."""

    def __init__(self, *, vision: bool = False) -> None:
        self._vision = vision
        """Whether the model reads images: plots are shown to it."""
        self.segments: list[Segment] = [Segment()]
        self.system = ""
        self._owner: dict[str, Segment] = {}
        """Action id to the segment whose answer proposed it."""
        self._merges: dict[tuple[int, int], tuple[Message, Message, Message]] = {}
        self._own: dict[str, Action] = {}
        """What the person ran themselves."""

    @property
    def open(self) -> Segment:
        return self.segments[-1]

    def apply(self, event: Event) -> None:
        match event:
            case SessionStarted():
                self.system = event.system
            case TurnStarted():
                self._settle()
                self._say(Said(event.text, event.turn, event.images, person=True))
            case NoteAdded() if event.to_model:
                if event.call_id:
                    self._result(Result("", event.call_id, event.text))
                else:
                    self._say(Said(event.text, person=event.source == "person"))
            case ModelAnswered():
                if self.open.cache is not None:
                    self.open.cache += spoken(event)
                self.open.answer = event
                self.segments.append(Segment())
            case ActionProposed():
                self._proposed(event)
            case ApprovalResolved():
                if event.action is not None:
                    self._say(Said(edited_note(event.action)))
            case ActionFinished():
                self._finished(event)
            case SessionResumed():
                if text := resumed_note(event):
                    self._settle()
                    self._say(Said(text))
            case _:
                self._rewrite(event)

    def _rewrite(self, event: Event) -> None:
        """The events that change what had been told before: the prefix breaks here, and only here."""
        match event:
            case Compacted():
                self._compact(event)
            case ConversationUndone():
                self._undo(event.turn)
            case ConversationReset():
                self.segments, self._owner = [Segment()], {}
            case _:
                pass

    def messages(self) -> tuple[Message, ...]:
        """The whole history as it is sent: system first, then one group of messages per segment."""
        found: list[Message] = [Message(role="system", parts=(TextPart(text=self.system),))] if self.system else []
        for segment in self.segments:
            if segment.cache is None:
                segment.cache = tuple(render(segment))
            fresh = segment.cache
            if fresh and found and found[-1].role == fresh[0].role == "user":
                found[-1] = self._merged(found[-1], fresh[0])
                fresh = fresh[1:]
            found.extend(fresh)
        return tuple(found)

    def _merged(self, first: Message, second: Message) -> Message:
        """Two user messages as one, which dropped exchanges leave side by side; the same object every time."""
        key = (id(first), id(second))
        known = self._merges.get(key)
        if known is None or known[0] is not first or known[1] is not second:
            parts = (*first.parts, TextPart(text="\n\n"), *second.parts)
            known = self._merges[key] = (first, second, Message(role="user", parts=parts))
        return known[2]

    def results(self) -> list[Result]:
        """Every result that the model can still read in full, oldest first."""
        return [r for s in self.segments for r in s.results if r.action and not r.stub and not s.dropped]

    def unanswered(self) -> list[ToolCall]:
        """Native calls of the last answer that have no result yet."""
        if len(self.segments) < 2 or (answer := self.segments[-2].answer) is None:
            return []
        answered = {r.call_id for r in self.open.results}
        return [c for c in answer.calls if c.id not in answered]

    def _say(self, said: Said) -> None:
        self.open.said.append(said)
        self.open.cache = None

    def _result(self, result: Result) -> None:
        """A later result of the same call takes the place of an earlier one (an approval that came after all)."""
        found = self.open.results
        for n, old in enumerate(found):
            if result.call_id and old.call_id == result.call_id:
                found[n] = result
                break
        else:
            found.append(result)
        self.open.cache = None

    def _proposed(self, event: ActionProposed) -> None:
        if event.step == 0 or len(self.segments) < 2:
            self._own[event.action.id] = event.action
            return
        self.segments[-2].actions.append(event.action)
        self._owner[event.action.id] = self.segments[-2]

    def _finished(self, event: ActionFinished) -> None:
        own = self._own.pop(event.action, None)
        if own is not None:
            told = f"The person ran this {own.language} code themselves:\n{own.code}\nResult:\n{event.observation.text}"
            self._say(Said(told))
            return
        owner = self._owner.get(event.action)
        action = next((a for a in owner.actions if a.id == event.action), None) if owner else None
        if action is None:
            return
        label = f"Result of your {action.language} code"
        self._result(Result(event.action, action.call_id, event.observation.text, label))
        shown = event.completion.displays if self._vision and event.completion is not None else ()
        if images := tuple(d.path for d in shown if d.mime in ("image/png", "image/jpeg")):
            self._say(Said("What it drew:", images=images[:MOST_IMAGES]))

    def _settle(self) -> None:
        """Servers refuse a history with unanswered calls: say of each that it did not run."""
        for call in self.unanswered():
            self._result(Result("", call.id, NOT_RUN))

    def _compact(self, event: Compacted) -> None:
        stubs, dropped = set(event.actions), set(event.dropped)
        for segment in self.segments:
            for result in segment.results:
                if result.action in stubs and not result.stub:
                    result.text, result.stub, segment.cache = stub(result.text), True, None
            if segment.answer is not None and any(a.id in dropped for a in segment.actions):
                segment.dropped, segment.cache = True, None
        for before, after in zip(self.segments, self.segments[1:], strict=False):
            if before.dropped:
                after.cache = None
                for result in after.results:
                    result.call_id, result.stub = "", True
                    result.label, result.text = "", ""

    def _undo(self, turn: str) -> None:
        for n, segment in enumerate(self.segments):
            for k, said in enumerate(segment.said):
                if said.turn == turn:
                    del self.segments[n + 1 :]
                    del segment.said[k:]
                    segment.answer, segment.actions, segment.cache = None, [], None
                    return


def render(segment: Segment) -> list[Message]:
    """The messages of one segment: results of calls, then one user message, then the answer."""
    found: list[Message] = []
    lines: list[str] = []
    images: list[Part] = []
    for result in segment.results:
        if result.call_id:
            found.append(Message(role="tool", parts=(TextPart(text=result.text),), call_id=result.call_id))
        elif result.text:
            lines.append(f"{result.label}:\n{result.text}" if result.label else result.text)
    for said in segment.said:
        if said.text:
            lines.append(said.text)
        images.extend(image for path in said.images if (image := read_image(path)) is not None)
    answer = segment.answer
    if segment.dropped and answer is not None:
        lines.append(account(segment))
    if lines or images:
        found.append(Message(role="user", parts=(TextPart(text="\n\n".join(lines)), *images)))
    if answer is not None and not segment.dropped:
        found.extend(spoken(answer))
    return found


def spoken(answer: ModelAnswered) -> tuple[Message, ...]:
    parts = (TextPart(text=answer.text),) if answer.text else ()
    return (Message(role="assistant", parts=parts, calls=answer.calls),)


def account(segment: Segment) -> str:
    """One line for an exchange that is no longer told in full."""
    what = "; ".join(f"{a.language}: {first_line(a.code)}" for a in segment.actions)
    return f"[Earlier step, left out for space: you ran {what}]"


def first_line(code: str, most: int = 70) -> str:
    line = next((x.strip() for x in code.splitlines() if x.strip() and not x.strip().startswith("#")), "")
    return line if len(line) <= most else line[: most - 3] + "..."


def stub(text: str) -> str:
    """Head, tail and id of an older result; the id stands in the text's own last lines or its cut mark."""
    if len(text) <= STUB_SIZE:
        return text
    mark = next((line for line in text.splitlines() if "full output: out" in line), "")
    cut = f"\n{mark}\n" if mark else "\n[... cut ...]\n"
    return text[:120].rstrip() + cut + text[-80:].lstrip()


def edited_note(action: Action) -> str:
    return f"The person edited the code before it ran. What ran:\n```{action.language}\n{action.code}\n```"


def resumed_note(event: SessionResumed) -> str:
    lines: list[str] = []
    if event.gone:
        lines.append(f"The session was resumed; the {', '.join(event.gone)} state (variables, imports) is gone.")
    if event.unfinished:
        lines.append("The action that was running was cut off; it is not known how far it got. It was not run again.")
    return " ".join(lines)


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
