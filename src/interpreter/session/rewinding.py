"""Taking steps back: files, variables, conversation. Intent, effect, completion, as with a step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from .. import snapshots
from ..agent.ports import Emitter
from ..errors import KernelError, StoreError, UsageError
from ..store import SessionLog
from ..text.i18n import _
from ..types.events import ConversationUndone, Unsaved
from ..types.ops import Rewind, Undo
from ..types.rewinding import PARTS, Part, RewindStarted, Rewound, VariablesBack
from .course import Course, Point, read_course
from .effects import irreversible
from .keeping import FileKeeper

MOST_MISSING = 50


class Kernels(Protocol):
    """What a rewind needs of `kernels.Kernels`."""

    async def restart(self, language: str | None = None) -> None: ...


class Restored(Protocol):
    """What a restored kernel holds."""

    @property
    def names(self) -> int: ...

    @property
    def missing(self) -> tuple[Unsaved, ...]: ...


Restore = Callable[[str, str], Awaitable[Restored]]
"""A new kernel of a language with the state of a checkpoint (its manifest's hash). Raises KernelError."""


class Rewinding:
    """Of one session. Nothing else happens in it meanwhile."""

    def __init__(
        self,
        log: SessionLog,
        emitter: Emitter,
        kernels: Kernels,
        files: FileKeeper,
        workspace: Path,
        restore: Restore | None = None,
        *,
        staged: bool = False,
    ) -> None:
        """`staged`: the code does not change the folder, so whatever has changed there is somebody else's."""
        self._staged = staged
        self._log, self._emitter, self._kernels, self._files = log, emitter, kernels, files
        self._workspace, self._restore = workspace, restore

    async def carry_out(self, op: Rewind | Undo, turns: Sequence[str], *, beyond: bool = True) -> list[str]:
        """Take back what the op says; the turns that the conversation still holds, of `turns`.

        Args:
            beyond: whether what cannot be taken back is listed; not where somebody else takes it back, and tells.

        Raises:
            UsageError: there is no such step, or its files are not kept; nothing was changed.
            StoreError: the log, or the files: what was not brought back is told, and doing it again is safe.
        """
        course = await self._course()
        if isinstance(op, Undo) and of_turns(course, op, turns).parts == ("conversation",):
            await self._emitter.emit(ConversationUndone(turn=turns[-op.turns]))
            return list(turns[: -op.turns])
        return await self._effect(course, await self._intent(course, op, turns), turns, beyond=beyond)

    async def finish(self, turns: Sequence[str]) -> list[str]:
        """Bring a rewind that was cut off to its end. Raises as `carry_out`."""
        course = await self._course()
        if course.unfinished is None:
            return list(turns)
        return await self._effect(course, course.unfinished, turns, again=True)

    async def _course(self) -> Course:
        return await asyncio.to_thread(lambda: read_course(stored.event for stored in self._log.events()))

    async def _intent(self, course: Course, op: Rewind | Undo, turns: Sequence[str]) -> RewindStarted:
        started = of_turns(course, op, turns) if isinstance(op, Undo) else of_step(course, op)
        if self._staged and "files" in started.parts:
            if isinstance(op, Rewind) and op.files:
                raise UsageError(
                    _("In a staged session the code has not changed the folder: there is nothing of it to bring back."),
                    _("Nothing was changed. What it has staged is taken back by: interpreter stage drop [PATH ...]"),
                )
            parts = tuple(part for part in started.parts if part != "files")
            started = msgspec.structs.replace(started, parts=parts)
        point = point_of(course, started)
        if "files" in started.parts:
            if not point.tree and started.step < course.last and (point.missed or op.files):
                reason = point.missed or _("no snapshot was taken.")
                raise UsageError(
                    _("The files as they were after step {step} are not kept: {reason}", step=started.step,
                      reason=reason),
                    _("Nothing was changed. Another step, or --variables and --conversation alone, can be taken."),
                )  # fmt: skip
            if point.tree:
                await asyncio.to_thread(snapshots.check, self._files.open(), point.tree)
        if stops(started):
            await self._kernels.restart()
        before = (await self._files.take()).tree if point.tree and "files" in started.parts else ""
        if before:
            started = msgspec.structs.replace(started, tree=point.tree, before=before)
        await self._emitter.emit(started)
        return started

    async def _effect(
        self, course: Course, started: RewindStarted, turns: Sequence[str], *, again: bool = False, beyond: bool = True
    ) -> list[str]:
        done = snapshots.Restored(0, ())
        if started.tree:
            try:
                if again:
                    await self._kernels.restart()
                done = await asyncio.to_thread(snapshots.restore, self._files.open(), started.tree)
            except StoreError as error:
                failed = Rewound(step=started.step, parts=started.parts, undo=started.undo, failed=str(error))
                await self._emitter.emit(failed)
                raise
        left = done.left
        if "files" in started.parts and not started.tree and started.step < course.last:
            left = (_("the files: no snapshot was taken"),)
        variables = await self._variables(course, started) if stops(started) else ()
        if started.turn and started.turn in turns:
            await self._emitter.emit(ConversationUndone(turn=started.turn, rewind=True))
        later = course.steps[started.step :] if beyond else []
        await self._emitter.emit(
            Rewound(
                step=started.step,
                parts=started.parts,
                tree=started.tree,
                files=done.changed,
                left=left,
                variables=variables,
                irreversible=await asyncio.to_thread(irreversible, later, self._workspace),
                action=started.action,
                turn=started.turn,
                undo=started.undo,
            )
        )
        place = turns.index(started.turn) if started.turn in turns else len(turns)
        return list(turns[:place])

    async def _variables(self, course: Course, started: RewindStarted) -> tuple[VariablesBack, ...]:
        """Each kernel with the newest checkpoint at or before the step; of now, where only the files go back."""
        point = point_of(course, started) if "variables" in started.parts else course.now()
        found: list[VariablesBack] = []
        for language in course.languages(point):
            saved = point.checkpoint(language)
            back = VariablesBack(language=language)
            if saved is not None and self._restore is not None:
                checkpoint, number = saved
                try:
                    restored = await self._restore(language, checkpoint.manifest)
                    missing = tuple(one.name for one in restored.missing[:MOST_MISSING])
                    back = VariablesBack(language=language, step=number, names=restored.names, missing=missing)
                except KernelError:
                    pass  # it is damaged: a new kernel is started when one is needed
            found.append(back)
        return tuple(found)


def of_turns(course: Course, op: Undo, turns: Sequence[str]) -> RewindStarted:
    """Raises UsageError."""
    if op.turns < 1 or op.turns > len(turns):
        raise UsageError(_("There are {n} turns to undo.", n=len(turns)))
    step = course.before_turn(turns[-op.turns])
    parts = parts_of(op) if step < course.last else ("conversation",)
    return RewindStarted(step=step, parts=parts, turn=turns[-op.turns], undo=op.turns)


def of_step(course: Course, op: Rewind) -> RewindStarted:
    """Raises UsageError."""
    if not 0 <= op.step <= course.last:
        raise UsageError(
            _("There is no step {step}; this session has {n} steps.", step=op.step, n=course.last),
            _("Nothing was changed. `interpreter diff --steps` lists them; 0 is before the first."),
        )
    parts = parts_of(op)
    if "conversation" not in parts:
        return RewindStarted(step=op.step, parts=parts)
    action = "" if course.ends_its_turn(op.step) else course.steps[op.step - 1].action
    return RewindStarted(step=op.step, parts=parts, action=action, turn=course.after_turn(op.step))


def point_of(course: Course, started: RewindStarted) -> Point:
    """Where a rewind leads to."""
    if started.undo and started.step < course.last:
        return course.before(started.step + 1)
    return course.after(started.step)


def stops(started: RewindStarted) -> bool:
    """Whether kernels are ended: what runs in them could change the files, or holds the variables."""
    return "files" in started.parts or "variables" in started.parts


def parts_of(op: Rewind | Undo) -> tuple[Part, ...]:
    """What is taken back; a rewind that names nothing takes back all."""
    chosen: dict[Part, bool]
    if isinstance(op, Undo):
        chosen = {"files": op.files, "variables": op.variables, "conversation": True}
    else:
        chosen = {"files": op.files, "variables": op.variables, "conversation": op.conversation}
    return tuple(part for part in PARTS if chosen[part]) or PARTS
