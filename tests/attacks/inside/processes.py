"""Ways to the programs of the person that run outside, and around what bounds those inside."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import struct
import threading
import time

from .registry import World, attack, call, checked, libc, text


def its(world: World, name: str) -> str:
    return f"/proc/{world['target']}/{name}"


@attack
def memory_by_proc(world: World) -> bool:
    with open(its(world, "mem"), "rb", buffering=0) as file:
        file.seek(world["address"])
        return file.read(16) == b"SECRET-IN-MEMORY"


@attack
def memory_overwritten_by_proc(world: World) -> bool:
    with open(its(world, "mem"), "r+b", buffering=0) as file:
        file.seek(world["address"])
        return file.write(b"SECRET-IN-MEMORY") == 16


def vector(address: int) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("QQ", address, 16), 16)


@attack
def memory_by_a_call(world: World) -> bool:
    mine = ctypes.create_string_buffer(16)
    call("process_vm_readv", world["target"], vector(ctypes.addressof(mine)), 1, vector(world["address"]), 1, 0)
    return mine.raw == b"SECRET-IN-MEMORY"


@attack
def memory_overwritten_by_a_call(world: World) -> bool:
    mine = ctypes.create_string_buffer(b"SECRET-IN-MEMORY", 16)
    given = vector(ctypes.addressof(mine))
    return call("process_vm_writev", world["target"], given, 1, vector(world["address"]), 1, 0) == 16


@attack
def layout_of_memory(world: World) -> bool:
    return "python" in text(its(world, "maps"))


@attack
def open_file_by_proc(world: World) -> bool:
    return "SECRET" in text(its(world, f"fd/{world['held']}"))


@attack
def open_file_by_a_call(world: World) -> bool:
    handle = call("pidfd_open", world["target"], 0)
    fd = call("pidfd_getfd", handle, world["held"], 0)
    return b"SECRET" in os.pread(fd, 100, 0)


@attack
def folder_of_a_process(world: World) -> bool:
    return "file" in os.listdir(its(world, "cwd"))


@attack
def root_of_every_process(world: World) -> bool:
    """Some of them may still stand in the old world: the sandbox's own helpers, process 1, the parent."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        for way in ("root", "cwd"):
            with contextlib.suppress(OSError):
                if text(f"/proc/{pid}/{way}{world['outside']}/file"):
                    return True
    return False


@attack
def open_files_of_every_process(world: World) -> bool:
    """Pipes of the tool, files of the person: whatever another process holds and we may open."""
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        if int(pid) in (os.getpid(), os.getppid()):
            continue
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    found = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK)
                    if leads_out(found, world):
                        return True
    return False


def leads_out(fd: int, world: World) -> bool:
    name = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return name.startswith((world["outside"], world["home"], world["secret"]))


@attack
def descriptor_that_was_left_open(world: World) -> bool:
    """Opened by the tool before the program was started."""
    for fd in range(3, 256):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith(world["outside"]):
                return True
    return False


@attack
def handle_of_a_process(world: World) -> bool:
    """Good for learning when it ends."""
    return call("pidfd_open", world["target"], 0) >= 0


@attack
def signal_by_a_handle(world: World) -> bool:
    call("pidfd_send_signal", call("pidfd_open", world["target"], 0), signal.SIGCONT, None, 0)
    return True


@attack
def signal_to_a_thread(world: World) -> bool:
    call("tgkill", world["target"], world["target"], signal.SIGCONT)
    return True


@attack
def signal_with_a_value(world: World) -> bool:
    told = ctypes.create_string_buffer(struct.pack("iii", int(signal.SIGCONT), 0, -1), 128)
    call("rt_sigqueueinfo", world["target"], signal.SIGCONT, told)
    return True


@attack
def signal_to_everybody(world: World) -> bool:
    """One that ends nobody, and that only the person's program counts."""
    before = signals_of(world)
    os.kill(world["everybody"], signal.SIGURG)
    return arrives(world, before)


@attack
def signal_to_the_group_of_the_tool(world: World) -> bool:
    os.killpg(world["group"], 0)
    return True


@attack
def signal_by_the_kernels_hand(world: World) -> bool:
    """A pipe that reports to another process when something can be read from it."""
    before = signals_of(world)
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, world["target"])
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    os.write(writing, b"x")
    return arrives(world, before)


