"""System call filters as BPF programs, made without a library.

A filter lists what is refused: what a data task never needs and an attack on the kernel, or on the host behind it,
does. Everything else passes, because an unknown program must not break on a call that is only unusual.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable
from typing import Literal

from ..errors import SandboxUnavailable
from ..text.i18n import _

Sockets = Literal["namespace", "none", "tcp"]
"""`namespace`: the usual families, for a network namespace of its own. `none`: no sockets but pairs. `tcp`: and TCP."""

# x86_64, aarch64; 0 where an architecture does not have the call.
CALLS: dict[str, tuple[int, int]] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
    "iopl": (172, 0),
    "ioperm": (173, 0),
    "uselib": (134, 0),
    "modify_ldt": (154, 0),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
}
# Calls of which only some uses are refused.
OTHERS: dict[str, tuple[int, int]] = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "unshare": (272, 97),
    "ioctl": (16, 29),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "setsockopt": (54, 208),
    "open": (2, 0),
    "openat": (257, 56),
    "openat2": (437, 437),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
}
# Memory, queues and semaphores of System V: without a namespace of their own, those of the person's programs.
SHARED: dict[str, tuple[int, int]] = {
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
}
# Calls that set a file's mode, and the argument that holds it.
MODES: dict[str, tuple[int, int, int]] = {
    "chmod": (90, 0, 1),
    "fchmod": (91, 52, 1),
    "fchmodat": (268, 53, 2),
    "fchmodat2": (452, 452, 2),
    "mkdir": (83, 0, 1),
    "mkdirat": (258, 34, 2),
    "mknod": (133, 0, 1),
    "mknodat": (259, 33, 2),
    "creat": (85, 0, 1),
}
ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
NEW_NAMESPACES = 0x7E020000
NEW_TIME = 0x80
SETUID_SETGID = 0o6000
CREATES = 0x40 | 0x400000
"""O_CREAT, and what makes O_TMPFILE of O_DIRECTORY."""
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_STREAM, SOCK_SEQPACKET, SOCK_TYPE = 1, 5, 0xF
IPPROTO_TCP, TCP_FASTOPEN_CONNECT, MSG_FASTOPEN = 6, 30, 0x20000000

PRIO_PROCESS, IOPRIO_WHO_PROCESS = 0, 1

LOAD, JUMP_EQ, JUMP_SET, JUMP_GE, RETURN, AND = 0x20, 0x15, 0x45, 0x35, 0x06, 0x54
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCHITECTURE = 0, 4

Instruction = tuple[int, int, int, int]


def low(argument: int) -> int:
    """Where the low half of a call's argument lies (both architectures are little-endian)."""
    return 16 + 8 * argument


def deny(code: int) -> Instruction:
    return (RETURN, 0, 0, ERRNO | code)


def when(number: int, body: list[Instruction]) -> list[Instruction]:
    """Run `body`, which must end in a return, for one system call; the number stays loaded otherwise."""
    return [(JUMP_EQ, 0, len(body), number), *body]


def any_bit(argument: int, bits: int) -> list[Instruction]:
    return [(LOAD, 0, 0, low(argument)), (JUMP_SET, 0, 1, bits), deny(errno.EPERM), (RETURN, 0, 0, ALLOW)]


def only(argument: int, values: Iterable[int], mask: int, code: int) -> list[Instruction]:
    """Go on after these instructions when the argument is one of the values, else refuse."""
    values = tuple(values)
    body: list[Instruction] = [(LOAD, 0, 0, low(argument)), (AND, 0, 0, mask)]
    body += [(JUMP_EQ, len(values) - n, 0, value) for n, value in enumerate(values)]
    return [*body, deny(code)]


def none_of(argument: int, values: Iterable[int]) -> list[Instruction]:
    body: list[Instruction] = [(LOAD, 0, 0, low(argument))]
    for value in values:
        body += [(JUMP_EQ, 0, 1, value), deny(errno.EPERM)]
    return [*body, (RETURN, 0, 0, ALLOW)]


