"""The words of a refusal: short and true for the model, with what can be changed for the person."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..text.cut import head_tail
from ..text.i18n import _
from ..text.verdicts import layer_word, subject_words, unclear
from ..types.rules import Mode, Reason, Verdict

MOST = 700
"""Characters that the model reads of a refusal."""


def for_model(verdict: Verdict, mode: Mode) -> str:
    """Which rule said no and why; and that the same code will not run."""
    lines = [model_line(reason) for reason in grouped(strictest(verdict))]
    if not lines:
        lines = ["Not run: " + (" ".join(map(sentence, verdict.unknown[:3])) or "the rules do not allow it.")]
    if mode == "plan":
        lines.append("This is plan mode: nothing runs but what only reads. Describe the steps instead of running them.")
    else:
        lines.append("The same code will be refused again: find another way, or say what stands in the way.")
    return head_tail("\n".join(lines), MOST)


def model_line(reason: Reason) -> str:
    ending = "" if reason.decision == "deny" else " (it needs a yes, and nobody is here to give it)"
    subject = f" In: {reason.subject}" if reason.subject else ""
    line = f"Not run: rule {reason.rule} ({reason.layer}){ending}: {sentence(reason.text)}{subject}"
    return f"{line}\n{grant_for_model(reason.grant)}" if reason.grant else line


def grant_for_model(name: str) -> str:
    """What the person can do about a grant that is missing."""
    return f"Only the person can open it: with the line `grants: [{name}]` in their policy file, or --grant {name}."


def for_person(verdict: Verdict, place: str, rule: str) -> str:
    """The same for a person, and what to change where they want it otherwise.

    Args:
        place: path of their policy file.
        rule: a rule that would allow it, as YAML, where one is enough.
    """
    reasons = strictest(verdict)
    shown = [msgspec.structs.replace(reason, subject=subject_words(reason.subject)) for reason in reasons]
    lines = [person_line(reason) for reason in grouped(shown)]
    if not lines:
        lines = [_("Not run: the rules do not allow it.")]
    lines += [_("Not understood: {what}", what=unclear(one)) for one in verdict.unknown[:3]]
    if rule:
        lines.append(_("To allow it without a question, add to {path}, below `rules:`", path=place))
        lines.append("\n".join("  " + line for line in rule.rstrip().splitlines()))
    elif hint := remedy(reasons, place):
        lines.append(hint)
    return "\n".join(lines)


def person_line(reason: Reason) -> str:
    fields = {"rule": reason.rule, "layer": layer_word(reason.layer), "reason": sentence(_(reason.text))}
    if reason.decision == "deny":
        line = _("Rule {rule} ({layer}) denies it: {reason}", **fields)
    else:
        line = _("Rule {rule} ({layer}) wants it asked, and nobody is here to answer: {reason}", **fields)
    return line + (f"\n  {reason.subject}" if reason.subject else "")


def remedy(reasons: tuple[Reason, ...], place: str) -> str:
    layers = {reason.layer for reason in reasons}
    if grants := list(dict.fromkeys(reason.grant for reason in reasons if reason.grant)):
        return grant_hint(grants, place)
    if "administrator" in layers:
        return _("The administrator of this machine decided so; no file of yours can change it.")
    if layers == {"mode"}:
        return _("In plan mode nothing runs but what only reads. %ask or %auto goes over to another mode.")
    if names := [reason.rule for reason in reasons if reason.layer == "built-in"]:
        return _(
            "If you want it allowed: `disable: [{names}]` in {path}. What the rules say: interpreter policy explain",
            names=", ".join(names), path=place,
        )  # fmt: skip
    return _("What the rules say, and which file says it: interpreter policy explain")


def grant_hint(names: Sequence[str], place: str) -> str:
    """Which line of which file opens what is missing."""
    return _(
        "To open it, add to {path} the line\n  grants: [{names}]\nor, for one run: {flags}",
        path=place,
        names=", ".join(names),
        flags=" ".join(f"--grant {name}" for name in names),
    )


def strictest(verdict: Verdict) -> tuple[Reason, ...]:
    """The reasons of the verdict's own strictness, at most three."""
    return tuple(reason for reason in verdict.reasons if reason.decision == verdict.decision)[:3]


def grouped(reasons: Sequence[Reason]) -> list[Reason]:
    """One reason for each rule, with all that it is about."""
    found: dict[tuple[str, str], Reason] = {}
    for reason in reasons:
        key = (reason.layer, reason.rule)
        if key in found:
            subject = "\n  ".join(filter(None, (found[key].subject, reason.subject)))
            reason = msgspec.structs.replace(found[key], subject=subject)
        found[key] = reason
    return list(found.values())


def sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "。")) else text + "."


def waiting_text(session: str, approval: str, again: str, *, by_yes: bool) -> str:
    """What a person reads when nobody could be asked: nothing ran, and the words that go on.

    Args:
        again: the words that go on once the question is answered.
        by_yes: `-y` is enough of an answer: no rule asks.
    """
    lines = [_("Nothing was run: the code above needs an approval and nobody is here to give it.")]
    if by_yes:
        lines.append(_("To approve it and go on: interpreter --resume {session} -y", session=session))
        lines.append(_("To look at it first:    interpreter --resume {session}", session=session))
    if approval:
        lines.append(_("From another terminal:  interpreter approvals show {id}", id=approval))
        line = _("Approve, then go on:    interpreter approvals approve {id} && {again}", id=approval, again=again)
        lines.append(line)
    return "\n".join(lines)
