"""What a session that is taken up again is told: what was done, what is there, what is gone. From its log and from what
was found, without asking a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..text.clean import clean_text
from ..text.cut import fit
from ..text.i18n import _, listed
from ..types.events import Unsaved
from ..types.languages import title
from .changes import Changes
from .chronicle import Asked, Chronicle, Step

MOST = 1_500
"""Characters of an account; it is there in every later request."""
ASKED = 300
NAMES = 12
FILES = 6
SLACK = 0.01
"""Seconds: the times of files come from a coarser clock."""

WORDS = {
    "ok": "ok", "error": "failed", "timeout": "stopped by its time limit", "limit": "stopped by a limit",
    "died": "its kernel died", "lost": "cut off, its end is not known", "interrupted": "stopped by the person",
}  # fmt: skip


class Back(NamedTuple):
    """A kernel whose variables were brought back."""

    language: str
    execution: str
    """After which execution they are as they were."""
    names: tuple[str, ...] = ()
    missing: tuple[Unsaved, ...] = ()


class Facts(NamedTuple):
    """What was found, besides what the log says."""

    living: tuple[str, ...] = ()
    """Languages whose kernels were reconnected."""
    gone: tuple[str, ...] = ()
    """Languages whose state is lost."""
    back: tuple[Back, ...] = ()
    cut: tuple[str, ...] = ()
    """Actions that had begun and of which nobody knows the end."""
    running: tuple[str, ...] = ()
    """Actions that still run, or have ended meanwhile: their results follow."""
    changes: Changes = Changes()
    """Files that were changed since the session's first step."""


def later(story: Chronicle, facts: Facts) -> list[str]:
    """Files that were changed after the last thing that the log knows, where no step was open."""
    if facts.running or facts.cut:
        return []
    return facts.changes.between(story.last + SLACK, float("inf"))


def account(story: Chronicle, facts: Facts, most: int = MOST) -> str:
    """What the model reads; empty where nothing is gone and nothing is new."""
    if not (facts.gone or facts.back or facts.cut or later(story, facts)):
        return ""
    asked = story.asked[-1] if story.asked else None
    first = [f"Asked: {quoted(asked.text, ASKED)}"] if asked is not None and asked.text.strip() else []
    state = [*interrupted(story, facts), *there(story, facts), *changed(story, facts)]
    head = "[The session was taken up again after a break. What is known of it, from its log:"
    end = "Do not do again what is done; go on with what is missing.]"
    room = most - sum(len(line) + 1 for line in (head, *first, *state, end))
    done = steps_of(story, facts, asked, room)
    text = "\n".join((head, *first, *done, *state, end))
    return text if len(text) <= most else text[: most - len(end) - 5] + " ...\n" + end


def steps_of(story: Chronicle, facts: Facts, asked: Asked | None, room: int) -> list[str]:
    """The finished steps, the newest of them as far as there is room."""
    open_ones = {*facts.cut, *facts.running}
    ended = [step for step in story.steps if step.action not in open_ones and step.status]
    made = files_of(story, facts)
    lines: list[str] = []
    for step in reversed(ended):
        line = f"- step {step.number} ({step.language}), {WORDS.get(step.status, step.status)}: {clean_text(step.line)}"
        if files := made.get(step.number):
            line += f" -> {names_of(files, 3)}"
        if len(line) + 1 > room - 60 or (asked is not None and step.number < asked.first and len(lines) >= 6):
            left = len(ended) - len(lines)
            lines.append(f"- {left} earlier {'step' if left == 1 else 'steps'}")
            break
        room -= len(line) + 1
        lines.append(line)
    return ["Done:", *reversed(lines)] if lines else ["Done: nothing yet."]


def files_of(story: Chronicle, facts: Facts) -> dict[int, list[str]]:
    """By the number of a step, the files that were last changed while it ran."""
    found: dict[int, list[str]] = {}
    steps = [step for step in story.steps if step.ended]
    at = 0
    for file in facts.changes.files:
        while at < len(steps) and steps[at].ended < file.time - SLACK:
            at += 1
        if at < len(steps) and steps[at].begun - SLACK <= file.time:
            found.setdefault(steps[at].number, []).append(file.path)
    return found


