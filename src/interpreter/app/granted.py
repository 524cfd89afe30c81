"""What the policy opens besides the settings: its line `grants:`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..config.settings import Settings
from .policies import files_for, policy_for, project_policy

MOST = 1 << 20
"""Bytes of a policy file."""


def with_grants(settings: Settings, workspace: Path) -> Settings:
    """The settings with the grants of the administrator's, the person's and the named policy file; a project's file
    has none to give. Raises PolicyError for a file that cannot be understood.
    """
    own = project_policy(workspace)
    # Most people have no such line, and reading YAML costs a start 20 ms.
    if not any(speaks_of_grants(path) for path in files_for(settings, workspace) if path != own):
        return settings
    granted = dict(policy_for(settings, workspace, check=False).grants)
    return msgspec.structs.replace(settings, walls=msgspec.structs.replace(settings.walls, granted=granted))


def speaks_of_grants(path: Path) -> bool:
    """Whether the file is worth reading for them; what is wrong with it is told by who reads it."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return b"grants" in file.read(MOST)
    except OSError:
        return False
