"""Where skills lie, and which of two with one name counts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import SkillError
from ..sandbox.carefully import LARGEST as LARGEST_FILE
from ..sandbox.carefully import content_of, names_in, open_below, open_folder
from ..text.i18n import _
from .format import FILE, Origin, Skill, read_skill

IN_PROJECT = (".agents/skills", ".interpreter/skills")
BUILT_IN = Path(__file__).parents[1] / "guest" / "skills"
"""They run inside the walls, so they lie with what else does."""
MOST = 64
"""Skills of one folder that are looked at."""
MOST_FILES, DEEPEST = 200, 4
MOST_BYTES = 4 << 20
"""Of all files of one skill."""


class Place(NamedTuple):
    origin: Origin
    top: str
    """Absolute: an existing folder in which no link is followed from here on."""
    below: str = ""
    """From `top` on."""


class Broken(NamedTuple):
    """A folder that should hold a skill."""

    folder: str
    origin: Origin
    problem: str


class Found(NamedTuple):
    skills: tuple[Skill, ...] = ()
    """By name; of those with one name the one that counts."""
    shadowed: tuple[tuple[Skill, Skill], ...] = ()
    """The one that does not count, and the one that does."""
    broken: tuple[Broken, ...] = ()

    def get(self, name: str) -> Skill | None:
        return next((skill for skill in self.skills if skill.name == name), None)

    def named(self, name: str) -> Skill:
        """Raises SkillError: there is none, or it cannot be read."""
        if (skill := self.get(name)) is not None:
            return skill
        for one in self.broken:
            if os.path.basename(one.folder) == name:  # noqa: PTH119 - a text, not a path of ours
                raise SkillError(_("The skill {name} cannot be used: {problem}", name=name, problem=one.problem))
        raise SkillError(
            _("There is no skill called {name}.", name=name),
            _("Skills: {names}", names=", ".join(skill.name for skill in self.skills)),
        )


def places(workspace: Path, user: Path) -> tuple[Place, ...]:
    """Where skills may lie, those that count first: the person's, the project's, the built-in ones.

    The person's come first, because a project is other people's word."""
    found = [Place("user", str(user.resolve()))] if user.is_dir() else []
    top = str(workspace.resolve())
    found += [Place("project", top, below) for below in IN_PROJECT]
    return (*found, Place("built-in", str(BUILT_IN)))


def find_skills(where: tuple[Place, ...]) -> Found:
    """Every skill of these places. What cannot be read is told and left out."""
    skills: dict[str, Skill] = {}
    shadowed: list[tuple[Skill, Skill]] = []
    broken: list[Broken] = []
    for place in where:
        for one in _of(place):
            if isinstance(one, Broken):
                broken.append(one)
            elif one.name in skills:
                shadowed.append((one, skills[one.name]))
            else:
                skills[one.name] = one
    return Found(tuple(skills[name] for name in sorted(skills)), tuple(shadowed), tuple(broken))


def _of(place: Place) -> Iterator[Skill | Broken]:
    try:
        fd = open_folder(place.top, place.below)
    except NotADirectoryError:
        # With O_NOFOLLOW a link to a folder is told as one that is none.
        folder = f"{place.top}/{place.below}"
        if os.path.islink(folder):  # noqa: PTH114
            yield Broken(folder, place.origin, _("a link is in the way; it is not followed."))
        return
    except OSError:
        return
    try:
        names = [name for name in names_in(fd) if not name.startswith(".")]
        for name in names[:MOST]:
            yield from _one(fd, place, name)
    finally:
        os.close(fd)


def _one(fd: int, place: Place, name: str) -> Iterator[Skill | Broken]:
    folder = "/".join(part for part in (place.top, place.below, name) if part)
    if place.origin == "user":
        folder = os.path.realpath(folder)  # the person's own links, to where they keep their skills
    try:
        inner = (
            os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if place.origin == "user"
            else open_below(fd, name)
        )
    except OSError:
        inner = None
    if inner is None:
        return
    try:
        content = content_of(inner, FILE)
    finally:
        os.close(inner)
    if content is None:
        return
    if content.data is None:
        yield Broken(folder, place.origin, _("{file} is a link, no ordinary file, or too large.", file=FILE))
        return
    try:
        shown = folder if place.origin != "user" else f"{folder.rpartition('/')[0]}/{name}"
        skill = read_skill(content.data, shown, place.origin)
    except SkillError as error:
        yield Broken(folder, place.origin, str(error).replace("\n", " "))
        return
    yield msgspec.structs.replace(skill, folder=folder)


def files_of(skill: Skill) -> tuple[str, ...]:
    """The paths of a skill's files from its folder on, SKILL.md first; hidden ones, links and the like are left out."""
    found: list[str] = []
    try:
        fd = open_folder(skill.folder, "")
    except OSError:
        return ()
    try:
        _walk(fd, "", found, DEEPEST)
    finally:
        os.close(fd)
    return tuple(sorted(found, key=lambda path: (path != FILE, path)))


def _walk(fd: int, above: str, found: list[str], depth: int) -> None:
    for name in names_in(fd):
        if name.startswith(".") or name == "__pycache__" or len(found) >= MOST_FILES:
            continue
        try:
            mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode):
            found.append(above + name)
        elif stat.S_ISDIR(mode) and depth and (inner := open_below(fd, name)) is not None:
            try:
                _walk(inner, f"{above}{name}/", found, depth - 1)
            finally:
                os.close(inner)


def read_file(skill: Skill, path: str) -> bytes:
    """A file of a skill. Raises SkillError: it has none of that name, or none that may be read."""
    above, _slash, name = path.rpartition("/")
    parts = path.split("/")
    content = None
    if path and not any(part in ("", ".", "..") for part in parts) and "\0" not in path:
        try:
            fd = open_folder(skill.folder, above)
        except OSError:
            fd = -1
        if fd >= 0:
            try:
                content = content_of(fd, name)
            finally:
                os.close(fd)
    if content is None or content.data is None:
        raise SkillError(
            _("The skill {name} has no readable file {path}.", name=skill.name, path=path[:200]),
            _(
                "Its files: {names} (up to {size} each)",
                names=", ".join(files_of(skill)[:20]),
                size=f"{LARGEST_FILE >> 20} MB",
            ),
        )
    return content.data
