"""What a log says about a session that was left, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ..agent.approvals import cancelled
from ..agent.gate import Earlier
from ..agent.runner import Runner
from ..store.who import who
from ..text.i18n import _
from ..types.actions import Action, Observation, OutputRef
from ..types.base import new_id
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
    SessionResumed,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from .hub import Hub

CUT_OFF = (
    "[The interpreter was cut off while this ran. It is not known how far it got, and it was not run again. "
    "Look at what is there before you go on.]"
)


@dataclass
class Past:
    """One reading of a session's log: what is needed to go on."""

    started: SessionStarted | None = None
    turns: list[str] = field(default_factory=lambda: list[str]())
    open_turn: str = ""
    proposed: dict[str, Action] = field(default_factory=lambda: dict[str, Action]())
    """Actions without an end."""
    executions: dict[str, str] = field(default_factory=lambda: dict[str, str]())
    """Of those, the ones that had begun: action to execution."""
    waiting: tuple[Action, ...] = ()
    """Not run, because the last turn ended waiting for an approval."""
    questions: dict[str, ApprovalRequested] = field(default_factory=lambda: dict[str, ApprovalRequested]())
    """By their ids."""
    answers: dict[str, ApprovalResolved] = field(default_factory=lambda: dict[str, ApprovalResolved]())
    """By the ids of their questions."""
    outputs: list[OutputRef] = field(default_factory=lambda: list[OutputRef]())
    languages: list[str] = field(default_factory=lambda: list[str]())
    """Whose kernels hold state since the last reset."""
    grants: list[GrantAdded] = field(default_factory=lambda: list[GrantAdded]())
    auto: bool | None = None
    _recent: list[Action] = field(default_factory=lambda: list[Action]())
    _held: tuple[Action, ...] = ()
    """What waits still, as long as the turn that goes on with it has not come to it."""

    def apply(self, event: Event) -> None:
        match event:
            case SessionStarted():
                self.started = event
            case TurnStarted():
                self.turns.append(event.turn)
                self._held = () if event.text.strip() else self.waiting
                self.open_turn, self.waiting, self._recent = event.turn, (), []
            case ActionProposed():
                self.proposed[event.action.id], self._held = event.action, ()
            case ApprovalRequested():
                self.questions[event.approval] = event
            case ApprovalResolved():
                self.answers[event.approval] = event
                if event.action is not None:
                    self.proposed[event.action.id] = event.action
            case ActionStarted():
                self.executions[event.action] = event.execution
                if event.language not in self.languages:
                    self.languages.append(event.language)
            case ActionFinished():
                self._finished(event)
            case TurnFinished():
                self.open_turn = ""
                self.waiting = (tuple(self._recent) if event.reason == "waiting" else ()) or self._held
            case _:
                self._other(event)

    def _other(self, event: Event) -> None:
        match event:
            case ConversationUndone():
                if event.turn in self.turns:
                    del self.turns[self.turns.index(event.turn) :]
                self.waiting = self._held = ()
            case ConversationReset():
                self.turns, self.languages = [], []
                self.waiting = self._held = ()
            case ModelAnswered():
                self._recent = []  # what an earlier answer left undone does not wait
            case GrantAdded():
                self.grants.append(event)
            case ModeChanged():
                self.auto = event.auto
            case _:
                pass

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
        self.executions.pop(event.action, None)
        if action is not None and event.status == "not_run":
            self._recent.append(action)
        if event.completion is not None:
            self.outputs.append(event.completion.output)


def read_past(events: Iterable[Event], readers: tuple[Callable[[Event], None], ...] = ()) -> Past:
    """Read a log once, for the past and for the other readings (the model's history)."""
    past = Past()
    for event in events:
        past.apply(event)
        for reader in readers:
            reader(event)
    return past


class Reunion(Protocol):
    """What the keeper says when the host comes back."""

    @property
    def living(self) -> tuple[str, ...]:
        """Languages whose kernels are alive."""
        ...

    @property
    def known(self) -> frozenset[str]:
        """Executions that run or have ended without being collected."""
        ...


class TakenUp(NamedTuple):
    """What waits still, under new ids, and what the log says about it."""

    actions: tuple[Action, ...]
    earlier: dict[str, Earlier]
    """By the new ids."""


async def take_up(past: Past, reunion: Reunion, hub: Hub, runner: Runner) -> TakenUp:
    """Close what was left open, tell what is gone, and return the actions that still wait for an approval.

    An execution that the keeper knows is followed to its end; one that it does not know is reported as cut off and is
    never run again by itself. An action whose question was open, or answered with yes, waits still.
    """
    cut: list[str] = []
    waiting = list(past.still_waiting())
    for action in list(past.proposed.values()):
        execution = past.executions.get(action.id, "")
        if execution and execution in reunion.known:
            await runner.take_up(action, execution)
        elif execution:
            cut.append(action.id)
            await hub.emit(end_of(action, "lost", CUT_OFF))
        elif (earlier := past.earlier(action.id)) is not None and not says_no(earlier):
            waiting.append(action)
            await hub.emit(end_of(action, "not_run", "Not run: the session was cut off while this waited for a yes."))
        else:
            await hub.emit(end_of(action, "not_run", "Not run: the session was cut off before it."))
    held = {action.id: earlier for action in waiting if (earlier := past.earlier(action.id)) is not None}
    open_here = {earlier.request.approval for earlier in held.values()}
    for approval in past.questions:
        if approval not in past.answers and approval not in open_here:
            await hub.emit(cancelled(approval, "the session was left"))
    if past.open_turn:
        text = _("The session was cut off in this turn.")
        end = TurnFinished(turn=past.open_turn, reason="interrupted", exit_code=130, text=text)
        if waiting:
            end = TurnFinished(turn=past.open_turn, reason="waiting", exit_code=4, text=text)
        await hub.emit(end)
    gone = tuple(name for name in past.languages if name not in reunion.living)
    await hub.emit(SessionResumed(living=reunion.living, gone=gone, unfinished=tuple(cut), **who()._asdict()))
    anew = [(action, renewed(action)) for action in waiting]
    return TakenUp(
        tuple(action for _old, action in anew), {new.id: held[old.id] for old, new in anew if old.id in held}
    )


def says_no(earlier: Earlier) -> bool:
    return earlier.given is not None and earlier.given.answer == "no"


def end_of(action: Action, status: str, told: str) -> ActionFinished:
    observation = Observation(text=told, shown="")
    return ActionFinished(action=action.id, status="lost" if status == "lost" else "not_run", observation=observation)


def renewed(action: Action) -> Action:
    """The same code under a new id: an action that has its end does not begin again."""
    return Action(
        id=new_id("a"), language=action.language, code=action.code, sha256=action.sha256, call_id=action.call_id
    )