def interrupted(story: Chronicle, facts: Facts) -> list[str]:
    lines: list[str] = []
    for step in story.steps:
        if step.action in facts.cut:
            files = facts.changes.between(step.begun - SLACK, float("inf"))
            since = f"Changed since it began: {names_of(files, FILES)}." if files else "No file was changed since."
            lines.append(
                f"Cut off: step {step.number} ({step.language}): {clean_text(step.line)}. How far it got is not known; "
                f"it was not run again. {since}"
            )
        elif step.action in facts.running:
            lines.append(f"Step {step.number} ({step.language}) went on meanwhile; its result follows.")
    return lines


def there(story: Chronicle, facts: Facts) -> list[str]:
    """Which state is there and which is gone."""
    lines: list[str] = []
    for back in facts.back:
        number = story.number(back.execution)
        named = f": {names_of(back.names, NAMES)}" if back.names else ""
        lines.append(f"There: the {back.language} variables as after step {number}{named}.")
        if back.missing:
            lines.append(f"Gone: {'; '.join(gone(story, one) for one in back.missing[:NAMES])}.")
    if facts.living:
        lines.append(f"There: {', '.join(facts.living)}, with all variables.")
    if facts.gone:
        lines.append(f"Gone: all variables and imports of {', '.join(facts.gone)}. Files are as they are on the disk.")
    return lines


def gone(story: Chronicle, one: Unsaved) -> str:
    """One name that is not there: what it was, who made it, and whether it is cheap to make again."""
    what = f" ({fit(one.type, 40)})" if one.type else ""
    number = story.number(one.execution) if one.execution else 0
    made = f", made by step {number}" if number else ""
    again = ", quick to make again by its code" if one.rebuild else ""
    return f"{fit(one.name, 40)}{what}{made}{again}"


def changed(story: Chronicle, facts: Facts) -> list[str]:
    files = later(story, facts)
    lines = [f"Changed in the folder since the last step: {names_of(files, FILES)}."] if files else []
    if not facts.changes.whole:
        lines.append("The folder is large; not all of it was looked at.")
    return lines


def names_of(names: Sequence[str], most: int) -> str:
    shown = ", ".join(fit(clean_text(name).replace("\n", " "), 60) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def quoted(text: str, most: int) -> str:
    line = " ".join(clean_text(text).split())
    return line if len(line) <= most else line[: most - 3] + "..."


def for_person(story: Chronicle, facts: Facts) -> str:
    """The same in a few lines for a person; empty where there is nothing to say."""
    lines = [*steps_cut(story.steps, facts), *variables(story, facts)]
    if files := later(story, facts):
        lines.append(_("Changed in the folder meanwhile: {names}", names=shown(files, FILES)))
    return "\n".join(lines)


def steps_cut(steps: Iterable[Step], facts: Facts) -> list[str]:
    return [
        _("Step {n} ({language}) was cut off: {line} How far it got is not known; it is not run again by itself.",
          n=step.number, language=title(step.language), line=clean_text(step.line))
        for step in steps if step.action in facts.cut
    ]  # fmt: skip


def variables(story: Chronicle, facts: Facts) -> list[str]:
    lines: list[str] = []
    for back in facts.back:
        number, language = story.number(back.execution), title(back.language)
        lines.append(_("{language}: the variables are back as after step {n}.", language=language, n=number))
        if back.missing:
            lines.append(_("Not back: {names}", names=shown([one.name for one in back.missing], NAMES)))
        if again := [one.name for one in back.missing if one.rebuild]:
            lines.append(_("Quick to make again, if you ask for it: {names}", names=shown(again, NAMES)))
    return lines


def shown(names: Sequence[str], most: int) -> str:
    """Names in a line for a person."""
    said = [fit(clean_text(name), 60) for name in names[:most]]
    return listed(said) if len(names) <= most else _("{names} and {n} more", names=", ".join(said), n=len(names) - most)
