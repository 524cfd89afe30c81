"""What succeeded in a session becomes a skill: its steps in order, its parameters found, its checks kept."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import SkillError
from ..store.story import Entry, Ran, Said
from ..text.clean import clean_text
from ..text.cut import fit
from ..text.i18n import _
from ..text.redact import GONE, redact
from .format import FILE, LARGEST, LONGEST_DESCRIPTION
from .new import checked_name

INLINE = 1500
"""Characters of a step that stand in SKILL.md; a longer one is a file beside it."""
MOST_STEPS, MOST_PARAMETERS = 40, 12
ENDINGS = {"python": "py", "shell": "sh", "javascript": "js"}
KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"https?://[^\s\"'`<>，。；、）)]+")),
    ("date", re.compile(r"(?<![\d.])\d{4}-\d{2}(?:-\d{2})?(?![\d.])")),
    ("version", re.compile(r"(?<![\w.])v?\d+\.\d+(?:\.\d+)*(?:-[\w.]+)?(?![\w.])")),
    ("file", re.compile(r"(?:[\w.~-]*/)+[\w.-]*\w|(?<![\w.])[\w-]+\.(?:[A-Za-z]\w{0,4})(?!\w)")),
    (
        "text",
        re.compile(
            r"\"([^\"\n]{2,80})\"|“([^”\n]{2,80})”|「([^」\n]{2,80})」|`([^`\n]{2,80})`|(?<!\w)'([^'\n]{2,80})'(?!\w)"
        ),
    ),
    ("number", re.compile(r"(?<![\w.-])\d{2,}(?![\w.-])")),
    ("name", re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,}")),
)
"""What a person names, those kinds first that say more."""
CHECKING = re.compile(
    r"(?m)^\s*(?:assert\b|test\s|\[\[? |curl\b.*(?:-f|--fail)|kubectl\s+rollout\s+status|pytest\b|python3? -m pytest\b"
    r"|make (?:test|check)\b|diff\b|cmp\b)"
)
COMMON = frozenset(
    re.findall(
        r"\w+",
        "the and for from into with that this these those all any each file files folder data table column row rows"
        " please make write read show list count sum open save test run add new old use then than not out print name"
        " restart deploy release build push start stop delete create check get set copy move rename sort filter"
        " group plot names value values result report key text true false",
    )
)


class Parameter(NamedTuple):
    name: str
    value: str
    """What stood in its place in the session."""


class Draft(NamedTuple):
    """A skill to be written."""

    files: dict[str, bytes]
    parameters: tuple[Parameter, ...]
    steps: int
    checks: int
    secrets: bool
    """Whether something was taken out of it."""


def draft(
    name: str,
    entries: Iterable[Entry],
    secrets: Iterable[str] = (),
    checks: Iterable[str] = (),
    goal: str = "",
) -> Draft:
    """The steps of the conversation that succeeded and still stand, as a skill.

    Args:
        checks: commands that proved the goal in this session, beside those among the steps.
        goal: the person's words of a goal run, whose turns begin with more than those.

    Raises SkillError: nothing succeeded, or the name is none.
    """
    checked_name(name)
    told, known = list(entries), tuple(secrets)
    said = [goal] if goal else [entry.text for entry in told if isinstance(entry, Said) and entry.role == "user"]
    words = [redact(text, known) for text in said]
    done = [entry for entry in told if isinstance(entry, Ran) and kept(entry)]
    steps = _once([(entry.language, redact(entry.code, known).strip("\n")) for entry in done])[:MOST_STEPS]
    if not steps:
        raise SkillError(_("Nothing has succeeded in this session yet, so there is nothing to keep."))
    parameters = find_parameters(words, [code for _language, code in steps])
    steps = [(language, with_parameters(code, parameters)) for language, code in steps]
    proofs = [with_parameters(redact(one, known), parameters) for one in checks]
    proofs += [code for language, code in steps if language == "shell" and CHECKING.search(code) and "\n" not in code]
    proofs = list(dict.fromkeys(proofs))
    files = _written(name, words, steps, parameters, proofs)
    hidden = any(GONE.encode() in data for data in files.values())
    return Draft(files, parameters, len(steps), len(proofs), hidden)


def kept(entry: Ran) -> bool:
    """Whether a step ran and succeeded, still stands, and was a step towards the task."""
    return entry.step > 0 and entry.status == "ok" and not entry.gone and not entry.source


def find_parameters(words: Iterable[str], codes: list[str]) -> tuple[Parameter, ...]:
    """The literals of the code that came from the person's words: paths, addresses, dates, versions, quoted texts,
    numbers, and names that stand in the code as whole words of a string or a command line."""
    text = "\n".join(words)
    taken: dict[str, Parameter] = {}
    counts: dict[str, int] = {}
    for kind, pattern in KINDS:
        for found in pattern.finditer(text):
            value = next((group for group in found.groups() if group), found[0]).rstrip(".,;:")
            if value in taken or len(value) < 2 or len(taken) >= MOST_PARAMETERS or GONE in value:
                continue
            if kind == "name" and value.lower() in COMMON:
                continue
            if any(value in other and kind in ("name", "number") for other in taken):
                continue
            if not any(place_of(value, kind).search(code) for code in codes):
                continue
            counts[kind] = counts.get(kind, 0) + 1
            number = "" if counts[kind] == 1 else f"_{counts[kind]}"
            taken[value] = Parameter(f"{kind}{number}", value)
    return tuple(taken.values())


def place_of(value: str, kind: str) -> re.Pattern[str]:
    """Where the value may stand in code for the person's word: a name or a number only as a whole literal or word."""
    literal = re.escape(value)
    if kind in ("name", "number"):
        return re.compile(
            rf"(?<=[\"'= /:]){literal}(?=[\"'\s/:,)]|\Z)" if kind == "name" else rf"(?<![\w.]){literal}(?![\w.])"
        )
    return re.compile(rf"(?<![\w.]){literal}(?!\w)")


