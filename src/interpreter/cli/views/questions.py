"""A question to a person in words: what is hidden in the code, which rules ask, what `always` would mean."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from ...text.clean import reveal
from ...text.i18n import _
from ...text.lookalike import MOST, lookalikes
from ...text.verdicts import layer_word, subject_words, unclear
from ...types.rules import Reason
from ..contract import Question
from .words import hidden_count, hidden_warning, run_question


def warnings_of(code: str) -> list[str]:
    """What a person would not see in this code, in words."""
    found: list[str] = []
    if hidden := hidden_count(code):
        found.append(hidden_warning(hidden))
    words = lookalikes(code)
    for one in {one.word: one for one in words}.values():
        letters = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in one.letters)
        if one.script == "plain":
            text = _("Careful: “{word}” has unusual forms of Latin letters; Python reads them as plain ones: {letters}",
                     word=reveal(one.word), letters=letters)  # fmt: skip
        else:
            text = _("Careful: “{word}” contains {script} letters that look like Latin ones: {letters}",
                     word=reveal(one.word), script=script_word(one.script), letters=letters)  # fmt: skip
        found.append(text)
    if len(found) > MOST:
        found[MOST:] = [_("… and {n} more such words.", n=len(found) - MOST)]
    return found


def question_text(question: Question) -> str:
    """A question as plain text, its code included."""
    action = question.action
    code = [reveal(action.code)] if question.request.kind == "run" and action is not None else []
    return "\n".join([*code, *question_lines(question)])


def script_word(script: str) -> str:
    return {"Cyrillic": _("Cyrillic"), "Greek": _("Greek"), "Armenian": _("Armenian")}.get(script, script)


def question_lines(question: Question) -> list[str]:
    """Everything about a question but its code."""
    request, action = question
    lines: list[str] = []
    if request.kind == "run" and action is not None:
        lines += warnings_of(action.code)
    else:
        lines.append(reveal(request.question))
        if request.subject:
            lines.append(reveal(request.subject))
    lines += reason_lines(request.reasons)
    lines += [_("Not understood: {what}", what=reveal(unclear(one))) for one in request.unknown[:MOST]]
    lines += proposal_lines(question)
    if request.deadline is not None:
        lines.append(deadline_line(request.deadline))
    if request.kind == "run" and action is not None:
        lines.append(run_question(question))
    return lines


def reason_line(reason: Reason) -> str:
    """Why a rule wants it asked, or denies it."""
    fields = {"rule": reason.rule, "layer": layer_word(reason.layer), "reason": reveal(_(reason.text))}
    if reason.decision == "deny":
        line = _("Rule {rule} ({layer}) denies it: {reason}", **fields)
    else:
        line = _("Rule {rule} ({layer}) asks: {reason}", **fields)
    return line + (f"\n  {reveal(subject_words(reason.subject))}" if reason.subject else "")


def reason_lines(reasons: Sequence[Reason]) -> list[str]:
    """One for each rule; what several in a row are about is said once, below them."""
    return [
        reason_line(msgspec.structs.replace(one, subject="") if one.subject == after else one)
        for one, after in zip(reasons, (*(one.subject for one in reasons[1:]), ""), strict=False)
    ]


def proposal_lines(question: Question) -> list[str]:
    """The rule that `always` would add, and what else it would allow; in one line where no rule asks."""
    request = question.request
    if not request.proposal:
        return []
    also = reveal("; ".join(request.covers))
    if request.kind == "network":
        return [_("a: your policy allows it from now on ({examples})", examples=also)]
    if not request.reasons:
        short = ", ".join(conditions_of(request.proposal))
        line = _("a: from now on a rule in your policy allows {conditions}", conditions=short)
        return [line + (f" ({also})" if also else "")]
    lines = [_("With `always` this rule is added to your policy:")]
    lines += ["  " + line for line in reveal(request.proposal.rstrip()).splitlines()]
    return [*lines, _("It would also allow: {examples}", examples=also)] if also else lines


def conditions_of(rule: str) -> list[str]:
    """What a rule is about: its lines without its name, decision, reason and examples."""
    lines = [line.strip() for line in reveal(rule).splitlines()]
    return [line for line in lines if not line.startswith(("- name:", "decision:", "reason:", "match:", "not_match:"))]


def deadline_line(deadline: float) -> str:
    moment = time.strftime("%H:%M:%S", time.localtime(deadline))
    return _("Without an answer by {time} it is a no.", time=moment)


def denied(question: Question) -> bool:
    """Whether a rule says no to this and the person is asked once more."""
    return any(reason.decision == "deny" for reason in question.request.reasons)


def lines_of(code: str) -> str:
    count = len(code.rstrip("\n").split("\n"))
    return _("{n} lines", n=count) if count != 1 else _("1 line")


def answer_keys(question: Question, *, paged: bool = False) -> str:
    """What may be typed. `paged`: the code is longer than the screen."""
    kind, proposal = question.request.kind, question.request.proposal
    if kind not in ("run", "network"):
        return _("y yes · n no: ")
    keys = [_("y yes"), _("n no")] if kind == "run" else [_("y once"), _("s in this session"), _("n no")]
    if kind == "run" and not denied(question):
        keys += [_("n REASON"), _("e edit")]
    if not denied(question):
        keys.append(_("a always, as a rule") if proposal else _("a always in this session"))
    if paged:
        keys.append(_("v view page by page"))
    return " · ".join(keys) + ": "


def kind_word(kind: str) -> str:
    return {
        "run": _("run code"),
        "install": _("install"),
        "grant": _("read a path"),
        "network": _("reach a host"),
        "input": _("a line of input"),
        "continue": _("go on"),
    }.get(kind, kind)
