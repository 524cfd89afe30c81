"""Snapshots and rewinds, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ...text.clean import reveal
from ...text.i18n import _
from ...types.events import Event
from ...types.rewinding import Rewound, SnapshotTaken, VariablesBack

NAMES = 10
"""How many paths or names are said one by one."""


def taken_back(event: Event) -> str:
    """What a person reads about it; nothing where all is as it should be."""
    match event:
        case SnapshotTaken() if event.missed:
            reason = reveal(event.missed)
            return _("The files were not kept before this step, so it cannot be taken back: {reason}", reason=reason)
        case SnapshotTaken() if event.uncovered:
            return _("Not kept, so not brought back by a rewind: {paths}", paths=some(event.uncovered))
        case Rewound():
            return "\n".join(rewound(event))
        case _:
            return ""


def rewound(event: Rewound) -> list[str]:
    lines = [head(event)]
    if "files" in event.parts and not event.failed:
        lines.append(_("Files brought back: {n}", n=event.files) if event.files else _("The files are as they were."))
    if event.left:
        lines.append(_("Not as they were: {paths}", paths=some(event.left)))
    if "variables" in event.parts and not event.failed:
        lines.extend(variables(one) for one in event.variables)
        if not event.variables:
            lines.append(_("No kernel had variables."))
    if event.irreversible:
        lines.append(_("What cannot be taken back:"))
        lines.extend("  " + reveal(one) for one in event.irreversible)
    return lines


def head(event: Rewound) -> str:
    if event.failed:
        return _("Not taken back: {reason}", reason=reveal(event.failed))
    if event.undo:
        return _("Taken back: the last {n} turns.", n=event.undo) if event.undo > 1 else _("Taken back: the last turn.")
    if event.step == 0:
        return _("Taken back to before the first step.")
    return _("Taken back to step {step}.", step=event.step)


def variables(one: VariablesBack) -> str:
    if not one.step:
        return _("{language}: a new kernel, because there is no checkpoint.", language=one.language)
    told = _("{language}: {n} names, as after step {step}.", language=one.language, n=one.names, step=one.step)
    return told + (" " + _("Missing: {names}", names=some(one.missing)) if one.missing else "")


def some(names: Sequence[str]) -> str:
    more = len(names) - NAMES
    return ", ".join(reveal(one) for one in names[:NAMES]) + (f" … (+{more})" if more > 0 else "")
