"""Staged mode, put together: the overlay's files, the kernels that write them, the log that decides."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..aio import Tasks
from ..errors import StageError, UsageError
from ..kernels.kernels import Kernels
from ..sandbox import Walls
from ..session.hub import Hub
from ..staging.journal import chosen
from ..staging.show import diff
from ..staging.stage import Stage
from ..store import SessionLog
from ..text.filename import shown
from ..text.i18n import _
from ..types.base import new_id
from ..types.events import Event, NoteAdded, StageCommitStarted, StageCommitted, StageDropped
from ..types.ops import StageCommit, StageDrop
from ..types.staging import UNCOUNTED, Change, digest
from .restoring import Restoring, Steps

MOST_TOLD = 1000
Emit = Callable[[Event], Awaitable[Any]]
End = Callable[[], Awaitable[Sequence[str]]]
Restore = Callable[[Sequence[str]], Awaitable[Sequence[str]]]


class Staged:
    """`session.parts.Staging`.

    Args:
        stage: the files.
        workspace: from which names are taken.
        emit: puts an event into the log.
        end: ends every program that writes to the stage; the languages of those that held variables.
        walls: where new kernels are born; None: nobody begins any.
        restore: begins to bring variables back; of which languages it can.
    """

    def __init__(
        self, stage: Stage, workspace: str, emit: Emit, end: End, walls: Walls | None, restore: Restore | None = None
    ) -> None:
        self._stage, self._workspace, self._emit, self._end, self._walls = stage, workspace, emit, end, walls
        self._restore = restore

    async def changes(self) -> list[Change]:
        try:
            return await asyncio.to_thread(self._stage.changes)
        except OSError as error:
            raise unreadable(error) from error

    def diff(self, changes: Iterable[Change]) -> Iterator[str]:
        return diff(self._stage.layers, changes)

    def below(self, changes: Iterable[Change], paths: Sequence[str]) -> list[Change]:
        wanted = self._names(paths)
        found = [c for c in changes if not wanted or any(f"{c.name}/".startswith(f"{path}/") for path in wanted)]
        if wanted and not found:
            raise UsageError(
                _("The stage changes nothing at {path}.", path=shown(paths[0])),
                _("`interpreter stage` lists what it changes."),
            )
        return found

    def _names(self, paths: Sequence[str]) -> list[str]:
        return [os.path.normpath(Path(self._workspace) / path) for path in paths]

    async def finish(self, events: Callable[[], Iterable[Event]]) -> bool:
        """Bring a commit to its end that was decided and cut off; forget one that was not decided. Whether it did."""
        if not self._stage.prepared:
            return False
        started: dict[str, StageCommitStarted] = {}
        done: set[str] = set()
        for event in events():
            if isinstance(event, StageCommitStarted):
                started[event.journal] = event
            elif isinstance(event, StageCommitted):
                done.add(event.commit)
        decided = started.get(await asyncio.to_thread(self._stage.journal_hash))
        if decided is None:
            self._stage.forget()
            return False
        await self._carry_out(decided, told=decided.commit in done)
        return True

    async def abandon(self, events: Callable[[], Iterable[Event]]) -> tuple[int, int]:
        """Give up what is left of a commit that cannot be finished: the steps that are done, and of how many.

        Raises UsageError where there is none, StageError.
        """
        if not self._stage.prepared:
            raise UsageError(_("No commit of this stage is unfinished."), _("Nothing was changed."))
        wanted = await asyncio.to_thread(self._stage.journal_hash)
        if not any(isinstance(event, StageCommitStarted) and event.journal == wanted for event in events()):
            self._stage.forget()
            return 0, 0
        try:
            done, steps = await asyncio.to_thread(self._stage.give_up, wanted)
        except OSError as error:
            raise unreadable(error) from error
        await self._emit(
            NoteAdded(
                text=f"The person gave up a commit of staged changes. Of its {steps} steps {done} are done and stay "
                "done; everything else is staged as before."
            )
        )
        return done, steps

    async def commit(self, op: StageCommit) -> None:
        paths = self._names(op.paths)
        before = await self.changes()
        if op.seen and digest(before) != op.seen:
            raise StageError(_("The stage has changed since it was shown."), _("Nothing was committed. Look again."))
        if not chosen(before, paths):
            raise UsageError(
                _("There is nothing to commit."), _("What needs a second look is committed when it is named.")
            )
        self._close()
        try:
            ended = await self._end()
            # What runs no more cannot change it any more.
            changes = await self.changes()
            if op.seen and digest(changes) != op.seen:
                raise StageError(
                    _("The stage has changed since it was shown."), _("Nothing was committed. Look again.")
                )
            picked = chosen(changes, paths)
            if not picked:
                raise UsageError(_("There is nothing to commit."), _("The stage has changed since it was shown."))
            decided = await self._decide(picked)
        except OSError as error:
            self._undecided()
            name = f" ({shown(str(error.filename))})" if error.filename else ""
            raise StageError(
                _("The commit could not be prepared: {reason}", reason=f"{error.strerror or error}{name}"),
                _("Nothing was committed; the stage is kept."),
            ) from error
        except Exception:
            self._undecided()
            raise
        except BaseException:
            # Stopped in the middle of it. What may be decided stays closed: the log says at the next opening.
            if not self._stage.prepared:
                self._reopen()
            raise
        await self._carry_out(decided, ended)

    async def _decide(self, picked: Sequence[Change]) -> StageCommitStarted:
        commit = new_id("c")
        journal = await asyncio.to_thread(self._stage.prepare, picked, commit)
        decided = StageCommitStarted(commit=commit, journal=journal, files=len(picked), paths=told(picked))
        await self._emit(decided)
        return decided

    def _undecided(self) -> None:
        self._reopen()
        self._stage.forget()

    async def _carry_out(self, decided: StageCommitStarted, ended: Sequence[str] = (), *, told: bool = False) -> None:
        try:
            journal, kept = await asyncio.to_thread(self._stage.carry_out, decided.journal)
            left = await asyncio.to_thread(self._stage.changes)
            if not told:
                await self._emit(
                    StageCommitted(commit=decided.commit, files=decided.files, left=len(left), kept=tuple(kept))
                )
            await asyncio.to_thread(self._stage.settle, journal)
        except OSError as error:
            name = f" ({shown(str(error.filename))})" if error.filename else ""
            raise StageError(
                _("The commit is decided and not finished: {reason}", reason=f"{error.strerror or error}{name}"),
                _(
                    "Nothing is lost. Remove the reason; then `interpreter stage` finishes it. "
                    "If that cannot be: interpreter stage abandon"
                ),
            ) from error
        if kept:
            text = _("Somebody changed files while they were committed; theirs are kept: {paths}",
                     paths=", ".join(map(shown, kept)))  # fmt: skip
            await self._emit(NoteAdded(text=text, to_model=False))
        self._reopen()
        if not told:
            await self._tell(f"The person committed {decided.files} staged changes to the folder.", len(left), ended)

    async def drop(self, op: StageDrop) -> None:
        if not op.paths:
            await self._drop_all()
            return
        if not self.below(await self.changes(), op.paths):
            raise UsageError(_("There is nothing to drop."))
        self._close()
        try:
            ended = await self._end()
            every = await self.changes()
            dropped = self.below(every, op.paths)
            await asyncio.to_thread(self._stage.drop, dropped, every)
        except OSError as error:
            raise unreadable(error) from error
        finally:
            self._reopen()
        await self._dropped(dropped, len(await self.changes()), ended)

    async def _drop_all(self) -> None:
        """Whatever lies in the stage, and whether or not it can be read: nothing may be left that cannot be dropped."""
        try:
            dropped = await self.changes()
            if not dropped:
                raise UsageError(_("There is nothing to drop."))
        except StageError:
            dropped = None
        left = ""
        self._close()
        try:
            ended = await self._end()
            place = self._stage.place
            try:
                await asyncio.to_thread(self._stage.renew)
            except OSError as error:
                if self._stage.place == place:
                    raise unreadable(error) from error
                left = f"{error.strerror or error}"
        finally:
            self._reopen()
        await self._dropped(dropped, 0, ended)
        if left:
            raise StageError(
                _("The stage is empty, but what was in it cannot be removed: {reason}", reason=left),
                _("It lies in {path} until the session is deleted.", path=shown(place)),
            )

    async def _dropped(self, dropped: Sequence[Change] | None, left: int, ended: Sequence[str]) -> None:
        files, paths = (len(dropped), told(dropped)) if dropped is not None else (UNCOUNTED, ())
        await self._emit(StageDropped(files=files, paths=paths, left=left))
        some = "some of" if left else "all"
        await self._tell(f"The person dropped {some} your staged changes: those files are as before.", left, ended)

    async def _tell(self, text: str, left: int, ended: Sequence[str]) -> None:
        back = await self._restore(ended) if self._restore is not None and ended else ()
        lost = [language for language in ended if language not in back]
        rest = f" {left} changes stay staged." if left else ""
        gone = "The kernels were restarted."
        if back:
            gone += f" Variables come back from their checkpoints: {', '.join(back)}."
        if lost or not ended:
            gone += f" Their variables, imports and folder are gone: {', '.join(lost) or 'all'}."
        await self._emit(NoteAdded(text=f"{text}{rest} {gone}", source="person"))

    def _close(self) -> None:
        if self._walls is not None:
            self._walls.close_stage(
                _("A commit of this session's stage is not finished."), _("Finish it first: %stage commit")
            )

    def _reopen(self) -> None:
        if self._walls is not None:
            self._walls.stage(self._stage.place)


def told(changes: Sequence[Change]) -> tuple[str, ...]:
    return tuple(shown(change.name) for change in changes[:MOST_TOLD])


def unreadable(error: OSError) -> StageError:
    return StageError(
        _("The stage cannot be read: {reason}", reason=f"{error.strerror or error} {shown(str(error.filename or ''))}"),
        _("Nothing outside it has changed."),
    )


def restorer(kernels: Kernels, log: SessionLog, emitter: Hub, tasks: Tasks) -> Restore:
    """Brings variables back after their kernels were stopped, from the checkpoints of the session."""

    async def restore(languages: Sequence[str]) -> Sequence[str]:
        steps = Steps()
        for stored in log.events():
            steps.apply(stored.event)
        restoring = Restoring(kernels, emitter, tasks, log.folder / "checkpoints")
        return [one.language for one in await restoring.begin(languages, (), steps)]

    return restore
