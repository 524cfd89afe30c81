"""A skill's files, laid where code inside the walls can read them."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat

from ..errors import SkillError
from ..sandbox.carefully import Content, open_folder, put_back
from ..text.i18n import _
from .find import MOST_BYTES, files_of, read_file
from .format import Skill

FOLDER = "skills"


def lay_out(skill: Skill, scratch: str) -> str:
    """The skill's folder as code inside sees it: a project's where it is, any other copied into the session's scratch.

    Programs inside own the scratch, so what lies there by now is taken away, no link is followed, and nothing of it is
    ever read by us again. Raises SkillError.
    """
    if skill.origin == "project":
        return skill.folder
    target = f"{FOLDER}/{skill.name}"
    files = files_of(skill)
    try:
        above = open_folder(scratch, FOLDER, make=True)
        try:
            _clear(above, skill.name)
        finally:
            os.close(above)
        size = 0
        for path in files:
            data = read_file(skill, path)
            size += len(data)
            if size > MOST_BYTES:
                raise SkillError(
                    _("The skill {name} is larger than {size}.", name=skill.name, size=f"{MOST_BYTES >> 20} MB")
                )
            put_back(scratch, f"{target}/{path}", Content(0o755 if path.startswith("scripts/") else 0o644, data, 0.0))
    except OSError as error:
        raise SkillError(
            _("The skill {name} cannot be laid out in {path}: {reason}.", name=skill.name, path=f"{scratch}/{target}",
              reason=error.strerror or error)
        ) from None  # fmt: skip
    return f"{scratch}/{target}"


def _clear(fd: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=fd)
        else:
            os.unlink(name, dir_fd=fd)
