"""A session is opened: its ground first, and what stands on it while the first kernel boots."""

from __future__ import annotations

import importlib
from pathlib import Path

from ..config.settings import Settings
from ..llm.client import ModelClient
from ..sandbox import safe_workspace
from ..store import Store, default_home
from ..text.redact import Redactor
from ..types.base import new_id
from ..types.events import TurnStarted
from ..types.goals import GoalStarted
from .ground import Ground
from .known import secrets_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session.service import Session
    from ..store import SessionLog
    from ..types.goals import Task
    from .compose import Composer
    from .goals import Goal


async def open_session(
    settings: Settings,
    *,
    resume: str | None = None,
    workspace: Path | None = None,
    client: ModelClient | None = None,
    begun: str = "",
    goal: Goal | None = None,
) -> Session:
    """Open a new session, or take one up again.

    Args:
        settings: what was set.
        resume: an id, the beginning of one, or `last`.
        workspace: where to work; None: the current folder, or a new one where that is the home folder or `/`.
        client: the model; None: the server that the settings name, or one found on this machine.
        begun: the id of a new session whose keeper `session.early` has started.
        goal: what the session works towards; one that is taken up again knows it from its log.

    Raises:
        SessionUnknown, SessionBusy, StoreError: the log.
        SandboxUnavailable: no walls where walls were asked for.
        UsageError: the working folder cannot be used.
    """
    ground = lay_ground(settings, resume, workspace, begun)
    try:
        if not resume:
            await ground.begin_kernel(waiting=bool(begun))
        # The other half of the program, loaded while the kernel boots.
        if (goal_of(ground.log) if resume else goal) is not None:
            composer: Composer = importlib.import_module(".goals", __package__).GoalComposer(ground, client, goal)
        else:
            composer = importlib.import_module(".compose", __package__).Composer(ground, client)
    except BaseException:
        await ground.abandon()
        raise
    try:
        return await (composer.resume() if resume else composer.begin())
    except BaseException:
        await composer.abandon()
        raise


def goal_of(log: SessionLog) -> Task | None:
    """What a session works towards, where it has a goal: that stands before its first turn."""
    for stored in log.events():
        if isinstance(stored.event, GoalStarted):
            return stored.event.task
        if isinstance(stored.event, TurnStarted):
            break
    return None


def lay_ground(settings: Settings, resume: str | None, workspace: Path | None, begun: str) -> Ground:
    chosen = workspace is not None
    store = Store.open(default_home(), settings.audit_key)
    try:
        if store.seals is not None:
            store.seals.ready()
        # A log takes them from the store when it is made.
        store.masks = redactor = Redactor(secrets_of(settings))
        if resume:
            info = store.find(resume)
            log = store.resume(info.id)
            workspace = workspace or Path(info.workspace)
        else:
            workspace = workspace or safe_workspace(Path.cwd())
            log = store.create(begun or new_id("s"), workspace)
    except BaseException:
        store.close()
        raise
    try:
        return Ground(settings, store, log, workspace, redactor, chosen=chosen)
    except BaseException:
        log.close()
        store.close()
        raise
