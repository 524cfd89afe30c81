"""The keeper's door: `python -I -S <this folder> RUN_DIR`. Exits with 3 when another keeper owns RUN_DIR."""

import fcntl
import os
import signal
import socket
import sys

if not __package__:
    # Run as a folder. Its modules become the package `keeper`; the folder itself goes to the end of the path, so that
    # no file in it can stand before the standard library.
    _folder = os.path.dirname(os.path.abspath(__file__))
    _package = type(sys)("keeper")
    _package.__path__ = [_folder]
    sys.modules["keeper"] = _package
    __package__ = "keeper"
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != _folder] + [_folder]

OTHER_KEEPER = 3


def claim(run_dir: str) -> int:
    """Make the folder and own it: a descriptor to hold, or -1 when another keeper does."""
    os.makedirs(os.path.join(run_dir, "outputs"), mode=0o700, exist_ok=True)
    # A relative name keeps the socket's path short, wherever the folder is.
    os.chdir(run_dir)
    lock = os.open("keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return -1
    return lock


def secret() -> str:
    """The token that a host must know; made once for a folder."""
    try:
        fd = os.open("token", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        with open("token", encoding="ascii") as file:
            known = file.read().strip()
        if len(known) == 64:
            return known
        # Torn by a power failure: nobody can have read it.
        os.unlink("token")
        return secret()
    token = os.urandom(32).hex()
    with open(fd, "w", encoding="ascii") as file:
        file.write(token)
    return token


def listen() -> socket.socket:
    try:
        os.unlink("keeper.sock")
    except FileNotFoundError:
        pass
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    listening.bind("keeper.sock")
    os.umask(old)
    listening.listen(8)
    listening.setblocking(False)
    return listening


def main(argv: list[str]) -> int:
    """Own RUN_DIR, say so on stdout, serve until the end. Returns the exit status."""
    run_dir = os.path.abspath(argv[1])
    lock = claim(run_dir)
    if lock < 0:
        return OTHER_KEEPER
    try:
        os.setsid()
    except OSError:
        pass
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTTOU, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    token, listening = secret(), listen()
    os.write(1, b"ready\n")
    log = os.open("keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Only now: the host can connect while the rest is loaded.
    from .core import serve

    if not serve(run_dir, listening, token):
        leave_nothing(run_dir)
    return 0


def leave_nothing(run_dir: str) -> None:
    """Nobody came: the session was never opened. Its folder goes, unless somebody has put something there."""
    try:
        for name in ("keeper.sock", "token", "keeper.lock", "keeper.log"):
            os.unlink(name)
        os.rmdir("outputs")
        os.rmdir(run_dir)
        os.rmdir(os.path.dirname(run_dir))
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv))
