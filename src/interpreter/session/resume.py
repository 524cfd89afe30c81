"""What a log says about a session that was left, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from ..agent.runner import Runner
from ..text.i18n import _
from ..types.actions import Action, Observation, OutputRef
from ..types.base import new_id
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    ConversationReset,
    ConversationUndone,
    Event,
    GrantAdded,
    ModeChanged,
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
    outputs: list[OutputRef] = field(default_factory=lambda: list[OutputRef]())
    languages: list[str] = field(default_factory=lambda: list[str]())
    """Whose kernels hold state since the last reset."""
    grants: list[GrantAdded] = field(default_factory=lambda: list[GrantAdded]())
    auto: bool | None = None
    _recent: list[Action] = field(default_factory=lambda: list[Action]())

    def apply(self, event: Event) -> None:
        match event:
            case SessionStarted():
                self.started = event
            case TurnStarted():
                self.turns.append(event.turn)
                self.open_turn, self.waiting, self._recent = event.turn, (), []
            case ActionProposed():
                self.proposed[event.action.id] = event.action
            case ApprovalResolved() if event.action is not None:
                self.proposed[event.action.id] = event.action
            case ActionStarted():
                self.executions[event.action] = event.execution
                if event.language not in self.languages:
                    self.languages.append(event.language)
            case ActionFinished():
                self._finished(event)
            case TurnFinished():
                self.open_turn = ""
                self.waiting = tuple(self._recent) if event.reason == "waiting" else ()
            case _:
                self._other(event)

    def _other(self, event: Event) -> None:
        match event:
            case ConversationUndone():
                if event.turn in self.turns:
                    del self.turns[self.turns.index(event.turn) :]
                self.waiting = ()
            case ConversationReset():
                self.turns, self.languages, self.waiting = [], [], ()
            case GrantAdded():
                self.grants.append(event)
            case ModeChanged():
                self.auto = event.auto
            case _:
                pass

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


async def take_up(past: Past, reunion: Reunion, hub: Hub, runner: Runner) -> tuple[Action, ...]:
    """Close what was left open, tell what is gone, and return the actions that still wait for an approval.

    An execution that the keeper knows is followed to its end; one that it does not know is reported as cut off and is
    never run again by itself.
    """
    cut: list[str] = []
    for action in list(past.proposed.values()):
        execution = past.executions.get(action.id, "")
        if execution and execution in reunion.known:
            await runner.take_up(action, execution)
        elif execution:
            cut.append(action.id)
            await hub.emit(end_of(action, "lost", CUT_OFF))
        else:
            await hub.emit(end_of(action, "not_run", "Not run: the session was cut off before it."))
    if past.open_turn:
        text = _("The session was cut off in this turn.")
        await hub.emit(TurnFinished(turn=past.open_turn, reason="interrupted", exit_code=130, text=text))
    gone = tuple(name for name in past.languages if name not in reunion.living)
    await hub.emit(SessionResumed(living=reunion.living, gone=gone, unfinished=tuple(cut)))
    return tuple(renewed(action) for action in past.waiting)


def end_of(action: Action, status: str, told: str) -> ActionFinished:
    observation = Observation(text=told, shown="")
    return ActionFinished(action=action.id, status="lost" if status == "lost" else "not_run", observation=observation)


def renewed(action: Action) -> Action:
    """The same code under a new id: an action that has its end does not begin again."""
    return Action(
        id=new_id("a"), language=action.language, code=action.code, sha256=action.sha256, call_id=action.call_id
    )
