"""What the zygote runs: load what the command loads, then become the command in a fork for each socket that comes in.

It has no threads, and runs nothing of the product but its imports and the compilation of its expressions, so that a
fork is what a new process is after them.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import socket
import struct
import sys
import tempfile
import termios
import threading
import time
from typing import Any

NUMBER = struct.Struct("<q")
SELDOM = ("guest", "keeper", "mcp", "python", "recording", "telemetry", "cli.demo", "cli.mcp", "llm.scripted_server")
"""Rooms that few commands load or none: a fork costs time for every page that it shares."""


def load() -> None:
    del sys.path[0]  # a start of the command has another folder there, or none
    import interpreter
    import interpreter.__main__

    interpreter.__main__.lean()
    seldom = tuple(f"interpreter.{name}" for name in SELDOM)
    for found in pkgutil.walk_packages(interpreter.__path__, "interpreter."):
        if not found.name.startswith(seldom) and not found.name.endswith(".__main__"):
            importlib.import_module(found.name)
    from interpreter.text.expression import Later

    for one in gc.get_objects():
        if type(one) is Later:
            _ = one.pattern  # compiled once here, not in each fork
    assert threading.active_count() == 1 and tempfile.tempdir is None
    gc.collect()
    gc.freeze()


def serve(door: socket.socket) -> socket.socket | None:
    """Fork for each socket that comes in, and say there how the fork ended. Returns in a fork, with its own socket;
    with None when nobody is left to ask."""
    living: dict[int, tuple[int, socket.socket]] = {}
    poll = select.poll()
    poll.register(door, select.POLLIN)
    while True:
        for fd, _event in poll.poll():
            if fd in living:
                poll.unregister(fd)
                tell_end(fd, *living.pop(fd))
                continue
            data, fds, _flags, _address = socket.recv_fds(door, 1, 1)
            if not data:
                return None
            channel = socket.socket(fileno=fds[0])
            pid = os.fork()
            if pid == 0:
                for other in (door, *(one for _pid, one in living.values())):
                    other.detach()  # else its object would close, some day, what has its number then
                return channel
            life = os.pidfd_open(pid)
            living[life] = pid, channel
            poll.register(life, select.POLLIN)


def tell_end(life: int, pid: int, channel: socket.socket) -> None:
    # Told before its number is free, so that nobody sends a signal to another process of that number.
    end = os.waitid(os.P_PIDFD, life, os.WEXITED | os.WNOWAIT)
    assert end is not None
    with channel:
        try:
            channel.sendall(NUMBER.pack(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status))
        except OSError:
            pass  # who asked for it has gone
    os.waitpid(pid, 0)
    os.close(life)


def become(channel: socket.socket) -> list[str]:
    """Be the process that is asked for on this socket; its command line."""
    size, fds, _flags, _address = socket.recv_fds(channel, NUMBER.size, 3)
    asked: dict[str, Any] = json.loads(channel.recv(NUMBER.unpack(size)[0], socket.MSG_WAITALL))
    try:
        if asked["session"]:
            os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        if asked["terminal"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.umask(asked["umask"])
        os.chdir(asked["cwd"])
    except OSError as error:
        channel.sendall(NUMBER.pack(-(error.errno or 1)))
        os._exit(1)
    os.environ.clear()
    os.environ.update(asked["environ"])
    time.tzset()
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        stream = opened(name, number)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    channel.sendall(NUMBER.pack(os.getpid()))
    channel.detach()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    return asked["argv"]


def opened(name: str, number: int) -> io.TextIOWrapper:
    """A standard stream as Python opens it at its start; locale and PYTHONUNBUFFERED are those of ours."""
    ours = getattr(sys, name)
    bare, mode = ours.write_through, "rb" if number == 0 else "wb"
    buffer: Any = open(number, mode, 0 if bare and number else -1, closefd=False)  # noqa: SIM115 - open to the end
    getattr(buffer, "raw", buffer).name = f"<{name}>"
    line_buffering = not bare and (number == 2 or buffer.isatty())
    made: Any = io.TextIOWrapper(
        buffer, ours.encoding, ours.errors, newline="\n", line_buffering=line_buffering, write_through=bare
    )
    made.mode = mode[0]
    return made


def command(argv: list[str]) -> None:
    """As `interpreter`, as `python -P -m interpreter` or as `python SCRIPT` goes on after its imports."""
    from interpreter import __main__ as entry

    sys.orig_argv = [sys.executable, *argv[argv[0] == sys.executable :]]
    name = os.path.basename(argv[0])
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)
    if argv[0] != sys.executable:
        sys.path.insert(0, os.path.dirname(argv[0]))
        sys.argv = argv
    elif argv[1].endswith(".py"):
        sys.path.insert(0, os.path.dirname(argv[1]))
        sys.argv = argv[1:]
        runpy.run_path(argv[1], run_name="__main__")
        return None
    else:
        sys.argv = [str(entry.__file__), *argv[argv.index("interpreter") + 1 :]]
    return entry.start()


def main() -> None:
    door = socket.socket(fileno=int(sys.argv[1]))
    load()
    channel = serve(door)
    if channel is not None:
        command(become(channel))


if __name__ == "__main__":
    main()
