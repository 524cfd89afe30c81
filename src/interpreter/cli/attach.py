"""`interpreter attach` and `detach`: joining a session that runs elsewhere, and letting go of its terminal."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..text.clean import clean_text
from ..text.i18n import _
from .arguments import Arguments
from .command import read_command
from .configure import with_person
from .desk import Desk, Leave
from .remote import Remote, connect
from .say import say

if TYPE_CHECKING:
    from ..app.attaching import Found
    from ..config.settings import Settings
    from .contract import Conversation, Open

USAGE = {
    "attach": "interpreter attach [ID] [--watch]\n",
    "detach": "interpreter detach [ID]\n",
}


def attach(arguments: Arguments) -> int:
    """Carry out either command; the exit code."""
    from ..app.attaching import find

    name = arguments.command
    asked = read_command(arguments, USAGE[name], switches=("watch",) if name == "attach" else ())
    if asked is None:
        return 0
    if len(asked.words) > 1:
        raise UsageError(_("Name one session: its id, the beginning of it, or last."), USAGE[name].rstrip())
    settings = asked.settings()
    there = find(settings, asked.words[0] if asked.words else "")
    if name == "detach":
        return asyncio.run(_detach(there))
    if not there.pid:
        return _take_up(settings, there, asked.flags)
    typed = os.isatty(0) and os.isatty(2)
    if asked.found["watch"] or not typed:
        return asyncio.run(_look_on(settings, there))
    return _join(with_person(settings, True), there)


def _take_up(settings: Settings, there: Found, flags: dict[str, object]) -> int:
    """Nobody holds it: the one who comes does."""
    from ..app import open_session
    from .repl import run_conversation

    if not os.isatty(0):
        raise UsageError(
            _("Session {id} does not run: nobody can be joined there.", id=there.session),
            _("To go on with it: interpreter --resume {id}", id=there.session),
        )
    say(_("Nobody holds session {id}: you take it up.", id=there.session))
    return run_conversation(open_session, with_person(settings, True), None, there.session, flags)


def _join(settings: Settings, there: Found) -> int:
    from .repl import Repl

    tell_so_far(settings, there)
    return asyncio.run(Repl(joiner(there), settings, None).run(there.session))


def joiner(there: Found) -> Open:
    """An `Open` that joins this one session."""

    async def join(settings: Settings, *, resume: str | None = None, workspace: Path | None = None) -> Conversation:
        if resume and resume != there.session:
            raise UsageError(
                _("Here you have joined session {id}; another one is for another terminal.", id=there.session),
                _("Nothing was changed."),
            )
        return await joined(settings, there, watch=False)

    return join


async def joined(settings: Settings, there: Found, *, watch: bool) -> Remote:
    from ..app.attaching import open_now

    remote = await connect(there.session, there.folder, watch=watch)
    remote.begin(open_now(settings, there.session))
    return remote


def tell_so_far(settings: Settings, there: Found) -> None:
    from ..app.attaching import so_far

    for text in so_far(settings, there.session):
        say(clean_text(text))


async def _look_on(settings: Settings, there: Found) -> int:
    """Show what happens until the session is closed or Ctrl-C."""
    from .task import make_view

    tell_so_far(settings, there)
    remote = await joined(settings, there, watch=True)
    view = make_view(settings)
    say(_("You only look on; Ctrl-C leaves."))
    code = 0

    async def look(desk: Desk) -> None:
        nonlocal code
        try:
            while (end := await desk.follow()) is not None:
                code = end.exit_code
        except (Leave, asyncio.CancelledError):
            pass
        finally:
            view.end()
            await remote.close()

    with Desk(remote, view, None) as desk:
        await asyncio.gather(look(desk), desk.pump(), return_exceptions=True)
    return code


async def _detach(there: Found) -> int:
    if not there.pid:
        raise UsageError(_("Session {id} does not run.", id=there.session), _("Nothing was changed."))
    remote = await connect(there.session, there.folder, watch=False)
    remote.begin(())
    try:
        await remote.detach()
    finally:
        await remote.close()
    say(_("Session {id} lets go of its terminal and goes on: interpreter attach {id}", id=there.session))
    return 0
