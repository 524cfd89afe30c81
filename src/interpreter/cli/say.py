"""Sentences of this program to a person, on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ..errors import InterpreterError
from ..text.clean import clean_text
from ..text.commands import build_server, harmless
from ..text.i18n import _


class Form:
    """How standard error is written; `cli.task` settles it once for the process."""

    write: Callable[[str], None] | None = None
    """Takes a whole sentence in place of a line of text: `--log-format json`."""


def say(text: str) -> None:
    """A line on standard error. A closed stream is no reason to fail. Names of files and words of a model may stand
    in it, so it is cleaned."""
    if Form.write is not None:
        if text:
            Form.write(clean_text(text))
        return
    say_piece(clean_text(text) + "\n")


def say_warning(text: str) -> None:
    """The same in red, where the stream is a terminal that shows colours."""
    if Form.write is not None:
        Form.write(clean_text(text))
        return
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    say_piece(f"\x1b[31m{clean_text(text)}\x1b[0m\n" if red else clean_text(text) + "\n")


def say_piece(text: str) -> None:
    """Text on standard error, without an end of line; where a build server reads along it gives no orders."""
    say_raw(harmless(text) if build_server(os.environ) else text)


def say_raw(text: str) -> None:
    """Text on standard error exactly as it is."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass


def say_error(error: InterpreterError) -> None:
    say(_("Error: {message}", message=error.message))
    if error.hint:
        say(error.hint)
