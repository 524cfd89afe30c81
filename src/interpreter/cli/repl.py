"""A conversation on a terminal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prompt_toolkit.formatted_text import StyleAndTextTuples

from ..aio import Tasks
from ..config.paths import history_file
from ..config.settings import Settings
from ..errors import InterpreterError
from ..text.clean import clean_text
from ..text.cut import fit
from ..text.i18n import _
from ..types.ops import Close, SubmitInput
from .answers import Answers
from .contract import Conversation, Open
from .desk import Desk, Leave
from .joining import go_on_without
from .opened import say_opened
from .prompt import make_prompt, unquoted
from .say import say, say_error
from .talk import Change, Talk
from .tally import Tally
from .task import INTERRUPTED, make_view


def run_conversation(
    open_session: Open, settings: Settings, workspace: Path | None, resume: str, flags: Mapping[str, Any]
) -> int:
    """Talk until the person leaves; the exit code."""
    say_opened(settings, workspace)
    for note in settings.notes:
        say(note)
    return asyncio.run(Repl(open_session, settings, workspace, flags).run(resume or None))


class Repl:
    """One person, one session at a time; `%resume`, `%load` and `%model` change to another."""

    def __init__(
        self, open_session: Open, settings: Settings, workspace: Path | None, flags: Mapping[str, Any] | None = None
    ) -> None:
        self._flags = flags or {}
        self._tasks = Tasks()
        self._open, self._settings, self._workspace = open_session, settings, workspace
        self._view = make_view(settings)
        self._answers = Answers(settings.walls.writable) if settings.agent.here else None
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
            with Desk(session, self._view, self._answers) as desk:
                self._greet(session, resumed=bool(change.resume))
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
            await self._begin(session, desk)
            while (line := await self._line(desk)) is not None:
                change = await self._do(talk, desk, line)
                if change is not None and change.detach:
                    desk.detached = True
                    return None, 0
                if change is not None:
                    if session.guest and not change.resume:
                        with suppress(InterpreterError):  # it may be gone before it says yes
                            await session.send(Close())
                    keep = True if change.resume else None
                    leaving = not change.resume
                    if not change.resume:
                        await self._offer(session, desk)
                    return (change, 0) if change.resume else (None, 0)
            await self._offer(session, desk)
            return None, 0
        except (Leave, asyncio.CancelledError):
            keep = True
            return None, 0 if desk.detached or desk.closed or session.guest else INTERRUPTED
        except BrokenPipeError:
            return None, INTERRUPTED
        finally:
            self._view.end()
            await self._leave(session, desk, keep=keep, leaving=leaving)

    async def _begin(self, session: Conversation, desk: Desk) -> None:
        """Go on with what was cut off, with what waits, or with what runs elsewhere."""
        if session.guest:
            if session.busy:
                await self._follow(desk)
        elif session.left is not None and session.left.goes_on:
            first = session.left.text.strip().partition("\n")[0]
            say(_("Going on with what was cut off: {task}", task=fit(clean_text(first), 60)))
            await self._turn(desk, "")
        elif session.pending:
            say(_("Code is waiting for your answer:"))
            await self._turn(desk, "")

    async def _leave(self, session: Conversation, desk: Desk, *, keep: bool | None, leaving: bool) -> None:
        """Let go of the session, and say how to come back."""
        if desk.detached and not session.guest:
            await go_on_without(session, self._flags)
        else:
            await session.close(keep_kernels=keep)
        if self._answers is not None:
            self._answers.end()
        if leaving and session.guest:
            say(_("You have left session {id}: interpreter attach {id}", id=session.id))
        elif leaving and not desk.detached:
            say(_("The session is kept: interpreter --resume {id}", id=session.id))

    async def _do(self, talk: Talk, desk: Desk, line: str) -> Change | None:
        text = unquoted(line)
        try:
            if talk.is_command(text):
                change = await talk.command(text)
                await desk.catch_up()
                if change is None or change.submit is None:
                    return change
                await self._submit(desk, change.submit)
                return None
            await self._turn(desk, text)
        except InterpreterError as error:
            say_error(error)
        return None

    async def _offer(self, session: Conversation, desk: Desk) -> None:
        """Before the person leaves a staged session: what of it is wanted?"""
        if session.staging is None:
            return
        from .staged import offer

        async def ask(text: str) -> str | None:
            try:
                return await self._prompt.prompt_async(text, handle_sigint=False)
            except (EOFError, KeyboardInterrupt):
                return None

        await desk.catch_up()
        await offer(session, ask if self._answers is not None else None)

    async def _turn(self, desk: Desk, text: str) -> None:
        await self._submit(desk, SubmitInput(text=text, own_code=text.startswith("%%")))

    async def _submit(self, desk: Desk, op: SubmitInput) -> None:
        end = await desk.turn(op)
        if end is None or desk.hung_up:
            raise Leave
        self._tally.add(end)

    async def _line(self, desk: Desk) -> str | None:
        """What the person writes next; None when they leave (Ctrl-D, or Ctrl-C twice)."""
        presses, begun = 0, ""
        while True:
            await desk.catch_up()
            try:
                # Ctrl-C is a key here; signals from elsewhere are the desk's.
                if desk.pressed():
                    raise KeyboardInterrupt
                line, elsewhere = await self._typed(desk, begun)
                if elsewhere:
                    begun = line
                    await self._follow(desk)
                    continue
                begun = ""
            except EOFError:
                if not os.isatty(0):
                    raise Leave from None  # the terminal went away: what the kernels hold is kept for who comes back
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

    async def _typed(self, desk: Desk, begun: str) -> tuple[str, bool]:
        """The line; or what was typed so far, when somebody else begins a turn or closes the session."""
        typing = self._tasks.start(self._read(begun))
        noticing = self._tasks.start(desk.noticed())
        try:
            await asyncio.wait({typing, noticing}, return_when=asyncio.FIRST_COMPLETED)
            if typing.done():
                if (line := typing.result()) is None:
                    raise KeyboardInterrupt
                return line, False
            pressed, text = desk.pressed(), self._prompt.default_buffer.text
            if self._prompt.app.is_running:
                self._prompt.app.exit(result="")
                await typing
            if pressed:
                raise KeyboardInterrupt
            await typing
            return text, True
        finally:
            noticing.cancel()
            if not typing.done():
                typing.cancel()
                await asyncio.gather(typing, return_exceptions=True)

    async def _read(self, begun: str) -> str | None:
        """The line; None for Ctrl-C, which must not leave a task as what it is."""
        try:
            return await self._prompt.prompt_async("> ", handle_sigint=False, default=begun)
        except KeyboardInterrupt:
            return None

    async def _follow(self, desk: Desk) -> None:
        """A turn that somebody else has begun, seen through like one's own."""
        end = await desk.follow()
        if end is None:
            say(_("The session was closed."))
        if end is None or desk.hung_up:
            raise Leave
        self._tally.add(end)

    def _greet(self, session: Conversation, *, resumed: bool) -> None:
        from .. import __version__

        say(f"interpreter {__version__} · {session.where}")
        if session.guest:
            say(_("You have joined session {id}. Ctrl-D or %detach leaves it, %exit ends it.", id=session.id))
            say(_("While it works, a line that you type is told to the model; Ctrl-C stops what runs."))
            return
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
