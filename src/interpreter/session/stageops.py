"""The ops of staged mode."""

from __future__ import annotations

from ..errors import UsageError
from ..text.i18n import _
from ..types.ops import StageCommit, StageDrop
from .parts import Staging


async def change_stage(staging: Staging | None, op: StageCommit | StageDrop, *, busy: bool) -> None:
    """Raises UsageError where the session has no stage or a turn runs, and what the stage raises."""
    if busy:
        raise UsageError(_("A turn is running; interrupt it first."))
    if staging is None:
        raise UsageError(_("This session is not staged."), _("Programs write to the folder itself; see --stage."))
    await (staging.commit(op) if isinstance(op, StageCommit) else staging.drop(op))
