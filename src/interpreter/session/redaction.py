"""What a program said, without its secrets: before it is stored, shown, or sent to the model.

What the person said, and what the model wrote, stays exact: the task is done with it, and the code that was approved is
the code that runs. In readings of the log those are redacted as well (`text.redact.redact`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ..text.redact import Redactor
from ..types.account import Chapter, Compacted, Summarized
from ..types.actions import Action, Completion, Display, ErrorReport, Observation
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointMissed,
    CheckpointRestored,
    CheckpointSaved,
    CodeDelta,
    Event,
    KernelEvent,
    ModelAnswered,
    ModelFailed,
    NetworkAttempt,
    NoteAdded,
    OutputChunk,
    Progress,
    Quarantined,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
    TurnStarted,
    Unsaved,
)
from ..types.goals import (
    CheckFinished,
    ChecksStated,
    Claimed,
    GoalFinished,
    GoalStarted,
    JudgeAnswered,
    PlanChanged,
    Reflected,
    UndoNamed,
    UndoStepFinished,
)

T = TypeVar("T", bound=msgspec.Struct)
E = TypeVar("E", ActionProposed, ApprovalResolved)
CLEANED: dict[type[Any], tuple[str, ...]] = {
    OutputChunk: ("text",),
    Progress: ("text",),
    TurnFinished: ("text",),
    ModelFailed: ("message", "hint", "partial"),
    KernelEvent: ("reason",),
    NetworkAttempt: ("host", "reason"),
    Quarantined: ("reason",),
    CheckpointMissed: ("reason",),
    Unsaved: ("name", "type", "reason"),
    Observation: ("text", "shown", "facts"),
    Completion: ("result", "limit", "context"),
    ErrorReport: ("name", "message", "traceback"),
    Display: ("text",),
    Summarized: ("text",),
    CheckFinished: ("told",),
    JudgeAnswered: ("reason", "problem"),
    UndoStepFinished: ("told",),
    GoalFinished: ("text",),
}
"""Fields that hold what came from inside, or from a server."""


def cleaned(redactor: Redactor, event: Event) -> Event:
    """The event without secrets; the same object where there are none."""
    match event:
        case ActionFinished():
            return finished(redactor, event)
        case NoteAdded() if event.source == "person":
            return event
        case NoteAdded():
            return replaced(redactor, event, ("text",))
        case ApprovalRequested() if event.kind == "input":
            return replaced(redactor, event, ("subject",))
        case CheckpointSaved():
            unsaved = named(redactor, event.unsaved)
            return event if unsaved == event.unsaved else msgspec.structs.replace(event, unsaved=unsaved)
        case CheckpointRestored():
            missing = named(redactor, event.missing)
            return event if missing == event.missing else msgspec.structs.replace(event, missing=missing)
        case _:
            return replaced(redactor, event, CLEANED.get(type(event), ()))


def named(redactor: Redactor, names: tuple[Unsaved, ...]) -> tuple[Unsaved, ...]:
    return tuple(replaced(redactor, one, CLEANED[Unsaved]) for one in names)


def finished(redactor: Redactor, event: ActionFinished) -> ActionFinished:
    observation = replaced(redactor, event.observation, CLEANED[Observation])
    done = event.completion
    if done is not None:
        error = done.error
        new = {
            "error": replaced(redactor, error, CLEANED[ErrorReport]) if error is not None else None,
            "displays": tuple(replaced(redactor, display, CLEANED[Display]) for display in done.displays),
        }
        done = replaced(redactor, done, CLEANED[Completion])
        if new["error"] is not error or new["displays"] != done.displays:
            done = msgspec.structs.replace(done, **new)
    if observation is event.observation and done is event.completion:
        return event
    return msgspec.structs.replace(event, observation=observation, completion=done)


def replaced(redactor: Redactor, value: T, fields: tuple[str, ...]) -> T:
    """A copy with these fields cleaned; the value itself where nothing changes."""
    changed: dict[str, Any] = {}
    for name in fields:
        old = getattr(value, name)
        if isinstance(old, str):
            new: Any = redactor.sure(old)
        else:
            new = redactor.sure_all(old)
            new = tuple(new) if isinstance(old, tuple) else new
        if new != old:
            changed[name] = new
    return msgspec.structs.replace(value, **changed) if changed else value


def public(redactor: Redactor, event: Event) -> Event:
    """The event for a log of somebody else's (the standard output of a run): the words of person and model as well.

    In code known values alone are taken out, so that nothing can be hidden from who approves it behind a text that only
    looks like a secret. Its hash stays that of the exact code.
    """
    match event:
        case TextDelta() | ReasoningDelta() | CodeDelta():
            text = redactor.known(event.text)
            return event if text is event.text else msgspec.structs.replace(event, text=text)
        case TurnStarted():
            return replaced(redactor, event, ("text",))
        case NoteAdded():
            return replaced(redactor, event, ("text",))
        case Compacted():
            plain = redactor.sure_all(msgspec.to_builtins(event.account))
            account = msgspec.convert(plain, tuple[Chapter, ...])
            return event if account == event.account else msgspec.structs.replace(event, account=account)
        case ModelAnswered():
            calls = tuple(
                msgspec.structs.replace(call, arguments=redactor.known(call.arguments)) for call in event.calls
            )
            told = replaced(redactor, event, ("text", "prose", "reasoning") if event.prose else ("text", "reasoning"))
            return told if calls == event.calls else msgspec.structs.replace(told, calls=calls)
        case ActionProposed():
            return with_public_code(redactor, event, event.action)
        case ApprovalResolved() if event.action is not None:
            return with_public_code(redactor, event, event.action)
        case GoalStarted() | PlanChanged() | ChecksStated() | Reflected() | Claimed() | UndoNamed() | GoalFinished():
            plain = redactor.sure_all(msgspec.to_builtins(event))
            told = msgspec.convert(plain, type(event))
            return event if told == event else told
        case _:
            return event


def with_public_code(redactor: Redactor, event: E, action: Action) -> E:
    code = redactor.known(action.code)
    if code is action.code:
        return event
    return msgspec.structs.replace(event, action=msgspec.structs.replace(action, code=code))
