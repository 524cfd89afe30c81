"""`sessions export` and `sessions import`: a session as a file, and out of one."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..app.keeping import Keeping, Wanted
from ..app.readings import ENDINGS, FORMS
from ..errors import UsageError
from ..text.i18n import _, listed
from .printing import write
from .say import say

PARTS = ("outputs", "checkpoints")
"""What a session can be exported without."""
FILES = ("html", "session")
"""Forms that go into a file of their own when none is named."""


def export(readings: Keeping, wanted: str, more: Sequence[str], flags: dict[str, Any]) -> int:
    """Raises UsageError, SessionUnknown, StoreError."""
    if more:
        raise UsageError(_("Name one session: its id, the beginning of it, or last."))
    form, named = form_of(flags)
    if form == "session":
        return export_session(readings, wanted, named, flags)
    if named == "-" or (not named and form not in FILES):
        text = readings.export(wanted, form, language_of(form, named, flags))
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
        return 0
    target = Path(named or f"{readings.find(wanted)}.{form}").expanduser().absolute()
    readings.export_to(wanted, form, target, language_of(form, named, flags), force=bool(flags["force"]))
    write(_("Written: {path}", path=str(target)))
    return 0


def export_session(readings: Keeping, wanted: str, named: str, flags: dict[str, Any]) -> int:
    """The session itself, to be opened elsewhere."""
    without: list[str] = flags["without"] or []
    if unknown := [name for name in without if name not in PARTS]:
        raise UsageError(_("--without {name}: it should be one of {choices}.", name=unknown[0], choices=listed(PARTS)))
    redacted = bool(flags["redact"])
    take = Wanted("outputs" not in without, "checkpoints" not in without, redacted)
    target = None
    if named != "-":
        target = Path(named or f"{readings.find(wanted)}.session.zip").expanduser().absolute()
    manifest = readings.parcel_to(wanted, target, take, force=bool(flags["force"]))
    if target is not None:
        write(_("Written: {path}", path=str(target)))
    if redacted:
        say(_("Secrets that could be told were taken out, and saved variables; the model will read [redacted] there."))
    else:
        say(_("It holds everything as it was said and run, secrets too: give it only to whom you trust, or --redact."))
    if manifest.missing:
        say(_("Files that are not in it: {n}", n=len(manifest.missing)))
    return 0


def take_in(readings: Keeping, words: Sequence[str], workspace: Path, flags: dict[str, Any]) -> int:
    """`sessions import FILE`. Raises UsageError, ConfigError, StoreError."""
    if len(words) != 1:
        raise UsageError(_("Name the file of one session: interpreter sessions import FILE"))
    largest = size_of(str(flags["largest"]), "--largest") if flags["largest"] else None
    more = {"largest": largest} if largest else {}
    path = Path(words[0]).expanduser().absolute()
    found = readings.take_in(path, workspace, checkpoints=bool(flags["trust_checkpoints"]), **more)
    if not found.new:
        write(_("Session {id} is here already; nothing was changed.", id=found.session))
        return 0
    write(_("Imported: {id}, {n} events. It goes on in {path}: interpreter --resume {id}", id=found.session,
            n=found.events, path=str(workspace)))  # fmt: skip
    if found.redacted:
        say(_("Secrets were taken out of it when it was exported."))
    if found.left:
        say(_("Its saved variables were left out: loading them runs what their maker put there, inside the walls."))
        say(_("If you trust who made it, remove the session and import it with --trust-checkpoints."))
    return 0


def size_of(text: str, flag: str) -> int:
    """Bytes of `512M` or `8G`. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d+)?)\s*([kKmMgGtT]?)i?[bB]?", text.strip())
    if match is None:
        raise UsageError(_("{flag} should be a size such as 512M or 8G.", flag=flag))
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def form_of(flags: dict[str, Any]) -> tuple[str, str]:
    """The form, and the file as it was named; `-` is standard output. Raises UsageError."""
    named = str(flags["output"] or "")
    asked = str(flags["format"] or flags["form"] or "")
    form = asked or ENDINGS.get(Path(named).suffix.lower(), "md")
    if form not in (*FORMS, "session"):
        spelled = "--form" if flags["form"] and not flags["format"] else "--format"
        raise UsageError(_("{flag} should be one of {choices}.", flag=spelled, choices=", ".join((*FORMS, "session"))))
    if (flags["without"] or flags["redact"]) and form != "session":
        raise UsageError(_("--without and --redact belong to --format session; from the others secrets are taken out."))
    if flags["language"] and form != "py":
        raise UsageError(_("--language belongs to --format py."))
    return form, named


def language_of(form: str, named: str, flags: dict[str, Any]) -> str:
    """Of a script: as it was asked, else as the file's name says."""
    if form != "py":
        return ""
    return str(flags["language"] or ("shell" if named.endswith(".sh") else "python"))
