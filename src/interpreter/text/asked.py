"""What is asked, in words, for everybody who is told of it: a terminal, a page, a message."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..types.rules import Reason
from .clean import reveal
from .expression import expression
from .i18n import _
from .lookalike import MOST, lookalikes
from .verdicts import layer_word, subject_words

MARK = expression(r"<U\+[0-9A-F]{4,6}>")


def hidden_count(code: str) -> int:
    """Characters that a person would not see."""
    return len(MARK.findall(reveal(code))) - len(MARK.findall(code))


def hidden_warning(count: int) -> str:
    return _("Careful: hidden characters ({n}) are in this code; they are written as <U+…>.", n=count)


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


def script_word(script: str) -> str:
    return {"Cyrillic": _("Cyrillic"), "Greek": _("Greek"), "Armenian": _("Armenian")}.get(script, script)


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


def lines_of(code: str) -> str:
    count = len(code.rstrip("\n").split("\n"))
    return _("{n} lines", n=count) if count != 1 else _("1 line")


def kind_word(kind: str) -> str:
    return {
        "run": _("run code"),
        "install": _("install"),
        "grant": _("read a path"),
        "network": _("reach a host"),
        "input": _("a line of input"),
        "continue": _("go on"),
        "pause": _("go on"),
    }.get(kind, kind)
