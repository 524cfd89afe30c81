"""A question to a person in words: what is hidden in the code, which rules ask, what `always` would mean."""

from __future__ import annotations

import time

from ...text.asked import kind_word as kind_word
from ...text.asked import lines_of as lines_of
from ...text.asked import reason_lines, warnings_of
from ...text.clean import reveal
from ...text.i18n import _
from ...text.lookalike import MOST
from ...text.verdicts import unclear
from ...types.tooling import readable
from ..contract import Question
from .words import run_question


def question_text(question: Question) -> str:
    """A question as plain text, its code included."""
    action = question.action
    code = (
        [reveal(readable(action.language, action.code))]
        if question.request.kind == "run" and action is not None
        else []
    )
    return "\n".join([*code, *question_lines(question)])


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
