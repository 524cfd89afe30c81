"""The one way out of a network namespace: a listening socket inside, and the proxy that serves it outside.

Run in the keeper's forked child, before the walls. A socket keeps the namespace in which it was made, so nothing of
ours has to run inside: the child listens there, hands the socket to the proxy, and goes on to become the program.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PR_SET_DUMPABLE = 4
"""So that no other program of the same person can read the secrets in our memory."""
INSIDE_PORT = 3128
"""The proxy's port in a network namespace of its own, where nothing else can hold it."""
DOORS = 16
"""Ports of the host's loopback that can stand open inside as well."""


def open_way_out(settings: dict[str, Any], *, own_namespace: bool) -> int:
    """Start the proxy, and go into a network namespace of which it is the only way out. Returns its port on 127.0.0.1.

    The proxy ends when the calling process (and the program that it becomes) ends. With `own_namespace` False the
    socket listens on the host's loopback, other walls must allow that port alone, and there are no doors.

    Raises:
        OSError: no namespace, no socket or no proxy.
    """
    with start_proxy(settings) as proxy:
        if own_namespace:
            enter_network_namespace()
        with socket.create_server(("127.0.0.1", INSIDE_PORT if own_namespace else 0), backlog=128) as listening:
            doors = open_doors(settings.get("doors") or []) if own_namespace else []
            send_doors(proxy, listening, doors)
            return int(listening.getsockname()[1])


def open_doors(wanted: list[list[Any]]) -> list[tuple[socket.socket, str, int]]:
    """Listen at ports of the namespace's loopback whose connections go to the same port of the host's.

    Some programs never ask a proxy for a name of this machine (all that are written in Go). A port that cannot be
    listened at, because it is the way out's own for one, stays closed.
    """
    found: list[tuple[socket.socket, str, int]] = []
    for host, port in wanted[:DOORS]:
        try:
            found.append((socket.create_server(("127.0.0.1", port), backlog=128), host, port))
        except OSError:
            continue
    return found


def send_doors(link: socket.socket, listening: socket.socket, doors: list[tuple[socket.socket, str, int]]) -> None:
    """Hand over the way out's socket and those of the doors, which are closed here then."""
    told = json.dumps([[host, port] for _, host, port in doors]).encode()
    socket.send_fds(link, [told], [listening.fileno(), *(door.fileno() for door, _, _ in doors)])
    for door, _, _ in doors:
        door.close()


def start_proxy(settings: dict[str, Any]) -> socket.socket:
    """A proxy that waits for its listening socket at the other end of what comes back; it ends with the caller."""
    ours, theirs = socket.socketpair()
    life = os.pidfd_open(os.getpid())
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:
                ours.close()
                become_proxy(theirs, life, settings)
        finally:
            os._exit(127)
    os.waitpid(child, 0)
    os.close(life)
    theirs.close()
    return ours


def become_proxy(theirs: socket.socket, life: int, settings: dict[str, Any]) -> None:
    os.setsid()
    # It may be taken for a part of the kernel's tree, and an interrupt is not meant for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told_doors, fds, _, _ = socket.recv_fds(theirs, 1 << 16, DOORS + 1)
    if not fds:
        return
    nothing = os.open("/dev/null", os.O_RDWR)
    # By descriptor, because anybody may read a command line.
    told = os.memfd_create("settings", 0)
    doors = [[6 + number, *door] for number, (door, _) in enumerate(zip(json.loads(told_doors), fds[1:], strict=True))]
    os.write(told, json.dumps({**settings, "doors": doors}).encode())
    os.lseek(told, 0, os.SEEK_SET)
    # First out of the way, then to their places: the numbers may overlap.
    high = [
        fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 50) for fd in (nothing, nothing, nothing, fds[0], life, told, *fds[1:])
    ]
    for target, fd in enumerate(high):
        os.dup2(fd, target)
    listening, life, told = 3, 4, 5
    os.closerange(len(high), 1 << 30)
    await_visit([listening, *range(6, len(high))], life)
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "proxy.py")
    argv = [sys.executable, "-I", "-S", program, str(listening), str(life), str(told)]
    os.execve(sys.executable, argv, {"LANG": "C.UTF-8"})


def await_visit(doors: list[int], life: int) -> None:
    """Until somebody connects: most programs never do, and the proxy's imports cost more than the start of a shell."""
    ctypes.CDLL(None).prctl(ctypes.c_int(PR_SET_DUMPABLE), ctypes.c_ulong(0))
    poll = select.poll()
    for fd in (life, *doors):
        poll.register(fd, select.POLLIN)
    if life in dict(poll.poll()):
        os._exit(0)


def enter_network_namespace() -> None:
    """Leave the host's network. An ordinary user needs a user namespace for it."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(ctypes.c_int(CLONE_NEWNET)) != 0:
        if libc.unshare(ctypes.c_int(CLONE_NEWUSER | CLONE_NEWNET)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"a network namespace: {os.strerror(code)}")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
