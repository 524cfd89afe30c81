"""Sentences of this program to a person, on standard error."""

from __future__ import annotations

import sys

from ..errors import InterpreterError
from ..text.i18n import _


def say(text: str) -> None:
    """A line on standard error. A closed stream is no reason to fail."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def say_error(error: InterpreterError) -> None:
    say(_("Error: {message}", message=error.message))
    if error.hint:
        say(error.hint)
