"""`interpreter skills` and `%skill`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..config.settings import Settings
from ..errors import UsageError
from ..text.clean import clean_text
from ..text.cut import fit, pad, width
from ..text.i18n import _
from ..types.ops import SubmitInput
from .arguments import Arguments, no_command
from .command import read_command
from .printing import print_json, write
from .say import say

if TYPE_CHECKING:
    from ..app.skillbook import Skillbook

USAGE = """interpreter skills list [--json]
interpreter skills show NAME [FILE]
interpreter skills check NAME|FOLDER
interpreter skills new NAME [--project]
interpreter skills save NAME [--session ID]
interpreter skills trust NAME
"""
VERBS = {"list": (0, 0), "show": (1, 2), "check": (1, 1), "new": (1, 1), "save": (1, 1), "trust": (1, 1)}
"""The least and the most words after each."""


def skills(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError, SkillError, StoreError."""
    asked = read_command(arguments, USAGE, switches=("json", "project"), texts=("session",))
    if asked is None:
        return 0
    found, workspace = asked.found, asked.workspace()
    settings = asked.settings(workspace)
    verb, *words = asked.words or ["list"]
    if verb not in VERBS:
        raise no_command("skills", [verb], VERBS, USAGE.rstrip())
    least, most = VERBS[verb]
    if not least <= len(words) <= most:
        raise UsageError(_("`{command}` takes other words.", command=f"skills {verb}"), USAGE.rstrip())
    from ..app.skillbook import Skillbook

    book = Skillbook(settings, workspace)
    if verb == "list":
        return _list(book, as_json=bool(found["json"]))
    if verb == "show":
        return _show(book, *words)
    if verb == "check":
        return _check(book, words[0])
    if verb == "save":
        write("\n".join(saved(book, words[0], str(found["session"] or "last"))))
        return 0
    if verb == "trust":
        path = book.trust(words[0])
        write(_("The rules in {path} count, as they are now: they may ask and refuse.", path=str(path)))
        return 0
    write(_("Made: {path}", path=str(book.new(words[0], project=bool(found["project"])))))
    return 0


def _list(book: Skillbook, *, as_json: bool) -> int:
    found = book.found()
    if as_json:
        rows = [{"name": one.name, "from": one.origin, "folder": one.folder, "description": one.description}
                for one in found.skills]  # fmt: skip
        broken = [{"folder": one.folder, "problem": one.problem} for one in found.broken]
        print_json({"skills": rows, "broken": broken})
        return 0
    whose = {"built-in": _("built in"), "user": _("your own"), "project": _("of this project")}
    first = max((width(one.name) for one in found.skills), default=0) + 2
    second = max(map(width, whose.values())) + 2
    for one in found.skills:
        write(
            pad(one.name, first)
            + pad(whose[one.origin], second)
            + fit(clean_text(one.description), 100 - first - second)
        )
    for other, counts in found.shadowed:
        write(_("The skill {name} in {path} does not count: {other} comes first.",
                name=other.name, path=other.folder, other=counts.folder))  # fmt: skip
    for one in found.broken:
        write(_("A skill was not read: {path}: {problem}", path=one.folder, problem=one.problem))
    return 0


def _show(book: Skillbook, name: str, path: str = "SKILL.md") -> int:
    skill, files, text = book.show(name, path)
    say(f"{skill.folder}: {', '.join(files)}")
    write(text.rstrip())
    return 0


def _check(book: Skillbook, name: str) -> int:
    """1 where the skill cannot be used as it is."""
    skill, remarks = book.check(name)
    words = {"error": _("error"), "warning": _("warning"), "note": _("note")}
    for remark in remarks:
        write(f"{words[remark.level]}: {remark.text}")
    wrong = any(remark.level == "error" for remark in remarks)
    if skill is not None and not wrong:
        write(_("The skill {name} can be used.", name=skill.name))
    return int(wrong)


def saved(book: Skillbook, name: str, session: str) -> list[str]:
    """Keep what succeeded; sentences that say what was kept."""
    path, made = book.save(name, session)
    lines = [_("Kept as a skill: {path} ({steps} steps, {checks} checks).",
               path=str(path), steps=made.steps, checks=made.checks)]  # fmt: skip
    for one in made.parameters:
        lines.append(_("  parameter {name}: then it was {value}", name="{{" + one.name + "}}", value=one.value))
    if made.secrets:
        lines.append(_("Secrets were taken out: look at the places marked [redacted]."))
    lines.append(_("Read it before you use it: interpreter skills show {name}", name=name))
    return lines


def talk_skill(settings: Settings, workspace: Path, session: str, rest: str) -> SubmitInput | None:
    """`%skill`: what to submit; nothing where it was for looking or keeping. Raises UsageError, SkillError."""
    from ..app.skillbook import Skillbook

    book = Skillbook(settings, workspace)
    name, _space, task = rest.partition(" ")
    if not name:
        _list(book, as_json=False)
        return None
    if name == "save" and task.strip():
        for line in saved(book, task.strip(), session):
            say(line)
        return None
    skill = book.found().named(name)
    if not task.strip():
        raise UsageError(
            _("Say what is to be done with the skill {name}: %skill {name} TASK", name=skill.name),
            clean_text(skill.description),
        )
    return SubmitInput(text=task.strip(), skills=(skill.name,))
