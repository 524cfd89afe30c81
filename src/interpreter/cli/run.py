"""`interpreter run` and `interpreter undo`: work towards a goal, and taking it back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ..config.keys import KEYS
from ..config.settings import Settings
from ..errors import InterpreterError, UsageError
from ..text.i18n import _
from . import stdin
from .arguments import Arguments, Parser, add_setting_flags, bare_flags, read, settle
from .configure import find_workspace, read_settings, with_person
from .contract import Conversation, View
from .desk import Desk
from .flags import OUTPUTS
from .say import say
from .task import Once, check_before, lines_view
from .views.goal import GoalView
from .views.machine import JsonLines, JsonResult, write_error

if TYPE_CHECKING:
    from ..app.goals import Goal

USAGE = """interpreter run "GOAL" [--verify COMMAND ...] [--judge MODEL] [--ask] [FLAGS]
interpreter run FILE.yaml [--set NAME=VALUE ...] [FLAGS]
interpreter run [FLAGS] < GOAL.txt
interpreter run --resume [ID] [FLAGS]

  --verify COMMAND    shell command that exits with 0 only when the goal is reached; may be repeated
  --set NAME=VALUE    a variable of the task file; may be repeated
  --judge MODEL       a second model that has to agree
  --ask               every action is asked for at this terminal
  --max-steps N       requests to the model (10)
  --timeout SECONDS   of the whole run (3600)
  --max-tokens N      prompt and completion together, of the whole run (2000000)
  --max-cost N        in the currency of the configured prices
