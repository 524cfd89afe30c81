"""Ways to the kernel of the machine: namespaces, mounts, devices, and calls that change it for everybody."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import mmap
import os
import struct
import termios

from .registry import AT_FDCWD, CALLS, COLUMN, World, attack, call, checked, libc, passed_the_guard, put, text

NEWNS, NEWUSER = 0x20000, 0x10000000
NAMESPACES = {"mnt": NEWNS, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000, "time": 0x80}
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 32, 4096, 16384, 1 << 18, 2


def alone() -> None:
    """A mount namespace of one's own, so that without walls nothing happens to the machine."""
    with contextlib.suppress(OSError):
        checked(libc.unshare(NEWNS))
        checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    words = (source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None)
    checked(libc.mount(*words))


@attack
def any_namespace(world: World) -> bool:
    del world
    for flag in NAMESPACES.values():
        with contextlib.suppress(OSError):
            return checked(libc.unshare(ctypes.c_int(flag))) == 0
    raise PermissionError("none")


@attack
def any_namespace_as_its_root(world: World) -> bool:
    del world
    for flag in NAMESPACES.values():
        with contextlib.suppress(OSError):
            return checked(libc.unshare(ctypes.c_int(flag | NEWUSER))) == 0
    raise PermissionError("none")


@attack
def namespace_by_the_newer_clone(world: World) -> bool:
    """Its flags lie in memory, where no filter can look."""
    del world
    told = ctypes.create_string_buffer(struct.pack("=QQQQQQQQ", NEWUSER, 0, 0, 0, 17, 0, 0, 0), 64)
    pid = call("clone3", told, 64)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


@attack
def network_of_a_process(world: World) -> bool:
    call("setns", os.open(f"/proc/{world['target']}/ns/net", os.O_RDONLY), 0)
    return True


@attack
def namespace_of_a_process(world: World) -> bool:
    call("setns", call("pidfd_open", world["target"], 0), NAMESPACES["uts"])
    return True


@attack
def mount_by_the_newer_calls(world: World) -> bool:
    del world
    fd = call("fsopen", b"tmpfs", 0)
    call("fsconfig", fd, 6, None, None, 0)
    return call("fsmount", fd, 0, 0) >= 0


@attack
def copy_of_the_mounts(world: World) -> bool:
    del world
    return call("open_tree", AT_FDCWD, b"/", 1) >= 0


@attack
def read_only_made_writable(world: World) -> bool:
    del world
    alone()
    mount("none", "/", "", MS_REMOUNT | MS_BIND)
    return True


@attack
def read_only_made_writable_by_the_newer_call(world: World) -> bool:
    del world
    alone()
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", 0, 1, 0, 0), 32)
    call("mount_setattr", AT_FDCWD, b"/", 0, attributes, 32)
    return True


@attack
def masks_taken_off(world: World) -> bool:
    del world
    alone()
    return checked(libc.umount2(b"/proc", MNT_DETACH)) == 0


@attack
def layer_over_a_folder(world: World) -> bool:
    alone()
    for name in ("upper", "worker", "merged"):
        os.makedirs(os.path.expanduser(f"~/{name}"), exist_ok=True)
    layer = os.path.expanduser("~/merged")
    mount("none", layer, "tmpfs", 0)
    os.mkdir(layer + "/upper")
    os.mkdir(layer + "/worker")
    told = f"lowerdir={world['readable']},upperdir={layer}/upper,workdir={layer}/worker"
    mount("overlay", world["readable"], "overlay", 0, told)
    return put(world["readable"] + "/laid-over")


@attack
def other_folder_over_git(world: World) -> bool:
    alone()
    os.makedirs("evil-git", exist_ok=True)
    mount(world["workspace"] + "/evil-git", world["workspace"] + "/.git", "", MS_BIND)
    return os.listdir(".git") == []


@attack
def fresh_list_of_processes(world: World) -> bool:
    alone()
    os.makedirs("processes", exist_ok=True)
    mount("proc", "processes", "proc", 0)
    return os.path.exists(f"processes/{world['target']}")


@attack
def other_root(world: World) -> bool:
    """The old way out of a changed root begins with a second one."""
    del world
    os.chroot(".")
    return True


