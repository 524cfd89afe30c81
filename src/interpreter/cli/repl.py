"""A conversation on a terminal."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from prompt_toolkit.formatted_text import StyleAndTextTuples

from ..config.paths import history_file
from ..config.settings import Settings
from ..errors import InterpreterError
from ..text.i18n import _
from ..types.ops import SubmitInput
from .answers import Answers
from .contract import Conversation, Open
from .desk import Desk, Leave
from .opened import say_opened
from .prompt import make_prompt, unquoted
from .say import say, say_error
from .talk import Change, Talk
from .tally import Tally
from .task import INTERRUPTED, make_view


def run_conversation(open_session: Open, settings: Settings, workspace: Path | None, resume: str) -> int:
    """Talk until the person leaves; the exit code."""
    say_opened(settings, workspace)
    for note in settings.notes:
        say(note)
    return asyncio.run(Repl(open_session, settings, workspace).run(resume or None))


class Repl:
    """One person, one session at a time; `%resume`, `%load` and `%model` change to another."""

    def __init__(self, open_session: Open, settings: Settings, workspace: Path | None) -> None:
        self._open, self._settings, self._workspace = open_session, settings, workspace
        self._view = make_view(settings)
        self._answers = Answers() if settings.agent.can_ask else None
        self._tally = Tally()
        self._session: Conversation | None = None
        bar = None if settings.plain or os.environ.get("TERM", "dumb") == "dumb" else self._toolbar
        self._prompt = make_prompt(history_file(), bar)

    async def run(self, resume: str | None) -> int:
        code = 0
        change: Change | None = Change(resume=resume or "")
        while change is not None:
            settings = change.settings or self._settings
            try:
                session = await self._open(settings, resume=change.resume or None, workspace=self._workspace)
            except InterpreterError as error:
                if not change.back:
                    raise
                say_error(error)
                session = await self._open(self._settings, resume=change.back, workspace=self._workspace)
            else:
                self._settings = settings
            self._session = session
            self._greet(session, resumed=bool(change.resume))
            with Desk(session, self._view, self._answers) as desk:
                results = await asyncio.gather(self._converse(session, desk), desk.pump())
            change, code = results[0]
        return code

    async def _converse(self, session: Conversation, desk: Desk) -> tuple[Change | None, int]:
        """Until the person leaves or changes to another session."""
        talk = Talk(session, self._settings, self._view, self._tally)
        keep: bool | None = None  # the session knows by how its last turn ended
        leaving = True
        if self._answers is not None:
            self._answers.begin()  # between two lines as well: a line that is typed ahead stays a line
        try:
            if session.pending:
                say(_("Code is waiting for your answer:"))
                await self._turn(desk, "")
            while (line := await self._line(desk)) is not None:
                change = await self._do(talk, desk, line)
                if change is not None:
                    keep = True if change.resume else None
                    leaving = not change.resume
                    return (change, 0) if change.resume else (None, 0)
            return None, 0
        except (Leave, asyncio.CancelledError):
            keep = True
            return None, INTERRUPTED
        except BrokenPipeError:
            return None, INTERRUPTED
        finally:
            self._view.end()
            await session.close(keep_kernels=keep)
            if self._answers is not None:
                self._answers.end()
            if leaving:
                say(_("The session is kept: interpreter --resume {id}", id=session.id))

    async def _do(self, talk: Talk, desk: Desk, line: str) -> Change | None:
        text = unquoted(line)
        try:
            if talk.is_command(text):
                change = await talk.command(text)
                await desk.catch_up()
                return change
            await self._turn(desk, text)
        except InterpreterError as error:
            say_error(error)
        return None

    async def _turn(self, desk: Desk, text: str) -> None:
        end = await desk.turn(SubmitInput(text=text, own_code=text.startswith("%%")))
        if end is None:
            raise Leave
        self._tally.add(end)

    async def _line(self, desk: Desk) -> str | None:
        """What the person writes next; None when they leave (Ctrl-D, or Ctrl-C twice)."""
        presses = 0
        while True:
            await desk.catch_up()
            try:
                # Ctrl-C is a key here; signals from elsewhere are the desk's.
                if desk.pressed():
                    raise KeyboardInterrupt
                line = await self._prompt.prompt_async("> ", handle_sigint=False)
            except EOFError:
                return None
            except KeyboardInterrupt:
                presses += 1
                if presses == 2:
                    return None
                say(_("Ctrl-C again or Ctrl-D leaves."))
                continue
            presses = 0
            if line.strip():
                return line

    def _greet(self, session: Conversation, *, resumed: bool) -> None:
        from .. import __version__

        say(f"interpreter {__version__} · {session.where}")
        what = _("Session {id} goes on.", id=session.id) if resumed else _("Session {id}.", id=session.id)
        say(what + " " + _("%help lists the commands; Ctrl-D leaves."))

    def _toolbar(self) -> StyleAndTextTuples:
        session = self._session
        if session is None:
            return []
        facts = session.facts
        model = facts.model if facts else self._settings.llm.model or _("no model yet")
        window = f" / {session.window}" if session.window else ""
        tokens = _("{n} tokens", n=f"{self._tally.usage.prompt + self._tally.usage.completion}{window}")
        walls = ("class:red", "host") if self._settings.walls.backend == "host" else ("", session.where)
        parts: StyleAndTextTuples = [("", f" {model} · {tokens} · "), walls]
        if session.mode != "ask":
            parts.append(("", " · " + (_("plan mode") if session.mode == "plan" else _("runs without asking"))))
        return parts
