"""`interpreter audit verify` and `interpreter audit export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..app.audits import Audits, as_data
from ..errors import UsageError
from ..text.i18n import _
from .arguments import Arguments, no_command
from .command import read_command

USAGE = """interpreter audit verify [ID ... | --all] [--expect HEAD] [--json]
interpreter audit export [--session ID | --all] [--since MOMENT] [--format jsonl]
"""


def audit(arguments: Arguments) -> int:
    """Carry it out; the exit code: 1 when something was changed, removed or cut off. Raises UsageError."""
    asked = read_command(arguments, USAGE, switches=("json", "all"), texts=("session", "since", "expect", "format"))
    if asked is None:
        return 0
    words, settings = asked.words, asked.settings()
    work = {"verify": _verify, "export": _export}
    if not words or words[0] not in work:
        raise no_command("audit", words, work, USAGE.rstrip())
    return work[words[0]](Audits(settings), words[1:], asked.found)


def _sessions(words: Sequence[str], found: dict[str, Any]) -> list[str]:
    named = [*words, *([str(found["session"])] if found["session"] else [])]
    if named and found["all"]:
        raise UsageError(_("Name sessions or say --all, not both."), USAGE.rstrip())
    return named


def _verify(audits: Audits, words: Sequence[str], found: dict[str, Any]) -> int:
    if found["since"] or found["format"]:
        raise UsageError(_("--since and --format belong to audit export."), USAGE.rstrip())
    report = audits.verify(_sessions(words, found), str(found["expect"] or ""))
    if found["json"]:
        from .printing import print_json

        print_json(as_data(report))
        return 0 if report.whole else 1
    for session, told in report.lines:
        sys.stdout.write(f"{session}  {told}\n")
    if report.seals:
        sys.stdout.write(report.seals + "\n")
    if not report.check.expected:
        sys.stdout.write(_("The head that you gave is not there: the home was put back to an older state.") + "\n")
    if report.whole:
        sys.stdout.write(_("Whole: {n} seals hold.", n=report.check.seals) + "\n")
        if report.check.head:
            sys.stdout.write(_("To be kept elsewhere: --expect {head}", head=report.check.head) + "\n")
        return 0
    sys.stdout.write(
        _("Not whole. Nothing was changed; keep the files as they are and compare them with a backup.") + "\n"
    )
    return 1


def _export(audits: Audits, words: Sequence[str], found: dict[str, Any]) -> int:
    if words:
        raise UsageError(_("audit export takes no names; say --session ID."), USAGE.rstrip())
    if found["expect"]:
        raise UsageError(_("--expect belongs to audit verify."), USAGE.rstrip())
    if str(found["format"] or "jsonl") != "jsonl":
        raise UsageError(_("--format should be one of {choices}.", choices="jsonl"))
    for line in audits.records(_sessions(words, found), str(found["since"] or "")):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    return 0
