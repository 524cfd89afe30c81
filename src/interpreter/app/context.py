"""Whether a session has anything to be told of besides its rules. It is on the way of every start, so it only looks."""

from __future__ import annotations

import os
from pathlib import Path

from ..config.paths import user_file
from ..skills.options import SkillOptions

HIGHEST = 12


def told_of(options: SkillOptions, workspace: Path) -> bool:
    """Whether there are skills to offer, or an AGENTS.md to read; `app.skilled` finds out what of that counts."""
    folder = str(workspace)
    if options.offer == "all":
        return True
    if options.offer == "own":
        own = (user_file(os.environ).with_name("skills"), f"{folder}/.agents/skills", f"{folder}/.interpreter/skills")
        if any(map(os.path.lexists, own)):
            return True
    return options.project_notes and _has_notes(folder)


def _has_notes(folder: str) -> bool:
    above = ""
    for _step in range(HIGHEST + 1):
        if os.path.lexists(f"{folder}/AGENTS.md"):
            return True
        above, folder = folder, os.path.dirname(folder)  # noqa: PTH120
        if above == folder or os.path.lexists(f"{above}/.git"):
            return False
    return False
