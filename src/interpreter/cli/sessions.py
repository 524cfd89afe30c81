"""Sessions as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ..text.cut import fit, pad, width
from ..text.i18n import _
from .help import screen_width


class Row(Protocol):
    """`store.listing.SessionRow`, as far as the table shows it."""

    @property
    def id(self) -> str: ...

    @property
    def updated(self) -> float: ...

    @property
    def workspace(self) -> str: ...

    @property
    def first_words(self) -> str: ...

    @property
    def turns(self) -> int: ...

    @property
    def state(self) -> str: ...


def state_word(state: str) -> str:
    return {
        "running": _("running"),
        "waiting": _("waiting"),
        "interrupted": _("interrupted"),
        "done": _("done"),
    }.get(state, state)


def print_rows(rows: Sequence[Row], out: Callable[[str], None]) -> None:
    """One line for each session, the newest first."""
    if not rows:
        out(_("There are no sessions yet."))
        return
    table = [
        (row.id, time.strftime("%Y-%m-%d %H:%M", time.localtime(row.updated)), state_word(row.state), str(row.turns))
        for row in rows
    ]
    titles = (_("id"), _("last used"), _("state"), _("turns"))
    widths = [max(width(line[at]) for line in (titles, *table)) for at in range(len(titles))]
    left = sum(widths) + 2 * len(widths)
    out("  ".join(pad(title, width) for title, width in zip(titles, widths, strict=True)) + "  " + _("first words"))
    for row, line in zip(rows, table, strict=True):
        cells = "  ".join(pad(cell, width) for cell, width in zip(line, widths, strict=True))
        out(cells + "  " + fit(row.first_words, max(20, screen_width() - left)))
