"""Coloured pieces: code with nothing hidden in it, questions, rules."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text

from ...text.clean import reveal
from ..contract import Question
from .words import MARK, hidden_count, hidden_warning, run_question

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
    text.overflow, text.no_wrap = "fold", False
    return text


def rule(title: str) -> Rule:
    return Rule(title, style="dim", align="left", characters="─")


def question_panel(question: Question) -> RenderableType:
    """The question below the code that is on the screen already."""
    request, action = question
    if request.kind != "run" or action is None:
        lines: list[RenderableType] = [Text(reveal(request.question), "bold")]
        if request.subject:
            lines.append(Text(reveal(request.subject)))
        return Group(*lines)
    lines = []
    if hidden := hidden_count(action.code):
        lines.append(Text(hidden_warning(hidden), "bold red"))
    # `host` stands for no walls at all: it has to be seen.
    bare = request.where.startswith("host")
    lines.append(Text(run_question(question), "bold red" if bare else "bold"))
    return Group(*lines)
