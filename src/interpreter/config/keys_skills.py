"""The settings of skills and of what a project says to assistants."""

from __future__ import annotations

from .key import N_, Key

SKILLS = (
    Key("skills", "names", N_("Skills that the first task is done with: their names."), ("--skill",), "skills.use",
        guard="never"),
    Key(
        "skills_offered",
        "choice",
        N_("Which skills the model is told of: the project's and your own, the built-in ones as well, or none."),
        into="skills.offer",
        guard="never",
        choices=("own", "all", "none"),
    ),
    Key(
        "project_notes",
        "bool",
        N_("Read the AGENTS.md of the project, as text that others wrote."),
        into="skills.project_notes",
        guard="never",
    ),
)  # fmt: skip
