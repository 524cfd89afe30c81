"""`interpreter doctor`: what is here, what is missing, what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..app.checkup import Finding, checkup, ready
from ..config.settings import Settings
from ..errors import UsageError
from ..text.cut import pad, width
from ..text.i18n import _, listed
from .configure import find_workspace
from .doctor_model import doctor_model
from .printing import print_json, write


def doctor(settings: Settings, words: Sequence[str], *, as_json: bool, check_model: bool) -> int:
    """Print the findings; 0 when the main job can be done here, else 1."""
    if words:
        raise UsageError(_("doctor takes no names."))
    if check_model:
        return asyncio.run(doctor_model(settings, write, print_json if as_json else None))
    findings = asyncio.run(checkup(settings, find_workspace("")))
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    return 0 if ready(findings) else 1


def print_findings(findings: Sequence[Finding]) -> None:
    marks = {"ok": "✓", "absent": "–", "broken": "✗"}
    column = max(width(finding.name) for finding in findings) + 2
    for finding in findings:
        first, *others = (finding.found or "").split("\n")
        write(f"{marks[finding.state]} {pad(finding.name, column)}{first}")
        for line in others + (finding.remedy.split("\n") if finding.remedy else []):
            write(" " * (column + 2) + line)
    write("")
    broken = [finding.name for finding in findings if finding.state == "broken"]
    if broken:
        write(_("Not ready: {names}", names=listed(broken)))
    else:
        write(_("Ready."))