def arrives(world: World, before: int) -> bool:
    for _ in range(40):
        if signals_of(world) > before:
            return True
        time.sleep(0.01)
    return False


def signals_of(world: World) -> int:
    """How much it wrote of the signals that it got. Where that cannot be read, the tests look from outside."""
    try:
        return len(text(world["signals"]))
    except OSError:
        return 0


@attack
def limits_of_a_process(world: World) -> bool:
    """With a limit of no processor time it would be dead; here the same limits are set again."""
    old = resource.prlimit(world["target"], resource.RLIMIT_NOFILE)
    resource.prlimit(world["target"], resource.RLIMIT_NOFILE, old)
    return True


@attack
def rank_of_a_process(world: World) -> bool:
    os.setpriority(os.PRIO_PROCESS, world["target"], os.getpriority(os.PRIO_PROCESS, world["target"]) + 1)
    return True


@attack
def rank_of_a_group_of_processes(world: World) -> bool:
    group = os.getpgid(world["target"])
    os.setpriority(os.PRIO_PGRP, group, os.getpriority(os.PRIO_PGRP, group) + 1)
    return True


@attack
def turn_of_a_process(world: World) -> bool:
    os.sched_setscheduler(world["target"], os.SCHED_BATCH, os.sched_param(0))
    return True


@attack
def processors_of_a_process(world: World) -> bool:
    os.sched_setaffinity(world["target"], os.sched_getaffinity(world["target"]))
    return True


@attack
def disk_rank_of_a_process(world: World) -> bool:
    idle = 3 << 13
    call("ioprio_set", 1, world["target"], idle)
    return True


@attack
def first_to_be_ended(world: World) -> bool:
    """When memory is short, the kernel would end the person's program first."""
    with open(its(world, "oom_score_adj"), "w", encoding="ascii") as file:
        file.write("1000")
    return True


@attack
def last_to_be_ended(world: World) -> bool:
    del world
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("-500")
    return True


@attack
def rank_above_all(world: World) -> bool:
    del world
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    return True


@attack
def always_its_turn(world: World) -> bool:
    del world
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return True


@attack
def limits_raised_again(world: World) -> bool:
    del world
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard + 1))
    return True


@attack
def way_out_of_the_control_group(world: World) -> bool:
    del world
    for top in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        with contextlib.suppress(OSError):
            place = f"{top}/attack-{os.getpid()}"
            os.mkdir(place)
            os.rmdir(place)
            return True
    raise PermissionError("none lets us make a group")


@attack
def agent_of_the_control_groups(world: World) -> bool:
    """A program that the kernel would start outside, as root, when a group is empty."""
    del world
    for name in os.listdir("/sys/fs/cgroup"):
        with contextlib.suppress(OSError):
            os.close(os.open(f"/sys/fs/cgroup/{name}/release_agent", os.O_WRONLY))
            return True
    raise PermissionError("there is none to write")


@attack
def threads_instead_of_processes(world: World) -> bool:
    """Bounded: it stops at the first refusal, and at twice the limit."""
    threading.stack_size(256 << 10)
    stop = threading.Event()
    threads: list[threading.Thread] = []
    try:
        for _ in range(world["processes"] * 2):
            threads.append(threading.Thread(target=stop.wait))
            threads[-1].start()
    finally:
        stop.set()
    return True


@attack
def file_of_any_size_by_reserving(world: World) -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    fd = os.open("reserved", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        keep_size = 1
        checked(libc.fallocate(fd, 0, ctypes.c_long(world["file_size"]), ctypes.c_long(4096)))
        return bool(keep_size)
    finally:
        os.unlink("reserved")


@attack
def file_of_any_size_behind_a_hole(world: World) -> bool:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    fd = os.open("holed", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        return os.pwrite(fd, b"x", world["file_size"] + 1) == 1
    finally:
        os.unlink("holed")


@attack
def descriptor_of_a_high_number(world: World) -> bool:
    return os.dup2(0, world["open_files"] + 1) > world["open_files"]


@attack
def core_of_itself_with_the_secrets(world: World) -> bool:
    """Where the limit was taken off, a crash would leave the memory of the program in a file or a collector."""
    del world
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    return True
