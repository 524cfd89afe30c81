"""Coloured pieces: code with nothing hidden in it, questions, rules."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from ...text.clean import reveal
from ...text.lookalike import lookalikes
from ..contract import Question
from .questions import denied, question_lines, warnings_of
from .words import MARK, hidden_count

LARGEST = 100_000
"""Characters; larger code is shown without colours, which would take seconds."""
LEXERS = {"shell": "bash", "javascript": "javascript", "c++": "cpp", "cpp": "cpp"}


def code_text(code: str, language: str) -> Text:
    """The whole code, highlighted; what could hide in it is written out in red."""
    shown = reveal(code.rstrip("\n"))
    if len(shown) > LARGEST:
        text = Text(shown)
    else:
        syntax = Syntax("", LEXERS.get(language, language or "text"), theme="ansi_dark", background_color="default")
        text = syntax.highlight(shown)
        text.rstrip()
    if hidden_count(code):
        text.highlight_regex(MARK, "bold white on red")
    for one in lookalikes(shown):
        text.stylize("bold white on red", one.start, one.start + len(one.word))
    text.overflow, text.no_wrap = "fold", False
    return text


def rule(title: str) -> Rule:
    return Rule(Text(reveal(title)), style="dim", align="left", characters="─")


def question_panel(question: Question) -> RenderableType:
    """The question below the code that is on the screen already; in red where it crosses a rule or has no walls."""
    request, action = question
    *lines, last = question_lines(question)
    warned = len(warnings_of(action.code)) if request.kind == "run" and action is not None else 0
    told: list[RenderableType] = [Text(line, "bold red" if n < warned else "") for n, line in enumerate(lines)]
    # `host` stands for no walls at all: it has to be seen.
    red = denied(question) or request.where.startswith("host")
    return Group(*told, Text(last, "bold red" if red else "bold"))
