"""A recording, read whole: requests with their answers, and what happened between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ..errors import ConfigError
from ..text.i18n import _
from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ModeChanged,
    NoteAdded,
    TurnFinished,
    TurnStarted,
)
from ..types.goals import GoalStarted, Task
from ..types.messages import Message, ModelRequest, ToolSpec
from .recorder import LARGEST
from .values import FORMAT, Answered, Asked, Begun, Cut, Failed, Happened, Line

OPENING = (ActionProposed, ActionFinished, NoteAdded)


@dataclass
class Exchange:
    """One request and what came of it; None: the run was over before."""

    request: ModelRequest
    outcome: Answered | Failed | None = None
    said: list[str] = field(default_factory=lambda: list[str]())
    """What the person said while it was under way or before the next."""


@dataclass
class Deed:
    """One action: what was proposed, what the rules said, who answered, how it ended."""

    turn: str
    proposed: Action
    ran: Action
    """As it ran: edited, where the person did."""
    judged: ActionJudged | None = None
    answer: ApprovalResolved | None = None
    finished: ActionFinished | None = None


@dataclass
class Recording:
    begun: Begun
    exchanges: list[Exchange]
    deeds: list[Deed]
    turns: list[TurnStarted]
    ends: dict[str, TurnFinished]
    answers: list[ApprovalResolved]
    """To questions whether to go on, in order."""
    between: dict[str, list[Event]]
    """What happened before a turn (its id) and after the one before it."""
    opening: dict[str, list[Event]]
    """What happened in a turn before the model was asked: the person's own code, a first look, notes."""
    asking: set[str]
    """Turns in which the model was asked."""
    goal: Task | None = None
    """What a goal run was given."""
    cut: bool = False


def read_recording(path: Path) -> Recording:
    """Raises ConfigError: it cannot be read, or is no recording of a version that this program knows."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + (1 << 20))
    except OSError as error:
        raise ConfigError(
            _("The recording {file} cannot be read: {reason}.", file=path, reason=error.strerror)
        ) from None
    lines = data.splitlines()
    decoder = msgspec.json.Decoder(Line)
    found: list[Line] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if number == len(lines) and number > 1:
                break  # the process died while it wrote
            raise bad(path, f"{number}: {error}") from None
    if not found or not isinstance(found[0], Begun) or found[0].format != FORMAT:
        raise bad(path, _("it does not begin as one"))
    return Reading(found[0]).read(found[1:])


def bad(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        _("{file} is not a recording that can be replayed: {reason}.", file=path, reason=reason),
        _("Make one with: interpreter --record FILE"),
    )


class Reading:
    def __init__(self, begun: Begun) -> None:
        self._found = Recording(begun, [], [], [], {}, [], {}, {}, set())
        self._messages: tuple[Message, ...] = ()
        self._tools: tuple[ToolSpec, ...] = ()
        self._turn = ""
        self._aside: list[Event] = []
        self._by_action: dict[str, Deed] = {}
        self._questions: dict[str, ApprovalRequested] = {}
        self._driven: set[str] = set()
        """Turns in which the harness of a goal run has begun its work."""

    def read(self, lines: list[Line]) -> Recording:
        for line in lines:
            match line:
                case Asked():
                    self._asked(line)
                case Answered() | Failed():
                    if self._found.exchanges:
                        self._found.exchanges[-1].outcome = line
                case Happened():
                    self._happened(line.event)
                case Cut():
                    self._found.cut = True
                case Begun():
                    continue
        return self._found

    def _asked(self, line: Asked) -> None:
        self._found.asking.add(self._turn)
        self._messages = (*self._messages[: line.kept], *line.messages)
        self._tools = self._tools if line.tools is None else line.tools
        request = ModelRequest(
            messages=self._messages, tools=self._tools, max_tokens=line.max_tokens, temperature=line.temperature,
            tool_choice=line.tool_choice, response_schema=line.response_schema,  # pyright: ignore[reportArgumentType] - as it was written
        )  # fmt: skip
        self._found.exchanges.append(Exchange(request))

    def _happened(self, event: Event) -> None:
        found = self._found
        if isinstance(event, GoalStarted):
            found.goal = event.task
        elif isinstance(event, ActionProposed) and event.action.purpose:
            self._driven.add(self._turn)
        early = self._turn and self._turn not in found.asking and self._turn not in self._driven
        if early and isinstance(event, OPENING):
            if not isinstance(event, NoteAdded) or event.to_model:
                found.opening.setdefault(self._turn, []).append(event)
            return
        match event:
            case TurnStarted():
                self._turn = event.turn
                found.turns.append(event)
                found.between[event.turn], self._aside = self._aside, []
            case TurnFinished():
                found.ends[event.turn] = event
                self._turn = ""
            case ActionProposed() | ActionJudged() | ActionFinished():
                self._acted(event)
            case ApprovalRequested():
                self._questions[event.approval] = event
            case ApprovalResolved():
                self._resolved(event)
            case NoteAdded() if event.source == "person":
                if found.exchanges and self._turn:
                    found.exchanges[-1].said.append(event.text)
            case ModeChanged() if not self._turn:
                self._aside.append(event)
            case _:
                if not self._turn and not isinstance(event, NoteAdded):
                    self._aside.append(event)

    def _acted(self, event: ActionProposed | ActionJudged | ActionFinished) -> None:
        if isinstance(event, ActionProposed):
            if event.action.parent:
                return  # a call by code that ran: its result is in that of the code
            deed = Deed(event.turn, event.action, event.action)
            self._by_action[event.action.id] = deed
            self._found.deeds.append(deed)
        elif (deed := self._by_action.get(event.action)) is None:
            return
        elif isinstance(event, ActionJudged):
            deed.judged = event
        else:
            deed.finished = event

    def _resolved(self, event: ApprovalResolved) -> None:
        question = self._questions.get(event.approval)
        deed = self._by_action.get(question.action) if question is not None and question.kind == "run" else None
        if deed is None:
            if question is not None and question.kind in ("continue", "pause"):
                self._found.answers.append(event)
            return
        deed.answer = event
        if event.action is not None:
            deed.ran = event.action


def texts(message: Message) -> Iterator[str]:
    """The lines of a message, for comparing."""
    yield f"[{message.role}]"
    yield from message.text.splitlines()
    for call in message.calls:
        yield f"call {call.name}: {call.arguments}"
    others = len(message.parts) - sum(1 for part in message.parts if hasattr(part, "text"))
    if others:
        yield f"[{others} images]"
