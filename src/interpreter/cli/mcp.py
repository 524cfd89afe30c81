"""`interpreter mcp`: this program's tools for other programs, and other programs' tools for this one."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..aio import Tasks
from ..config.paths import token_file
from ..config.settings import Settings
from ..errors import UsageError
from ..text.i18n import _
from .arguments import Arguments, no_command
from .command import read_command
from .mcp_servers import USAGE as USAGE_OF_SERVERS
from .mcp_servers import VERBS, servers
from .say import say

if TYPE_CHECKING:
    from ..mcp.calls import Calls

USAGE = """interpreter mcp [-y] [--http PORT] [--tool NAME ...] [--tools-only] [--workspace FOLDER] [FLAGS]
"""
Way = Callable[["Calls"], Coroutine[Any, Any, None]]
"""Answers calls until its end."""
WAIT = 300.0
"""Seconds that a question waits for its answer from another terminal, where nothing else is set."""
LONGEST = 600.0
"""Seconds of one execution, where nothing else is set."""


def mcp_command(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError."""
    asked = read_command(arguments, USAGE + USAGE_OF_SERVERS, switches=("json",), texts=("sha256", "http"))
    if asked is None:
        return 0
    words, found, folder = asked.words, asked.found, asked.workspace()
    settings = asked.settings(folder)
    if words and words[0] not in VERBS:
        raise no_command("mcp", words, VERBS, (USAGE + USAGE_OF_SERVERS).rstrip())
    if words:
        return servers(settings, folder, words, sha256=str(found["sha256"] or ""), as_json=bool(found["json"]))
    return _serve(settings, folder if asked.place else None, found["http"])


def _serve(settings: Settings, workspace: Path | None, http: str | None) -> int:
    if http is None and os.isatty(0):
        raise UsageError(
            _("This speaks the Model Context Protocol with another program, not with a person."),
            _("Put it into that program's configuration: command `interpreter`, arguments `mcp`. See docs/mcp.md."),
        )
    try:
        from ..mcp import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "anyio", "pydantic"):
            raise
        raise UsageError(
            _("The package mcp is not installed, which `interpreter mcp` needs."),
            _("Install it with: pip install 'reinterpreter[mcp]'"),
        ) from None
    for note in settings.notes:
        say(note)
    way = _over_pipes(serve) if http is None else _over_http(http)
    return asyncio.run(_served(way, attended_elsewhere(settings), workspace))


def _over_pipes(serve: Any) -> Way:
    # From here on nothing but the protocol reaches the other program, whoever prints.
    read, write = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return lambda calls: serve.serve(calls, read, write)


def _over_http(port: str) -> Way:
    from ..mcp import http

    if not (port.isdecimal() and int(port) < 65536):
        raise UsageError(_("--http should be a port: a whole number below 65536; 0 for any."))
    try:
        secret = http.token(token_file())
        listening = http.listen(int(port))
    except OSError as error:
        raise UsageError(
            _("It cannot listen on port {port}: {reason}.", port=port, reason=error.strerror or str(error))
        ) from None
    address = f"http://{http.HOST}:{listening.getsockname()[1]}{http.PATH}"
    say(_("Listening: {address}, with the header `Authorization: Bearer` and what {path} holds.",
          address=address, path=str(token_file())))  # fmt: skip
    return lambda calls: http.serve_http(calls, listening, secret)


async def _served(way: Way, settings: Settings, workspace: Path | None) -> int:
    from ..app import open_session
    from ..mcp.calls import Calls
    from ..mcp.relay import Relay

    relay = Relay()
    session = await open_session(settings, workspace=workspace, client=relay)
    say(_("Session {session}: {where}", session=session.id, where=session.where))
    calls, tasks = Calls(session, relay), Tasks()
    serving = tasks.start(way(calls))
    for one in (signal.SIGTERM, signal.SIGINT):
        # Clients are quick to end what does not end by itself: the session is closed all the same.
        asyncio.get_running_loop().add_signal_handler(one, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return 0
    except ValueError:
        raise UsageError(
            _("Standard input is a plain file."), _("A program that speaks MCP writes to a pipe.")
        ) from None
    finally:
        await calls.close()
        await session.close()
    return 0


def attended_elsewhere(settings: Settings) -> Settings:
    """Questions wait a while for `interpreter approvals` of another terminal; with -y nobody is asked. What nobody
    watches has bounds. What is meant for a model (answers from a cache, summaries, a form for answers, a choice among
    skills) is off: the other program would be taken for one.
    """
    agent = settings.agent
    agent = msgspec.structs.replace(
        agent,
        can_ask=agent.mode != "auto",
        away=True,
        bounded=False,
        approval_timeout=agent.approval_timeout or WAIT,
        timeout=agent.timeout or LONGEST,
        output_schema="",
        summary="account",
    )
    skills = msgspec.structs.replace(settings.skills, choose=False)
    return msgspec.structs.replace(settings, agent=agent, skills=skills, cache=False, record="")
