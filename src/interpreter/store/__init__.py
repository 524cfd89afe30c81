"""The log: sessions as an append-only record that survives, and readings of it."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .home import StoreOptions, default_home
    from .log import SessionLog
    from .records import Verdict
    from .store import SessionInfo, Store

__all__ = ["SessionInfo", "SessionLog", "Store", "StoreOptions", "Verdict", "default_home"]

_PLACES = {
    "SessionInfo": "store", "SessionLog": "log", "Store": "store", "StoreOptions": "home", "Verdict": "records",
    "default_home": "home",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # `home` is wanted before anything heavy is loaded, so SQLite and asyncio come only with what needs them.
    if name in _PLACES:
        return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
