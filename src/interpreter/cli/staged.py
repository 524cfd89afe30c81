"""Staged mode at the terminal: what would change, and the person's decision."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InterpreterError, StageError, UsageError
from ..text.cut import human_size
from ..text.filename import shown
from ..text.i18n import _
from ..types.ops import StageCommit, StageDrop
from ..types.staging import digest
from .contract import Conversation
from .say import say, say_error, say_piece

if TYPE_CHECKING:
    from ..session.parts import Staging
    from ..types.staging import Change

SHOWN = 30
"""Changes that a summary names one by one."""
MARKS = {"added": "+", "changed": "~", "deleted": "-", "mode": "m", "odd": "!"}
ALL = ("a", "all", "全部", "全", "都要")
SOME = ("s", "some", "部分", "一些")
NONE = ("n", "none", "全不要", "都不要", "丢弃")
LATER = ("l", "later", "以后", "稍后", "")
DIFF = ("d", "diff", "差异", "看")
Ask = Callable[[str], Awaitable[str | None]]
"""Asks for one line; None: nobody answers."""


def name_of(change: Change) -> str:
    return shown(change.path)


def summary(changes: Sequence[Change], *, most: int = SHOWN) -> list[str]:
    """What would change, a line each; the first says how much."""
    counts = {kind: sum(change.kind == kind for change in changes) for kind in MARKS}
    parts = [
        text
        for count, text in (
            (counts["added"], _("{n} added", n=counts["added"])),
            (counts["changed"] + counts["mode"], _("{n} changed", n=counts["changed"] + counts["mode"])),
            (counts["deleted"], _("{n} deleted", n=counts["deleted"])),
        )
        if count
    ]
    lines = [
        _("Staged, and not yet in the folder: {what}.", what=", ".join(parts) or _("nothing that can be committed"))
    ]
    # What needs a second look is never cut off.
    first = sorted(changes, key=lambda change: change.warning == "" and change.kind != "odd")
    lines += [line_of(change) for change in first[:most]]
    if len(changes) > most:
        lines.append(_("  ... and {n} more: interpreter stage", n=len(changes) - most))
    return lines


def line_of(change: Change) -> str:
    slash = "/" if change.what == "folder" else ""
    size = f"  {human_size(change.size)}" if change.what == "file" and change.kind != "deleted" else ""
    why = {
        "conflict": _("changed in the folder as well"),
        "runs": _("other programs may run it unasked"),
    }.get(change.warning, "")
    if change.kind == "odd":
        why = _("cannot be committed")
    if why:
        why = f"  [{why}]"
    return f"  {MARKS[change.kind]} {name_of(change)}{slash}{size}{why}"


def as_data(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "path": name_of(change),
            "top": shown(change.top),
            "kind": change.kind,
            "what": change.what,
            "size": change.size,
            "was_size": change.was_size,
            "mode": f"{change.mode:04o}",
            "warning": change.warning,
        }
        for change in changes
    ]


def later(session: str) -> str:
    return _("It is kept. To look and decide: interpreter stage diff|commit|drop --session {id}", id=session)


def second_look(changes: Sequence[Change]) -> str:
    """What stays when all is committed; empty where nothing does."""
    count = sum(bool(change.warning) or change.kind == "odd" for change in changes)
    return _("{n} need a second look: they are committed only when they are named.", n=count) if count else ""


async def offer(session: Conversation, ask: Ask | None) -> None:
    """At the end: what would change, and the question what of it is wanted. `ask` None: nobody is there."""
    if session.staging is None:
        return
    try:
        changes = await session.staging.changes()
    except InterpreterError as error:
        say_error(error)
        return
    if not changes:
        return
    for line in summary(changes):
        say(line)
    if note := second_look(changes):
        say(note)
    if ask is None:
        say(_("Nothing was committed: nobody was asked."))
        say(later(session.id))
        return
    while not await decide(session, changes, ask):
        changes = await session.staging.changes()


async def decide(session: Conversation, changes: Sequence[Change], ask: Ask) -> bool:
    """Ask once and do what is said; False: ask again."""
    line = await ask(_("Commit [a]ll, [s]ome, [n]one (forget it), decide [l]ater, or see the [d]iff? "))
    word = (line or "").strip().lower()
    if line is None or word in LATER:
        say(later(session.id))
        return True
    try:
        if word in DIFF and session.staging is not None:
            for text in session.staging.diff(changes):
                say(text)
            return False
        if word in ALL:
            await session.send(StageCommit(seen=digest(changes)))
        elif word in SOME:
            paths = words_of(await ask(_("Files or folders, separated by spaces: ")) or "")
            if not paths:
                return False
            await session.send(StageCommit(paths=tuple(paths), seen=digest(changes)))
        elif word in NONE:
            await session.send(StageDrop())
        else:
            return False
    except InterpreterError as error:
        say_error(error)
        return False
    left = await session.staging.changes() if session.staging is not None else []
    say(done_line(len(changes) - len(left), word in NONE))
    if left:
        say(later(session.id))
    return True


async def one_line(text: str) -> str | None:
    """A line that the person types at the terminal; None for its end, or Ctrl-C."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str | None] = loop.create_future()
    held = b""

    def readable() -> None:
        nonlocal held
        try:
            data = os.read(0, 4096)
        except OSError:
            data = b""
        held += data
        if (not data or b"\n" in held) and not typed.done():
            typed.set_result(held.partition(b"\n")[0].decode("utf-8", "replace") if data else None)

    say_piece(text)
    loop.add_reader(0, readable)
    try:
        return await typed
    finally:
        loop.remove_reader(0)


def done_line(count: int | None, dropped: bool) -> str:
    """`count` None: nobody could count them."""
    if count is None:
        return _("Forgotten: all that was staged.")
    return _("Forgotten: {n} changes.", n=count) if dropped else _("Committed: {n} changes.", n=count)


def words_of(line: str) -> list[str]:
    """Raises UsageError for a quote without an end."""
    try:
        return shlex.split(line)
    except ValueError:
        raise UsageError(_("A quote has no end."), _("Nothing was changed.")) from None


async def forget_all(session: Conversation, staging: Staging) -> str:
    """Drop everything, also what cannot be read; says what was done. Raises UsageError, StageError."""
    try:
        count = len(await staging.changes())
    except StageError:
        count = None
    await session.send(StageDrop())
    return done_line(count, True)


async def talk_stage(session: Conversation, rest: str) -> None:
    """`%stage [diff|commit|drop] [PATH ...]`. Raises UsageError, StageError."""
    verb, *paths = words_of(rest) or ["show"]
    if session.staging is None:
        raise UsageError(_("This session is not staged."), _("A staged one begins with: interpreter --stage"))
    if verb == "drop" and not paths:
        say(await forget_all(session, session.staging))
        return
    changes = session.staging.below(await session.staging.changes(), paths)
    match verb:
        case "show":
            for line in summary(changes, most=1000) if changes else [_("Nothing is staged.")]:
                say(line)
        case "diff":
            for line in session.staging.diff(changes):
                say(line)
        case "commit" | "drop":
            before = len(await session.staging.changes())
            await session.send(StageCommit(paths=tuple(paths)) if verb == "commit" else StageDrop(paths=tuple(paths)))
            say(done_line(before - len(await session.staging.changes()), verb == "drop"))
        case _:
            raise UsageError(
                _("There is no command {name}.", name=f"%stage {verb}"), "%stage [show|diff|commit|drop] [PATH ...]"
            )