@attack
def file_by_its_handle(world: World) -> bool:
    """Files by number instead of name, of the whole file system on which the working folder lies."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", 64, 0), 72)
    mount_id = ctypes.c_int()
    way = os.fsencode(world["workspace"])
    checked(libc.name_to_handle_at(AT_FDCWD, way, handle, ctypes.byref(mount_id), 0))
    here = os.open(".", os.O_RDONLY)
    return call("open_by_handle_at", here, handle, os.O_RDONLY) >= 0


@attack
def watch_over_all_files(world: World) -> bool:
    del world
    return call("fanotify_init", 0x200, 0) >= 0


@attack
def ring_of_requests(world: World) -> bool:
    """io_uring: opens, connects and sends without the calls that a filter sees."""
    del world
    return call("io_uring_setup", 4, ctypes.create_string_buffer(256)) >= 0


@attack
def program_in_the_kernel(world: World) -> bool:
    del world
    told = ctypes.create_string_buffer(struct.pack("=IIII", 2, 4, 4, 1), 116)
    return call("bpf", 0, told, 116) >= 0


@attack
def counters_of_the_processor(world: World) -> bool:
    del world
    told = ctypes.create_string_buffer(struct.pack("=II", 1, 128), 128)
    return call("perf_event_open", told, 0, -1, -1, 0) >= 0


@attack
def pages_of_its_own_faults(world: World) -> bool:
    del world
    return call("userfaultfd", os.O_CLOEXEC | 1) >= 0


@attack
def segments_of_its_own(world: World) -> bool:
    del world
    return call("modify_ldt", 0, ctypes.create_string_buffer(64), 64) >= 0


@attack
def key_left_in_the_session(world: World) -> bool:
    """In the keyring that it shares with programs outside."""
    del world
    return call("add_key", b"user", b"attack", b"x", 1, -3) > 0


@attack
def other_kernel(world: World) -> bool:
    del world
    return passed_the_guard("kexec_load", 0, 1 << 20, None, 0)


@attack
def module_for_the_kernel(world: World) -> bool:
    del world
    return passed_the_guard("init_module", ctypes.create_string_buffer(64), 64, b"")


@attack
def restart_of_the_machine(world: World) -> bool:
    """With wrong magic numbers, which are looked at after the right to do it."""
    del world
    return passed_the_guard("reboot", 0, 0, 0, 0)


@attack
def swap_on_a_file(world: World) -> bool:
    del world
    return passed_the_guard("swapon", b"no-such-file", 0)


@attack
def accounting(world: World) -> bool:
    del world
    return passed_the_guard("acct", b"no-such-folder/file")


@attack
def quotas(world: World) -> bool:
    del world
    sync = 0x800001 << 8
    call("quotactl", sync, None, 0, None)
    return True


@attack
def name_of_the_machine(world: World) -> bool:
    del world
    name = os.uname().nodename.encode()
    return checked(libc.sethostname(name, len(name))) == 0


@attack
def clock_of_the_machine(world: World) -> bool:
    """The pace of the clock, set to what it is."""
    del world
    told = ctypes.create_string_buffer(208)
    call("adjtimex", told)
    struct.pack_into("=I", told, 0, 0x4000)
    return call("adjtimex", told) >= 0


@attack
def messages_of_the_kernel(world: World) -> bool:
    del world
    return call("syslog", 3, ctypes.create_string_buffer(4096), 4096) > 0


@attack
def handler_of_crashes(world: World) -> bool:
    """The program that the kernel starts, as root and outside, for every crash."""
    del world
    value = text("/proc/sys/kernel/core_pattern")
    with open("/proc/sys/kernel/core_pattern", "w", encoding="ascii") as file:
        file.write(value)
    return True


@attack
def switch_of_the_machine(world: World) -> bool:
    del world
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return True


@attack
def memory_of_the_machine(world: World) -> bool:
    del world
    return bool(os.pread(os.open("/proc/kcore", os.O_RDONLY), 4, 0))


@attack
def setting_in_sys(world: World) -> bool:
    del world
    path = "/sys/kernel/mm/transparent_hugepage/enabled"
    value = text(path).partition("[")[2].partition("]")[0]
    with open(path, "w", encoding="ascii") as file:
        file.write(value)
    return True


def device(*paths: str) -> bool:
    for path in paths:
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY))
            return True
    raise PermissionError("none of them")


@attack
def device_of_messages(world: World) -> bool:
    del world
    return device("/dev/kmsg")


@attack
def device_of_networks(world: World) -> bool:
    del world
    return device("/dev/net/tun")


@attack
def device_of_file_systems(world: World) -> bool:
    del world
    return device("/dev/fuse", "/dev/loop-control", "/dev/btrfs-control")


@attack
def device_of_virtual_machines(world: World) -> bool:
    del world
    return device("/dev/kvm", "/dev/vsock")


@attack
def screen_of_the_console(world: World) -> bool:
    del world
    return device("/dev/vcs", "/dev/vcsa", "/dev/tty1")


@attack
def typed_into_a_terminal(world: World) -> bool:
    """What a shell outside would take for the person's own keys, where the terminal is shared."""
    del world
    return type_into(termios.TIOCSTI)


@attack
def typed_into_a_terminal_with_high_bits(world: World) -> bool:
    del world
    return type_into(termios.TIOCSTI | 1 << 32)


def type_into(request: int) -> bool:
    ours, theirs = os.openpty()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        code = 1
        try:
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
            number = ctypes.c_long((16, 29)[COLUMN])
            code = 0 if libc.syscall(number, ctypes.c_long(theirs), ctypes.c_ulong(request), b"x") == 0 else 1
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(ours)
    return status == 0


@attack
def door_of_the_other_numbers(world: World) -> bool:
    """Calls of the ABI with 32-bit pointers have a bit more, and were forgotten by many filters."""
    del world
    if COLUMN:
        raise OSError("this processor has no such door")
    number = ctypes.c_long(CALLS["chmod"][0] | 0x40000000)
    put("lent-x32")
    checked(libc.syscall(number, b"lent-x32", ctypes.c_long(0o4755)))
    return bool(os.stat("lent-x32").st_mode & 0o4000)


@attack
def page_at_address_zero(world: World) -> bool:
    """Where mistakes of the kernel end up."""
    del world
    libc.mmap.restype = ctypes.c_void_p
    fixed = 0x10
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | fixed
    found = libc.mmap(ctypes.c_void_p(0), ctypes.c_size_t(4096), 3, flags, -1, ctypes.c_long(0))
    if found is not None:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return True
