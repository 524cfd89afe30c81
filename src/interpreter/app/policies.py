"""Where the layers of the policy lie for work in a folder, and the policy that they make."""

from __future__ import annotations

import os
from pathlib import Path

from .. import policy
from ..config.paths import project_file, user_file
from ..config.settings import Settings
from ..store import default_home

NAME = "policy.yaml"
ADMINISTRATOR = Path("/etc/interpreter") / NAME


def user_policy() -> Path:
    """The person's own file, beside their `config.yaml`."""
    return user_file(os.environ).with_name(NAME)


def project_policy(workspace: Path) -> Path:
    return project_file(workspace).with_name(NAME)


def files_for(settings: Settings, workspace: Path) -> tuple[Path, ...]:
    """Every file that may be one of its layers, there or not."""
    chosen = (Path(settings.policy),) if settings.policy else ()
    return (ADMINISTRATOR, user_policy(), project_policy(workspace), *chosen)


def policy_for(
    settings: Settings,
    workspace: Path,
    learned: tuple[Path, ...] = (),
    *,
    skills: tuple[Path, ...] = (),
    check: bool = True,
) -> policy.Policy:
    """All layers, with the files of rules that count for one session alone, and those of skills that it uses.

    Raises PolicyError.
    """
    chosen = (Path(settings.policy),) if settings.policy else ()
    return policy.load_policy(
        user=user_policy(),
        project=project_policy(workspace),
        administrator=ADMINISTRATOR,
        command_line=chosen,
        learned=learned,
        skills=skills,
        trusted=policy.trusts(default_home()),
        check=check,
    )
