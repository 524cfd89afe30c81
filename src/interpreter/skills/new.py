"""A new skill, to be filled in."""

from __future__ import annotations

from pathlib import Path

from ..errors import SkillError
from ..text.i18n import _
from .format import FILE, LONGEST_NAME, NAME

TEMPLATE = """\
---
name: {name}
description: Say in one sentence what this skill does, and in a second one when to use it.
license: Apache-2.0
---
# {name}

1. First look: what has to be known before anything is changed, and the command that shows it.
2. The steps in order, one command or one piece of code each.
3. The check: the command whose result shows that it worked.

Stop and ask the person when: ...
"""


def checked_name(name: str) -> str:
    """Raises SkillError for what is no name of a skill."""
    if len(name) > LONGEST_NAME or NAME.fullmatch(name) is None:
        raise SkillError(
            _("`{name}` is no name of a skill.", name=name[:LONGEST_NAME]),
            _("Small letters, digits, and single `-` between them; at most 64."),
        )
    return name


def new_skill(folder: Path, name: str) -> Path:
    """Make the folder of a skill, with a SKILL.md to be filled in; its path. Raises SkillError."""
    return write_skill(folder, name, {FILE: TEMPLATE.format(name=checked_name(name)).encode()})


def write_skill(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """Put a skill into a folder of skills, whole or not at all. Raises SkillError: there is one of that name."""
    target = folder / checked_name(name)
    making = folder / f".{name}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.exists() or target.is_symlink():
            raise SkillError(
                _("There is a skill {path} already.", path=str(target)), _("Nothing was changed. Take another name.")
            )
        making.mkdir(exist_ok=True)
        for path, data in files.items():
            place = making / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            if path.startswith("scripts/"):
                place.chmod(0o755)
        making.rename(target)
    except OSError as error:
        raise SkillError(
            _("The skill cannot be written to {path}: {reason}.", path=str(target), reason=error.strerror or error),
            _("Nothing was changed."),
        ) from None
    return target
