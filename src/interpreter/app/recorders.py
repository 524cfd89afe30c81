"""Recordings of a session that is being made: where they are kept meanwhile, and where they go."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .. import __version__
from ..agent.prompt import machine
from ..errors import StoreError
from ..recording.recorder import Recorder
from ..recording.values import Begun, Tooled
from ..reports.place import put_copy
from ..text.i18n import _
from ..types.messages import ServerFacts
from ..types.walls import Profile
from .made import Made


def begin(made: Made) -> Recorder:
    """A recorder that writes into the session's folder, which code cannot reach."""

    def begun(facts: ServerFacts) -> Begun:
        profile: Profile = made.walls.profile
        circumstances = made.circumstances()
        agent = made.settings.agent
        return Begun(
            version=__version__, facts=msgspec.structs.replace(facts, api_base="recording:", models=()),
            system=made.history.system, machine=machine(),
            workspace=circumstances.workspace, home=circumstances.home, where=made.where,
            sandbox=made.walls.describe(), network=profile.network, access=profile.access,
            staged=made.ground.stage is not None, languages=made.languages, context=made.context,
            grants=circumstances.grants, walled=circumstances.walled, mode=agent.mode, can_ask=agent.can_ask,
            tools=tooled(made), policy=made.own_rules, kept=made.settings.snapshots.enabled,
        )  # fmt: skip

    return Recorder(made.log.folder / "recording.jsonl", made.ground.redactor, begun)


def tooled(made: Made) -> Tooled:
    tooling = made.tooling
    if tooling is None:
        return Tooled()
    return Tooled(
        only=made.settings.agent.tools_only, names=tooling.names, hidden=tooling.hidden, specs=tooling.specs,
        declarations=tuple(one.declaration for one in tooling.registry),
    )  # fmt: skip


def put(recorder: Recorder, target: str) -> str:
    """Put the recording where the person wants it; a sentence for them where it is not whole or not there."""
    recorder.close()
    try:
        put_copy(recorder.path, Path(target))
    except StoreError as error:
        return _(
            "The recording was not written: {message} It is kept: {path}", message=error.message, path=recorder.path
        )
    recorder.path.unlink(missing_ok=True)
    if recorder.problem:
        return _("The recording is not whole: {reason}.", reason=recorder.problem)
    return _("Recorded: {path}. To go through it again: interpreter replay {path}", path=target)
