"""Overlays over the folders of a staged session: what programs write lands aside, and the folders stay as they are.

One overlay for all kernels of a session, mounted once in namespaces of its own, which live as long as somebody holds
their descriptors: no process has to. A kernel's child enters them before its walls go up, and there finds the overlay
under the folder's own name. Standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
from typing import Any, NamedTuple

from . import mapped

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_SLAVE = 2, 4, 0x1000, 0x4000, 0x80000
NEWNS, NEWUSER = 0x00020000, 0x10000000
PR_SET_SECUREBITS, NO_SETUID_FIXUP = 28, 4
OCTAL = re.compile(rb"\\([0-7]{3})")
VOLATILE = "volatile"
"""Else each first write to a file waits for the disk, which takes sixty times as long. A commit waits, once for all."""
OPTIONS = "redirect_dir=nofollow,index=off,metacopy=off"
"""No tricks in the upper folder: who reads it later finds every file whole and in its place."""
libc = ctypes.CDLL(None, use_errno=True)


class Entrance(NamedTuple):
    """Descriptors of the namespaces. `users` is -1 for root, which needs none of its own."""

    users: int
    mounts: int

    def close(self) -> None:
        for fd in self:
            if fd >= 0:
                os.close(fd)


class Stages:
    """The overlays that are mounted now; never one of them twice."""

    def __init__(self) -> None:
        self._open: dict[str, Entrance] = {}

    def entrance(self, stage: dict[str, Any]) -> Entrance:
        """Mounts it at first use. Raises OSError: it cannot be mounted, with a reason; nothing has changed."""
        key = json.dumps(stage, sort_keys=True)
        if key not in self._open:
            self._open[key] = open_stage(stage)
        return self._open[key]

    def leave(self) -> None:
        """Let go of all: with the last kernel that is in one, it is unmounted, and its layers are files like others."""
        for entrance in self._open.values():
            entrance.close()
        self._open.clear()


def open_stage(stage: dict[str, Any]) -> Entrance:
    """Mount the overlays of `Launch.stage` in namespaces of their own. Raises OSError."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ours.close()
            fds = mount_all(stage)
            socket.send_fds(theirs, [b"y"], fds)
            status = 0
        except BaseException as error:
            code = error.errno if isinstance(error, OSError) and error.errno else 0
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            theirs.sendall(f"n{code} {what}"[:2000].encode("utf-8", "replace"))
        finally:
            os._exit(status)
    theirs.close()
    with ours:
        said, fds, _, _ = socket.recv_fds(ours, 4096, 2)
    os.waitpid(child, 0)
    if said[:1] != b"y":
        code, _, text = said[1:].decode("utf-8", "replace").partition(" ")
        raise OSError(int(code) if code.isdigit() else 0, text or "the helper that mounts a stage died")
    for fd in fds:
        os.set_inheritable(fd, False)
    return Entrance(-1, fds[0]) if len(fds) == 1 else Entrance(fds[0], fds[1])


def mount_all(stage: dict[str, Any]) -> list[int]:
    """In a process of its own. Returns descriptors of its new namespaces, that of the mounts last."""
    identity = stage.get("identity")
    folders: list[tuple[str, str]] = [(str(top), str(layers)) for top, layers in stage["folders"]]
    for top, _layers in folders:
        if inner := mounts_below(top):
            raise OSError(f"{inner[0]} is another file system inside of {top}, which an overlay does not show")
    fds: list[int] = []
    trees: list[tuple[int, int]] = []
    if os.geteuid() != 0:
        own_users()
        fds.append(os.open("/proc/self/ns/user", os.O_RDONLY))
    else:
        if identity:
            namespace = mapped.mapping(identity)
            trees = [(mapped.mapped_tree(t, namespace), mapped.mapped_tree(d, namespace)) for t, d in folders]
        checked(libc.unshare(ctypes.c_int(NEWNS)), "a mount namespace")
    mount("none", "/", "", MS_REC | MS_SLAVE, "")
    if identity:
        # What overlays do to the upper folder they do as who mounted them: that must be somebody the mapping knows.
        checked(mapped.libc.prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0), "keeping rights")
    for number, (top, layers) in enumerate(folders):
        os.chdir(layers)
        # A new one each time: the kernel does not take up what was mounted volatile.
        work = f"work/{os.urandom(8).hex()}"
        os.mkdir(work, 0o700)
        above = ""
        if identity:
            lower, upper = trees[number]
            mapped.attach(lower, "lower")
            mapped.attach(upper, "seen")
            above = "seen/"
            for change in (libc.setfsuid, libc.setfsgid):
                change(ctypes.c_uint(identity))
        else:
            mount(top, "lower", "", MS_BIND | MS_REC, "")
        kind = "userxattr" if os.geteuid() != 0 else OPTIONS
        options = f"lowerdir=lower,upperdir={above}upper,workdir={above}{work},{kind},{VOLATILE}"
        mount("overlay", top, "overlay", MS_NOSUID | MS_NODEV, options)
        for change in (libc.setfsuid, libc.setfsgid):
            change(ctypes.c_uint(os.geteuid()))
        try_to_write(top, identity)
    os.chdir("/")
    return [*fds, os.open("/proc/self/ns/mnt", os.O_RDONLY)]


def try_to_write(top: str, identity: int | None) -> None:
    """An overlay whose work folder cannot be made is mounted read-only, without a word."""
    if os.statvfs(top).f_flag & os.ST_RDONLY:
        raise OSError(f"the overlay over {top} came up read-only: the file system of the session cannot hold it")


def own_users() -> None:
    """A user namespace in which we are who we were, and a mount namespace that belongs to it."""
    uid, gid = os.geteuid(), os.getegid()
    checked(libc.unshare(ctypes.c_int(NEWUSER | NEWNS)), "a user namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def enter(entrance: Entrance) -> None:
    """Go in, for good; an ordinary user's rights there end with the next exec. Raises OSError."""
    if entrance.users >= 0:
        checked(libc.setns(ctypes.c_int(entrance.users), ctypes.c_int(NEWUSER)), "entering the stage")
    checked(libc.setns(ctypes.c_int(entrance.mounts), ctypes.c_int(NEWNS)), "entering the stage")
    os.chdir("/")


def mounts_below(top: str) -> list[str]:
    """Mount points inside a folder, without the folder itself."""
    found: list[str] = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            place = os.fsdecode(OCTAL.sub(lambda found: bytes([int(found[1], 8)]), line.split()[4]))
            if place.startswith(f"{top.rstrip('/')}/"):
                found.append(place)
    return found


def mount(source: str, target: str, kind: str, flags: int, data: str) -> None:
    result = libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    checked(result, f"mounting over {target}" if kind else "a mount")


def checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return int(result)
