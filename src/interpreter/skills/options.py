"""What a person may set about skills."""

from __future__ import annotations

from typing import Literal

from ..types.base import Value


class SkillOptions(Value):
    use: tuple[str, ...] = ()
    """Names of skills that the first turn of a session is done with."""
    offer: Literal["own", "all", "none"] = "own"
    """Whose names and descriptions the model reads at the start. own: the project's and the person's; all: the built-in
    ones as well (a goal run); none."""
    choose: bool = False
    """Whether the first turn takes also the person's and the built-in skills whose words stand in it (a goal run)."""
    project_notes: bool = True
    """Whether the AGENTS.md of the project is read."""
