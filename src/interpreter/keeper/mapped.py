"""Root's programs as nobody: a sandbox that root starts gets an identity of its own, and folders that seem its own.

A mount can give root's files another owner for whoever looks through it. So the program is no root to the kernel, and
still writes files that are root's outside; what root alone may read stays closed, because it is not shown that way.
Standard library only. As a program, `python -I -S mapped.py BWRAP PATH...` says for each path whether this works there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import struct
import sys
from collections.abc import Iterable

HERE = "@mapped:"
IDENTITY = 2_000_000_001
"""A number that no user of a machine has."""
STAGE = "/tmp"
NR_OPEN_TREE, NR_MOVE_MOUNT, NR_OPENAT2, NR_MOUNT_SETATTR = 428, 429, 437, 442
OPEN_TREE_CLONE, MOVE_EMPTY_PATH = 1, 4
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
ATTR_IDMAP = 0x100000
RESOLVE_NO_LINKS = 0x02 | 0x04
NEWNS, NEWUSER = 0x00020000, 0x10000000
MS_NOSUID, MS_NODEV, MS_REC, MS_SLAVE = 2, 4, 0x4000, 0x80000
libc = ctypes.CDLL(None, use_errno=True)


def become(argv: Iterable[str], identity: int, keep: Iterable[int], overlays: Iterable[str] = ()) -> list[str]:
    """Take on `identity`, in a mount namespace of our own; returns `argv` with each `@mapped:PATH@` replaced.

    `keep`: descriptors that stay open; pipes among them are given to the new identity, which may open them by name.
    `overlays`: folders whose mounts give root's files that number already.

    Raises OSError: a file system here cannot do it, or a path is a link by now. Then nothing may be run.
    """
    words = list(argv)
    paths = list(dict.fromkeys(word[len(HERE) : -1] for word in words if word.startswith(HERE) and word.endswith("@")))
    namespace = mapping(identity)
    tops = tuple(f"{top.rstrip('/')}/" for top in overlays)
    trees = [mapped_tree(path, None if f"{path}/".startswith(tops) else namespace) for path in paths]
    os.close(namespace)
    checked(libc.unshare(ctypes.c_int(NEWNS)), "a mount namespace")
    checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None), "a mount namespace")
    flags = ctypes.c_ulong(MS_NOSUID | MS_NODEV)
    checked(libc.mount(b"tmpfs", STAGE.encode(), b"tmpfs", flags, b"size=64k,mode=0755"), "a stage")
    places = {path: stage(number, tree) for number, (path, tree) in enumerate(zip(paths, trees, strict=True))}
    for fd in keep:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, identity, identity)
    os.setgroups([])
    os.setresgid(identity, identity, identity)
    os.setresuid(identity, identity, identity)
    return [places.get(word[len(HERE) : -1], word) if word.startswith(HERE) else word for word in words]


def mapping(identity: int) -> int:
    """A descriptor of a user namespace that says: what is root's belongs to `identity`, the rest to whom it belongs."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        ok = libc.unshare(ctypes.c_int(NEWUSER)) == 0
        os.write(theirs, b"y" if ok else b"n")
        signal.pause()
        os._exit(0)
    try:
        os.close(theirs)
        if os.read(ours, 1) != b"y":
            raise OSError("no user namespace for mapped mounts")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 {identity} 1\n1 1 {identity - 1}\n")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def mapped_tree(path: str, namespace: int | None) -> int:
    """A detached copy of the mount under `path`, in which root's files have the other owner (None: as they are)."""
    how = ctypes.create_string_buffer(struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, RESOLVE_NO_LINKS), 24)
    name = ctypes.c_char_p(os.fsencode(path))
    fd = checked(libc.syscall(ctypes.c_long(NR_OPENAT2), ctypes.c_int(AT_FDCWD), name, how, ctypes.c_size_t(24)), path)
    try:
        flags = ctypes.c_uint(OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)
        empty = ctypes.c_char_p(b"")
        tree = checked(libc.syscall(ctypes.c_long(NR_OPEN_TREE), ctypes.c_int(fd), empty, flags), path)
    finally:
        os.close(fd)
    if namespace is not None:
        map_tree(tree, namespace, path)
    return tree


def map_tree(tree: int, namespace: int, path: str) -> None:
    attributes = ctypes.create_string_buffer(struct.pack("=QQQQ", ATTR_IDMAP, 0, 0, namespace), 32)
    nr, flags = ctypes.c_long(NR_MOUNT_SETATTR), ctypes.c_uint(AT_EMPTY_PATH | AT_RECURSIVE)
    size = ctypes.c_size_t(32)
    result = libc.syscall(nr, ctypes.c_int(tree), ctypes.c_char_p(b""), flags, attributes, size)
    checked(result, f"another owner for {path}")


def stage(number: int, tree: int) -> str:
    """Attach a tree where everybody can reach it, whoever may pass through the folders above its own place."""
    place = f"{STAGE}/{number}"
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        os.mkdir(place, 0o755)
    else:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    attach(tree, place)
    return place


def attach(tree: int, place: str) -> None:
    """Put a detached tree somewhere; its descriptor is closed."""
    nr, empty = ctypes.c_long(NR_MOVE_MOUNT), ctypes.c_char_p(b"")
    target, flags = ctypes.c_char_p(place.encode()), ctypes.c_uint(MOVE_EMPTY_PATH)
    checked(libc.syscall(nr, ctypes.c_int(tree), empty, ctypes.c_int(AT_FDCWD), target, flags), place)
    os.close(tree)


def checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return int(result)


def works(bwrap: str, path: str) -> bool:
    """Whether a program can be started that way with `path` among its folders; tried in a child."""
    child = os.fork()
    if child == 0:
        try:
            quiet = os.open("/dev/null", os.O_RDWR)
            os.dup2(quiet, 2)
            shown = ["--ro-bind", "/", "/", "--bind", f"{HERE}{path}@", "/tmp"]
            words = [bwrap, "--unshare-user", "--uid", "0", "--gid", "0", "--unshare-pid", *shown, "--", "/bin/true"]
            os.execv(bwrap, become(words, IDENTITY, ()))
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def main(argv: list[str]) -> int:
    for path in argv[2:]:
        print("yes" if works(argv[1], path) else "no")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
