"""Ending a keeper that nobody works with any more, without an event loop."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from ..errors import KeeperLost
from ..text.i18n import _

PATIENCE = 15.0
"""Seconds: a keeper ends its kernels before itself."""


def end_keeper(run_dir: Path) -> None:
    """Let the keeper of a session end, with its kernels; returns when it is gone, and at once where there is none.

    Raises KeeperLost when it does not end in time.
    """
    deadline = time.monotonic() + PATIENCE
    asked = False
    while alive(run_dir):
        if not asked:
            asked = ask_to_close(run_dir)
        if time.monotonic() > deadline:
            raise KeeperLost(
                _("The session's keeper does not end."),
                _("Nothing was removed. See {path}; then try again.", path=run_dir / "keeper.log"),
            )
        time.sleep(0.02)


def alive(run_dir: Path) -> bool:
    """Whether a keeper owns the folder: it holds a lock, which the system frees however it ends."""
    try:
        lock = os.open(run_dir / "keeper.lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


def ask_to_close(run_dir: Path) -> bool:
    """Whether it could be asked: one that is just beginning does not listen yet."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            token = (run_dir / "token").read_text(encoding="ascii").strip()
            connection.settimeout(PATIENCE)
            connection.connect(f"/proc/self/fd/{folder}/keeper.sock" if Path("/proc/self/fd").exists()
                               else str(run_dir / "keeper.sock"))  # fmt: skip
        finally:
            os.close(folder)
        for frame in ({"op": "hello", "token": token, "version": 1, "n": 1}, {"op": "close", "n": 2}):
            body = json.dumps(frame).encode()
            connection.sendall(len(body).to_bytes(4, "big") + body)
        while connection.recv(65536):
            pass
        return True
    return False
