"""Snapshots: the workspace's files as they were before each step, whoever changed them since."""

from __future__ import annotations

import importlib

from .options import SnapshotOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .back import Restored, check, restore
    from .pruning import Pruned, adopt, prune, usage
    from .snapshots import Snapshots, Taken
    from .unified import diff, stat

__all__ = [
    "Pruned", "Restored", "SnapshotOptions", "Snapshots", "Taken", "adopt", "check", "diff", "prune", "restore", "stat",
    "usage",
]  # fmt: skip

_PLACES = {
    "Pruned": "pruning", "Restored": "back", "Snapshots": "snapshots", "Taken": "snapshots", "adopt": "pruning",
    "check": "back",
    "diff": "unified", "prune": "pruning", "restore": "back", "stat": "unified", "usage": "pruning",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # A session takes snapshots beside the model's first answer; what brings them back is hardly ever wanted.
    if name in _PLACES:
        return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
