"""One task from beginning to end, or a conversation where nothing is said yet."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import IO, TYPE_CHECKING

from ..errors import InterpreterError, UsageError
from ..text.commands import build_server
from ..text.i18n import _
from ..types.events import TurnFinished
from ..types.ops import SubmitInput
from . import stdin
from .answers import Answers
from .arguments import Arguments
from .configure import find_workspace, read_settings, with_person
from .contract import Conversation, Open, TalkView, View
from .desk import Desk, Leave
from .joining import DELAY, go_on_without
from .opened import say_opened
from .say import say
from .views.machine import JsonLines, JsonResult, write_error
from .views.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from ..config.settings import Settings
    from .views.lines import LogLines

INTERRUPTED = 130
CUT_SHORT = ("model", "failed", "limit", "sandbox")
"""Ends of a turn after which a person may want to go on with it."""


def run_task(arguments: Arguments, open_session: Open | None, begun: str = "") -> int:
    """Settle what to do and with whom, then do it; the exit code. `begun`: see `session.early`."""
    try:
        return _run(arguments, open_session or _opener(begun))
    except InterpreterError as error:
        if arguments.output != "text":
            write_error(error)
        raise


def _run(arguments: Arguments, open_session: Open) -> int:
    folder = find_workspace(arguments.workspace)
    settings = read_settings(folder, arguments.flags)
    check_before(settings, arguments.resume)
    lines = lines_view(settings, answers=arguments.output == "text")
    workspace = folder if arguments.workspace else None
    typed, seen = os.isatty(0), os.isatty(2)
    if arguments.task is None and typed and arguments.output == "text":
        from .repl import run_conversation

        return run_conversation(open_session, with_person(settings, seen), workspace, arguments.resume, arguments.flags)
    task = arguments.task
    if arguments.ops:
        from .program import Program

        for note in settings.notes:
            say(note)
        program = Program(open_session, with_person(settings, True), workspace, arguments.resume)
        return asyncio.run(program.run(task))
    if task is None:
        if typed:
            raise UsageError(_("There is no task."), _('Give one: interpreter --output json "task"'))
        task = stdin.read_task()
    if not task.strip() and not arguments.resume:
        raise UsageError(_("There is nothing to do: the task is empty."))
    for note in settings.notes:
        say(note)
    data = None
    if arguments.task is not None and not typed and stdin.has_data():
        stdin.wait_for_data()
        data = stdin.take_data()
    settings = with_person(settings, typed and seen, background=arguments.background)
    return asyncio.run(Once(open_session, settings, workspace, arguments, lines).run(task, data))


def _opener(begun: str) -> Open:
    """`app.open_session`, loaded when it is called; the session that was begun early is the first new one."""
    ids = [begun] if begun else []

    def opened(
        settings: Settings, *, resume: str | None = None, workspace: Path | None = None
    ) -> Awaitable[Conversation]:
        from ..app import open_session

        early = ids.pop() if ids and not resume else ""
        return open_session(settings, resume=resume, workspace=workspace, begun=early)

    return opened


class Once:
    """One task: a session is opened, takes it, and is closed again."""

    def __init__(
        self,
        open_session: Open,
        settings: Settings,
        workspace: Path | None,
        arguments: Arguments,
        lines: LogLines | None = None,
    ) -> None:
        """`lines`: progress as lines of JSON, where it is asked for."""
        self._open, self._settings, self._workspace = open_session, settings, workspace
        self._arguments = arguments
        self._lines = lines

    async def run(self, task: str, data: IO[bytes] | None) -> int:
        resume = self._arguments.resume or None
        say_opened(self._settings, self._workspace)
        session = await self._open(self._settings, resume=resume, workspace=self._workspace)
        view = self._view()
        if self._lines is not None:
            self._lines.name(session.id)
        if isinstance(view, JsonResult):
            view.name(session.id, str(session.workspace), session.where)
        answers = Answers(self._settings.walls.writable) if self._settings.agent.here else None
        shown = view if self._lines is None or self._lines is view else self._lines.beside(view)
        with Desk(session, shown, answers, 0.0 if self._arguments.background else DELAY) as desk:
            codes = await asyncio.gather(self._work(session, desk, view, task, data), desk.pump())
            if self._settings.record or self._settings.links.notify:
                # Where the recording lies, and whom a question reached, is known when the session is closed.
                await desk.catch_up()
        if not desk.detached and (self._settings.report or os.environ.get("GITHUB_ACTIONS")):
            from .reporting import report_run

            report_run(self._settings, session.id, codes[0])
        return codes[0]

    async def _work(self, session: Conversation, desk: Desk, view: View, task: str, data: IO[bytes] | None) -> int:
        keep: bool | None = True
        end: TurnFinished | None = None
        try:
            if data is not None and (path := stdin.keep_data(data, session.scratch)) is not None:
                task = stdin.with_data(task, path)
            end = await desk.turn(SubmitInput(text=task))
            if session.staging is not None:
                await self._offer(session, view)
            # The session knows by how the turn ended; nobody has seen the end of one whose terminal went away.
            keep = None if end is not None and not desk.hung_up and not self._arguments.background else True
            return INTERRUPTED if end is None else end.exit_code
        except (Leave, asyncio.CancelledError):
            return 0 if desk.detached else INTERRUPTED
        except BrokenPipeError:
            # Nobody reads the result: going on would do things that nobody sees.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return INTERRUPTED
        finally:
            view.end()
            if end is not None and end.reason in CUT_SHORT and self._arguments.output == "text":
                self._again(session)
            if desk.detached:
                await go_on_without(session, self._arguments.flags)
            else:
                await session.close(keep_kernels=keep)

    def _again(self, session: Conversation) -> None:
        say(_("Everything is kept. To go on: interpreter --resume {session}", session=session.id))

    async def _offer(self, session: Conversation, view: View) -> None:
        """Staged: what would change, and where somebody is there what of it is wanted."""
        from .staged import as_data, offer, one_line

        if isinstance(view, JsonResult) and session.staging is not None:
            view.staged(as_data(await session.staging.changes()))
        view.end()
        await offer(session, one_line if self._settings.agent.here and self._arguments.output == "text" else None)

    def _view(self) -> View:
        settings = self._settings
        if self._arguments.output == "jsonl":
            return JsonLines()
        if self._arguments.output == "json":
            return JsonResult()
        return self._lines or make_view(settings)


def check_before(settings: Settings, resume: str) -> None:
    """Raises UsageError, ConfigError for what could not be written or used afterwards, before anything is begun."""
    if settings.report or settings.record or settings.agent.output_schema:
        from .reporting import check_report

        check_report(settings, resume)


def lines_view(settings: Settings, *, answers: bool = True) -> LogLines | None:
    """Progress as lines of JSON, where it is asked for; from here on every sentence on standard error is one."""
    if settings.log_format != "json":
        return None
    from .views.lines import LogLines

    return LogLines(answers=answers)


def make_view(settings: Settings) -> TalkView:
    """The rich view on a capable terminal, else the plain one; lines of JSON where they are asked for."""
    if (lines := lines_view(settings)) is not None:
        return lines
    seen = os.isatty(2) and os.isatty(1)
    if not seen and (server := build_server(os.environ)):
        from .views.pipeline import Pipeline

        return Pipeline(server, verbose=settings.verbose)
    if settings.plain or not seen or os.environ.get("TERM", "dumb") == "dumb":
        return Plain(verbose=settings.verbose)
    from .views.screen import Screen

    return Screen(verbose=settings.verbose)
