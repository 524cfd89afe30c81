"""A session's keeper, begun before the rest of the program is loaded: it starts while the imports run."""

from __future__ import annotations

import os

from ..aio.processes import start_keeper
from ..errors import StoreError
from ..store.home import default_home, make_private, prepare_home


def begin_early() -> str:
    """The id of a session to come, whose keeper is on its way; empty where that cannot be: it is told later, by whoever
    opens the session. A keeper to which nobody comes ends by itself.
    """
    session = f"s_{os.urandom(10).hex()}"
    try:
        home = default_home()
        prepare_home(home)
        folder = home / "sessions" / session
        make_private(folder)
        start_keeper(folder / "run")
    except (StoreError, OSError):
        return ""
    return session
