"""`interpreter rewind`, `diff` and `fork`: steps taken back, compared, gone on from. No model is asked."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..app.rewinds import FileChange, Rewinds
from ..errors import UsageError
from ..text.clean import clean_text
from ..text.cut import pad, width
from ..text.i18n import _
from ..types.ops import Rewind
from .arguments import Arguments
from .command import read_command
from .printing import print_json, write
from .views.back import rewound

USAGE = {
    "rewind": "interpreter rewind STEP [--files] [--variables] [--conversation] [--session ID] [--json]\n",
    "diff": "interpreter diff STEP | STEP..STEP | STEP.. | --steps [--stat] [--session ID] [--json]\n",
    "fork": "interpreter fork [STEP] [--files] [--session ID] [--json]\n",
}
SWITCHES = {
    "rewind": ("files", "variables", "conversation", "json"),
    "diff": ("steps", "stat", "json"),
    "fork": ("files", "json"),
}
RANGE = re.compile(r"(\d{1,9})(?:(\.\.)(\d{1,9})?)?")


def steps(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError, SessionUnknown, SessionBusy, StoreError."""
    command = arguments.command
    asked = read_command(arguments, USAGE[command], switches=SWITCHES[command], texts=("session",))
    if asked is None:
        return 0
    words, found, settings = asked.words, asked.found, asked.settings()
    wanted = str(found["session"] or "last")
    work: dict[str, Callable[[Rewinds, str, list[str], dict[str, Any]], int]] = {
        "rewind": _rewind,
        "diff": _diff,
        "fork": _fork,
    }
    return work[command](Rewinds(settings), wanted, words, found)


def one_step(command: str, words: list[str]) -> int:
    """Raises UsageError where it is not one number."""
    if len(words) != 1 or not words[0].isascii() or not words[0].isdigit():
        raise UsageError(_("Name one step by its number; 0 is before the first."), USAGE[command].rstrip())
    return int(words[0])


def _rewind(rewinds: Rewinds, wanted: str, words: list[str], found: dict[str, Any]) -> int:
    parts = {name: bool(found[name]) for name in ("files", "variables", "conversation")}
    op = Rewind(step=one_step("rewind", words), **parts)
    session, last, done = asyncio.run(rewinds.rewind(wanted, op))
    if found["json"]:
        print_json({"session": session, **msgspec.to_builtins(done)})
        return 0
    for line in rewound(done):
        write(line)
    if done.files and last:
        write(_("The files as they were before this are kept: interpreter rewind {n} --files", n=last))
    write(_("To go on: interpreter --resume {id}", id=session))
    return 0


def _fork(rewinds: Rewinds, wanted: str, words: list[str], found: dict[str, Any]) -> int:
    step = one_step("fork", words) if words else None
    made = rewinds.fork(wanted, step)
    files = 0
    if found["files"]:
        _session, _last, done = asyncio.run(rewinds.rewind(made.session, Rewind(step=made.step, files=True)))
        files = done.files
    if found["json"]:
        print_json({"session": made.session, "source": made.source, "step": made.step, "files": files})
        return 0
    write(_("Session {id} begins where {source} was after step {step}.", id=made.session, source=made.source,
            step=made.step))  # fmt: skip
    if found["files"]:
        write(_("Files brought back: {n}", n=files) if files else _("The files are as they were."))
    else:
        write(_("The files stay as they are now; --files brings back those of that step."))
    write(_("To go on: interpreter --resume {id}", id=made.session))
    return 0


def _diff(rewinds: Rewinds, wanted: str, words: list[str], found: dict[str, Any]) -> int:
    if found["steps"]:
        if words:
            raise UsageError(_("--steps takes no step."), USAGE["diff"].rstrip())
        return _steps(rewinds, wanted, as_json=bool(found["json"]))
    match = RANGE.fullmatch(words[0]) if len(words) == 1 else None
    if match is None:
        raise UsageError(_("Say a step, or two as in 2..5; 0 is before the first."), USAGE["diff"].rstrip())
    first, dots, second = match.groups()
    begin = int(first) if dots else None
    end = (int(second) if second else None) if dots else int(first)
    if found["stat"] or found["json"]:
        return _stat(list(rewinds.stat(wanted, begin, end)), as_json=bool(found["json"]))
    terminal = sys.stdout.isatty()
    for piece in rewinds.diff(wanted, begin, end):
        if terminal:
            # What files hold may be written for the terminal, and not for who reads it.
            sys.stdout.write(clean_text(piece.decode("utf-8", "backslashreplace")))
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(piece)
    sys.stdout.flush()
    return 0


def _steps(rewinds: Rewinds, wanted: str, *, as_json: bool) -> int:
    rows = rewinds.steps(wanted)
    if as_json:
        print_json([row._asdict() for row in rows])
        return 0
    for row in rows:
        files = "?" if row.files is None else str(row.files)
        write(f"{row.step:>4}  {pad(row.language, 10)}  {pad(row.status or '…', 8)}  {files:>4}  {row.gist}")
    if not rows:
        write(_("This session has no steps."))
    return 0


def _stat(lines: list[FileChange], *, as_json: bool) -> int:
    shown = [Path(line.path.decode("utf-8", "backslashreplace")).as_posix() for line in lines]
    if as_json:
        print_json([{**line._asdict(), "path": path} for line, path in zip(lines, shown, strict=True)])
        return 0
    column = max((width(path) for path in shown), default=0)
    for line, path in zip(lines, shown, strict=True):
        if line.binary:
            sizes = [_("absent") if size < 0 else _("{n} bytes", n=f"{size:,}") for size in (line.before, line.after)]
            write(f"{pad(clean_text(path), column)}  {' -> '.join(sizes)}")
        else:
            write(f"{pad(clean_text(path), column)}  +{line.added} -{line.removed}")
    write(_("{n} files changed", n=len(lines)))
    return 0
