"""Tasks and processes: the only room that creates either."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .tasks import Tasks

__all__ = ["Tasks"]


def __getattr__(name: str) -> object:
    # `processes` is wanted before anything heavy is loaded, so asyncio comes only with `Tasks`.
    if name == "Tasks":
        return importlib.import_module(".tasks", __name__).Tasks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
