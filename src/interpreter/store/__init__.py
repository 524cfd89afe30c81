"""The log: sessions as an append-only record that survives, and readings of it."""

from .home import StoreOptions, default_home
from .log import SessionLog
from .records import Verdict
from .store import SessionInfo, Store

__all__ = ["SessionInfo", "SessionLog", "Store", "StoreOptions", "Verdict", "default_home"]
