"""Steps of a session for the doors: listed, compared, taken back, forked."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .. import snapshots
from ..config.settings import Settings
from ..errors import SessionUnknown, UsageError
from ..session.chronicle import gist
from ..session.course import Course, read_course
from ..session.service import Session
from ..store import SessionLog, Store, default_home
from ..text.i18n import _
from ..types.ops import Rewind
from ..types.rewinding import Rewound
from ..types.tooling import in_a_line
from .forking import Forked, fork
from .loading import open_session


class StepRow(NamedTuple):
    step: int
    language: str
    status: str
    gist: str
    """The line of its code that says what it is for."""
    files: int | None
    """How many paths it changed; None where that is not known."""


class FileChange(NamedTuple):
    """Of `--stat`."""

    path: bytes
    added: int
    removed: int
    before: int
    """Bytes; -1 where it was not there."""
    after: int
    binary: bool


class Rewinds:
    """Of the sessions of this person. Only `rewind` and `fork` change something."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def steps(self, wanted: str) -> list[StepRow]:
        """Every step of a session. Raises SessionUnknown, StoreError."""
        with self._opened(wanted) as (_log, course, shots):
            rows: list[StepRow] = []
            for step in course.steps:
                known = step.before and step.after
                files = len(shots.changes(step.before, step.after)) if known else None
                rows.append(
                    StepRow(step.number, step.language, step.status, gist(in_a_line(step.language, step.code)), files)
                )
            return rows

    def diff(self, wanted: str, begin: int | None, end: int | None) -> Iterator[bytes]:
        """What changed between the ends of two steps, as text that `git apply` reads, piece by piece.

        Args:
            begin: a step, 0 for before the first; None: before `end`, so that its own change is told.
            end: a step; None: how things are now.

        Raises:
            SessionUnknown, StoreError: the log, or a state that is no longer kept.
            UsageError: there is no such step, or its files were not kept.
        """
        with self._opened(wanted) as (_log, course, shots):
            found = shots.changes(*trees(course, begin, end))
            yield from snapshots.diff(found, shots.content)

    def stat(self, wanted: str, begin: int | None, end: int | None) -> Iterator[FileChange]:
        """The same in numbers. Raises as `diff`."""
        with self._opened(wanted) as (_log, course, shots):
            found = shots.changes(*trees(course, begin, end))
            for line in snapshots.stat(found, shots.content):
                yield FileChange(*line)

    async def rewind(self, wanted: str, op: Rewind) -> tuple[str, int, Rewound]:
        """Take a session up, go back, and leave it: its id, its newest step, and what was done.

        Raises SessionUnknown, SessionBusy, UsageError, StoreError: as `session.rewinding` says.
        """
        with self._opened(wanted) as (log, course, _shots):
            session_id, last = log.id, course.last
        session = await open_session(self._settings, resume=session_id)
        try:
            return session_id, last, await taken_back(session, op)
        finally:
            await session.close(keep_kernels=False)

    def fork(self, wanted: str, step: int | None) -> Forked:
        """A new session; the files stay as they are now. Raises SessionUnknown, UsageError, StoreError."""
        with self._store() as store:
            return fork(store, wanted, step)

    @contextmanager
    def _opened(self, wanted: str) -> Generator[tuple[SessionLog, Course, snapshots.Snapshots]]:
        with self._store() as store:
            log = store.visit(store.find(wanted).id)
            course = read_course(stored.event for stored in log.events())
            shots = snapshots.Snapshots(store.home, Path(log.workspace).resolve(), log.id, self._settings.snapshots)
            try:
                yield log, course, shots
            finally:
                shots.close()

    def _store(self) -> Store:
        return Store.open(default_home(), self._settings.audit_key)


async def taken_back(session: Session, op: Rewind) -> Rewound:
    """Raises what the session raises."""
    watch = session.watch()
    await session.send(op)
    async for event in watch:
        if isinstance(event, Rewound):
            return event
    raise SessionUnknown(_("The session ended before the rewind."))


def trees(course: Course, begin: int | None, end: int | None) -> tuple[str, str]:
    """Names of two states; an empty second one: now. Raises UsageError."""
    for step in (begin, end):
        if step is not None and not 0 <= step <= course.last:
            raise UsageError(
                _("There is no step {step}; this session has {n} steps.", step=step, n=course.last),
                _("`interpreter diff --steps` lists them; 0 is before the first."),
            )
    if begin is None:
        if not end:
            raise UsageError(_("Step 0 is before the first step and changed nothing."))
        before = course.steps[end - 1].before
    else:
        before = after(course, begin)
    if not before and begin == course.last:
        return "", ""
    if not before:
        raise not_kept(begin if begin is not None else (end or 1) - 1)
    if end is None:
        return before, ""
    last = after(course, end)
    if not last and end < course.last:
        raise not_kept(end)
    return before, last


def after(course: Course, step: int) -> str:
    """The files as a step left them; empty where that is not known."""
    return course.steps[step - 1].after if step else course.first


def not_kept(step: int) -> UsageError:
    return UsageError(
        _("The files as they were after step {step} are not kept: {reason}", step=step,
          reason=_("no snapshot was taken.")),
        _("`interpreter diff --steps` lists the steps."),
    )  # fmt: skip
