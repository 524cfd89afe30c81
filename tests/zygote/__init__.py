"""The command `interpreter` for tests, without its imports: each start is a fork of a process that has done them.

`popen` and `run` take the words of a whole command line and start it so where nothing of the start itself can be told
apart from outside: a process of its own with its own number, session, streams, folder, environment and exit code.
Everything else they start as it stands. What tests the start (its time, its imports, its locale, `/proc/PID/environ`,
`/proc/PID/cmdline`, the attacks on it) calls `subprocess` itself.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import interpreter.__main__

PROGRAM = Path(__file__).with_name("program.py")
COMMAND = str(Path(sys.executable).with_name("interpreter"))
MODULE = str(interpreter.__main__.__file__)
DRIVE = str(Path(__file__).parents[1] / "cli" / "drive.py")
START = ("PYTHON", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
"""Variables that are read while Python starts, by how they begin."""
LONGEST = 60.0
UNKNOWN = 255
"""The exit code of a command whose zygote ended before it; who asked first got an error."""
NUMBER = struct.Struct("<q")


class ZygoteGone(RuntimeError):
    """It could not begin, or ended. The test at hand fails; the next start begins another one."""


class Zygote:
    """The process that has loaded everything; it ends when this one does, or lets go of its socket."""

    def __init__(self) -> None:
        self.environ = dict(os.environ)
        self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [sys.executable, str(PROGRAM), str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )

    def fork(self) -> socket.socket:
        """Talk with a child that has just been forked."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self.door, [b"!"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise ZygoteGone(f"it ended with {self.process.poll()}") from error
        return ours


_lock = threading.Lock()
_found: list[Zygote] = []


def zygote() -> Zygote:
    """That of this process, begun at its first start."""
    with _lock:
        if not _found or _found[0].process.poll() is not None:
            if _found:
                _found.pop().door.close()
            else:
                atexit.register(_end)
            _found.append(Zygote())
        return _found[0]


def _end() -> None:
    for found in _found:
        found.door.close()
        found.process.wait()


class Forked(subprocess.Popen[bytes]):
    """As `subprocess.Popen`. The process is a child of the zygote, which tells its end here."""

    def __init__(self, argv: Sequence[str], *, terminal: bool = False, **more: Any) -> None:
        """`terminal`: standard input becomes the terminal that controls the new session."""
        self._terminal = terminal
        super().__init__(argv, **more)

    def _execute_child(self, args: Sequence[str], *rest: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        """Called once by `Popen`, with all that it was given in the order of its own parameters."""
        (_executable, preexec, close_fds, pass_fds, cwd, env, _info, _flags, shell, p2cread, p2cwrite, c2pread,
         c2pwrite, errread, errwrite, restore, gid, gids, uid, umask, session, group) = rest  # fmt: skip
        close: Callable[..., None] = getattr(self, "_close_pipe_fds")  # noqa: B009 - not among the declared names
        try:
            assert close_fds and restore and not (preexec or pass_fds or shell), "start this one with `subprocess`"
            assert (gid, gids, uid, group) == (None, None, None, -1), "start this one with `subprocess`"
            asked = {
                "argv": [*args],
                "environ": dict(os.environ if env is None else env),
                "cwd": os.fspath(os.getcwd() if cwd is None else cwd),
                "umask": _umask() if umask < 0 else umask,
                "session": session,
                "terminal": self._terminal,
            }
            streams = [given if given >= 0 else own for own, given in enumerate((p2cread, c2pwrite, errwrite))]
            self._channel = zygote().fork()
            self.pid = self._begin(json.dumps(asked).encode(), streams)
            self._child_created = True
        finally:
            close(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def _begin(self, asked: bytes, streams: list[int]) -> int:
        try:
            socket.send_fds(self._channel, [NUMBER.pack(len(asked))], streams)
            self._channel.sendall(asked)
            number = self._number()
            if number < 0:
                raise OSError(-number, os.strerror(-number))
        except BaseException as error:
            self._channel.close()
            if isinstance(error, ConnectionError):
                raise ZygoteGone("a child ended before it began") from error
            raise
        return number

    def _number(self) -> int:
        data = self._channel.recv(NUMBER.size, socket.MSG_WAITALL)
        if len(data) < NUMBER.size:
            raise ZygoteGone("it ended while a command of it ran")
        return int(NUMBER.unpack(data)[0])

    def _internal_poll(self, _deadstate: Any = None) -> int | None:  # pyright: ignore[reportUnusedFunction]
        self._ended(0)
        return self.returncode

    def _wait(self, timeout: float | None) -> int:  # pyright: ignore[reportUnusedFunction]
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def _ended(self, timeout: float | None) -> bool:
        """Whether the process ended within `timeout` seconds."""
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._channel, select.POLLIN)
            if not poll.poll(None if timeout is None else max(timeout, 0) * 1000):
                return False
            self.returncode = UNKNOWN
            with self._channel:
                self.returncode = self._number()
        return True


def forked(argv: Sequence[str], env: Mapping[str, str] | None) -> bool:
    """Whether this is a start of the command that a fork can stand for."""
    ours = (
        argv[0] == COMMAND
        or (argv[0] == sys.executable and [word for word in argv[1:4] if word != "-P"][:2] == ["-m", "interpreter"])
        or list(argv[:2]) == [sys.executable, DRIVE]
    )
    given, here = os.environ if env is None else env, zygote().environ if ours and sys.platform == "linux" else {}
    return bool(here) and "DRIVE_MODULES" not in given and _read_at_start(given) == _read_at_start(here)


def _read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in environ.items() if name.startswith(START)}
    return found | {"locale": environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG", "")}


def _umask() -> int:
    """Ours, without changing it for a moment."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Umask:")), 8)


def popen(argv: Sequence[str], **more: Any) -> subprocess.Popen[bytes]:
    """Start it; what else is given is for `Popen`."""
    start: Callable[..., subprocess.Popen[bytes]] = Forked if forked(argv, more.get("env")) else subprocess.Popen[bytes]
    return start(argv, **more)


def run(
    argv: Sequence[str], *, data: bytes | None = None, timeout: float = LONGEST, **more: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end with `data`, or nothing, on its standard input."""
    return _run(popen, argv, data, timeout, more)


def run_text(argv: Sequence[str], **more: Any) -> subprocess.CompletedProcess[str]:
    """As `run`, for what is said in UTF-8."""
    done = run(argv, **more)
    return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())


def run_in_full(
    argv: Sequence[str], *, data: bytes | None = None, timeout: float = LONGEST, **more: Any
) -> subprocess.CompletedProcess[bytes]:
    """As `run`, never by a fork."""
    return _run(subprocess.Popen, argv, data, timeout, more)


def _run(
    start: Callable[..., subprocess.Popen[bytes]], argv: Sequence[str], data: bytes | None, timeout: float,
    more: dict[str, Any],
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    stdin = subprocess.DEVNULL if data is None else subprocess.PIPE
    with start(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more) as process:
        try:
            out, err = process.communicate(data, timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)
