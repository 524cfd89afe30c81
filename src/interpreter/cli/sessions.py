"""Sessions as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ..text.cut import fit, human_size, pad, width
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

    @property
    def name(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...

    @property
    def attached(self) -> tuple[object, ...]: ...

    @property
    def disk(self) -> int | None: ...


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
        (row.id, time.strftime("%Y-%m-%d %H:%M", time.localtime(row.updated)), state_word(row.state), str(row.turns),
         row.name, human_size(row.disk or 0), str(len(row.attached)))
        for row in rows
    ]  # fmt: skip
    titles = (_("id"), _("last used"), _("state"), _("turns"), _("name"), _("size"), _("joined"))
    shown = [
        0, 1, 2, 3, *([6] if any(row.attached for row in rows) else []),
        *([4] if any(row.name for row in rows) else []), *([5] if rows[0].disk is not None else []),
    ]  # fmt: skip
    table = [tuple(line[at] for at in shown) for line in table]
    titles = tuple(titles[at] for at in shown)
    widths = [max(width(line[at]) for line in (titles, *table)) for at in range(len(titles))]
    left = sum(widths) + 2 * len(widths)
    out("  ".join(pad(title, width) for title, width in zip(titles, widths, strict=True)) + "  " + _("first words"))
    for row, line in zip(rows, table, strict=True):
        cells = "  ".join(pad(cell, width) for cell, width in zip(line, widths, strict=True))
        words = " ".join((*(f"#{tag}" for tag in row.tags), row.first_words))
        out(cells + "  " + fit(words, max(20, screen_width() - left)))
