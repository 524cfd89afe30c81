"""Skills at work in a session: which are offered at its start, and what a turn that names some begins with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .. import policy
from ..agent.firstlook import FirstLook
from ..agent.turns import End, Turn
from ..config.paths import user_file
from ..errors import SkillError
from ..session.hub import Hub
from ..skills.find import Found, files_of, find_skills, places, read_file
from ..skills.format import Skill
from ..skills.lay import lay_out
from ..skills.offer import offer_text, told
from ..skills.options import SkillOptions
from ..skills.project import read_notes
from ..store import default_home
from ..text.i18n import _
from ..types.actions import Action
from ..types.base import code_sha256, new_id
from ..types.events import NoteAdded

TASK = 500
"""Characters of the person's words that a first look gets."""
RULES = "policy.yaml"


def user_skills() -> Path:
    """The folder of the person's own skills, beside their `config.yaml`."""
    return user_file(os.environ).with_name("skills")


def skills_for(workspace: Path) -> Found:
    """All skills for work in a folder."""
    return find_skills(places(workspace, user_skills()))


class Start(NamedTuple):
    """What a new session is told besides the rules."""

    text: str = ""
    """A fragment of the prompt; empty: nothing."""
    said: tuple[str, ...] = ()
    """Sentences for the person."""


def start(options: SkillOptions, workspace: Path, scratch: Path) -> Start:
    """What a new session in this folder begins with: the project's notes, and the skills that are offered."""
    parts, said = list[str](), list[str]()
    if options.project_notes:
        notes = read_notes(str(workspace))
        parts.append(notes.text)
        said += notes.said
    if options.offer != "none":
        text, more = _offered(options, skills_for(workspace), str(scratch))
        parts.append(text)
        said += more
    return Start("\n\n".join(part for part in parts if part), tuple(said))


def _offered(options: SkillOptions, found: Found, scratch: str) -> tuple[str, list[str]]:
    said = [_("A skill was not read: {path}: {problem}", path=one.folder, problem=one.problem) for one in found.broken]
    for other, counts in found.shadowed:
        said.append(_("The skill {name} in {path} does not count: {other} comes first.",
                      name=other.name, path=other.folder, other=counts.folder))  # fmt: skip
    offered: list[tuple[Skill, str]] = []
    for skill in found.skills:
        if skill.origin == "built-in" and options.offer != "all":
            continue
        try:
            offered.append((skill, lay_out(skill, scratch)))
        except SkillError as error:
            said.append(str(error))
    text, left = offer_text(offered)
    if offered:
        names = ", ".join(skill.name for skill, _folder in offered)
        said.append(_("Skills that the model may use: {names}", names=names))
    if left:
        said.append(_("The prompt had no room for the skills {names}; name one with --skill.", names=", ".join(left)))
    return text, said


class Skilled:
    """Begins a turn with the skills that were named for it."""

    def __init__(
        self,
        workspace: Path,
        scratch: Path,
        hub: Hub,
        look: FirstLook,
        cap: Callable[[], int],
        tighten: Callable[[str, bytes], tuple[str, ...]],
    ) -> None:
        """
        Args:
            cap: characters of instructions that the model can read well.
            tighten: adds a skill's rules that ask or refuse, for the session; sentences for the person.
        """
        self._workspace, self._scratch, self._hub, self._look = workspace, scratch, hub, look
        self._cap, self._tighten = cap, tighten

    async def begin(self, turn: Turn, text: str, names: tuple[str, ...], *, choose: bool = False) -> End | None:
        """Tell the model each skill, and let it look first. Raises SkillError: there is none of that name.

        `choose`: the skill whose words stand in the text as well, where no skill is named.
        """
        found = skills_for(self._workspace)
        if choose and not names:
            names = chosen(found, text)
        for skill in [found.named(name) for name in dict.fromkeys(names)]:
            folder = lay_out(skill, str(self._scratch))
            for sentence in (using(skill, found), *self._rules(skill)):
                await self._hub.emit(NoteAdded(text=sentence, to_model=False))
            body = told(skill, folder, files_of(skill), self._cap())
            await self._hub.emit(NoteAdded(text=body, source="skill"))
            if skill.first and skill.origin == "project" and not self._look.walled:
                said = _("Its first look is not run: without a sandbox, no script of a project runs by itself.")
                await self._hub.emit(NoteAdded(text=said, to_model=False))
            elif skill.first and (end := await self._look.run(turn, first_action(skill, folder, text))) is not None:
                return end
        return None

    def _rules(self, skill: Skill) -> tuple[str, ...]:
        if RULES not in files_of(skill):
            return ()
        data = read_file(skill, RULES)
        if skill.origin == "project" and not policy.trusts(default_home())(Path(skill.folder) / RULES, data):
            return (_("Its rules do not count, because you do not trust them: interpreter skills trust {name}",
                      name=skill.name),)  # fmt: skip
        return self._tighten(skill.name, data)


def chosen(found: Found, text: str) -> tuple[str, ...]:
    """The skill that the words of a task call for; a project's is never taken by itself."""
    low = " ".join(text.lower().split())
    scores = [
        (sum(word in low for word in skill.words), skill.name) for skill in found.skills if skill.origin != "project"
    ]
    best = max(scores, default=(0, ""))
    return (best[1],) if best[0] else ()


def using(skill: Skill, found: Found) -> str:
    whose = {"built-in": _("built in"), "user": _("your own"), "project": _("of this project")}[skill.origin]
    said = _("Using the skill {name} ({whose}, {path}).", name=skill.name, whose=whose, path=skill.folder)
    if any(other.name == skill.name and other.origin == "built-in" for other, _counts in found.shadowed):
        said += " " + _("It stands in the place of the built-in one of that name.")
    return said


def first_action(skill: Skill, folder: str, text: str) -> Action:
    """The first look of a skill as an action: its script inside the walls, with the beginning of the person's words."""
    words = ["python3" if skill.first.endswith(".py") else "bash", f"{folder}/{skill.first}"]
    task = " ".join(text.split())[:TASK]
    code = shlex.join([*words, "--task", task])
    return Action(id=new_id("a"), language="shell", code=code, sha256=code_sha256(code), source=f"skill {skill.name}")
