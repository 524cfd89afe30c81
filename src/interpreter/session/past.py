"""What a log says about a session that was left: one reading, from which it is taken up again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from ..agent.gate import Earlier
from ..types.account import Summarized
from ..types.actions import Action, OutputRef
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    ConversationReset,
    ConversationUndone,
    Event,
    GrantAdded,
    ModeChanged,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    NoteAdded,
    SessionImported,
    SessionStarted,
    Stored,
    TurnFinished,
    TurnStarted,
)
from ..types.goals import JudgeAnswered
from ..types.messages import Usage
from ..types.rewinding import RewindStarted, Rewound
from ..types.tooling import TOOL
from .chronicle import Chronicle

ASIDE = frozenset(("model_asked", "action_judged"))
"""Types of events that only the last turn is read for."""


class Ran(NamedTuple):
    """An action of a turn that has come to its end."""

    action: Action
    status: str
    text: str


@dataclass
class OpenTurn:
    """A turn that the log holds no end of."""

    id: str
    text: str
    steps: int = 0
    """Requests to the model so far."""
    asked: bool = False
    """The last request has neither an answer nor a failure: it was cut off."""
    stopped: bool = False
    """The person interrupted it."""
    own: bool = False
    """The person's own code (`%%`)."""
    answer: ModelAnswered | None = None
    """The newest answer."""
    native: bool = False
    """Whether the model had called tools natively before that answer."""
    proposed: list[Action] = field(default_factory=lambda: list[Action]())
    """Of that answer, as the model meant them; before any answer, those of an earlier turn that are gone on with."""
    notes: list[str] = field(default_factory=lambda: list[str]())
    """What the model was told since that answer."""
    ran: list[Ran] = field(default_factory=lambda: list[Ran]())
    """Everything of the turn that has its end, in order."""
    usage: list[Usage] = field(default_factory=lambda: list[Usage]())

    def apply(self, event: Event) -> None:
        match event:
            case ModelAsked() if not event.purpose:
                self.steps, self.asked = event.step, True
            case Summarized() | JudgeAnswered():
                self.usage.append(event.usage)
            case ModelFailed():
                self.asked = False
            case ModelAnswered():
                self.asked, self.answer = False, event
                self.proposed, self.notes = [], []
                self.usage.append(event.usage)
            case ActionProposed() if not event.action.parent and not event.action.purpose:
                self.proposed.append(event.action)
                self.own = self.own or event.step == 0
            case NoteAdded():
                self.stopped = self.stopped or event.stops
                self.notes.append(event.text)
            case _:
                pass

    def failed(self) -> bool:
        """Whether an action of the newest answer ended otherwise than well: those after it do not run."""
        ids = {action.id for action in self.proposed}
        return any(ran.action.id in ids and ran.status != "ok" for ran in self.ran)


