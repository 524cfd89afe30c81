"""Skills for the doors: listed, shown, checked, begun, kept, trusted. Nothing of one is run here."""

from __future__ import annotations

from pathlib import Path

from .. import policy
from ..config.settings import Settings
from ..errors import SkillError
from ..skills.check import Remark, check_folder
from ..skills.find import Found, files_of, read_file
from ..skills.format import FILE, Skill
from ..skills.new import new_skill, write_skill
from ..skills.saving import Draft, draft
from ..store import Store, default_home
from ..store.story import story
from ..text.i18n import _
from ..types.events import Stored
from ..types.goals import CheckFinished, ChecksStated, GoalStarted
from .known import secrets_of
from .skilled import RULES, skills_for, user_skills

PROJECT = Path(".agents") / "skills"


class Skillbook:
    """The skills for work in one folder."""

    def __init__(self, settings: Settings, workspace: Path) -> None:
        self._settings, self._workspace = settings, workspace

    def found(self) -> Found:
        return skills_for(self._workspace)

    def show(self, name: str, path: str = FILE) -> tuple[Skill, tuple[str, ...], str]:
        """A skill, the names of its files, and the text of one of them. Raises SkillError."""
        skill = self.found().named(name)
        return skill, files_of(skill), read_file(skill, path).decode("utf-8", "replace")

    def check(self, name: str) -> tuple[Skill | None, list[Remark]]:
        """What is to be said of a skill: of that name, or in a folder, where the name has a `/`. Raises SkillError."""
        if "/" in name or name in (".", ".."):
            return check_folder(name)
        found = self.found()
        for one in found.broken:
            if Path(one.folder).name == name:
                return check_folder(one.folder, one.origin)
        skill = found.named(name)
        return check_folder(skill.folder, skill.origin)

    def new(self, name: str, *, project: bool = False) -> Path:
        """Raises SkillError."""
        return new_skill(self._workspace / PROJECT if project else user_skills(), name)

    def save(self, name: str, session: str) -> tuple[Path, Draft]:
        """Keep what succeeded in a session as the person's skill. Raises SkillError, SessionUnknown, LogDamaged."""
        store = Store.open(default_home(), self._settings.audit_key)
        try:
            log = store.visit(store.find(session).id)
            events = list(log.events())
            made = draft(name, story(events), secrets_of(self._settings), proofs(events), goal_of(events))
        finally:
            store.close()
        return write_skill(user_skills(), name, made.files), made

    def trust(self, name: str) -> Path:
        """Let the rules of a project's skill count, as they are now: they may ask and refuse. Raises SkillError."""
        skill = self.found().named(name)
        if skill.origin != "project":
            raise SkillError(_("The skill {name} is no project's: its rules count already.", name=name))
        if RULES not in files_of(skill):
            raise SkillError(_("The skill {name} has no rules: there is nothing to trust.", name=name))
        path = Path(skill.folder) / RULES
        policy.trust(default_home(), path, read_file(skill, RULES))
        return path


def goal_of(events: list[Stored]) -> str:
    return next((stored.event.task.goal for stored in events if isinstance(stored.event, GoalStarted)), "")


def proofs(events: list[Stored]) -> list[str]:
    """The commands that proved the goal of a run, the person's as well as the model's own."""
    commands: dict[str, str] = {}
    passed: dict[str, bool] = {}
    for stored in events:
        match stored.event:
            case GoalStarted():
                commands |= {check.name: check.command for check in stored.event.task.checks if check.command}
            case ChecksStated():
                commands |= {check.name: check.command for check in stored.event.checks if check.command}
            case CheckFinished() if stored.event.phase == "claim":
                passed[stored.event.name] = stored.event.passed and not stored.event.vacuous
            case _:
                pass
    return [commands[name] for name, good in passed.items() if good and name in commands]