def with_parameters(code: str, parameters: Iterable[Parameter]) -> str:
    """The code with `{{name}}` where the values stood, the longest first."""
    for parameter in sorted(parameters, key=lambda one: -len(one.value)):
        kind = parameter.name.partition("_")[0]
        code = place_of(parameter.value, kind).sub("{{" + parameter.name + "}}", code)
    return code


def _once(steps: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(step for step in steps if step[1].strip()))


def _written(
    name: str, words: list[str], steps: list[tuple[str, str]], parameters: tuple[Parameter, ...], proofs: list[str]
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    first = " ".join(clean_text(next((text for text in words if text.strip()), name)).split())
    task = with_parameters(first, parameters)
    described = fit(f"Do again what was done for: {fit(first, 300)}. Use when the same is asked with other values.",
                    LONGEST_DESCRIPTION)  # fmt: skip
    lines = [
        "---",
        f"name: {name}",
        f"description: {quoted(described)}",
        "metadata:",
        '  saved-from-session: "yes"',
        "---",
    ]
    lines += [f"# {name}", "", f"The task was: {fit(task, 600)}", ""]
    if parameters:
        lines += [
            "## Parameters",
            "",
            "Replace each `{{...}}` below by what the person names now; ask for what is missing.",
            "",
        ]
        lines += [f"- `{{{{{one.name}}}}}`: then it was `{one.value}`" for one in parameters] + [""]
    lines += ["## Steps", "", "In this order, one at a time. Look at each result before the next step.", ""]
    for number, (language, code) in enumerate(steps, 1):
        if len(code) > INLINE:
            path = f"scripts/step-{number}.{ENDINGS.get(language, 'txt')}"
            files[path] = (code + "\n").encode()
            lines += [f"{number}. The {language} code in {path}, its parameters filled in.", ""]
            continue
        fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", code)), default=0) + 1)
        lines += [f"{number}. {language}:", "", f"{fence}{language}", code, fence, ""]
    lines += ["## Checks", ""]
    if proofs:
        lines += ["It is done when these end with 0:", "", *(f"- `{fit(one, 300)}`" for one in proofs), ""]
        # What the harness can run as it is; the rest is for who fills in the parameters.
        if whole := [one for one in proofs if "{{" not in one]:
            files["checks.yaml"] = "".join(f"- command: {quoted(one)}\n" for one in whole).encode()
    else:
        lines += ["No check was made then. Say how the result is checked before you begin.", ""]
    text = "\n".join(lines)
    if len(text.encode()) > LARGEST:
        raise SkillError(
            _("What succeeded is too long for one skill."), _("Export it as a script: interpreter sessions export")
        )
    return {FILE: text.encode(), **files}


def quoted(text: str) -> str:
    """A YAML scalar in double quotes, on one line."""
    table = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(table.get(char, char) for char in text) + '"'