def modes_filter(column: int) -> list[Instruction]:
    """No file that lends its owner's rights to whoever runs it: outside the walls it would still do so."""
    program: list[Instruction] = []
    for numbers in MODES.values():
        if numbers[column]:
            program += when(numbers[column], any_bit(numbers[2], SETUID_SETGID))
    for name, flags in (("open", 1), ("openat", 2)):
        if OTHERS[name][column]:
            looks = [(LOAD, 0, 0, low(flags)), (JUMP_SET, 1, 0, CREATES), (RETURN, 0, 0, ALLOW)]
            program += when(OTHERS[name][column], [*looks, *any_bit(flags + 1, SETUID_SETGID)])
    # Its mode lies in memory, out of a filter's sight; libraries fall back to openat.
    return program + when(OTHERS["openat2"][column], [deny(errno.ENOSYS)])


def others_filter(column: int) -> list[Instruction]:
    """For programs that share the person's namespaces: nothing of the person's other programs is set or attached."""
    allow: Instruction = (RETURN, 0, 0, ALLOW)
    word = 0xFFFFFFFF
    program: list[Instruction] = []
    for numbers in SHARED.values():
        program += when(numbers[column], [deny(errno.ENOSYS)])
    for name in ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setattr"):
        program += when(OTHERS[name][column], [*only(0, (0,), word, errno.EPERM), allow])
    for name, itself in (("setpriority", PRIO_PROCESS), ("ioprio_set", IOPRIO_WHO_PROCESS)):
        own = [*only(0, (itself,), word, errno.EPERM), *only(1, (0,), word, errno.EPERM), allow]
        program += when(OTHERS[name][column], own)
    return program


def sockets_filter(sockets: Sockets, column: int) -> list[Instruction]:
    allow: Instruction = (RETURN, 0, 0, ALLOW)
    word = 0xFFFFFFFF
    if sockets == "namespace":
        families = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
        return when(OTHERS["socket"][column], [*only(0, families, word, errno.EAFNOSUPPORT), allow])
    # Connected pairs only: a datagram socket could be sent to any address, out of the walls.
    pair = [
        *only(0, (AF_UNIX,), word, errno.EAFNOSUPPORT),
        *only(1, (SOCK_STREAM, SOCK_SEQPACKET), SOCK_TYPE, errno.EPERM),
        allow,
    ]
    program = when(OTHERS["socketpair"][column], pair)
    if sockets == "none":
        return program + when(OTHERS["socket"][column], [deny(errno.EPERM)])
    tcp = [
        *only(0, (AF_INET, AF_INET6), word, errno.EPERM),
        *only(1, (SOCK_STREAM,), SOCK_TYPE, errno.EPERM),
        *only(2, (0, IPPROTO_TCP), word, errno.EPERM),
        allow,
    ]
    program += when(OTHERS["socket"][column], tcp)
    # Fast open connects without the call that Landlock watches.
    for name, argument in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        program += when(OTHERS[name][column], any_bit(argument, MSG_FASTOPEN))
    fast_open = [
        (LOAD, 0, 0, low(1)),
        (JUMP_EQ, 1, 0, IPPROTO_TCP),
        allow,
        *none_of(2, (TCP_FASTOPEN_CONNECT,)),
    ]
    return program + when(OTHERS["setsockopt"][column], fast_open)


def build(sockets: Sockets, machine: str = "") -> bytes:
    """The filter as an array of `struct sock_filter`.

    Raises SandboxUnavailable on a machine for which there is no table.
    """
    machine = machine or os.uname().machine
    if machine not in ARCHITECTURES:
        raise SandboxUnavailable(
            _("There is no system call filter for this processor ({machine}).", machine=machine),
            _("Nothing was run. The sandbox works on x86_64 and aarch64."),
        )
    architecture, column = ARCHITECTURES[machine]
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE),
        (JUMP_EQ, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
    ]
    if machine == "x86_64":
        program += [(JUMP_GE, 0, 1, 0x40000000), (RETURN, 0, 0, KILL)]
    # Its flags lie in memory, out of a filter's sight; libraries fall back to clone.
    program += when(OTHERS["clone3"][column], [deny(errno.ENOSYS)])
    program += when(OTHERS["clone"][column], any_bit(0, NEW_NAMESPACES))
    program += when(OTHERS["unshare"][column], any_bit(0, NEW_NAMESPACES | NEW_TIME))
    program += when(OTHERS["ioctl"][column], none_of(1, (TIOCSTI, TIOCLINUX)))
    program += modes_filter(column)
    if sockets != "namespace":
        program += others_filter(column)
    program += sockets_filter(sockets, column)
    numbers = sorted({columns[column] for columns in CALLS.values()} - {0})
    for number in numbers:
        program += when(number, [deny(errno.EPERM)])
    program.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
