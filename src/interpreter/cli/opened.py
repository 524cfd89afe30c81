"""What stands open, said before anything runs."""

from __future__ import annotations

from pathlib import Path

from ..config.opened import meanings
from ..config.settings import Settings
from ..text.i18n import _
from .say import say, say_warning


def say_opened(settings: Settings, workspace: Path | None = None) -> None:
    """In red what is as strong as no walls; one line for each grant of the settings and the policy.

    Raises PolicyError for a policy file that cannot be understood.
    """
    from ..app.granted import with_grants

    settings = with_grants(settings, workspace or Path.cwd())
    if settings.walls.backend == "host":
        say_warning(_("No sandbox: the code runs with all of your rights."))
    for name, text, strong in meanings(settings):
        (say_warning if strong else say)(f"{name}: {text}")
