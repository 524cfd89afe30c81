"""Makes a path of the host appear inside a living bubblewrap sandbox, under its own name.

Nothing had to be prepared at the sandbox's birth: whoever made a user namespace owns it, and so may enter it with all
rights there. A helper process, forked for each grant, copies the mount in a namespace of its own, makes the copy
read-only, goes into the sandbox's namespaces and attaches it. Standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import stat
import struct

from . import mapped

AT_FDCWD = -100
AT_EMPTY_PATH, AT_RECURSIVE = 0x1000, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_EMPTY_PATHS = 4 | 0x40
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV = 1, 2, 4
NR_OPEN_TREE, NR_MOVE_MOUNT, NR_MOUNT_SETATTR, NR_OPENAT2 = 428, 429, 442, 437
RESOLVE_NO_LINKS = 0x02 | 0x04
NEWNS, NEWUSER = 0x00020000, 0x10000000
NS_GET_USERNS, NS_GET_OWNER_UID = 0xB701, 0xB704
libc = ctypes.CDLL(None, use_errno=True)


def grant(pid: int, source: str, path: str, access: str = "read") -> None:
    """Show the host's `source` as `path` to the process `pid` and all others in its sandbox.

    Args:
        pid: a process inside, as the host numbers it.
        source: a file or folder of the host; no part of its name may be a symbolic link.
        path: absolute; where it appears. Folders on the way are made where they are missing.
        access: "read" or "write".

    Raises:
        OSError: it could not be done; nothing has changed inside.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read_end)
            attach(pid, source, path, writable=access == "write")
            status = 0
        except BaseException as error:
            code = error.errno if isinstance(error, OSError) and error.errno else 0
            os.write(write_end, f"{code} {error}"[:2000].encode("utf-8", "replace"))
        finally:
            os._exit(status)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    _, status = os.waitpid(child, 0)
    if status:
        code, _, text = said.partition(" ")
        raise OSError(int(code) if code.isdigit() else 0, text or "the helper of a grant died")


def attach(pid: int, source: str, path: str, *, writable: bool) -> None:
    """In a process of its own: it ends up inside the sandbox, for good."""
    inside = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_CLOEXEC)
    owner = fcntl.ioctl(inside, NS_GET_USERNS)
    if os.path.sameopenfile(inside, mine := os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)):
        raise OSError(f"process {pid} is in no sandbox of its own")
    os.close(mine)
    identity = owner_of(owner)
    tree, is_folder = copy_of(source, writable=writable, identity=identity)
    checked(libc.setns(ctypes.c_int(owner), ctypes.c_int(NEWUSER)), "entering the sandbox")
    if os.geteuid() != identity:
        # Root is nobody in there; what is made in the sandbox has to belong to somebody that it knows.
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    checked(libc.setns(ctypes.c_int(inside), ctypes.c_int(NEWNS)), "entering the sandbox")
    os.fchdir(root)
    os.chroot(".")
    os.chdir("/")
    # The sandbox's own root is read-only; names for the mount and the link are made while it is not.
    set_attributes("/", clear=ATTR_RDONLY)
    try:
        make_place(path, folder=is_folder)
    finally:
        set_attributes("/", set_=ATTR_RDONLY)
    place = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
    empty = ctypes.c_char_p(b"")
    flags = ctypes.c_uint(MOVE_EMPTY_PATHS)
    moved = libc.syscall(ctypes.c_long(NR_MOVE_MOUNT), ctypes.c_int(tree), empty, ctypes.c_int(place), empty, flags)
    checked(moved, f"showing {path}")


def owner_of(namespace: int) -> int:
    """Who made a user namespace: ourselves, or the identity that root's programs have."""
    return int(struct.unpack("=I", fcntl.ioctl(namespace, NS_GET_OWNER_UID, struct.pack("=I", 0)))[0])


def copy_of(source: str, *, writable: bool, identity: int) -> tuple[int, bool]:
    """A detached copy of the mount under `source`, and whether it is a folder.

    Copying needs rights over a mount namespace, so an ordinary user's copy is made by a child in one of its own. We
    ourselves must stay outside of it: only from there do we own the sandbox.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ours.close()
            if os.geteuid() != 0:
                own_namespace()
            tree, is_folder = detached(source, writable=writable)
            if os.geteuid() != identity:
                mapped.map_tree(tree, mapped.mapping(identity), source)
            socket.send_fds(theirs, [b"d" if is_folder else b"f"], [tree])
            status = 0
        except BaseException as error:
            theirs.send(f"{getattr(error, 'errno', 0) or 0} {error}"[:2000].encode("utf-8", "replace"))
        finally:
            os._exit(status)
    theirs.close()
    with ours:
        said, fds, _, _ = socket.recv_fds(ours, 2000, 1)
    os.waitpid(child, 0)
    if not fds:
        code, _, text = said.decode("utf-8", "replace").partition(" ")
        raise OSError(int(code) if code.isdigit() else 0, text or f"copying the mount of {source}")
    return fds[0], said == b"d"


def own_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    checked(libc.unshare(ctypes.c_int(NEWUSER | NEWNS)), "a namespace for the copy")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def detached(source: str, *, writable: bool) -> tuple[int, bool]:
    fd = open_without_links(source)
    flags = ctypes.c_uint(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)
    empty = ctypes.c_char_p(b"")
    tree = checked(libc.syscall(ctypes.c_long(NR_OPEN_TREE), ctypes.c_int(fd), empty, flags), f"copying {source}")
    wanted = ATTR_NOSUID | ATTR_NODEV | (0 if writable else ATTR_RDONLY)
    set_attributes("", fd=tree, flags=AT_EMPTY_PATH | AT_RECURSIVE, set_=wanted)
    return tree, stat.S_ISDIR(os.fstat(fd).st_mode)


def make_place(path: str, *, folder: bool) -> None:
    """Something to mount on, of the right kind."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if folder:
            os.mkdir(path, 0o755)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return
    if stat.S_ISLNK(found.st_mode) or stat.S_ISDIR(found.st_mode) != folder:
        raise FileExistsError(17, f"{path} is something else inside")


def set_attributes(path: str, *, fd: int = AT_FDCWD, flags: int = 0, set_: int = 0, clear: int = 0) -> None:
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", set_, clear, 0, 0), 32)
    nr, name = ctypes.c_long(NR_MOUNT_SETATTR), ctypes.c_char_p(os.fsencode(path))
    result = libc.syscall(nr, ctypes.c_int(fd), name, ctypes.c_uint(flags), attributes, ctypes.c_size_t(32))
    checked(result, f"the rights of the mount {path or 'of the grant'}")


def open_without_links(path: str) -> int:
    how = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_NO_LINKS), 24)
    nr, name = ctypes.c_long(NR_OPENAT2), ctypes.c_char_p(os.fsencode(path))
    return checked(libc.syscall(nr, ctypes.c_int(AT_FDCWD), name, how, ctypes.c_size_t(24)), path)


def checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return int(result)
