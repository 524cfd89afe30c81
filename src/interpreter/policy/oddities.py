"""Rules that can never match, and rules that a stricter one always overrules: found by trying their examples."""

from __future__ import annotations

from typing import Literal

from ..types.base import Value
from ..types.languages import canonical
from ..types.rules import Circumstances, Verdict
from .layers import EXAMPLE_HOME, EXAMPLE_WORKSPACE, example_matches
from .match import split
from .policy import Policy
from .rules import STRICTNESS, Example, Rule


class Finding(Value):
    """Something about a rule that its author will want to know."""

    rule: str
    place: str
    kind: Literal["never", "overruled", "language", "no_examples"]
    """never: nothing that was tried matches it. overruled: each of its examples is decided by a stricter rule.
    language: a language that does not exist. no_examples: it has no `match`."""
    about: str = ""
    """overruled: the rules that decide instead. language: its name."""


def survey(policy: Policy) -> tuple[Finding, ...]:
    """What is odd about the rules of the files; the built-in ones are tested with the program."""
    return tuple(finding for rule in policy.rules if rule.layer != "built-in" for finding in _odd(rule, policy))


def _odd(rule: Rule, policy: Policy) -> list[Finding]:
    found = [
        Finding(rule=rule.name, place=rule.place, kind="language", about=name)
        for name in rule.language
        if canonical(name) != name
    ]
    examples = rule.match or tuple(witnesses(rule))
    if not rule.match:
        found.append(Finding(rule=rule.name, place=rule.place, kind="no_examples"))
    if contradictory(rule) or (examples and not any(example_matches(rule, one) for one in examples)):
        found.append(Finding(rule=rule.name, place=rule.place, kind="never"))
        return found
    by: set[str] = set()
    for example in examples:
        verdict = judged(policy, rule, example)
        if STRICTNESS[verdict.decision] <= STRICTNESS[rule.decision]:
            return found
        by |= {reason.rule for reason in verdict.reasons if reason.decision == verdict.decision} or set(verdict.unknown)
    if examples:
        found.append(Finding(rule=rule.name, place=rule.place, kind="overruled", about=", ".join(sorted(by))))
    return found


def contradictory(rule: Rule) -> bool:
    """Conditions that nothing can meet together."""
    of_commands = rule.through or rule.piped_from or rule.variable or rule.branch or rule.namespace or rule.context
    of_code = of_commands or rule.command or rule.call or rule.deletes or rule.writes or rule.reads or rule.host
    if rule.tool and (of_code or rule.language or rule.unknown):
        return True
    return bool(of_commands and rule.call and not rule.command)


def witnesses(rule: Rule) -> list[Example]:
    """Commands that a rule's own patterns describe."""
    if rule.tool or (rule.language and "shell" not in rule.language):
        return []
    if rule.call or rule.through or rule.piped_from or rule.variable:
        return []
    if rule.deletes or rule.writes or rule.reads or rule.host or rule.branch or rule.namespace or rule.context:
        return []
    return [Example(code=_witness(pattern)) for pattern in rule.command]


def _witness(pattern: str) -> str:
    plain, flags, _rest = split(pattern)
    words = [word[0].replace("**", "x").replace("*", "x").replace("?", "x") for word in (*plain, *flags)]
    return " ".join(words)


def judged(policy: Policy, rule: Rule, example: Example) -> Verdict:
    """What all rules together say of an example, where the rule counts."""
    circumstances = Circumstances(
        walled=rule.sandbox != "outside",
        workspace=EXAMPLE_WORKSPACE,
        home=EXAMPLE_HOME,
        mode="auto",
        grants=() if rule.without else None,
    )
    if example.tool:
        return policy.judge_tool(example.tool, example.arguments, circumstances)
    return policy.judge(example.language, example.code, circumstances)
