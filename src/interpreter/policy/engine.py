"""Rules against a reading: which match, how surely, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..types.rules import Circumstances, Decision, Reason, Verdict
from .facts import Call, Command, Reading
from .match import MAYBE, NO, YES, bars_only, command_covered, command_fits, host_fits, name_fits, of_program, word_fits
from .operations import branches_of, contexts_of, hosts_of, in_a_cluster, namespaces_of
from .paths import Ground, lies_in, path_fits
from .rules import STRICTNESS, Rule, strictest

HARMLESS_WRAPPERS = frozenset(
    ("env", "nohup", "time", "timeout", "nice", "ionice", "stdbuf", "setsid", "command", "builtin", "exec", "xargs",
     "sh -c", "bash -c", "dash -c", "find", "eval", "watch", "parallel")
)  # fmt: skip
HARMFUL_VARIABLES = ("LD_*", "DYLD_*", "PATH", "PYTHON*", "NODE_*", "BASH_ENV", "ENV", "IFS", "GIT_*", "PERL5*",
                     "RUBY*", "PROMPT_COMMAND", "SHELLOPTS", "EDITOR", "VISUAL", "PAGER")  # fmt: skip
WHOLE = -1
"""The subject of a rule that is about the code as a whole."""


class Match(NamedTuple):
    rule: Rule
    subject: int
    """Number of the command or call; WHOLE for the code as a whole."""
    sure: int
    text: str


Subject = Command | Call


def judge_reading(
    rules: Iterable[Rule], reading: Reading, language: str, circumstances: Circumstances, *, closed: bool
) -> Verdict:
    """The strictest decision of the rules that match. `closed`: the commands of the reading are all there is to it."""
    subjects: list[Subject] = [*reading.commands, *reading.calls]
    matches: list[Match] = []
    for rule in rules:
        matches += rule_matches(rule, reading, language, circumstances, subjects)
    return conclude(matches, reading, subjects, circumstances, closed)


def rule_matches(
    rule: Rule,
    reading: Reading,
    language: str,
    circumstances: Circumstances,
    subjects: Sequence[Subject] | None = None,
) -> list[Match]:
    """What one rule finds in a reading."""
    if rule.tool or not _applies(rule, language, circumstances, reading):
        return []
    ground = Ground(circumstances.workspace, circumstances.home)
    found = [*reading.commands, *reading.calls] if subjects is None else subjects
    return matches_of(rule, found, reading, ground, circumstances)


def _applies(rule: Rule, language: str, circumstances: Circumstances, reading: Reading) -> bool:
    if rule.language and language not in rule.language:
        return False
    if rule.sandbox and (rule.sandbox == "inside") != circumstances.walled:
        return False
    if rule.without and not rule.lacks(circumstances):
        return False
    return not (rule.unknown and not reading.unknown)


def matches_of(
    rule: Rule, subjects: Sequence[Subject], reading: Reading, ground: Ground, circumstances: Circumstances
) -> list[Match]:
    """Each part of the code that this rule is about."""
    allowing = rule.decides(circumstances) == "allow"
    if not _about_parts(rule):
        text = reading.unknown[0] if rule.unknown and reading.unknown else ""
        return [Match(rule, WHOLE, YES, text)]
    found: list[Match] = []
    for number, subject in enumerate(subjects):
        sure = allows(rule, subject, ground) if allowing else fits(rule, subject, ground)
        if sure:
            found.append(Match(rule, number, sure, subject.text or _shown(subject)))
    if not subjects and not allowing and not (rule.command or rule.call or _of_commands(rule)):
        sure = _effects_fit(rule, reading, ground)
        if sure:
            found.append(Match(rule, WHOLE, sure, ""))
    return found


def _about_parts(rule: Rule) -> bool:
    return bool(
        rule.command or rule.call or rule.deletes or rule.writes or rule.reads or rule.host or _of_commands(rule)
    )


def _of_commands(rule: Rule) -> bool:
    """Whether it has conditions that only a command can meet."""
    return bool(
        rule.through or rule.piped_from or rule.variable or rule.branch or rule.namespace or rule.context
    )  # fmt: skip


def _shown(subject: Subject) -> str:
    return subject.name if isinstance(subject, Call) else " ".join(subject.words)


def fits(rule: Rule, subject: Subject, ground: Ground) -> int:
    """For rules that ask or deny."""
    if isinstance(subject, Call):
        if _of_commands(rule) or (rule.command and not rule.call):
            return NO
        sure = name_fits(rule.call, subject.name) if rule.call else YES
    else:
        if rule.call and not rule.command:
            return NO
        sure = _words_fit(rule, subject)
        sure = min(sure, _circumstances_fit(rule, subject))
    return min(sure, _effects_fit(rule, subject, ground)) if sure else NO


def _words_fit(rule: Rule, command: Command) -> int:
    if not rule.command:
        return YES
    patterns = of_program(rule.command, command.words[0]) if command.words else ()
    return max((command_fits(one, command.words) for one in patterns), default=NO)


def _circumstances_fit(rule: Rule, command: Command, *, allowing: bool = False) -> int:
    sure = YES
    if rule.through:
        sure = min(sure, max((name_fits(rule.through, one.rpartition("/")[2]) for one in command.through), default=NO))
    if rule.piped_from:
        sure = min(
            sure, max((name_fits(rule.piped_from, one.rpartition("/")[2]) for one in command.fed_by), default=NO)
        )
    if rule.variable:
        sure = min(sure, max((name_fits(rule.variable, name) for name, _value in command.variables), default=NO))
    for patterns, values in (
        (rule.branch, branches_of),
        (rule.namespace, namespaces_of),
        (rule.context, contexts_of),
    ):
        if patterns and sure:
            found = values(command.words)
            if not found and not allowing and bars_only(patterns) and in_a_cluster(command.words):
                found = ("",)  # it works somewhere, and does not say that it is there
            # What is allowed has to be so for every name in it; one that is not is enough for a refusal.
            fitting = [name_fits(patterns, one) for one in found]
            sure = min(sure, min(fitting, default=NO) if allowing else max(fitting, default=NO))
    return sure


def _effects_fit(rule: Rule, subject: Subject | Reading, ground: Ground) -> int:
    folder = subject.folder if isinstance(subject, Command) else ""
    recursive = subject.recursive if not isinstance(subject, Reading) else False
    sure = YES
    for patterns, paths, deep in (
        (rule.deletes, subject.deletes, recursive),
        (rule.writes, subject.writes, isinstance(subject, Command) and recursive),
        (rule.reads, subject.reads, False),
    ):
        if patterns and sure:
            found = (path_fits(patterns, one, ground, folder=folder, recursive=deep) for one in paths)
            sure = min(sure, max(found, default=NO))
    if rule.host and sure:
        sure = min(sure, max((host_fits(rule.host, one) for one in _hosts(subject)), default=NO))
    return sure


def _hosts(subject: Subject | Reading) -> list[str]:
    """Every host that it names or runs on, without the account there."""
    found = (*subject.hosts, *(hosts_of(subject) if isinstance(subject, Command) else ()))
    return [one.rpartition("@")[2] for one in found]


def allows(rule: Rule, subject: Subject, ground: Ground) -> int:
    """For rules that allow: whether the rule says all of it, with nothing more around it."""
    if isinstance(subject, Call):
        if _of_commands(rule) or (rule.command and not rule.call):
            return NO
        if rule.call and name_fits(rule.call, subject.name) != YES:
            return NO
    else:
        if (rule.call and not rule.command) or not _nothing_around(rule, subject):
            return NO
        if rule.command and not any(command_covered(one, subject.words) for one in rule.command):
            return NO
        if _circumstances_fit(rule, subject, allowing=True) != YES:
            return NO
    folder = subject.folder if isinstance(subject, Command) else ""
    for patterns, paths in ((rule.deletes, subject.deletes), (rule.writes, subject.writes)):
        for path in paths:
            named = patterns and path_fits(patterns, path, ground, folder=folder) == YES
            if not named and (patterns or not lies_in(path, ground, folder)):
                return NO
    for path in subject.reads:
        if rule.reads and path_fits(rule.reads, path, ground, folder=folder) != YES:
            return NO
    if rule.host and not all(host_fits(rule.host, one) == YES for one in _hosts(subject) or ("",)):
        return NO
    return YES


def _nothing_around(rule: Rule, command: Command) -> bool:
    if command.host and not rule.host:
        return False
    wrappers = [one for one in command.through if one not in HARMLESS_WRAPPERS]
    if not all(name_fits(rule.through, one.rpartition("/")[2]) == YES for one in wrappers):
        return False
    harmful = [name for name, _value in command.variables if word_fits(HARMFUL_VARIABLES, name)]
    return all(name_fits(rule.variable, name) == YES for name in harmful)


def conclude(
    matches: Sequence[Match],
    reading: Reading,
    subjects: Sequence[Subject],
    circumstances: Circumstances,
    closed: bool,
) -> Verdict:
    """Strictest wins; an `allow` lifts the built-in questions that yield, for what it covers."""
    decided: list[tuple[Match, Decision]] = [(match, decision_of(match, circumstances)) for match in matches]
    allowed = {match.subject for match, decision in decided if decision == "allow"}
    whole = any(m.subject == WHOLE and d == "allow" and not m.rule.unknown for m, d in decided)
    unknown = () if any(m.rule.unknown and d == "allow" for m, d in decided) else reading.unknown
    kept: list[tuple[Match, Decision]] = []
    one: Decision
    for match, one in decided:
        lifted = match.subject in allowed or whole
        if one == "ask" and match.rule.yields and match.rule.layer == "built-in" and lifted:
            continue
        kept.append((match, one))
    kept.sort(key=lambda pair: -STRICTNESS[pair[1]])
    decision = strictest(one for _match, one in kept)
    if unknown and decision == "allow":
        decision = "ask"
    everything = closed and bool(subjects) and all(number in allowed for number in range(len(subjects)))
    return Verdict(
        decision=decision,
        reasons=tuple(_reasons(kept, circumstances)),
        unknown=unknown,
        covered=decision == "allow" and (whole or everything),
    )


def decision_of(match: Match, circumstances: Circumstances) -> Decision:
    """What one match decides. What only may match is asked, not denied; nobody there to ask is another matter."""
    decision = match.rule.decides(circumstances)
    return "ask" if decision == "deny" and match.sure == MAYBE else decision


def _reasons(kept: Sequence[tuple[Match, Decision]], circumstances: Circumstances) -> Iterable[Reason]:
    seen: set[tuple[str, str]] = set()
    for match, decision in kept:
        if (match.rule.name, match.text) in seen:
            continue
        seen.add((match.rule.name, match.text))
        subject = f"{match.text} (a part of it is not known)" if match.sure == MAYBE else match.text
        yield Reason(
            rule=match.rule.name,
            layer=match.rule.layer,
            decision=decision,
            text=match.rule.reason,
            subject=subject,
            grant=match.rule.lacks(circumstances),
        )
