"""Views for programs: every event as a line, or one object at the end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ...errors import InterpreterError
from ...session.redaction import public
from ...text.commands import build_server, harmless_json
from ...text.redact import Redactor, secret_values
from ...types.actions import Action
from ...types.base import to_json
from ...types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalResolved,
    Event,
    ModelAnswered,
    ModelAsked,
    SessionResumed,
    SessionStarted,
    TurnFinished,
)
from ...types.goals import GoalEvent
from ..contract import Question
from ..say import say
from .questions import question_text

if TYPE_CHECKING:
    from .goal import GoalResult

TAIL = 4_000
"""Characters of an output that the result object holds; the whole is in the session."""


def write_line(value: object) -> None:
    """One line of JSON on standard output, at once. Raises BrokenPipeError when nobody reads."""
    line = to_json(value)
    sys.stdout.buffer.write((harmless_json(line) if build_server(os.environ) else line) + b"\n")
    sys.stdout.buffer.flush()


def write_error(error: InterpreterError) -> None:
    """An error before or beside the session, in the form that a program reads."""
    fields = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    write_line({"type": "error", "status": "error", "exit_code": error.exit_code, **fields})


class JsonLines:
    """`--output jsonl`: every event, live ones as well, as a line without secrets; nothing else."""

    def __init__(self) -> None:
        self._redactor = Redactor(secret_values(os.environ))

    def show(self, event: Event) -> None:
        write_line(public(self._redactor, event))

    def ask(self, question: Question) -> None:
        say(question_text(question))

    def note(self, text: str) -> None:
        say(text)

    def end(self) -> None:
        pass


class JsonResult:
    """`--output json`: one object when the turn is over."""

    def __init__(self) -> None:
        self._actions: dict[str, dict[str, Any]] = {}
        self._result: dict[str, Any] = {}
        self._finished = False
        self._requests = self._cached = 0
        self._of_goal: GoalResult | None = None

    def show(self, event: Event) -> None:
        match event:
            case SessionStarted():
                self._result |= {"session": event.session, "sandbox": event.sandbox}
            case SessionResumed():
                self._result["resumed"] = True
            case ModelAsked():
                self._result["model"] = event.model
                self._requests += 1
            case ModelAnswered():
                self._result["model"] = event.model or self._result.get("model", "")
                self._cached += event.source == "cache"
            case ActionProposed():
                self._propose(event.action)
            case ApprovalResolved() if event.action is not None:
                self._propose(event.action)
            case ActionFinished():
                self._finish(event)
            case TurnFinished():
                self._turn(event)
            case _:
                self._goal(event)

    def _goal(self, event: Event) -> None:
        if isinstance(event, GoalEvent):
            # Only a goal run pays for it.
            from .goal import GoalResult

            if self._of_goal is None:
                self._of_goal = GoalResult()
            self._of_goal.show(event)
            self._result["goal"] = self._of_goal.found

    def name(self, session: str, workspace: str, sandbox: str) -> None:
        """What is known from the session itself: its events began before this view watched."""
        self._result = {"session": session, "workspace": workspace, "sandbox": sandbox, **self._result}

    def staged(self, changes: list[dict[str, Any]]) -> None:
        """What a commit would change."""
        self._result["staged"] = changes

    def ask(self, question: Question) -> None:
        say(question_text(question))

    def note(self, text: str) -> None:
        say(text)

    def end(self) -> None:
        if self._finished:
            self._finished = False
            write_line(self._result)

    def _propose(self, action: Action) -> None:
        self._actions[action.id] = {"id": action.id, "language": action.language, "sha256": action.sha256}

    def _finish(self, event: ActionFinished) -> None:
        entry = self._actions.setdefault(event.action, {"id": event.action})
        entry["status"] = event.status
        entry["output"] = event.observation.text[-TAIL:]
        if done := event.completion:
            entry |= {"exit_status": done.exit_status, "duration": round(done.duration, 3)}
            entry |= {"output_size": done.output.size, "output_sha256": done.output.sha256}
            entry["files"] = [display.path for display in done.displays]
            if done.error is not None:
                entry["error"] = {"name": done.error.name, "message": done.error.message}

    def _turn(self, event: TurnFinished) -> None:
        usage = event.usage
        tokens = {"prompt": usage.prompt, "cached": usage.cached, "completion": usage.completion}
        self._result |= {
            "status": event.reason,
            "exit_code": event.exit_code,
            "answer": event.text if event.reason == "done" else "",
            "message": "" if event.reason == "done" else event.text,
            "steps": event.steps,
            "requests": self._requests,
            "from_cache": self._cached,
            "usage": {**tokens, "reasoning": usage.reasoning},
            "cost": usage.cost,
            "duration": round(event.duration, 3),
            "actions": list(self._actions.values()),
        }
        self._finished = True
