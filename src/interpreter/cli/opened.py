"""What stands open, said before anything runs."""

from __future__ import annotations

from ..config.settings import Settings
from ..sandbox.grants import TOOLS
from ..text.i18n import _
from .say import say, say_warning


def say_opened(settings: Settings) -> None:
    """In red what is as strong as no walls; one line for each grant."""
    if settings.walls.backend == "host":
        say_warning(_("No sandbox: the code runs with all of your rights."))
        return
    for name in dict.fromkeys(settings.walls.grants):
        if name in TOOLS:
            text = f"{name}: {_(TOOLS[name].meaning)}"
            (say_warning if TOOLS[name].strong else say)(text)
        else:
            say(_("The code may read {path}.", path=name))
