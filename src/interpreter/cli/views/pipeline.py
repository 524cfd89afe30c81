"""The plain view where a build server reads along: whole lines, a group for each step, nothing that gives orders."""

from __future__ import annotations

import os
import stat
import sys
import time

from ...text.clean import clean_text
from ...text.commands import harmless
from ...text.i18n import _
from ...types.actions import Action
from ...types.events import ActionFinished, ActionProposed, Event, TurnFinished
from ...types.languages import title
from ..say import say, say_raw
from .plain import Plain

LONGEST = 8_000
"""Characters of a line that are held back until its end comes."""


class Pipeline(Plain):
    """What `Plain` shows, in the groups that `server` folds."""

    def __init__(self, server: str, *, verbose: bool = False) -> None:
        super().__init__(verbose=verbose)
        self._server = server
        self._steps = 0
        self._group = ""
        """The name of the open group."""
        self._held = ""
        """The line that has no end yet."""

    def show(self, event: Event) -> None:
        if isinstance(event, ActionProposed):
            self._close_group()
        super().show(event)
        if isinstance(event, ActionFinished):
            self._close_group()
        elif isinstance(event, TurnFinished) and event.reason != "done" and self._server == "github":
            self._annotate(event)

    def end(self) -> None:
        super().end()
        self._close_group()

    def _code(self, action: Action) -> None:
        if not self._group:
            self._steps += 1
            self._open_group(_("Step {n}", n=self._steps) + ": " + title(action.language))
        super()._code(action)

    def _open_group(self, words: str) -> None:
        self._close_line()
        self._group = f"step_{self._steps}"
        words = clean_text(words).replace("\n", " ")
        if self._server == "github":
            say_raw(f"::group::{escaped(words)}\n")
        elif self._server == "gitlab":
            say_raw(f"\x1b[0Ksection_start:{int(time.time())}:{self._group}\r\x1b[0K{harmless(words)}\n")

    def _close_group(self) -> None:
        if not self._group:
            return
        self._close_line()
        if self._server == "github":
            say_raw("::endgroup::\n")
        elif self._server == "gitlab":
            say_raw(f"\x1b[0Ksection_end:{int(time.time())}:{self._group}\r\x1b[0K\n")
        self._group = ""

    def _annotate(self, event: TurnFinished) -> None:
        kind = "warning" if event.reason == "waiting" else "error"
        say_raw(f"::{kind} title=interpreter::{escaped(clean_text(event.text)[:2_000])}\n")

    def _answer(self, text: str) -> None:
        sys.stdout.write(text if to_a_file() else harmless(text))
        sys.stdout.flush()

    def _piece(self, text: str) -> None:
        """Whole lines only: half a mark in one piece and half in the next would be one. A carriage return begins the
        line again."""
        *whole, last = (self._held + text).split("\n")
        for line in whole:
            say(line.rpartition("\r")[2])
        self._held = last.rpartition("\r")[2]
        if len(self._held) > LONGEST:
            say(self._held)
            self._held = ""

    def _close_line(self) -> None:
        held, self._held = self._held, ""
        if held:
            say(held)


def escaped(text: str) -> str:
    """As the data of a command of GitHub's."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def to_a_file() -> bool:
    """Whether standard output is a file, in which everything stays as it is."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False
