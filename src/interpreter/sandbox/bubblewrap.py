"""Walls by bubblewrap: namespaces of its own for users, processes, files, network; only what is named appears."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Literal, NamedTuple

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Launch, Profile
from .backend import WALLS, cgroup, outside, proxy, refuse_host_network, rlimits, written
from .seccomp import build
from .seen import recall, remember
from .stage import stage_of
from .system import system, within

SECCOMP_HERE = "@seccomp@"
OPEN_HERE = "@open:{path}@"
MAPPED_HERE = "@mapped:{path}@"
IDENTITY = 2_000_000_001
"""What root's programs are to the kernel where mounts can be mapped; no user of a machine has this number."""
MAPPED = Path(__file__).parents[1] / "keeper" / "mapped.py"
NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
NEWER_OPTIONS = ("--disable-userns", "--ro-bind-fd")
SYSTEM_PROGRAMS = ("/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin", "/run/current-system/sw/bin")
SMALLEST_SHM = 64 << 20
PRLIMIT = "/usr/bin/prlimit"


Kind = Literal["read", "write", "hide", "protect", "pin"]
"""protect: read-only in a writable folder; pin: writable in one, so that it cannot be moved. Neither may be a link."""


class Mount(NamedTuple):
    path: str
    kind: Kind


class Bubblewrap:
    """`folders`: where bwrap may lie.

    Never the person's PATH: an environment of the working folder is often in front there, and a program inside the
    walls could put a bwrap of its own into it, for the host to run.
    """

    name = "bubblewrap"
    living_grants = True

    def __init__(self, folders: Sequence[str] = SYSTEM_PROGRAMS) -> None:
        self._folders = folders

    def _program(self) -> str | None:
        for folder in self._folders:
            path = f"{folder}/bwrap"
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
        return None

    def launch(self, profile: Profile, argv: Sequence[str]) -> Launch:
        refuse_host_network(profile, self.name)
        program = self._program()
        if program is None:
            raise SandboxUnavailable(*self.missing())
        features = options_of(program, self.identity())
        root = os.geteuid() == 0
        mounts = plan(profile, system().secret if root else system().hidden)
        mapped = root and not profile.sockets and self._maps(program, sources(profile, mounts))
        if mapped:
            mounts = [mount for mount in mounts if mount.kind != "hide" or not closed_by_itself(mount.path)]
        elif root:
            mounts = plan(profile, system().hidden)
        command = [program, *NAMESPACES, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        if mapped:
            command += ["--uid", "0", "--gid", "0"]
        if "--disable-userns" in features:
            command.append("--disable-userns")
        if profile.network == "closed":
            command.append("--unshare-net")
        command += ["--hostname", "sandbox", *system_arguments(), *memory_files(profile)]
        env = dict(profile.environment)
        command += temporary(env, profile, mounts, mapped=mapped)
        command += [word for path in profile.devices for word in ("--dev-bind", path, path)]
        command += mount_arguments(mounts, by_descriptor="--ro-bind-fd" in features, mapped=mapped)
        command += ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"]
        command += [
            "--chdir",
            profile.workspace,
            "--seccomp",
            SECCOMP_HERE,
            "--",
            *bounded(profile, mapped=mapped),
            *argv,
        ]
        return Launch(
            backend=self.name,
            argv=tuple(command),
            env=env,
            cwd="/",
            rlimits=rlimits(profile),
            seccomp=build("namespace"),
            identity=IDENTITY if mapped else None,
            stage=stage_of(profile, IDENTITY if mapped else None),
            mount_slot="/",
            cgroup=cgroup(profile),
            proxy=proxy(profile),
        )

    def _maps(self, program: str, paths: Iterable[str]) -> bool:
        """Whether these folders can be shown to root's programs as somebody else's; tried once for each file system."""
        devices: dict[int, str] = {}
        for path in paths:
            devices.setdefault(os.stat(path).st_dev, path)
        keys = {f"mapped {device} {self.identity()}": path for device, path in devices.items()}
        unknown = {key: path for key, path in keys.items() if recall(key) is None}
        if unknown:
            command = [sys.executable, "-I", "-S", str(MAPPED), program, *unknown.values()]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            for key, answer in zip(unknown, done.stdout.split() or ["no"] * len(unknown), strict=False):
                remember(key, answer)
                if answer != "yes":
                    return False
        return all(recall(key) != "no" for key in keys)

    def missing(self) -> tuple[str, str]:
        if self._program() is None:
            return _("bubblewrap is not installed."), _("Install it, for example with: sudo apt install bubblewrap")
        return "", ""

    def identity(self) -> str:
        program = self._program() or ""
        try:
            found = os.stat(program)
        except OSError:
            return "none"
        return f"{program} {found.st_mtime_ns} {found.st_size} {found.st_mode}"

    def holds(self) -> dict[str, bool]:
        return dict.fromkeys(WALLS, True)


@lru_cache(maxsize=4)
def options_of(program: str, identity: str) -> frozenset[str]:
    """The options that this version of bubblewrap knows."""
    if (known := recall(f"options {identity}")) is not None:
        return frozenset(known.split())
    try:
        done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    found = frozenset(word for word in (done.stdout + done.stderr).split() if word in NEWER_OPTIONS)
    remember(f"options {identity}", " ".join(sorted(found)))
    return found


def plan(profile: Profile, closed: Iterable[str]) -> list[Mount]:
    """What appears where, the nearer to the root the earlier; what another mount already shows is left out. `closed`:
    what of the system's folders is hidden."""
    wanted: dict[str, Mount] = {}

    def want(paths: Iterable[str], kind: Kind) -> None:
        for path in paths:
            wanted[path] = Mount(path, kind)

    want((p for name in (*outside(profile), *profile.sockets) for p in spellings(name)), "read")
    want((p for name in profile.hidden for p in spellings(name) if not behind_a_link(p, profile)), "hide")
    if profile.access == "read":
        want(spellings(profile.workspace), "read")
    want((p for name in written(profile) for p in spellings(name)), "write")
    want(closed, "hide")
    want([path for path in pinned(profile) if path not in wanted], "pin")
    # What is not there cannot be protected: bubblewrap would leave an empty file. It is looked for after each step.
    want(standing(profile), "protect")
    mounts: list[Mount] = [Mount(folder, "read") for folder in system().folders]
    for mount in sorted(wanted.values(), key=lambda m: (m.path.count("/"), m.path)):
        above = next((m for m in reversed(mounts) if within(mount.path, (m.path,))), None)
        shown = "hide" if above is None else "write" if above.kind == "pin" else above.kind
        if mount.kind == "hide":
            needed = shown != "hide" and os.path.lexists(mount.path)
        elif mount.kind == "read":
            needed = shown in ("hide",) and os.path.exists(mount.path)
        else:
            needed = (shown == "write") == (mount.kind == "protect") or mount.kind == "pin"
        if needed:
            mounts.append(mount)
    return mounts[len(system().folders) :]


def standing(profile: Profile) -> list[str]:
    """What exists of the paths that stay read-only, under its real name; what is hidden is closed anyway."""
    paths = [path for path in profile.protected if os.path.lexists(path) and os.path.realpath(path) == path]
    return [path for path in paths if not within(path, profile.hidden)]


def pinned(profile: Profile) -> Iterable[str]:
    """Folders above what is hidden in a writable one: as mounts, they cannot be moved away with what lies in them."""
    tops = [os.path.realpath(path) for path in written(profile)]
    for path in profile.hidden:
        for top in tops:
            above = os.path.dirname(path)
            while above != top and within(above, (top,)):
                # What is a link there was made one by a program inside.
                if os.path.isdir(above) and os.path.realpath(above) == above and not within(above, profile.hidden):
                    yield above
                above = os.path.dirname(above)


def behind_a_link(path: str, profile: Profile) -> bool:
    """Whether a program inside led a path in a writable folder elsewhere: then nothing of it is shown to be hidden."""
    above = os.path.dirname(path)
    return within(path, [os.path.realpath(top) for top in written(profile)]) and os.path.realpath(above) != above


def closed_by_itself(path: str) -> bool:
    """Whether the system itself keeps others out of what root owns; then nothing has to be put over it."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return found.st_uid == 0 and not found.st_mode & 0o007 and within(path, system().folders)


def spellings(path: str) -> Iterable[str]:
    """A path as it was named and as it really is."""
    named, real = os.path.abspath(path), os.path.realpath(path)
    return (named,) if named == real else (real, named)


def system_arguments() -> list[str]:
    found = system()
    words = [word for folder in found.folders for word in ("--ro-bind", folder, folder)]
    words += [word for link, target in found.links for word in ("--symlink", target, link)]
    return [*words, "--proc", "/proc", "--dev", "/dev"]


def memory_files(profile: Profile) -> list[str]:
    """A /dev/shm of our own size: what lies in it belongs to no process, so only a control group would count it."""
    return [*bound(profile), "--perms", "1777", "--tmpfs", "/dev/shm"]


def bound(profile: Profile) -> list[str]:
    """The size of the next folder in memory: half of what the processes may have."""
    memory = profile.limits.memory
    return [] if memory is None else ["--size", str(max(memory // 2, SMALLEST_SHM))]


def sources(profile: Profile, mounts: Iterable[Mount]) -> Iterable[str]:
    """What of the host's is bound, beside the system's folders."""
    folder = profile.environment.get("TMPDIR", "")
    paths = [mount.path for mount in mounts if mount.kind != "hide"] + ([folder] if folder in profile.writable else [])
    return dict.fromkeys(os.path.realpath(path) for path in paths)


def temporary(env: dict[str, str], profile: Profile, mounts: Iterable[Mount], *, mapped: bool) -> list[str]:
    """A private /tmp, the same for all kernels of the session, with names short enough for sockets.

    Where something else has to appear below /tmp it is empty and each kernel's own: a folder that a program inside
    may write must never be where the next sandbox puts its mounts.
    """
    folder = env.get("TMPDIR", "")
    if folder in profile.writable and not any(within(mount.path, ("/tmp",)) for mount in mounts):
        env["TMPDIR"] = "/tmp"
        return ["--bind", MAPPED_HERE.format(path=os.path.realpath(folder)) if mapped else folder, "/tmp"]
    words = [*bound(profile), "--perms", "1777", "--tmpfs", "/tmp"]
    # What is written beside a mount there would be lost unnoticed; so it is refused.
    above = {str(parent) for mount in mounts for parent in PurePath(mount.path).parents}
    for path in sorted(path for path in above if within(path, ("/tmp",)) and path != "/tmp"):
        words += ["--perms", "0555", "--dir", path]
    return words


def mount_arguments(mounts: Sequence[Mount], *, by_descriptor: bool, mapped: bool = False) -> list[str]:
    words: list[str] = []
    masks: list[str] = []
    for path, kind in mounts:
        if kind in ("protect", "pin"):
            # A kernel that already runs may swap this name for a link while we look: the descriptor cannot be swapped.
            option = "--ro-bind" if kind == "protect" else "--bind"
            source = MAPPED_HERE.format(path=path) if mapped else OPEN_HERE.format(path=path) if by_descriptor else path
            words += [f"{option}-fd" if by_descriptor and not mapped else option, source, path]
            continue
        source = MAPPED_HERE.format(path=os.path.realpath(path)) if mapped else path
        if kind == "write":
            words += ["--bind", source, path]
        elif kind == "read":
            words += ["--ro-bind", source, path]
        elif os.path.isdir(path):
            words += ["--perms", "0111", "--tmpfs", path]
            masks += ["--remount-ro", path]
        else:
            words += ["--ro-bind", "/dev/null", path]
    return words + masks


def bounded(profile: Profile, *, mapped: bool) -> list[str]:
    """Sets the bound on processes from inside, where the kernel counts those of this sandbox alone."""
    count = profile.limits.processes
    if count is None or (os.geteuid() == 0 and not mapped) or not os.access(PRLIMIT, os.X_OK):
        return []
    return [PRLIMIT, f"--nproc={count}", "--"]
