"""`interpreter approvals`: the questions that wait, shown and answered from another terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, Literal

from ..app.answering import Answering, Waiting
from ..errors import UsageError
from ..text.clean import clean_text, reveal
from ..text.cut import fit, pad, width
from ..text.i18n import _
from ..types.languages import title
from ..types.tooling import readable
from .arguments import Arguments, no_command
from .command import read_command
from .contract import Question
from .help import screen_width
from .say import say_error
from .views.questions import kind_word, lines_of, question_lines

USAGE = """interpreter approvals list [--json]
interpreter approvals show ID [--json]
interpreter approvals approve ID [--always] [--reason TEXT] [--sha256 HASH]
interpreter approvals deny ID [--reason TEXT] [--sha256 HASH]
interpreter approvals serve [--host ADDRESS] [--port N]
"""
VERBS = ("list", "show", "approve", "deny", "serve")


def approvals(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError, AlreadyAnswered, StoreError."""
    texts = ("reason", "sha256", "host", "port")
    asked = read_command(arguments, USAGE, switches=("json", "always"), texts=texts)
    if asked is None:
        return 0
    found, settings = asked.found, asked.settings()
    verb, *words = asked.words or ["list"]
    check_words(verb, words, found)
    if verb == "serve":
        from .approvals_serve import serve

        return serve(settings, str(found["host"] or ""), str(found["port"] or ""))
    answering = Answering(settings)
    if verb == "list":
        return _list(answering.waiting(), as_json=bool(found["json"]))
    if verb == "show":
        return _show(answering.find(words[0]), as_json=bool(found["json"]))
    return _answer(answering, verb, words[0], found)


def check_words(verb: str, words: list[str], found: dict[str, Any]) -> None:
    """Raises UsageError for a command that does not exist, or flags that belong to another one."""
    if verb not in VERBS:
        raise no_command("approvals", [verb], VERBS, USAGE.rstrip())
    if len(words) != (0 if verb in ("list", "serve") else 1):
        text = _("Name one question by its id.")
        if verb in ("list", "serve"):
            text = _("approvals {verb} takes no names.", verb=verb)
        raise UsageError(text, USAGE.rstrip())
    allowed = {
        "approve": {"always", "reason", "sha256"}, "deny": {"reason", "sha256"}, "serve": {"host", "port"}
    }.get(verb, {"json"})  # fmt: skip
    for flag in ("always", "reason", "sha256", "json", "host", "port"):
        if found[flag] and flag not in allowed:
            raise UsageError(_("{flag} does not belong to approvals {verb}.", flag="--" + flag, verb=verb))


def _list(waiting: list[Waiting], *, as_json: bool) -> int:
    if as_json:
        print_json([as_data(one) for one in waiting])
        return 0
    if not waiting:
        write(_("No question is waiting."))
        return 0
    titles = (_("id"), _("asked"), _("what"), _("state"))
    table = [
        (one.asked.request.approval, moment(one.asked.time), kind_word(one.asked.request.kind), state(one))
        for one in waiting
    ]
    widths = [max(width(line[at]) for line in (titles, *table)) for at in range(len(titles))]
    left = sum(widths) + 2 * len(widths)
    write("  ".join(pad(cell, size) for cell, size in zip(titles, widths, strict=True)) + "  " + _("about"))
    for one, line in zip(waiting, table, strict=True):
        cells = "  ".join(pad(cell, size) for cell, size in zip(line, widths, strict=True))
        write(cells + "  " + fit(gist(one), max(20, screen_width() - left)))
    return 0


def _show(one: Waiting, *, as_json: bool) -> int:
    if as_json:
        print_json(as_data(one))
        return 0
    request = one.asked.request
    write(_("Question {id} of session {session}, in {path}", id=request.approval, session=one.asked.session,
            path=one.workspace))  # fmt: skip
    write(_("Asked {time}; {state}", time=moment(one.asked.time), state=state(one)))
    if request.deadline is not None:
        write(_("Deadline {time}: after it, silence is a no.", time=moment(request.deadline)))
    if one.action is not None:
        write(f"--- {title(one.action.language)}, {lines_of(one.action.code)}, sha256 {one.action.sha256} ---")
        write(reveal(readable(one.action.language, one.action.code).rstrip("\n")))
        write("---")
    for line in question_lines(Question(request, one.action)):
        write(line)
    write("interpreter approvals approve " + request.approval)
    write("interpreter approvals deny " + request.approval)
    return 0


def _answer(answering: Answering, verb: str, wanted: str, found: dict[str, Any]) -> int:
    answer: Literal["yes", "no", "always"] = "no" if verb == "deny" else "always" if found["always"] else "yes"
    one, place, problem = answering.answer(
        wanted, answer, reason=str(found["reason"] or ""), sha256=str(found["sha256"] or "")
    )
    request = one.asked.request
    told = _("Denied: {id}", id=request.approval) if verb == "deny" else _("Approved: {id}", id=request.approval)
    write(told)
    if place:
        write(_("The rule was added to {path}.", path=place))
    if problem is not None:
        say_error(problem)
    if one.held:
        write(_("The process that asked goes on by itself."))
    else:
        write(_("To go on: {words}", words=one.again))
    return 0


def gist(one: Waiting) -> str:
    """What a question is about, in one line."""
    if one.action is not None:
        first = next((line for line in readable(one.action.language, one.action.code).splitlines() if line.strip()), "")
        return reveal(f"{title(one.action.language)}: {first.strip()}")
    return reveal(f"{one.asked.request.question} {one.asked.request.subject}".strip().replace("\n", " "))


def state(one: Waiting) -> str:
    if one.late:
        return _("too late")
    return _("a process waits") if one.held else _("parked")


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def as_data(one: Waiting) -> dict[str, Any]:
    """The question for a program; `code` is exact."""
    request = one.asked.request
    code = {"language": one.action.language, "code": one.action.code} if one.action is not None else {}
    return {
        "approval": request.approval,
        "session": one.asked.session,
        "workspace": one.workspace,
        "kind": request.kind,
        "asked": one.asked.time,
        "deadline": request.deadline,
        "state": "late" if one.late else "held" if one.held else "parked",
        "subject": request.subject,
        "where": request.where,
        "question": request.question,
        "reasons": request.reasons,
        "proposal": request.proposal,
        "covers": request.covers,
        **code,
    }


def write(line: str) -> None:
    sys.stdout.write(clean_text(line) + "\n")


def print_json(value: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