@dataclass
class Past:
    """What is needed to go on."""

    started: SessionStarted | None = None
    turns: list[str] = field(default_factory=lambda: list[str]())
    open: OpenTurn | None = None
    proposed: dict[str, Action] = field(default_factory=lambda: dict[str, Action]())
    """Actions without an end, as they would run."""
    executions: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    """Of those, the ones that had begun: action to execution."""
    waiting: tuple[Action, ...] = ()
    """Not run, because the last turn ended waiting for an approval."""
    questions: dict[str, ApprovalRequested] = field(default_factory=lambda: dict[str, ApprovalRequested]())
    """By their ids."""
    answers: dict[str, ApprovalResolved] = field(default_factory=lambda: dict[str, ApprovalResolved]())
    """By the ids of their questions."""
    nested: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    """Calls of tools by code that ran: the action, and the call's place."""
    calls: dict[str, ActionFinished | None] = field(default_factory=lambda: dict[str, ActionFinished | None]())
    """Of those that had begun, by their places: how they ended, None where that is not known."""
    outputs: list[OutputRef] = field(default_factory=lambda: list[OutputRef]())
    languages: list[str] = field(default_factory=lambda: list[str]())
    """Whose kernels hold state since the last reset."""
    grants: list[GrantAdded] = field(default_factory=lambda: list[GrantAdded]())
    auto: bool | None = None
    native: bool = False
    """Whether the model has called tools natively."""
    rewinding: bool = False
    """A rewind was cut off."""
    story: Chronicle = field(default_factory=Chronicle)
    _recent: list[Action] = field(default_factory=lambda: list[Action]())
    _held: tuple[Action, ...] = ()
    """What waits still, as long as the turn that goes on with it has not come to it."""

    def apply(self, stored: Stored) -> None:
        event = stored.event
        self.story.apply(stored)
        match event:
            case SessionStarted():
                self.started = event
            case TurnStarted():
                self.turns.append(event.turn)
                self._held = () if event.text.strip() else self.waiting
                self.open, self.waiting, self._recent = OpenTurn(event.turn, event.text), (), []
            case ActionProposed():
                self.proposed[event.action.id], self._held = event.action, ()
                if event.action.parent:
                    self.nested[event.action.id] = event.action.call_id
            case ApprovalRequested():
                self.questions[event.approval] = event
            case ApprovalResolved():
                self.answers[event.approval] = event
                if event.action is not None:
                    self.proposed[event.action.id] = event.action
            case ActionStarted():
                self.executions[event.action] = event.execution
                if event.parent:
                    self.calls[self.nested.get(event.action, "")] = None
                if event.language not in (TOOL, *self.languages) and not self._harness(event.action):
                    self.languages.append(event.language)
            case ActionFinished():
                self._finished(event)
            case TurnFinished():
                self.open = None
                self.waiting = (tuple(self._recent) if event.reason == "waiting" else ()) or self._held
            case _:
                self._other(event)
        if self.open is not None:
            self.open.apply(event)

    def _other(self, event: Event) -> None:
        match event:
            case ConversationUndone():
                if event.turn in self.turns:
                    del self.turns[self.turns.index(event.turn) :]
                self.waiting = self._held = ()
            case RewindStarted():
                self.rewinding = True
            case Rewound():
                self.rewinding = False
                self.waiting = self._held = ()
            case ConversationReset():
                self.turns, self.languages = [], []
                self.waiting = self._held = ()
            case ModelAnswered():
                self._recent = []  # what an earlier answer left undone does not wait
                if self.open is not None:
                    self.open.native = self.native
                self.native = self.native or bool(event.calls)
            case GrantAdded():
                self.grants.append(event)
            case ModeChanged():
                self.auto = event.auto
            case SessionImported():
                self._imported(event)
            case _:
                pass

    def _imported(self, event: SessionImported) -> None:
        """What came from a file tells what happened, and allows nothing: no grant, no mode, no answer to a question."""
        if self.started is not None:
            self.started = msgspec.structs.replace(self.started, workspace=event.workspace)
        self.grants, self.questions, self.answers, self.auto = [], {}, {}, None
        self.proposed, self.waiting, self._held, self.open = {}, (), (), None

    def _harness(self, action: str) -> bool:
        """Whether an action is the harness's own, which leaves no state in a kernel."""
        found = self.proposed.get(action)
        return found is not None and found.purpose != ""

    def still_waiting(self) -> tuple[Action, ...]:
        return self.waiting or self._held

    def earlier(self, action: str) -> Earlier | None:
        """The question whether this action may run, unless it was withdrawn; None where there was none."""
        for question in self.questions.values():
            if question.kind == "run" and question.action == action:
                given = self.answers.get(question.approval)
                return None if given is not None and given.answer == "cancelled" else Earlier(question, given)
        return None

    def _finished(self, event: ActionFinished) -> None:
        action = self.proposed.pop(event.action, None)
        if self.executions.pop(event.action, None) and event.action in self.nested:
            self.calls[self.nested[event.action]] = event
        alone = action is not None and not action.parent and not action.purpose
        if action is not None and alone and event.status == "not_run":
            self._recent.append(action)
        if action is not None and alone and self.open is not None:
            self.open.ran.append(Ran(action, event.status, event.observation.text))
        if event.completion is not None:
            self.outputs.append(event.completion.output)


def read_past(log: Iterable[Stored], readers: tuple[Callable[[Event], None], ...] = ()) -> Past:
    """Read a log once, for the past and for the other readings (the model's history)."""
    past = Past()
    # What is read is kept: a fifth of the time would go into looking for garbage that is not there.
    collecting = gc.isenabled()
    gc.disable()
    try:
        for stored in log:
            past.apply(stored)
            for reader in readers:
                reader(stored.event)
    finally:
        if collecting:
            gc.enable()
    return past
