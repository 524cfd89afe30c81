"""Puts the walls of a `Launch` around the calling process: run in the keeper's forked child, right before exec.

Standard library only. Whatever fails raises `OSError`: the child must then exit, never run its program unwalled.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from typing import Any

from . import mapped, wayout
from .stage import Entrance, enter

SECCOMP_HERE = "@seccomp@"
OPEN_HERE = "@open:"
PROXY_HERE = "@proxy@"
BORN = "\0born "
"""What the keeper is told when a program in a container has begun, with the number of its first process there."""
OUT_OF_MEMORY = b"out of memory"
"""What the keeper is told when such a program was ended for want of memory."""
libc = ctypes.CDLL(None, use_errno=True)
# The same on x86_64 and aarch64.
NR_OPENAT2 = 437
RESOLVE_NO_LINKS = 0x02 | 0x04
NR_LANDLOCK = {"create": 444, "add": 445, "restrict": 446}
NR_CAPSET = {"x86_64": 126, "aarch64": 91}
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 24, 28, 38, 47
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
# Every right by the ABI that brought it: execute..make_sym, refer, truncate, ioctl on devices.
FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_DEVICES = (1 << 6) | (1 << 11)
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
CONNECT_TCP = 2
NET_ALL = 3
SCOPE_ALL = 3
OLDEST_ABI = 3
"""The first Landlock that can forbid truncating and moving files."""
NET_ABI, SCOPE_ABI = 4, 6


def apply(launch: dict[str, Any], keep_fds: set[int]) -> None:
    """Close everything but `keep_fds`, and put up the walls; afterwards exec `launch["argv"]` with `launch["env"]`.

    `launch` is a `types.walls.Launch` as a dictionary with `seccomp` as bytes. Its `argv` and `env` are rewritten in
    place, because the number of the filter's descriptor and the proxy's port are known only now.

    Raises:
        OSError: a wall could not be put up.
        ValueError: a limit or a backend that is not known.
    """
    keep = set(keep_fds) | {0, 1, 2}
    backend = launch["backend"]
    if backend not in ("bubblewrap", "container", "landlock", "seatbelt", "host"):
        raise ValueError(f"unknown backend {backend!r}")
    if backend == "container":
        go_on_stage(launch, backend)
        close_others(keep)
        become_stand_in(launch, keep)
        return
    if launch.get("proxy") is not None:
        if backend in ("host", "seatbelt"):
            raise ValueError(f"the backend {backend} has no way out to guard")
        port = wayout.open_way_out(launch["proxy"], own_namespace=backend == "bubblewrap")
        launch["env"] = {k: v.replace(PROXY_HERE, str(port)) for k, v in launch["env"].items()}
        if launch.get("landlock") is not None:
            launch["landlock"]["connect"] = [port]
    overlays = go_on_stage(launch, backend)
    close_others(keep)
    limit(launch.get("rlimits") or {}, backend)
    if backend == "bubblewrap":
        launch["argv"] = with_descriptors(launch["argv"], launch.get("seccomp") or b"")
        if launch.get("identity"):
            launch["argv"] = mapped.become(launch["argv"], launch["identity"], keep, overlays)
    elif backend == "landlock":
        die_with_parent()
        drop_capabilities()
        no_new_privileges()
        restrict(launch.get("landlock") or {})
        install_filter(launch.get("seccomp") or b"")


def go_on_stage(launch: dict[str, Any], backend: str) -> list[str]:
    """Enter the overlays of a staged session; which folders they are over. The keeper has mounted them."""
    stage = launch.get("stage")
    if not stage:
        return []
    entrance: Entrance | None = launch.get("entrance")
    if backend != "bubblewrap" or entrance is None:
        raise ValueError("a staged program needs a mounted stage")
    enter(entrance)
    die_with_parent()
    return [str(top) for top, _layers in stage["folders"]]


def become_stand_in(launch: dict[str, Any], keep: set[int]) -> None:
    """Make the launch one of `contained.py`, which stands here for a program in a container."""
    # The keeper's descriptor for news of the birth is the one that would not have outlived an exec.
    born = next((fd for fd in keep if not os.get_inheritable(fd)), None)
    proxy_port = str(wayout.INSIDE_PORT)
    request = launch["container"] | {
        "argv": launch["argv"],
        "env": {name: value.replace(PROXY_HERE, proxy_port) for name, value in launch["env"].items()},
        "cwd": launch["cwd"],
        "rlimits": launch.get("rlimits") or {},
        "seccomp": base64.b64encode(launch.get("seccomp") or b"").decode(),
        "proxy": launch.get("proxy"),
        "fds": sorted(keep - {born}),
        "born": born,
    }
    told = os.memfd_create("request", 0)
    os.write(told, json.dumps(request).encode())
    os.lseek(told, 0, os.SEEK_SET)
    if born is not None:
        os.set_inheritable(born, True)
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "contained.py")
    launch["argv"] = [sys.executable, "-I", "-S", program, "outside", str(told)]
    launch["env"] = {"LANG": "C.UTF-8"}
    launch["cwd"] = "/"


def close_others(keep: set[int]) -> None:
    first = 0
    for fd in sorted(keep):
        if fd > first:
            # An empty range would be taken for all descriptors there are.
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1 << 30)


def limit(rlimits: dict[str, Any], backend: str) -> None:
    for name, bounds in rlimits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        soft, hard = (resource.RLIM_INFINITY if value < 0 else int(value) for value in bounds)
        if name == "NPROC" and backend != "bubblewrap":
            # The kernel counts all tasks of the user, not only ours.
            others = tasks_of(os.getuid())
            soft, hard = soft + others, hard + others
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            hard = ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
            soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(kind, (soft, hard))


def tasks_of(uid: int) -> int:
    """How many tasks a user has now."""
    count = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == uid:
                    count += len(os.listdir(f"/proc/{entry.name}/task"))
            except OSError:
                continue
    return count


def with_descriptors(argv: Iterable[str], program: bytes) -> list[str]:
    """The command with its placeholders replaced by descriptors: of the filter, and of paths that may not be links."""
    words: list[str] = []
    for word in argv:
        if word == SECCOMP_HERE:
            if not program:
                raise OSError("the launch names a system call filter and brings none")
            fd = os.memfd_create("seccomp", 0)
            os.write(fd, program)
            os.lseek(fd, 0, os.SEEK_SET)
            word = str(fd)
        elif word.startswith(OPEN_HERE) and word.endswith("@"):
            word = str(open_without_links(word[len(OPEN_HERE) : -1]))
        words.append(word)
    return words


def open_without_links(path: str) -> int:
    """A descriptor that only names a path, of which no part may be a symbolic link."""
    how = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_PATH, 0, RESOLVE_NO_LINKS), 24)
    name = ctypes.create_string_buffer(os.fsencode(path))
    result = libc.syscall(ctypes.c_long(NR_OPENAT2), ctypes.c_int(-100), name, how, ctypes.c_size_t(24))
    return checked(int(result), path)


def checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def prctl(option: int, *values: int | ctypes.c_void_p) -> int:
    words = [v if isinstance(v, ctypes.c_void_p) else ctypes.c_ulong(v) for v in values]
    words += [ctypes.c_ulong(0)] * (4 - len(words))
    return int(libc.prctl(ctypes.c_int(option), *words))


def die_with_parent() -> None:
    parent = os.getppid()
    checked(prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "ending with the keeper")
    if os.getppid() != parent:
        raise OSError("the keeper is gone")


def drop_capabilities() -> None:
    """Give up every capability for good, whoever we are."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())
    prctl(PR_CAP_AMBIENT, 4)
    if os.geteuid() == 0:
        for number in range(last + 1):
            prctl(PR_CAPBSET_DROP, number)
        # No program gains anything by belonging to root (noroot, no_setuid_fixup, no ambient; each locked).
        prctl(PR_SET_SECUREBITS, 0b11101111)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    nothing = ctypes.create_string_buffer(24)
    checked(libc.syscall(ctypes.c_long(NR_CAPSET[os.uname().machine]), header, nothing), "dropping capabilities")


