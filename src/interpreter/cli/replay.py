"""`interpreter replay FILE`: a recorded run again, offline, beside what was recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from ..app.replaying import Judged, Replayed, replay
from ..errors import UsageError
from ..text.clean import reveal
from ..text.commands import build_server, harmless
from ..text.cut import fit
from ..text.i18n import _
from ..types.base import whole
from ..types.languages import title
from .arguments import Arguments
from .command import read_command
from .printing import print_json, write

USAGE = "interpreter replay FILE [--json] [--policy FILE] [--max-tokens N] ..."


def replay_command(arguments: Arguments) -> int:
    """Carry it out: 0 where all is as recorded, 1 where anything differs. Raises UsageError, ConfigError."""
    asked = read_command(arguments, f"{USAGE}\n", switches=("json",))
    if asked is None:
        return 0
    if len(asked.words) != 1:
        raise UsageError(_("Name one recording."), USAGE)
    done = asyncio.run(replay(asked.settings(), Path(asked.words[0])))
    if asked.found["json"]:
        print_json({"same": done.same, **whole(done)})
    else:
        for line in lines_of(done):
            write(harmless(line) if build_server(os.environ) else line)
    return 0 if done.same else 1


def lines_of(done: Replayed) -> Iterator[str]:
    """The comparison in words."""
    for one in done.requests:
        if not one.difference:
            yield _("Request {n}: as recorded.", n=one.number)
            continue
        yield _("Request {n} differs:", n=one.number)
        yield from ("  " + reveal(line) for line in one.difference)
    if done.unasked:
        yield _("{n} recorded requests were not made.", n=done.unasked)
    for verdict in done.verdicts:
        yield from verdict_lines(verdict)
    if done.unproposed:
        yield _("{n} recorded actions were not proposed.", n=done.unproposed)
    for end in done.ends:
        if end.then == end.now:
            yield _("End: {now}, as recorded.", now=end.now)
        else:
            yield _("End: {now}; recorded: {then}.", now=end.now, then=end.then or _("none"))
            if end.text:
                yield "  " + fit(reveal(end.text.splitlines()[0]), 200)
    if done.cut:
        yield _("The recording does not hold the whole run: it became too large.")
    yield _("All as recorded.") if done.same else _("Not as recorded.")


def verdict_lines(verdict: Judged) -> Iterator[str]:
    name = f"{verdict.number} ({title(verdict.language)})"
    first = fit(reveal(next((line for line in verdict.code.splitlines() if line.strip()), "")), 80)
    if not verdict.known:
        yield _("Action {name} was not proposed then: {code}", name=name, code=first)
        return
    if not verdict.differs:
        return
    now, then = verdict.now or "-", verdict.then or "-"
    yield _("Action {name}: {now} now, {then} then: {code}", name=name, now=now, then=then, code=first)
    for reason in verdict.reasons:
        yield f"  {reason.rule} ({reason.layer}): {reveal(reason.text)}"
