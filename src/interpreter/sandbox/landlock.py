"""Walls by Landlock and seccomp: nothing to install, but they can only forbid, not hide or replace."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Sequence
from functools import lru_cache

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Launch, Profile
from .backend import WALLS, cgroup, outside, proxy, refuse_host_network, rlimits, written
from .seccomp import build
from .system import DEVICES, system, within, without

CREATE_RULESET = 444
OLDEST, WITH_PORTS, WITH_SCOPES = 3, 4, 6
"""Versions: files can be protected; TCP by port; signals."""
READABLE_TOO = ("/proc", "/sys/fs/cgroup")
"""The second because DuckDB ends its process where it is there and may not be read."""


class Landlock:
    name = "landlock"
    living_grants = False

    def launch(self, profile: Profile, argv: Sequence[str]) -> Launch:
        refuse_host_network(profile, self.name)
        needed = WITH_PORTS if profile.network == "proxy" else OLDEST
        if (found := abi()) < needed:
            raise SandboxUnavailable(*too_old(found, needed))
        if profile.sockets:
            raise SandboxUnavailable(
                _("Landlock cannot open one socket alone ({path}).", path=profile.sockets[0]),
                _("Nothing was run. Leave the grant out, or install bubblewrap."),
            )
        writable = [os.path.realpath(path) for path in written(profile)]
        hidden = [os.path.realpath(path) for path in profile.hidden if os.path.lexists(path)]
        for path in hidden:
            if within(path, writable):
                raise SandboxUnavailable(
                    _("Landlock cannot hide {path}, because it lies in a folder that programs may write.", path=path),
                    _("Nothing was run. Work in another folder, or name it with --readable, or install bubblewrap."),
                )
        secret = [*hidden, *system().hidden]
        opened = [*outside(profile), profile.workspace] if profile.access == "read" else outside(profile)
        readable = [*system().folders, *(os.path.realpath(path) for path in opened)]
        readable += [path for path in READABLE_TOO if os.path.exists(path)]
        limits = rlimits(profile)
        if profile.limits.processes is not None and os.geteuid() != 0:
            limits["NPROC"] = (profile.limits.processes, profile.limits.processes)
        return Launch(
            backend=self.name,
            argv=tuple(argv),
            env=dict(profile.environment),
            cwd=profile.workspace,
            rlimits=limits,
            landlock={
                "read": [path for folder in readable for path in without(folder, secret)],
                "write": list(dict.fromkeys(writable)),
                "devices": [*DEVICES, *profile.devices],
                "connect": None,
            },
            seccomp=build("tcp" if profile.network == "proxy" else "none"),
            cgroup=cgroup(profile),
            proxy=proxy(profile),
        )

    def missing(self) -> tuple[str, str]:
        return too_old(abi(), OLDEST) if abi() < OLDEST else ("", "")

    def identity(self) -> str:
        return str(abi())

    def holds(self) -> dict[str, bool]:
        lacking = {"names", "modes", "protected", "processes", "temporary", "grants"}
        if abi() < WITH_SCOPES:
            lacking.add("signals")
        return {wall: wall not in lacking for wall in WALLS}


def too_old(found: int, needed: int) -> tuple[str, str]:
    remedy = _("Install bubblewrap, or use a newer kernel that has Landlock switched on.")
    if not found:
        return _("This kernel has no Landlock."), remedy
    return _("Landlock version {needed} is needed; this kernel has {found}.", needed=needed, found=found), remedy


@lru_cache(maxsize=1)
def abi() -> int:
    """The version of Landlock in this kernel; 0 for none."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None)
    number = libc.syscall(ctypes.c_long(CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    return max(0, int(number))
