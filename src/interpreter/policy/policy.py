"""The rules of one run, and their answer to what is about to happen."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from ..types.base import Value
from ..types.rules import Circumstances, NetworkRules, Reason, Verdict
from ..types.tooling import TOOL, Declaration, read_call
from .engine import WHOLE, Match, conclude, judge_reading, rule_matches
from .facts import Call, Command, Reading
from .match import NO, YES, name_fits
from .paths import Ground, path_fits
from .rules import N_, Rule

READERS: dict[str, tuple[str, str]] = {
    "shell": ("shell", "read_shell"),
    "python": ("code.python", "read_python"),
    "javascript": ("code.javascript", "read_javascript"),
}
"""Language to module and function; the readers are loaded when their language is judged first."""
DEEPEST = 4
"""Programs within programs (`sh -c "python -c ..."`) that are read; what lies deeper counts as unknown."""
CLOSED = ("shell",)
"""Languages of which everything that a rule could be about is read as commands."""
PLAN = Reason(
    rule="plan",
    layer="mode",
    decision="deny",
    text=N_("In plan mode only what reads is run: describe the step instead, or ask the person to leave plan mode."),
)

UNREADABLE = Reason(rule="unreadable-call", layer="built-in", decision="deny", text=N_("This is not a call of a tool."))

Read = Callable[[str], Reading]


@lru_cache(16)
def reader_of(language: str) -> Read | None:
    """The reader of a language; None where its syntax is not read."""
    if language not in READERS:
        return None
    module, name = READERS[language]
    return cast(Read, getattr(importlib.import_module(f".{module}", __package__), name))


@lru_cache(256)
def read_code(language: str, code: str) -> Reading:
    """What the code is about to do, with the programs inside it read as well. Never raises."""
    return _read(language, code, 0)


def _read(language: str, code: str, depth: int) -> Reading:
    try:
        read = reader_of(language)
        if read is None:
            return cast(Reading, importlib.import_module(".others", __package__).read_other(language, code))
        found = read(code)
    except RecursionError:
        return Reading(unknown=(f"The code is nested too deeply to be read ({language}).",))
    except Exception as error:
        # A mistake in a reader must not let code through, nor end the session.
        return Reading(unknown=(f"The code could not be read ({language}): {type(error).__name__}.",))
    inner = [command for command in found.commands if command.code[1]]
    return _joined(found, inner, depth) if inner else found


def _joined(found: Reading, inner: Sequence[Command], depth: int) -> Reading:
    readings = [found]
    for command in inner:
        language, code = command.code
        if depth >= DEEPEST:
            readings.append(Reading(unknown=(f"A program inside a program, too deep to be read: {command.text}",)))
            continue
        readings.append(_read(language, code, depth + 1))
    return Reading(
        commands=tuple(one for reading in readings for one in reading.commands if one.words),
        calls=tuple(one for reading in readings for one in reading.calls),
        deletes=tuple(one for reading in readings for one in reading.deletes),
        writes=tuple(one for reading in readings for one in reading.writes),
        reads=tuple(one for reading in readings for one in reading.reads),
        hosts=tuple(one for reading in readings for one in reading.hosts),
        unknown=tuple(dict.fromkeys(one for reading in readings for one in reading.unknown)),
    )


class Policy(Value):
    """All layers together, frozen. Made by `load_policy`."""

    rules: tuple[Rule, ...] = ()
    """In the order of the layers; the order decides nothing but what is said first."""
    rules_of_network: NetworkRules = NetworkRules()
    grants: tuple[tuple[str, str], ...] = ()
    """What the files open besides: the name of each grant, and `file:line` that says so."""
    sources: tuple[tuple[str, str], ...] = ()
    """Layer and file of each file that was read."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: what was ignored, and why."""

    def judge(self, language: str, code: str, circumstances: Circumstances) -> Verdict:
        """What the rules say about this code. Never raises; code that cannot be read is asked about."""
        if language == TOOL:
            return self.judge_call(code, circumstances, {})
        reading = read_code(language, code)
        closed = language in CLOSED
        verdict = judge_reading(self.rules, reading, language, circumstances, closed=closed)
        if circumstances.mode == "plan" and verdict.decision != "deny":
            plan = importlib.import_module(".plan", __package__)
            if problem := plan.not_reading(language, code, reading, circumstances):
                reason = Reason(**{**_fields(PLAN), "subject": problem})
                return Verdict(decision="deny", reasons=(reason, *verdict.reasons), unknown=verdict.unknown)
        return verdict

    def judge_call(self, code: str, circumstances: Circumstances, declared: Mapping[str, Declaration]) -> Verdict:
        """`judge_tool` of an action's code; what is no call is denied."""
        try:
            called = read_call(code)
        except ValueError:
            return Verdict(decision="deny", reasons=(UNREADABLE,))
        return self.judge_tool(called.tool, called.arguments, circumstances, declared.get(called.tool))

    def judge_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        circumstances: Circumstances,
        declaration: Declaration | None = None,
    ) -> Verdict:
        """What the rules say about a call of a tool.

        Its targets count as what code reads, writes or reaches, so that a rule over a path or a host need not name the
        tool. A tool that only reads and names no targets is nothing to ask about.
        """
        subject = effects_of(name, arguments, declaration)
        reading = Reading(calls=(subject,), reads=subject.reads, writes=subject.writes, hosts=subject.hosts)
        matches: list[Match] = []
        for rule in self.rules:
            if not rule.tool:
                matches += rule_matches(rule, reading, TOOL, circumstances)
            elif sure := tool_fits(rule, name, arguments, circumstances):
                matches.append(Match(rule, WHOLE, sure, name))
        verdict = conclude(matches, reading, (subject,), circumstances, False)
        reads = declaration is not None and declaration.reads(arguments)
        if circumstances.mode == "plan" and verdict.decision != "deny" and not (verdict.covered or reads):
            return Verdict(decision="deny", reasons=(PLAN, *verdict.reasons))
        if reads and not subject.arguments and verdict.decision == "allow":
            return Verdict(decision="allow", reasons=verdict.reasons, covered=True)
        return verdict

    def network(self) -> NetworkRules:
        """The host rules of all layers together, for the broker."""
        return self.rules_of_network

    def narrow_rule(self, language: str, code: str, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
        """The narrowest useful rule for "always", as YAML of one list item, and what else it would allow.

        The rule is empty where no rule can be given: something is unknown, or a rule that does not yield asks.
        """
        narrow = importlib.import_module(".narrow", __package__)
        if language == TOOL:
            return self.narrow_call(code, verdict, {})
        return cast("tuple[str, tuple[str, ...]]", narrow.narrow_rule(self.rules, language, code, verdict))

    def narrow_call(
        self, code: str, verdict: Verdict, declared: Mapping[str, Declaration]
    ) -> tuple[str, tuple[str, ...]]:
        """`narrow_rule` for a call of a tool."""
        narrow = importlib.import_module(".narrow", __package__)
        return cast("tuple[str, tuple[str, ...]]", narrow.narrow_call(self.rules, code, verdict, declared))

    def warm(self, languages: Iterable[str] = tuple(READERS)) -> float:
        """Load the readers before they are needed; the seconds that it took."""
        begun = time.perf_counter()
        for language in languages:
            reader_of(language)
        return time.perf_counter() - begun


def _fields(reason: Reason) -> dict[str, Any]:
    return {name: getattr(reason, name) for name in reason.__struct_fields__}


def effects_of(name: str, arguments: Mapping[str, Any], declaration: Declaration | None) -> Call:
    """A call of a tool as rules over code see it."""
    reads: list[str] = []
    writes: list[str] = []
    hosts: list[str] = []
    named: list[str] = []
    only = declaration is not None and declaration.reads(arguments)
    for target in declaration.targets if declaration is not None else ():
        value = arguments.get(target.parameter)
        for text in map(str, cast("list[Any]", value) if isinstance(value, list) else [value]):
            if value is None or not text:
                continue
            named.append(text)
            if target.kind == "host":
                hosts.append(host_in(text))
            elif target.kind == "path":
                (reads if only else writes).append(text)
    if declaration is not None and declaration.targets and not named:
        named.append("")
    return Call(
        name=f"tool.{name}", arguments=tuple(named), reads=tuple(reads), writes=tuple(writes), hosts=tuple(hosts),
        text=name,
    )  # fmt: skip


def host_in(text: str) -> str:
    """The `host` or `host:port` of a URL, or the text itself where it is none."""
    _scheme, found, rest = text.partition("://")
    return re.split(r"[/?#]", rest if found else text, maxsplit=1)[0].rpartition("@")[2].lower()


def tool_fits(rule: Rule, name: str, arguments: Mapping[str, Any], circumstances: Circumstances) -> int:
    """How surely a rule is about this call of a tool."""
    ground = Ground(circumstances.workspace, circumstances.home)
    if rule.sandbox and (rule.sandbox == "inside") != circumstances.walled:
        return NO
    sure = name_fits(rule.tool, name)
    for key, patterns in rule.argument.items():
        value: Any = arguments
        for part in key.split("."):
            value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
        if value is None:
            return NO
        text = value if isinstance(value, str) else str(value)
        paths = [one for one in patterns if one.startswith(("/", "~", "$"))]
        sure = min(sure, max(name_fits(patterns, text), path_fits(paths, text, ground) if paths else NO))
    return sure if rule.decides(circumstances) != "allow" or sure == YES else NO
