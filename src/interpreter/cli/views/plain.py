"""The view without colours and moving parts: for pipes, logs, dumb terminals and screen readers."""

from __future__ import annotations

import sys

from ...text.clean import clean_text, reveal
from ...text.i18n import _
from ...types.actions import Action
from ...types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalResolved,
    Event,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    OutputChunk,
    Progress,
    ReasoningDelta,
    TurnFinished,
    TurnStarted,
)
from ...types.languages import title
from ...types.tooling import readable
from ..contract import Question
from ..say import say, say_piece
from . import words
from .aside import aside
from .questions import question_lines


class Plain:
    """Progress on standard error, the answer on standard output."""

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._said = ""
        """What the model said before its next action, or as its answer."""
        self._streamed: dict[str, str] = {}
        """Actions of which output was shown as it came, with its end."""
        self._open_line = False
        self._progress = ""

    def show(self, event: Event) -> None:
        match event:
            case ModelAsked() if self._verbose:
                self._line(words.asked_line(event))
            case ReasoningDelta() if self._verbose:
                self._piece(reveal(event.text))
            case ModelAnswered():
                self._said = (event.text if event.prose is None else event.prose).strip()
                if event.source:
                    self._line(words.source_line(event))
                elif self._verbose:
                    self._line(words.usage_line(event.usage))
            case ModelFailed() if self._verbose:
                self._line(_("The model failed: {message}", message=event.message))
            case ActionProposed():
                self._proposed(event.action)
            case ApprovalResolved() if event.action is not None:
                self._line(_("Edited; this runs:"))
                self._code(event.action)
            case OutputChunk():
                self._output(event)
            case ActionFinished():
                self._finished(event)
            case TurnFinished():
                self._turn(event)
            case _:
                self._other(event)

    def ask(self, question: Question) -> None:
        for line in question_lines(question):  # its code is on the screen already
            self._line(line)

    def set_verbose(self, on: bool) -> None:
        self._verbose = on

    def note(self, text: str) -> None:
        self._line(text)

    def end(self) -> None:
        self._close_line()

    def _other(self, event: Event) -> None:
        match event:
            case Progress() if event.what != self._progress:
                self._progress = event.what
                self._line(f"{event.what} {event.text}".rstrip())
            case TurnStarted():
                self._said = ""
            case _:
                if line := aside(event, verbose=self._verbose):
                    self._line(line)

    def _proposed(self, action: Action) -> None:
        if self._said:
            self._line(self._said)
            self._said = ""
        self._code(action)

    def _code(self, action: Action) -> None:
        self._line(f"--- {title(action.language)} ---")
        self._line(reveal(readable(action.language, action.code).rstrip("\n")))
        self._line("---")

    def _output(self, event: OutputChunk) -> None:
        self._streamed[event.action] = (self._streamed.get(event.action, "") + event.text)[-words.TRACE :]
        if event.skipped:
            self._line(_("[… {n} bytes are not shown; all of it is kept]", n=event.skipped))
        self._piece(event.text)

    def _finished(self, event: ActionFinished) -> None:
        self._close_line()
        if event.action not in self._streamed and event.status not in ("refused", "denied", "not_run"):
            text = event.observation.shown.rstrip("\n")
            if text:
                self._line(text)
        if done := event.completion:
            if done.result:
                self._line(done.result.rstrip("\n"))
            if trace := words.trace_of(done, self._streamed.get(event.action, "") or event.observation.shown):
                self._line(trace)
            for display in done.displays:
                self._line(words.display_line(display))
        if ending := words.ending(event):
            self._line(ending if "\n" in ending else f"[{ending}]")

    def _turn(self, event: TurnFinished) -> None:
        self._close_line()
        if event.reason == "done":
            if event.text:
                self._answer(clean_text(event.text).rstrip("\n") + "\n")
        else:
            if self._said and self._said != event.text.strip():
                self._line(self._said)
            if event.text:
                self._line(event.text)
        self._said = ""
        if self._verbose:
            self._line(words.turn_line(event))

    def _answer(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def _piece(self, text: str) -> None:
        say_piece(text)
        if text:
            self._open_line = not text.endswith("\n")

    def _line(self, text: str) -> None:
        self._close_line()
        say(text)

    def _close_line(self) -> None:
        if self._open_line:
            self._open_line = False
            say("")