def no_new_privileges() -> None:
    checked(prctl(PR_SET_NO_NEW_PRIVS, 1), "no new privileges")


def install_filter(program: bytes) -> None:
    if not program or len(program) % 8:
        raise OSError("no system call filter in the launch")
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    pointer = ctypes.c_void_p(ctypes.addressof(head))
    checked(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer), "the system call filter")


def landlock_abi() -> int:
    """The version of Landlock that this kernel speaks; 0 for none."""
    number = libc.syscall(ctypes.c_long(NR_LANDLOCK["create"]), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(number))


def restrict(rules: dict[str, Any]) -> None:
    """Landlock: forbid everything that the rules do not name.

    `read`, `write`, `devices`: paths; a readable path that does not exist is passed over. `connect`: TCP ports, or
    None where the network is closed by the filter.
    """
    abi = landlock_abi()
    ports: list[int] | None = rules.get("connect")
    needed = OLDEST_ABI if ports is None else NET_ABI
    if abi < needed:
        raise OSError(f"Landlock {needed} is needed, this kernel has {abi}")
    rights = FS_RIGHTS[max(known for known in FS_RIGHTS if known <= abi)]
    net = NET_ALL if abi >= NET_ABI else 0
    scope = SCOPE_ALL if abi >= SCOPE_ABI else 0
    attributes = struct.pack("=QQQ", rights, net, scope)[: 24 if scope else 16 if net else 8]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    create = libc.syscall(
        ctypes.c_long(NR_LANDLOCK["create"]), buffer, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)
    )
    ruleset = checked(create, "Landlock")
    reading = EXECUTE | READ_FILE | READ_DIR
    for path in rules.get("read", ()):
        allow_path(ruleset, path, reading, must=False)
    for path in rules.get("write", ()):
        allow_path(ruleset, path, rights & ~MAKE_DEVICES & ~IOCTL_DEV, must=True)
    for path in rules.get("devices", ()):
        allow_path(ruleset, path, rights & (READ_FILE | WRITE_FILE | IOCTL_DEV), must=False)
    for port in ports or ():
        add_rule(ruleset, 2, struct.pack("=QQ", CONNECT_TCP, port))
    restricted = libc.syscall(ctypes.c_long(NR_LANDLOCK["restrict"]), ctypes.c_int(ruleset), ctypes.c_uint(0))
    checked(restricted, "Landlock")
    os.close(ruleset)


def allow_path(ruleset: int, path: str, rights: int, *, must: bool) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        if must:
            raise
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{fd}"):
            rights &= OF_FILES
        add_rule(ruleset, 1, struct.pack("=Qi", rights, fd))
    finally:
        os.close(fd)


def add_rule(ruleset: int, kind: int, attributes: bytes) -> None:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    nr = ctypes.c_long(NR_LANDLOCK["add"])
    checked(libc.syscall(nr, ctypes.c_int(ruleset), ctypes.c_int(kind), buffer, ctypes.c_uint(0)), "a Landlock rule")
