"""Starting the keeper: cheap enough to be called before anything else is imported."""

from __future__ import annotations

import os
import sys

KEEPER = f"{__file__.rpartition('/aio/')[0]}/keeper"
_started: dict[str, Started] = {}


class Started:
    """A keeper that this process has started: `ready` can be read once it listens, or when it has ended."""

    def __init__(self, run_dir: str, pid: int, ready: int) -> None:
        self.run_dir = run_dir
        self.pid = pid
        self.ready = ready
        """A descriptor: `ready` and a newline, or end of file."""

    def forget(self) -> None:
        """Close our side; the keeper goes on."""
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1
        _started.pop(self.run_dir, None)

    def exit_status(self) -> int | None:
        """None while it lives."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None


def start_keeper(run_dir: str | os.PathLike[str]) -> Started:
    """Start the keeper of `run_dir` and return at once; the second call for a folder gives the first one's.

    The folder is made, for its owner alone. Raises OSError when it cannot be made or nothing can be started.
    """
    folder = os.path.abspath(run_dir)  # noqa: PTH100  # pathlib costs milliseconds that this door does not have
    if folder in _started:
        return _started[folder]
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103
    read, write = os.pipe()
    log = os.open(f"{folder}/keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", KEEPER, folder],
            {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, write, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
        )
    except OSError:
        os.close(read)
        raise
    finally:
        os.close(write)
        os.close(log)
    _started[folder] = Started(folder, pid, read)
    return _started[folder]


def start_detached(words: list[str], log: str | os.PathLike[str], environ: dict[str, str]) -> int:
    """Start a program in a session of its own, without a terminal; what it says goes to the end of `log`. Its id.

    Raises OSError when it cannot be started.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    out = os.open(log, flags, 0o600)
    try:
        return os.posix_spawn(
            words[0],
            words,
            environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out, 1),
                (os.POSIX_SPAWN_DUP2, out, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(out)
