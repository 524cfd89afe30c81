"""Attacks by name, each tried in a process of its own.

An attack raises when it is stopped; what it returns is true when it came through.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import time
from collections.abc import Callable
from typing import Any

World = dict[str, Any]
Attack = Callable[[World], object]
ATTACKS: dict[str, Attack] = {}
PATIENCE = 10
"""Seconds for one attack."""
AT_FDCWD = -100
libc = ctypes.CDLL(None, use_errno=True)
CALLS: dict[str, tuple[int, int]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chmod": (90, -1),
    "clone3": (435, 435),
    "creat": (85, -1),
    "fanotify_init": (300, 262),
    "fchmodat2": (452, 452),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_setup": (425, 425),
    "ioprio_set": (251, 30),
    "kexec_load": (246, 104),
    "linkat": (265, 37),
    "mknodat": (259, 33),
    "modify_ldt": (154, -1),
    "mount_setattr": (442, 442),
    "mq_open": (240, 180),
    "mq_timedsend": (242, 182),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "openat2": (437, 437),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "renameat2": (316, 276),
    "rt_sigqueueinfo": (129, 138),
    "setns": (308, 268),
    "socket": (41, 198),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "tgkill": (234, 131),
    "userfaultfd": (323, 282),
}
"""x86_64, aarch64."""
COLUMN = 0 if os.uname().machine == "x86_64" else 1


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


def checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def call(name: str, *arguments: Any) -> int:
    """A system call by number, past whatever the library does for it. Raises OSError."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return checked(libc.syscall(ctypes.c_long(CALLS[name][COLUMN]), *words))


def passed_the_guard(name: str, *arguments: Any) -> bool:
    """Whether the kernel went on to look at arguments that are wrong on purpose, so that nothing happens."""
    try:
        call(name, *arguments)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
    return True


def put(path: str, mode: str = "w") -> bool:
    with open(path, mode, encoding="utf-8") as file:
        file.write("x")
    return True


def text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def leads(fd: int, folder: str) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}").startswith(folder)


def attempt(function: Attack, world: World) -> str:
    try:
        return "through" if function(world) else "stopped: nothing came of it"
    except BaseException as error:
        return f"stopped: {type(error).__name__}: {error}"


def try_one(function: Attack, world: World) -> str:
    """In a child, so that what it does to itself is gone with it."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    pid = fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        try:
            os.write(writing, attempt(function, world).encode("utf-8", "replace")[:4000])
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    os.close(writing)
    try:
        said = os.read(reading, 4096).decode("utf-8", "replace")
    except BlockingIOError:
        said = ""
    os.close(reading)
    return said or f"stopped: ended with {struct.pack('>i', status).hex()}"


def fork() -> int:
    """Where the kernel counts all programs of the user, those of other tests may leave no room for a moment."""
    for _try in range(100):
        try:
            return os.fork()
        except BlockingIOError:
            time.sleep(0.1)
    return os.fork()


def try_all(world: World) -> dict[str, str]:
    """All of them, or those that the world names under `only`."""
    names = world.get("only") or list(ATTACKS)
    return {name: try_one(ATTACKS[name], world) for name in names}
