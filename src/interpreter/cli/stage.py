"""`interpreter stage`: the stages of sessions, shown, committed and dropped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import StageError, UsageError
from ..text.i18n import _
from ..types.staging import digest
from .arguments import Arguments, no_command
from .command import read_command
from .staged import as_data, done_line, second_look, summary

if TYPE_CHECKING:
    from ..app.stages import Stages

USAGE = """interpreter stage [show] [PATH ...] [--session ID] [--json]
interpreter stage diff [PATH ...] [--session ID]
interpreter stage commit [PATH ...] [--session ID]
interpreter stage drop [PATH ...] [--session ID]
interpreter stage abandon [--session ID]
"""
VERBS = ("show", "diff", "commit", "drop", "abandon")


def stage(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError, StageError, StoreError."""
    asked = read_command(arguments, USAGE, switches=("json",), texts=("session",))
    if asked is None:
        return 0
    found, settings = asked.found, asked.settings()
    verb, *paths = asked.words or ["show"]
    if verb not in VERBS:
        raise no_command("stage", [verb], VERBS, USAGE.rstrip())
    if found["json"] and verb != "show":
        raise UsageError(_("--json belongs to stage show."), USAGE.rstrip())
    from ..app.stages import Stages

    wanted = str(found["session"] or "last")
    stages = Stages(settings)
    if verb == "abandon":
        return _abandon(stages, wanted, paths)
    if stages.pending(wanted) and stages.finish(wanted):
        write(_("A commit that was cut off is finished now."))
    if verb == "diff":
        for line in stages.diff(wanted, paths):
            write(line)
        return 0
    if verb == "show":
        return _show(stages, wanted, paths, as_json=bool(found["json"]))
    if verb == "drop" and not paths:
        return _drop_all(stages, wanted)
    seen = stages.seen(wanted)
    if verb == "commit":
        stages.commit(seen.session, paths, digest(seen.changes))
    else:
        stages.drop(seen.session, paths)
    left = stages.seen(seen.session).changes
    write(done_line(len(seen.changes) - len(left), verb == "drop"))
    if left:
        write(_("{n} changes stay in the stage of session {id}.", n=len(left), id=seen.session))
        if note := second_look(left):
            write(note)
    return 0


def _drop_all(stages: Stages, wanted: str) -> int:
    """Also of a stage that cannot be read."""
    try:
        count = len(stages.seen(wanted).changes)
    except StageError:
        count = None
    stages.drop(wanted)
    write(done_line(count, True))
    return 0


def _abandon(stages: Stages, wanted: str, paths: list[str]) -> int:
    """Give up a commit that cannot be finished."""
    if paths:
        raise UsageError(_("A commit is given up as a whole; name no paths."), USAGE.rstrip())
    done, steps = stages.abandon(wanted)
    write(_("The commit is given up. Of its {steps} steps {done} are done and stay done.", steps=steps, done=done))
    left = stages.seen(wanted).changes
    write(_("{n} changes are staged as before: interpreter stage", n=len(left)))
    if note := second_look(left):
        write(note)
    return 0


def _show(stages: Stages, wanted: str, paths: list[str], *, as_json: bool) -> int:
    seen = stages.seen(wanted, paths)
    if as_json:
        from .manage import print_json

        print_json({"session": seen.session, "workspace": seen.workspace, "changes": as_data(seen.changes)})
        return 0
    write(_("Session {id}, in {path}", id=seen.session, path=seen.workspace))
    for line in summary(seen.changes, most=len(seen.changes)) if seen.changes else [_("Nothing is staged.")]:
        write(line)
    if note := second_look(seen.changes):
        write(note)
    return 0


def write(line: str) -> None:
    """Every line was made harmless where it was put together."""
    sys.stdout.write(line + "\n")
