"""A new session that begins where another one was after a step. Its log and its files stand alone."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from .. import snapshots
from ..errors import StoreError, UsageError
from ..session.course import read_course
from ..store import SessionLog, Store
from ..text.i18n import _
from ..types.actions import Action, Completion, Observation
from ..types.base import new_id
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointSaved,
    Event,
    SessionStarted,
    TurnFinished,
    TurnStarted,
)
from ..types.rewinding import RewindStarted, Rewound, SnapshotTaken

FOLDERS = ("blobs", "run/outputs", "checkpoints")
PAGE = 200


class Forked(NamedTuple):
    session: str
    source: str
    step: int


def fork(store: Store, wanted: str, step: int | None) -> Forked:
    """Make it. `step` None: after the last step.

    Raises:
        SessionUnknown, StoreError: the log; nothing is left of the new session then.
        UsageError: there is no such step.
    """
    source = store.visit(store.find(wanted).id)
    events = [stored.event for stored in source.events()]
    course = read_course(events)
    number = course.last if step is None else step
    if not 0 <= number <= course.last:
        raise UsageError(_("There is no step {step}; this session has {n} steps.", step=number, n=course.last))
    kept = events if number == course.last else up_to(events, number)
    log = store.create(new_id("s"), source.workspace)
    try:
        whole = list(renamed(standing(kept), source, log, number))
        if number < course.last and (tree := course.after(number).tree):
            whole.append(SnapshotTaken(tree=tree))
        bring_files(source.folder, log.folder)
        for at in range(0, len(whole), PAGE):
            log.append_now(whole[at], *whole[at + 1 : at + PAGE])
        snapshots.adopt(store.home, log.id, trees_of(whole))
    except BaseException:
        log.close()
        with contextlib.suppress(StoreError):
            store.delete(log.id)
        raise
    log.close()
    return Forked(log.id, source.id, number)


def up_to(events: list[Event], step: int) -> list[Event]:
    """The events up to the end of a step, and the checkpoints of steps up to it that came later; for 0, what was
    before the turn of the first step."""
    count, action = 0, ""
    kept: list[Event] = []
    executions: set[str] = set()
    for at, event in enumerate(events):
        if isinstance(event, TurnStarted) and step == 0 and first_step_follows(events, at):
            break
        kept.append(event)
        if isinstance(event, ActionStarted) and not event.parent:
            count += 1
            executions.add(event.execution)
            if count == step:
                action = event.action
        elif isinstance(event, ActionFinished) and action and event.action == action:
            later = events[at + 1 :]
            kept.extend(one for one in later if isinstance(one, CheckpointSaved) and one.execution in executions)
            break
    return kept


def first_step_follows(events: list[Event], at: int) -> bool:
    """Whether a step begins before the turn that stands here ends."""
    for event in events[at + 1 :]:
        if isinstance(event, ActionStarted):
            return True
        if isinstance(event, TurnStarted):
            return False
    return False


def standing(events: list[Event]) -> list[Event]:
    """Events with an end for all that they begin: what waited or ran goes on in the other session only."""
    turn, text = "", _("The session was forked here.")
    open_actions: dict[str, Action] = {}
    answered = {event.approval for event in events if isinstance(event, ApprovalResolved)}
    kept: list[Event] = []
    for event in events:
        match event:
            case TurnStarted():
                turn = event.turn
            case TurnFinished():
                turn = ""
            case ActionProposed():
                open_actions[event.action.id] = event.action
            case ActionFinished():
                open_actions.pop(event.action, None)
            case ApprovalRequested() if event.approval not in answered:
                continue
            case _:
                pass
        kept.append(event)
    for action in open_actions:
        told = Observation(text="Not run to its end here: the session was forked before it.", shown="")
        kept.append(ActionFinished(action=action, status="not_run", observation=told))
    if turn:
        kept.append(TurnFinished(turn=turn, reason="interrupted", exit_code=130, text=text))
    return kept


def renamed(events: Iterable[Event], source: SessionLog, log: SessionLog, step: int) -> Iterable[Event]:
    """The same events as those of the new session: its id, and its own files."""
    for event in events:
        if isinstance(event, SessionStarted):
            yield msgspec.structs.replace(event, session=log.id, forked=source.id, step=step)
        elif isinstance(event, ActionFinished) and event.completion is not None:
            yield msgspec.structs.replace(event, completion=moved(event.completion, source.folder, log.folder))
        else:
            yield event


def moved(done: Completion, old: Path, new: Path) -> Completion:
    def place(path: str) -> str:
        return str(new / Path(path).relative_to(old)) if path and Path(path).is_relative_to(old) else path

    displays = tuple(msgspec.structs.replace(one, path=place(one.path)) for one in done.displays)
    output = msgspec.structs.replace(done.output, path=place(done.output.path))
    return msgspec.structs.replace(done, displays=displays, output=output)


def bring_files(old: Path, new: Path) -> None:
    """Outputs and checkpoints, which never change once they are there. Raises StoreError."""
    try:
        for name in FOLDERS:
            for folder, _folders, files in os.walk(old / name):
                target = new / Path(folder).relative_to(old)
                target.mkdir(mode=0o700, parents=True, exist_ok=True)
                for file in files:
                    link_or_copy(Path(folder) / file, target / file)
    except OSError as error:
        raise StoreError(
            _("The files of the session could not be copied: {reason}.", reason=error.strerror or str(error)),
            _("The session that was to be forked is as it was. Check the space on the disk, then try again."),
        ) from error


def link_or_copy(old: Path, new: Path) -> None:
    """Raises OSError."""
    if old.is_symlink() or not old.is_file():
        return
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError:
        shutil.copy2(old, new)


def trees_of(events: Iterable[Event]) -> list[str]:
    found: set[str] = set()
    for event in events:
        match event:
            case SnapshotTaken():
                found |= {event.tree, event.after}
            case RewindStarted():
                found |= {event.tree, event.before}
            case Rewound():
                found.add(event.tree)
            case _:
                pass
    return sorted(found - {""})
