"""`interpreter mcp list`, `show`, `trust` and `forget`: servers of others, and whether their tools are trusted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.settings import Settings
from ..errors import UsageError
from ..text.i18n import _
from .printing import print_json, write
from .say import say, say_piece

if TYPE_CHECKING:
    from ..app.trusting import Looked, Trusting

USAGE = """interpreter mcp list [--json]
interpreter mcp show NAME [--json]
interpreter mcp trust NAME [--sha256 HASH]
interpreter mcp forget NAME
"""
VERBS = ("list", "show", "trust", "forget")


def servers(settings: Settings, workspace: Path, words: Sequence[str], *, sha256: str, as_json: bool) -> int:
    """Carry out one of `VERBS`; the exit code."""
    from ..app.trusting import Trusting

    verb, *names = words
    trusting = Trusting(settings, workspace)
    if verb == "list":
        return _list(trusting, as_json=as_json)
    if len(names) != 1:
        raise UsageError(_("Name one server."), USAGE.rstrip())
    if verb == "forget":
        known = trusting.forget(names[0])
        write(_("Forgotten: {name}", name=names[0]) if known else _("It was not trusted: {file}", file=names[0]))
        return 0
    looked = asyncio.run(trusting.look(names[0]))
    if as_json and verb == "show":
        rows = [row._asdict() for row in looked.rows]
        print_json({"name": looked.name, "sha256": looked.sha256, "trusted": looked.trusted, "tools": rows})
        return 0
    _show(looked)
    return _trust(trusting, looked, sha256) if verb == "trust" else 0


def _list(trusting: Trusting, *, as_json: bool) -> int:
    found = trusting.known()
    if as_json:
        print_json([one._asdict() for one in found])
        return 0
    if not found:
        write(_("Your configuration names no server: mcp_servers. See docs/mcp.md."))
    for one in found:
        state = (
            _("{n} tools", n=one.tools)
            if one.trusted
            else _("not trusted: interpreter mcp trust {name}", name=one.name)
        )
        write(f"{one.name}  {state}  {one.command}")
    return 0


def _show(looked: Looked) -> None:
    states = {"": "", "new": _("new"), "changed": _("changed"), "gone": _("gone")}
    for row in looked.rows:
        state = f" [{states[row.state]}]" if row.state else ""
        write(f"{row.name}{state}")
        for text in (row.description, row.parameters):
            for line in text.splitlines():
                write(f"    {line}")
    write(f"SHA-256 {looked.sha256}")
    if looked.trusted:
        write(_("This is what you trust already."))


def _trust(trusting: Trusting, looked: Looked, sha256: str) -> int:
    if sha256:
        if sha256 != looked.sha256:
            raise UsageError(
                _("What the server says now has another hash: {sha256}.", sha256=looked.sha256),
                _("Nothing was trusted."),
            )
    elif looked.trusted:
        return 0
    elif not _agreed():
        return 1
    trusting.trust(looked)
    write(_("Trusted as it stands now: {file}", file=looked.name))
    return 0


def _agreed() -> bool:
    """Ask on a terminal; elsewhere silence is no yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say(_("Nothing was trusted: nobody can be asked here. Once you have looked: --sha256 HASH"))
        return False
    say_piece(_("These texts come from the server, and models will read them. Trust it? [y/N] "))
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是", "好")
