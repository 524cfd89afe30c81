"""A session that is taken up again: what its log tells, and what is found beside it, living kernels, restored ones,
changed files. Loaded only then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError
from ..session.account import SLACK, Back, Facts
from ..session.changes import changed_since
from ..session.past import ASIDE, Past, read_past
from ..session.resume import Left
from ..session.service import Session
from ..text.i18n import _
from .compose import Composer
from .meeting import Meeting
from .restoring import Restoring, Steps


async def come_back(composer: Composer) -> Session:
    """The session as its log tells it; its living kernels, if the keeper still holds them.

    Raises UsageError where its folder leads to another place now.
    """
    steps, workspace = Steps(), composer.workspace
    last = max((seq for seq, kind in composer.log.milestones() if kind == "turn_started"), default=0)
    past = read_past(composer.log.events(without=ASIDE, until=last), (composer.history.apply, steps.apply))
    if past.started is not None and not composer.ground.chosen and past.started.workspace != str(workspace):
        raise UsageError(
            _("The folder of this session, {path}, leads to {other} now.", path=past.started.workspace,
              other=workspace),
            _("Everything is kept. If you want to go on there, name it: --workspace {other}", other=workspace),
        )  # fmt: skip
    for grant in past.grants:
        if not grant.tool and Path(grant.path).exists():
            composer.walls.grant(grant.path, grant.access)
    composer.watch()
    await composer.open_grants()
    if composer.staging is not None:
        await composer.staging.finish(lambda: (stored.event for stored in composer.log.events()))
    meeting = Meeting(await composer.kernels.open())
    session = composer.session()
    restoring = Restoring(composer.kernels, composer.hub, composer.tasks, composer.log.folder / "checkpoints")
    back = await restoring.begin(past.languages, meeting.living, steps)
    facts = await found(past, meeting, workspace, back)
    session.turns.extend(past.turns)
    await session.come_back(Left(past, meeting, session.parts), facts)
    return session


async def found(past: Past, meeting: Meeting, workspace: Path, back: Sequence[Back] = ()) -> Facts:
    """Looks at the folder as well, at names and times only."""
    began = past.story.steps[0].begun if past.story.steps else past.story.last
    changes = await asyncio.to_thread(changed_since, workspace, began - SLACK)
    there = {*meeting.living, *(one.language for one in back)}
    known = {action for action, execution in past.executions.items() if execution in meeting.known}
    return Facts(
        living=tuple(name for name in past.languages if name in meeting.living),
        gone=tuple(name for name in past.languages if name not in there),
        back=tuple(back),
        cut=tuple(action for action in past.executions if action not in known),
        running=tuple(action for action in past.executions if action in known),
        changes=changes,
    )
