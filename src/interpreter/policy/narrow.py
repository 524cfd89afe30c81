"""The narrowest useful rule for an answer "always", and what else it would allow."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from ..types.rules import Verdict
from ..types.tooling import Declaration, read_call
from .engine import HARMFUL_VARIABLES, HARMLESS_WRAPPERS
from .facts import UNKNOWN, Command, Reading
from .match import word_fits
from .paths import Ground, lies_in
from .plan import PROGRAMS, SUBCOMMANDS
from .policy import read_code
from .rules import Rule

OPEN: dict[str, tuple[str, ...]] = {
    **SUBCOMMANDS,
    "git": (*SUBCOMMANDS["git"], "add", "commit", "fetch"),
    "npm": (*SUBCOMMANDS["npm"], "test", "ci", "run"),
    "cargo": ("tree", "metadata", "build", "test", "check", "clippy", "fmt", "doc"),
    "go": ("list", "version", "env", "build", "test", "vet", "fmt", "mod"),
}
"""Subcommands that are given with whatever stands behind them; all else is given word by word."""
WHOLE = ("pytest", "ruff", "mypy", "pyright", "black", "isort", "flake8", "eslint", "prettier", "tsc", "mkdir", "touch")
"""Programs that are given with whatever stands behind them, beside those that only read."""
EXAMPLE_GROUND = Ground("/home/person/work", "/home/person")


def narrow_rule(rules: Sequence[Rule], language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
    """See `Policy.narrow_rule`."""
    by_name = {rule.name: rule for rule in rules}
    firm = [one for one in verdict.reasons if one.decision != "allow" and not _yields(by_name.get(one.rule))]
    if verdict.decision == "deny" or verdict.unknown or firm:
        return "", ()
    reading = read_code(language, code)
    if language == "shell":
        return _for_commands(reading, code)
    if verdict.decision == "allow":
        return "", ()  # a rule for a whole language would be no narrow one: such a yes holds for the session
    return _for_calls(reading, language, verdict)


def narrow_call(
    rules: Sequence[Rule], code: str, verdict: Verdict, declared: Mapping[str, Declaration]
) -> tuple[str, tuple[str, ...]]:
    """The same for a call of a tool: its name, and the targets that this call has."""
    by_name = {rule.name: rule for rule in rules}
    firm = [one for one in verdict.reasons if one.decision != "allow" and not _yields(by_name.get(one.rule))]
    if verdict.decision == "deny" or firm:
        return "", ()
    called = read_call(code)
    declaration = declared.get(called.tool)
    named = [target.parameter for target in declaration.targets] if declaration is not None else []
    given = {name: called.arguments[name] for name in named if isinstance(called.arguments.get(name), str)}
    name = "allow-" + re.sub(r"[^a-z0-9]+", "-", called.tool.lower()).strip("-")[:40]
    mark = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:6]
    lines = [f"- name: {name}-{mark}", "  decision: allow", '  reason: "You said always."', f"  tool: {called.tool}"]
    if given:
        lines.append("  argument:")
        lines += [f"    {key}: {json.dumps(escaped(value), ensure_ascii=False)}" for key, value in given.items()]
    return "\n".join(lines) + "\n", (f"{called.tool} with other values of what is not named here",)


def _yields(rule: Rule | None) -> bool:
    return rule is not None and rule.yields and rule.layer == "built-in"


def _for_commands(reading: Reading, code: str) -> tuple[str, tuple[str, ...]]:
    patterns: list[str] = []
    covers: list[str] = []
    extra: dict[str, list[str]] = {}
    for command in reading.commands:
        elsewhere = command.host or any(one not in HARMLESS_WRAPPERS for one in command.through)
        if any(UNKNOWN in word for word in command.words) or not command.words or elsewhere:
            return "", ()
        pattern = pattern_for(command)
        patterns.append(pattern)
        if pattern.endswith("**"):
            covers.append(pattern[:-2].strip() + " ...")
        for key, values in _around(command).items():
            extra.setdefault(key, []).extend(values)
    if not patterns or reading.calls:
        return "", ()
    name = "allow-" + re.sub(r"[^a-z0-9]+", "-", " ".join(reading.commands[0].words[:2]).lower()).strip("-")[:40]
    rows = [("command", tuple(dict.fromkeys(patterns)))]
    rows += [(key, tuple(dict.fromkeys(values))) for key, values in extra.items() if values]
    return _yaml(name, "You said always.", rows, match=code), tuple(dict.fromkeys(covers))


def _around(command: Command) -> dict[str, list[str]]:
    """The conditions that an `allow` has to name beside the words."""
    found: dict[str, list[str]] = {
        "variable": [name for name, _value in command.variables if word_fits(HARMFUL_VARIABLES, name)],
    }
    for key, paths in (("writes", command.writes), ("deletes", command.deletes)):
        found[key] = [path for path in paths if not lies_in(path, EXAMPLE_GROUND, command.folder)]
        if found[key]:
            found[key] = list(paths)
    return found


def pattern_for(command: Command) -> str:
    """A pattern that covers this command, with `**` where what follows changes little."""
    name, words = command.name, list(command.words)
    if name in OPEN and len(words) > 1 and words[1] in OPEN[name]:
        return " ".join(escaped(word) for word in words[: 3 if words[1] == "run" else 2]) + " **"
    if name in PROGRAMS or name in WHOLE:
        return f"{escaped(words[0])} **"
    return " ".join(escaped(word) for word in words)


def escaped(word: str) -> str:
    """A word as a pattern that means itself: what a pattern cannot say becomes `?`, one character."""
    word = re.sub(r"([*?\[])", r"[\1]", word)
    return re.sub(r"[\s|]", "?", word) or "?"


def _for_calls(reading: Reading, language: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
    subjects = {one.subject for one in verdict.reasons if one.decision == "ask"}
    calls = [call for call in reading.calls if call.text in subjects]
    if not calls or any(UNKNOWN in call.name for call in calls):
        commands = tuple(command for command in reading.commands if command.text in subjects)
        return _for_commands(Reading(commands=commands), "") if commands else ("", ())
    rows: list[tuple[str, tuple[str, ...]]] = [
        ("language", (language,)),
        ("call", tuple(dict.fromkeys(call.name for call in calls))),
    ]
    for key in ("deletes", "writes", "reads"):
        paths = tuple(dict.fromkeys(path for call in calls for path in getattr(call, key)))
        if any(UNKNOWN in path for path in paths):
            return "", ()
        if paths:
            rows.append((key, paths))
    name = "allow-" + re.sub(r"[^a-z0-9]+", "-", calls[0].name.lower()).strip("-")[:40]
    covers = tuple(f"{call.name}(...) in any other {language} code" for call in calls)
    return _yaml(name, "You said always.", rows), covers


def _yaml(name: str, reason: str, rows: Sequence[tuple[str, tuple[str, ...]]], match: str = "") -> str:
    """One item of the list `rules`; JSON's way to write text is YAML's as well."""
    mark = hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:6]
    lines = [f"- name: {name}-{mark}", "  decision: allow", f"  reason: {json.dumps(reason)}"]
    for key, values in rows:
        shown = [json.dumps(value, ensure_ascii=False) for value in values]
        lines.append(f"  {key}: " + (shown[0] if len(shown) == 1 else "[" + ", ".join(shown) + "]"))
    if match and len(match) <= 300:
        lines.append(f"  match: [{json.dumps(match, ensure_ascii=False)}]")
    return "\n".join(lines) + "\n"
