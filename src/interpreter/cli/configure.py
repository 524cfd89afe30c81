"""The settings for this run, and the folder that it works in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ..config.entries import Entry
from ..config.load import load_settings
from ..config.settings import Settings
from ..errors import UsageError
from ..text.i18n import _, set_language

LONGEST_WAIT = 3600.0
"""Seconds that a process waits for an answer, where nothing else is set."""


def find_workspace(named: str) -> Path:
    """The folder that was named, else the current one. Raises UsageError when it is not there."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            _("The folder that you are in no longer exists."), _("Go to another one (cd) and start again.")
        ) from None
    folder = (here / Path(named).expanduser()).resolve()
    if not folder.is_dir():
        raise UsageError(_("There is no folder {path}.", path=str(folder)))
    return folder


def read_settings(workspace: Path, flags: Mapping[str, object]) -> Settings:
    """All layers together; from here on the person's language is known."""
    settings = load_settings(workspace, flags=flags, read=_read)
    if settings.lang:
        set_language(settings.lang)
    if os.environ.get("NO_COLOR"):
        settings = msgspec.structs.replace(settings, plain=True)
    return settings


def with_person(settings: Settings, present: bool, *, background: bool = False) -> Settings:
    """The same settings, knowing whether somebody is there to answer. `background`: somebody was, and comes back.

    With `--approvals wait` questions are asked all the same: who answers does so from elsewhere.
    """
    agent = msgspec.structs.replace(settings.agent, can_ask=present and not background)
    if background:
        agent = msgspec.structs.replace(agent, approvals="park", bounded=False)
    elif agent.approvals == "wait" and not agent.can_ask:
        wait = agent.approval_timeout or agent.max_seconds or LONGEST_WAIT
        agent = msgspec.structs.replace(agent, can_ask=True, away=True, approval_timeout=wait)
    return msgspec.structs.replace(settings, agent=agent)


def _read(path: Path) -> list[Entry]:
    from ..config.files import read_entries

    return read_entries(path)
