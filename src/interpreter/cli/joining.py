"""The session that runs here is open to other terminals, and can be left to a process without one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from ..aio import Tasks
from ..aio.processes import start_detached
from ..config.keys import KEYS
from ..text.i18n import _
from .contract import Conversation
from .say import say

DELAY = 1.0
"""Seconds after which others can join: most tasks are done before, and pay nothing for it."""


class Joining:
    def __init__(self, session: Conversation, detach: Callable[[], bool], delay: float = DELAY) -> None:
        self._session, self._detach = session, detach
        self._tasks = Tasks()
        self._close: Callable[[], Any] | None = None
        self._timer = asyncio.get_running_loop().call_later(delay, self._begin)

    def _begin(self) -> None:
        self._tasks.start(self._open())

    async def _open(self) -> None:
        from ..session.reception import Reception
        from ..session.service import Session

        if isinstance(self._session, Session):
            reception = Reception(self._session, self._detach)
            with suppress(OSError):  # nobody can join; the work goes on
                await reception.open()
                self._close = reception.close

    async def close(self) -> None:
        self._timer.cancel()
        await self._tasks.drain()
        if self._close is not None:
            await self._close()


async def go_on_without(session: Conversation, flags: Mapping[str, Any]) -> None:
    """Leave a turn that runs to a process of its own without a terminal."""
    from ..session.service import Session

    assert isinstance(session, Session)
    mode = session.mode
    if not await session.let_go():
        say(_("The session is kept: interpreter --resume {id}", id=session.id))
        return
    words, environ = words_of(session.id, mode, flags)
    start_detached(words, session.log.folder / "background.log", environ)
    say(_("It goes on without this terminal: interpreter attach {id}", id=session.id))


def words_of(session: str, mode: str, flags: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The command that takes the session up with the same settings, and its environment. A key is in nobody's list of
    processes."""
    environ = dict(os.environ)
    words = [sys.executable, "-P", "-m", "interpreter", "--resume", session, "--background"]
    kept = {name: value for name, value in flags.items() if name not in ("auto_run", "plan", "approvals")}
    for name, value in kept.items():
        key = KEYS[name]
        if name == "llm.api_key":
            environ[key.variable] = str(value)
        elif key.kind == "bool":
            words.append(key.flags[0] if value == "true" else f"--no_{key.flags[0].lstrip('-')}")
        else:
            several = cast("list[object]", value) if isinstance(value, list) else [value]
            words += [f"{key.flags[0]}={one}" for one in several]
    return [*words, *{"auto": ["--auto_run"], "plan": ["--plan"]}.get(mode, [])], environ