"""
UNDO_USAGE = """interpreter undo [ID] [--output text|json|jsonl]
"""
OWN = ("llm.max_tokens", "max_steps", "max_seconds", "max_total_tokens", "max_cost", "timeout")
"""Settings whose flags mean something of their own here, or are ceilings."""
CEILINGS: dict[str, tuple[tuple[str, ...], type]] = {
    "steps": (("--max_steps",), int),
    "seconds": (("--timeout", "--max_seconds"), float),
    "tokens": (("--max_tokens", "--max_total_tokens"), int),
    "cost": (("--max_cost",), float),
}


class Words(NamedTuple):
    """A command line of `run` or `undo`."""

    words: list[str]
    flags: dict[str, Any]
    found: dict[str, Any]
    output: str


def parse(arguments: Arguments, command: str) -> Words:
    """Raises UsageError."""
    parser = Parser(prog=f"interpreter {command}", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--output")
    parser.add_argument("--workspace")
    parser.add_argument("--resume", nargs="?", const="last")
    if command == "run":
        parser.add_argument("--ask", action="store_true")
        parser.add_argument("--judge")
        parser.add_argument("--verify", action="append")
        parser.add_argument("--set", action="append")
        for name, (spelled, _kind) in CEILINGS.items():
            parser.add_argument(*spelled, dest=name)
    add_setting_flags(parser, leave_out=OWN)
    found = read(parser, bare_flags([settle(word) for word in arguments.rest]))
    output = str(found["output"] or "text")
    if output not in OUTPUTS:
        raise UsageError(
            _("--output should be one of {choices}.", choices=", ".join(OUTPUTS)), _("All flags: interpreter --help")
        )
    given = {name: value for name, value in found.items() if name in KEYS and value is not None}
    flags = {**{name: value for name, value in arguments.flags.items() if name not in OWN}, **given}
    return Words(list(found["words"]), flags, found, output)


def run_goal(arguments: Arguments) -> int:
    """The exit code. Raises UsageError, ConfigError, and what a session raises."""
    words = parse(arguments, "run")
    if words.found["help"] or arguments.asked == "help":
        sys.stdout.write(USAGE)
        return 0
    return reported(words.output, lambda: _run(arguments, words))


def undo_goal(arguments: Arguments) -> int:
    words = parse(arguments, "undo")
    if words.found["help"] or arguments.asked == "help":
        sys.stdout.write(UNDO_USAGE)
        return 0
    return reported(words.output, lambda: _undo(arguments, words))


def reported(output: str, work: Any) -> int:
    """Errors before the session as well, in the form that a program reads."""
    try:
        return int(work())
    except InterpreterError as error:
        if output != "text":
            write_error(error)
        raise


def _run(arguments: Arguments, words: Words) -> int:
    from ..app.goals import Goal, plan_run

    found, flags = words.found, dict(words.flags)
    folder = find_workspace(str(found["workspace"] or ""))
    flags["auto_run"] = "false" if found["ask"] else "true"
    ceilings = {**ceilings_of(arguments.flags), **read_ceilings(found)}
    settings = read_settings(folder, flags)
    resume = str(found["resume"] or "")
    if resume:
        if words.words or found["verify"] or found["set"] or found["judge"]:
            raise UsageError(_("With --resume the goal and its checks are those of the session."), USAGE.rstrip())
        goal = Goal(ceilings=ceilings)
    else:
        goal, profile = plan_run(
            one_goal(words.words), settings, values=variables(found["set"] or []),
            verify=tuple(found["verify"] or ()), judge=str(found["judge"] or ""), ceilings=ceilings,
        )  # fmt: skip
        more: dict[str, Any] = {"profile": profile} if profile and "profile" not in flags else {}
        if goal.task is not None and goal.task.skills:
            more["skills"] = list(dict.fromkeys((*settings.skills.use, *goal.task.skills)))
        settings = read_settings(folder, {**flags, **more}) if more else settings
    settings = with_person(settings, bool(found["ask"]) and os.isatty(0) and os.isatty(2))
    check_before(settings, resume)
    for note in settings.notes:
        say(note)
    workspace = folder if found["workspace"] else None
    data = None
    if words.words and not os.isatty(0) and stdin.has_data():
        stdin.wait_for_data()
        data = stdin.take_data()
    return work(goal, settings, workspace, words, resume, data)


def _undo(arguments: Arguments, words: Words) -> int:
    from ..app.goals import Goal

    if len(words.words) > 1:
        raise UsageError(_("Name one session."), UNDO_USAGE.rstrip())
    resume = words.words[0] if words.words else str(words.found["resume"] or "last")
    folder = find_workspace(str(words.found["workspace"] or ""))
    settings = read_settings(folder, {"auto_run": "true", **words.flags})
    settings = with_person(settings, os.isatty(0) and os.isatty(2))
    workspace = folder if words.found["workspace"] else None
    return work(Goal(undo=True), settings, workspace, words, resume)


def work(
    goal: Goal, settings: Settings, workspace: Path | None, words: Words, resume: str, data: IO[bytes] | None = None
) -> int:
    from ..app.goals import open_goal

    def opened(
        settings: Settings, *, resume: str | None = None, workspace: Path | None = None
    ) -> Awaitable[Conversation]:
        return open_goal(settings, goal, resume=resume, workspace=workspace)

    arguments = Arguments("run", (), None, words.flags, resume=resume, output=words.output)
    lines = lines_view(settings, answers=words.output == "text")
    return asyncio.run(GoalOnce(goal, opened, settings, workspace, arguments, lines).run("", data))


class GoalOnce(Once):
    """One goal run: the session says what its turn is begun with."""

    def __init__(self, goal: Goal, *rest: Any) -> None:
        super().__init__(*rest)
        self._goal = goal

    async def _work(self, session: Conversation, desk: Desk, view: View, task: str, data: IO[bytes] | None) -> int:
        from ..app.goals import first_words
        from ..session.service import Session

        assert isinstance(session, Session)
        try:
            text = first_words(session, self._goal)
        except UsageError:
            await session.close()
            raise
        return await super()._work(session, desk, view, text, data)

    def _again(self, session: Conversation) -> None:
        if not self._goal.undo:
            say(_("Everything is kept. To go on: interpreter run --resume {session}", session=session.id))
            say(_("To take it back: interpreter undo {session}", session=session.id))

    def _view(self) -> View:
        view = super()._view()
        if view is self._lines or isinstance(view, (JsonLines, JsonResult)):
            return view
        return GoalView(view, verbose=self._settings.verbose)


def one_goal(words: list[str]) -> str:
    """The goal or the task file; without an argument, standard input is the goal. Raises UsageError."""
    if not words and not os.isatty(0) and stdin.has_data():
        return stdin.read_task()
    if not words:
        raise UsageError(_("There is no goal."), USAGE.rstrip())
    if len(words) > 1:
        raise UsageError(
            _("The goal should be one argument."),
            _('Put it in quotes: interpreter run "{words}"', words=" ".join(words)),
        )
    return words[0]


def variables(pairs: list[str]) -> dict[str, str]:
    """Of `--set NAME=VALUE`. Raises UsageError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(_("--set should be NAME=VALUE, not `{word}`.", word=pair), USAGE.rstrip())
        found[name] = value
    return found


def read_ceilings(found: Mapping[str, Any]) -> dict[str, Any]:
    """The ceilings of the command line. Raises UsageError."""
    made: dict[str, Any] = {}
    for name, (spelled, kind) in CEILINGS.items():
        if (text := found[name]) is None:
            continue
        try:
            value = kind(str(text).replace("_", ""))
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            flag = spelled[0].replace("_", "-")
            raise UsageError(_("{name} should be {expected}.", name=flag, expected=_("a number above 0")))
        made[name] = value
    return made


def ceilings_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The same where they stand before the word `run`."""
    names = {"steps": "max_steps", "seconds": "max_seconds", "tokens": "max_total_tokens", "cost": "max_cost"}
    given: dict[str, Any] = {name: flags.get(setting) for name, setting in names.items()}
    given["seconds"] = given["seconds"] or flags.get("timeout")
    given["tokens"] = given["tokens"] or flags.get("llm.max_tokens")
    return read_ceilings(given)
