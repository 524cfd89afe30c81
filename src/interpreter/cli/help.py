"""The text of `--help`, made from the tables and laid out for wide characters as well."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..config.keys import SECTIONS
from ..text.cut import pad
from ..text.i18n import _
from .flags import COMMANDS, METAVARS, OWN
from .layout import lay_out

COLUMN = 36


def screen_width() -> int:
    """Columns of the screen, at most 100: longer lines are hard to read."""
    try:
        return max(40, min(100, os.get_terminal_size().columns))
    except OSError:
        return 80


def help_text(width: int | None = None) -> str:
    """Everything that the command line understands."""
    return "\n".join(_lines(width or screen_width())) + "\n"


def _lines(width: int) -> Iterator[str]:
    yield _('Use: interpreter [FLAGS] ["TASK"]')
    yield _("     interpreter [FLAGS] < FILE")
    yield _("     interpreter COMMAND ...")
    yield ""
    yield from lay_out(_("Say what you want done; a model writes code; you see it; it runs inside a sandbox."), width)
    text = _("Without a task, standard input is the task; on a terminal a conversation begins.")
    yield from lay_out(text, width)
    yield from lay_out(_("With a task, standard input is its data."), width)
    yield ""
    yield _("Commands:")
    for name, text in COMMANDS.items():
        yield from _entry(name, _(text), width)
    yield ""
    yield _("This run:")
    for flag in OWN:
        yield from _entry(" ".join((", ".join(flag.flags), flag.metavar)).strip(), _(flag.help), width)
    for title, keys in SECTIONS:
        if not any(key.flags for key in keys):
            continue
        yield ""
        yield _("{title}:", title=_(title))
        for key in keys:
            if key.flags:
                value = METAVARS.get(key.name, {"text": "TEXT", "bool": "", "choice": ""}.get(key.kind, "N"))
                text = _(key.help)
                if key.kind == "choice":
                    value = "WORD"
                    text += " (" + ", ".join(choice for choice in key.choices if choice) + ")"
                yield from _entry(" ".join((", ".join(reversed(key.flags)), value)).strip(), text, width)
    yield ""
    yield from lay_out(_("In a flag's name - and _ are the same; --no_NAME turns one off."), width)
    yield from lay_out(_("Each setting can also stand in a file or in the environment: interpreter config show"), width)


def _entry(left: str, text: str, width: int) -> Iterator[str]:
    lines = lay_out(text, width - COLUMN)
    if len(left) + 4 > COLUMN:
        yield "  " + left
    else:
        yield pad("  " + left, COLUMN) + lines.pop(0)
    for line in lines:
        yield " " * COLUMN + line
