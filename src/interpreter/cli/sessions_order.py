"""`sessions name`, `tag`, `search` and `prune`: order among old sessions."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..app.keeping import Bounds, Found, Keeping, age_of
from ..errors import UsageError
from ..text.clean import clean_text
from ..text.cut import human_size
from ..text.i18n import _
from .printing import print_json, write
from .say import say, say_error
from .sessions import print_rows
from .sessions_carry import size_of


def name(keeping: Keeping, words: Sequence[str], flags: dict[str, Any]) -> int:
    """`sessions name ID NAME`, `sessions name ID --remove`."""
    if len(words) != (1 if flags["remove"] else 2):
        raise UsageError(_("Say which session, and its name: interpreter sessions name ID NAME"))
    session = keeping.name(words[0], "" if flags["remove"] else words[1])
    write(session if flags["remove"] else f"{session}  {words[1]}")
    return 0


def tag(keeping: Keeping, words: Sequence[str], flags: dict[str, Any]) -> int:
    """`sessions tag ID TAG ... [--untag TAG]`."""
    removed: list[str] = flags["untag"] or []
    if not words or (len(words) == 1 and not removed):
        raise UsageError(_("Say which session, and its tags: interpreter sessions tag ID TAG ... [--untag TAG]"))
    session, tags = keeping.tag(words[0], words[1:], removed)
    write("  ".join((session, *(f"#{word}" for word in tags))))
    return 0


def search(keeping: Keeping, words: Sequence[str], flags: dict[str, Any]) -> int:
    """`sessions search WORDS`; 1 when there is nothing, as grep does."""
    wanted = [part for word in words for part in word.split()]
    if not wanted:
        raise UsageError(_("Say what to look for: interpreter sessions search WORD ..."))
    found = keeping.search(wanted)
    if flags["json"]:
        print_json(found.hits)
        return 0 if found.hits else 1
    show(found)
    if not found.hits:
        say(_("No session has all of these words."))
        return 1
    told = len({hit.session for hit in found.hits})
    if found.sessions > told:
        say(_("There are {n} more sessions; give more words.", n=found.sessions - told))
    return 0


def show(found: Found) -> None:
    colours = sys.stdout.isatty()
    for hit in found.hits:
        moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(hit.time))
        place = _("step {n}", n=hit.step) if hit.step else _("start")
        text = hit.text
        if colours:
            for start, stop in reversed(hit.marks):
                text = f"{text[:start]}\0{text[start:stop]}\1{text[stop:]}"
        line = clean_text(f"{hit.session}  {moment}  {place}  ") + clean_marked(text)
        sys.stdout.write(line + "\n")


def clean_marked(text: str) -> str:
    """Cleaned, with what was found in bold; the marks are put back last, so that no text can bring its own."""
    parts = text.replace("\1", "\0").split("\0")
    return "".join(
        clean_text(part) if at % 2 == 0 else f"\x1b[1m{clean_text(part)}\x1b[0m" for at, part in enumerate(parts)
    )


def prune(keeping: Keeping, words: Sequence[str], flags: dict[str, Any]) -> int:
    """`sessions prune --older-than 30d --larger-than 500M`: 1 when one could not be removed."""
    if words:
        raise UsageError(_("sessions prune takes no names; interpreter sessions rm ID removes one."))
    if not flags["older_than"] and not flags["larger_than"]:
        raise UsageError(_("Say which: --older-than 30d, --larger-than 500M, or both (then both must hold)."))
    bounds = Bounds(
        age_of(str(flags["older_than"])) if flags["older_than"] else 0.0,
        size_of(str(flags["larger_than"]), "--larger-than") if flags["larger_than"] else 0,
        bool(flags["keep_named"]),
        bool(flags["waiting"]),
    )
    found = keeping.prunable(bounds)
    if not found:
        write(_("No session is beyond these bounds."))
        return 0
    print_rows(found, write)
    size = human_size(sum(row.disk or 0 for row in found))
    if flags["dry_run"]:
        write(_("These {n} would be removed: {size}.", n=len(found), size=size))
        return 0
    if not flags["yes"] and not agreed(len(found), size):
        say(_("Nothing was removed."))
        return 2
    gone, failed = keeping.prune(found)
    for error in failed:
        say_error(error)
    write(_("Removed: {n} sessions.", n=len(gone)))
    return 1 if failed else 0


def backup(keeping: Keeping, words: Sequence[str], flags: dict[str, Any]) -> int:
    """`sessions backup FILE | FOLDER [--keep N]`, made for cron: one line, or an error and another exit code than 0."""
    if len(words) != 1:
        raise UsageError(_("Say where to: interpreter sessions backup FILE, or a folder."))
    keep = str(flags["keep"] or "")
    target = Path(words[0]).expanduser().absolute()
    if keep and not (keep.isdecimal() and 0 < int(keep) < 10**6):
        raise UsageError(_("--keep should be a whole number of at least 1."))
    if keep and not target.is_dir():
        raise UsageError(_("--keep belongs to a folder of backups, and {path} is none.", path=target))
    found = keeping.backup(target, int(keep or 0), force=bool(flags["force"]))
    size = human_size(found.size)
    write(_("Written and verified: {path}, {n} sessions, {size}.", path=str(found.path), n=found.sessions, size=size))
    for path in found.removed:
        write(_("Removed: {id}", id=str(path)))
    for session in found.damaged:
        say(_("{session} is not whole, here and in the backup: interpreter audit verify {session}", session=session))
    return 1 if found.damaged else 0


def agreed(count: int, size: str) -> bool:
    """Ask on a terminal; elsewhere silence is no yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say(_("Add --yes to remove them where nobody can be asked."))
        return False
    say(_("Remove these {n} for ever ({size})? y/n", n=count, size=size))
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是", "好")
