"""The filters, run by a small BPF machine, so that the other processor's are tried as well."""

from __future__ import annotations

import errno
import struct

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.sandbox.seccomp import ALLOW, ARCHITECTURES, CALLS, ERRNO, KILL, MODES, OTHERS, SHARED, Sockets, build

MACHINES = sorted(ARCHITECTURES)
CLONE_THREAD = 0x003D0F00
EPERM = ERRNO | errno.EPERM


def run(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    data = struct.pack("<IIQ6Q", number, architecture, 0, *[*arguments, *[0] * (6 - len(arguments))])
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at, value = 0, 0
    while True:
        kind, yes, no, k = code[at]
        at += 1
        if kind == 0x06:
            return k
        if kind == 0x20:
            (value,) = struct.unpack_from("<I", data, k)
        elif kind == 0x54:
            value &= k
        elif kind == 0x15:
            at += yes if value == k else no
        elif kind == 0x45:
            at += yes if value & k else no
        elif kind == 0x35:
            at += yes if value >= k else no
        else:
            raise AssertionError(f"instruction {kind:#x}")


def verdict(machine: str, sockets: Sockets, name: str, *arguments: int) -> int:
    architecture, column = ARCHITECTURES[machine]
    number = (OTHERS.get(name) or CALLS[name])[column]
    return run(build(sockets, machine), architecture, number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sockets", ["namespace", "none", "tcp"])
def test_every_listed_call_is_refused(machine: str, sockets: Sockets) -> None:
    architecture, column = ARCHITECTURES[machine]
    program = build(sockets, machine)
    for name, numbers in CALLS.items():
        if numbers[column]:
            assert run(program, architecture, numbers[column]) == EPERM, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_programs_need_passes(machine: str) -> None:
    architecture, column = ARCHITECTURES[machine]
    program = build("none", machine)
    # read, write, openat, execve, exit_group, mmap, futex
    usual = {"x86_64": (0, 1, 257, 59, 231, 9, 202), "aarch64": (63, 64, 56, 221, 94, 222, 98)}[machine]
    for number in usual:
        assert run(program, architecture, number) == ALLOW, number
    assert verdict(machine, "none", "clone", CLONE_THREAD) == ALLOW
    assert verdict(machine, "none", "ioctl", 1, 0x5401) == ALLOW
    assert verdict(machine, "none", "unshare", 0x200 | 0x400) == ALLOW
    assert column in (0, 1)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
def test_no_new_namespace(machine: str, flag: int) -> None:
    assert verdict(machine, "namespace", "clone", flag | 17) == EPERM
    assert verdict(machine, "namespace", "unshare", flag) == EPERM
    assert verdict(machine, "namespace", "clone3", 0) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_no_typing_into_terminals(machine: str) -> None:
    assert verdict(machine, "none", "ioctl", 0, 0x5412) == EPERM
    assert verdict(machine, "none", "ioctl", 0, 0x5412 | 1 << 40) == EPERM
    assert verdict(machine, "none", "ioctl", 0, 0x541C) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_of_a_network_namespace(machine: str) -> None:
    for family in (1, 2, 10, 16):
        assert verdict(machine, "namespace", "socket", family, 2, 0) == ALLOW
    for family in (40, 17, 38, 31, 44):
        assert verdict(machine, "namespace", "socket", family, 1, 0) == ERRNO | errno.EAFNOSUPPORT
    assert verdict(machine, "namespace", "socketpair", 1, 2, 0) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sockets", ["none", "tcp"])
def test_pairs_alone_without_a_namespace(machine: str, sockets: Sockets) -> None:
    cloexec = 0x80000
    assert verdict(machine, sockets, "socket", 1, 1, 0) == EPERM
    assert verdict(machine, sockets, "socketpair", 1, 1 | cloexec, 0) == ALLOW
    assert verdict(machine, sockets, "socketpair", 1, 5, 0) == ALLOW
    assert verdict(machine, sockets, "socketpair", 1, 2 | cloexec, 0) == EPERM
    assert verdict(machine, sockets, "socket", 2, 2, 0) == EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_tcp_and_nothing_beside_it(machine: str) -> None:
    for family in (2, 10):
        assert verdict(machine, "tcp", "socket", family, 1 | 0x80800, 0) == ALLOW
        assert verdict(machine, "tcp", "socket", family, 1, 6) == ALLOW
        assert verdict(machine, "tcp", "socket", family, 1, 262) == EPERM
        assert verdict(machine, "tcp", "socket", family, 3, 1) == EPERM
    assert verdict(machine, "none", "socket", 2, 1, 0) == EPERM
    for name, argument in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
        flags = [0, 0, 0, 0]
        flags[argument] = 0x20000000 | 0x4000
        assert verdict(machine, "tcp", name, *flags) == EPERM
        flags[argument] = 0x4000
        assert verdict(machine, "tcp", name, *flags) == ALLOW
    assert verdict(machine, "tcp", "setsockopt", 3, 6, 30) == EPERM
    assert verdict(machine, "tcp", "setsockopt", 3, 6, 1) == ALLOW
    assert verdict(machine, "tcp", "setsockopt", 3, 1, 30) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_no_file_that_lends_rights(machine: str) -> None:
    architecture, column = ARCHITECTURES[machine]
    program = build("namespace", machine)
    for name, numbers in MODES.items():
        if numbers[column]:
            for mode, expected in ((0o755, ALLOW), (0o1777, ALLOW), (0o4755, EPERM), (0o2755, EPERM)):
                arguments = [0] * 4
                arguments[numbers[2]] = mode
                assert run(program, architecture, numbers[column], *arguments) == expected, name
    create, temporary = 0x41, 0x410002
    assert verdict(machine, "none", "openat", 0, 0, create, 0o644) == ALLOW
    assert verdict(machine, "none", "openat", 0, 0, create, 0o4755) == EPERM
    assert verdict(machine, "none", "openat", 0, 0, temporary, 0o2755) == EPERM
    assert verdict(machine, "none", "openat", 0, 0, 0, 0o4755) == ALLOW, "without creating it means nothing"
    assert verdict(machine, "none", "openat2", 0, 0, 0, 24) == ERRNO | errno.ENOSYS
    if machine == "x86_64":
        assert verdict(machine, "none", "open", 0, create, 0o4755) == EPERM


def test_another_architecture_is_ended() -> None:
    i386 = 0x40000003
    for machine in MACHINES:
        assert run(build("namespace", machine), i386, 1) == KILL
    assert run(build("namespace", "x86_64"), ARCHITECTURES["x86_64"][0], 0x40000000 | 165) == KILL


def test_a_processor_without_a_table() -> None:
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        build("none", "riscv64")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("sockets", ["none", "tcp"])
def test_other_programs_of_the_person_are_left_alone(machine: str, sockets: Sockets) -> None:
    """Without namespaces of one's own these would reach them; one's own numbers are still set with 0."""
    architecture, column = ARCHITECTURES[machine]
    for name, numbers in SHARED.items():
        assert run(build(sockets, machine), architecture, numbers[column]) == ERRNO | errno.ENOSYS, name
        assert run(build("namespace", machine), architecture, numbers[column]) == ALLOW, name
    for name in ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setattr"):
        assert verdict(machine, sockets, name, 0) == ALLOW
        assert verdict(machine, sockets, name, 4711) == EPERM
        assert verdict(machine, "namespace", name, 4711) == ALLOW
    assert verdict(machine, sockets, "setpriority", 0, 0, 5) == ALLOW
    assert verdict(machine, sockets, "setpriority", 0, 4711, 5) == EPERM
    assert verdict(machine, sockets, "setpriority", 2, 0, 5) == EPERM
    assert verdict(machine, sockets, "ioprio_set", 1, 0, 5) == ALLOW
    assert verdict(machine, sockets, "ioprio_set", 3, 0, 5) == EPERM
