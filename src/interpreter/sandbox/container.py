"""Walls by a container of the Docker engine, where one runs on this machine and its user may use it.

The container's image is empty: the system, the language's environment and the workspace are mounted into it from this
machine, so that a kernel finds the same things in the same places as in every other sandbox.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import socket
import stat
import sys
import tarfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Launch, Profile
from .backend import WALLS, cgroup, proxy, refuse_host_network, rlimits
from .bubblewrap import Mount, plan
from .seccomp import build
from .system import system, within

PROGRAM = Path(__file__).parents[1] / "keeper" / "contained.py"
SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
INSIDE_ALREADY = ("/sys", "/proc", "/dev")
"""What every container has of its own."""
TEMPORARY = 1 << 30
"""Bytes of /tmp where it is not the session's own folder, and of /dev/shm."""


class Container:
    """`environ`: where the engine's address is looked up; None: that of this process."""

    name = "container"
    living_grants = False

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ

    def _engine(self) -> str:
        """The engine's socket, or nothing. One over the network is on another machine: its walls are of no use here."""
        environ = os.environ if self._environ is None else self._environ
        named = environ.get("DOCKER_HOST", "")
        if named:
            return named.removeprefix("unix://") if named.startswith("unix://") else ""
        return next((path for path in SOCKETS if usable(path)), "")

    def launch(self, profile: Profile, argv: Sequence[str]) -> Launch:
        refuse_host_network(profile, self.name)
        reason, remedy = self.missing()
        if reason:
            raise SandboxUnavailable(reason, remedy)
        image = image_of(system().links)
        create = request(profile, f"reinterpreter:{hashlib.sha256(image).hexdigest()[:16]}")
        env = dict(profile.environment)
        if create["HostConfig"]["Mounts"][-1].get("Source") == env.get("TMPDIR"):
            env["TMPDIR"] = "/tmp"
        return Launch(
            backend=self.name,
            argv=tuple(argv),
            env=env,
            cwd=profile.workspace,
            rlimits=rlimits(profile),
            seccomp=build("namespace"),
            proxy=proxy(profile),
            container={
                "engine": self._engine(),
                "image": base64.b64encode(image).decode(),
                "create": create,
                "bounds": cgroup(profile),
            },
        )

    def missing(self) -> tuple[str, str]:
        path = self._engine()
        if not path or not os.path.exists(path):
            return _("No Docker engine runs here."), _("Install one, and become a member of its group.")
        if not usable(path):
            return (
                _("You may not use the Docker engine at {path}.", path=path),
                _("Members of the group docker may; note that they are as strong as root."),
            )
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(2)
                link.connect(path)
        except OSError as error:
            return (
                _("The Docker engine at {path} does not answer: {reason}.", path=path, reason=error.strerror or error),
                _("Start it, for example with: sudo systemctl start docker"),
            )
        return "", ""

    def identity(self) -> str:
        path = self._engine()
        try:
            found = os.stat(path)
        except OSError:
            return "none"
        return f"{path} {found.st_ino} {found.st_ctime_ns}"

    def holds(self) -> dict[str, bool]:
        return {wall: wall != "grants" for wall in WALLS}


def usable(path: str) -> bool:
    """Whether it is a socket that belongs to root or to us, and that we may write to."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid in (0, os.geteuid()) and os.access(path, os.W_OK)


def request(profile: Profile, image: str) -> dict[str, Any]:
    """What the engine is asked for. Nothing of the person's is in it but paths: it can be inspected by others."""
    limits = profile.limits
    host: dict[str, Any] = {
        "Mounts": mounts(profile),
        "ReadonlyRootfs": True,
        "NetworkMode": "none",
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "LogConfig": {"Type": "none"},
        "ShmSize": min(TEMPORARY, limits.memory or TEMPORARY),
    }
    if limits.memory is not None:
        host |= {"Memory": limits.memory, "MemorySwap": limits.memory}
    if profile.devices:
        host["Devices"] = [
            {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rw"} for path in profile.devices
        ]
    if profile.sockets:
        # A service may let only its group connect, as the Docker engine does.
        host["GroupAdd"] = [str(group) for group in os.getgroups()]
    if limits.processes is not None:
        host["PidsLimit"] = limits.processes
    return {
        "Image": image,
        "Entrypoint": [runtime(), "-I", "-S", str(PROGRAM), "inside"],
        "User": f"{os.geteuid()}:{os.getegid()}",
        "Hostname": "sandbox",
        "WorkingDir": "/",
        "Env": ["LANG=C.UTF-8"],
        "NetworkDisabled": True,
        "Labels": {"reinterpreter": "kernel"},
        "HostConfig": host,
    }


def mounts(profile: Profile) -> list[dict[str, Any]]:
    """As the engine names them. The engine sorts them by depth, so that the nearer to the root comes first."""
    found = [bind(folder) for folder in system().folders if not within(folder, INSIDE_ALREADY)]
    wanted = plan(profile, system().hidden)
    own = [path for path in (sys.base_prefix, str(PROGRAM.parent)) if not within(path, system().folders)]
    found += [bind(os.path.realpath(path)) for path in own if not shown(path, wanted)]
    found += [entry for mount in wanted for entry in [as_entry(mount)] if not within(mount.path, INSIDE_ALREADY)]
    return found + temporary(profile, [str(entry["Target"]) for entry in found])


def shown(path: str, wanted: Sequence[Mount]) -> bool:
    above = [mount for mount in wanted if within(os.path.realpath(path), (mount.path,))]
    return bool(above) and above[-1].kind != "hide"


def as_entry(mount: Mount) -> dict[str, Any]:
    if mount.kind == "write":
        return bind(mount.path, write=True)
    if mount.kind == "read":
        return bind(mount.path)
    if mount.kind in ("protect", "pin"):
        # A kernel that already runs may swap this name for a link while we look.
        return bind(mount.path, write=mount.kind == "pin") | {"Checked": True}
    if os.path.isdir(mount.path):
        return empty(mount.path, 4096, 0o111) | {"ReadOnly": True}
    return bind("/dev/null") | {"Target": mount.path}


def temporary(profile: Profile, targets: Sequence[str]) -> list[dict[str, Any]]:
    """A private /tmp: the session's, or one of its own where something else has to appear below /tmp.

    What is written beside a mount there would be lost unnoticed; so it is refused.
    """
    folder = profile.environment.get("TMPDIR", "")
    below = sorted({"/".join(target.split("/")[:3]) for target in targets if within(target, ("/tmp",))} - set(targets))
    if folder in profile.writable and not any(within(target, ("/tmp",)) for target in targets):
        return [bind(folder, write=True) | {"Target": "/tmp"}]
    return [closed(path) for path in below] + [empty("/tmp", TEMPORARY, 0o1777)]


def empty(path: str, size: int, mode: int) -> dict[str, Any]:
    return {"Type": "tmpfs", "Target": path, "TmpfsOptions": {"SizeBytes": size, "Mode": mode}}


def closed(path: str) -> dict[str, Any]:
    return empty(path, 4096, 0o555) | {"ReadOnly": True}


def bind(path: str, *, write: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": path, "Target": path, "ReadOnly": not write}


@lru_cache(maxsize=1)
def runtime() -> str:
    """Our own Python, by a name that is seen inside."""
    return os.path.realpath(sys.executable)


def image_of(links: Sequence[tuple[str, str]]) -> bytes:
    """An image as a tar archive: links such as /bin to usr/bin, and nothing else. The same bytes for the same links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = tarfile.TarInfo("proc")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for link, target in sorted(links):
            entry = tarfile.TarInfo(link.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()
