"""Which backend: the strongest that was seen to work here, or the one that was named; never another one."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.base import Value
from ..types.walls import BackendName, Launch, Profile
from .backend import WALLS, Backend
from .seen import recall, remember
from .stage import BACKEND as STAGED
from .stage import check_backend

FORMAT = 3
"""Raised when the walls change, so that older results of trying are not trusted."""
PROGRAM = Path(__file__).parents[1] / "keeper" / "walled.py"


class Backends(dict[str, Backend]):
    """By name, each loaded when it is asked for: a session needs one, and a start has no time for the others."""

    def __missing__(self, name: BackendName) -> Backend:
        self[name] = getattr(importlib.import_module(f".{name}", __package__), name.capitalize())()
        return self[name]


BACKENDS = Backends()
STRONGEST_FIRST = ("seatbelt",) if sys.platform == "darwin" else ("bubblewrap", "container", "landlock")


class Report(Value):
    """One backend, for `interpreter doctor`."""

    name: BackendName
    works: bool
    reason: str = ""
    """Why it does not; empty when it does."""
    remedy: str = ""
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def choose(profile: Profile) -> Backend:
    """The backend for a profile.

    `auto` takes the strongest that works here, as was seen by trying; the result is kept in the person's cache
    folder until the machine changes or starts anew.

    Raises:
        SandboxUnavailable: none works, or the named one does not; with the reason and the remedy.
    """
    if profile.stage:
        check_backend(profile, STAGED if profile.backend == "auto" else profile.backend)
        profile = msgspec.structs.replace(profile, backend=STAGED)
    if profile.backend == "host":
        return BACKENDS["host"]
    names = STRONGEST_FIRST if profile.backend == "auto" else (profile.backend,)
    reasons: list[tuple[str, str, str]] = []
    for name in names:
        reason, remedy = tried(name)
        if not reason:
            return BACKENDS[name]
        reasons.append((name, reason, remedy))
    what = "\n".join(f"{name}: {reason}" for name, reason, _remedy in reasons)
    remedies = "\n".join(dict.fromkeys(remedy for _name, _reason, remedy in reasons if remedy))
    if profile.backend == "auto":
        message = _("There is no sandbox on this machine that works.\n{reasons}", reasons=what)
    else:
        message = _("The sandbox {name} does not work here.\n{reasons}", name=profile.backend, reasons=what)
    last = _("Nothing was run. Without any walls, at your own risk: --sandbox host")
    raise SandboxUnavailable(message, f"{remedies}\n{last}" if remedies else last)


def report() -> list[Report]:
    """Every backend, tried anew."""
    lines: list[Report] = []
    for name in STRONGEST_FIRST:
        reason, remedy = tried(name, fresh=True)
        held = BACKENDS[name].holds()
        lines.append(
            Report(
                name=name,
                works=not reason,
                reason=reason,
                remedy=remedy,
                holds=tuple(wall for wall in WALLS if held[wall]),
                lacks=tuple(wall for wall in WALLS if not held[wall]),
            )
        )
    return lines


def tried(name: str, *, fresh: bool = False) -> tuple[str, str]:
    """Why a backend does not work here, and the remedy; both empty when it works."""
    backend = BACKENDS[name]
    reason, remedy = backend.missing()
    if reason:
        return reason, remedy
    key = f"{FORMAT} {name} {backend.identity()}"
    if not fresh and (known := recall(key)) is not None:
        return known, remedy_for(name) if known else ""
    found = try_out(backend)
    remember(key, found)
    return found, remedy_for(name) if found else ""


def remedy_for(name: str) -> str:
    if name == "bubblewrap" and os.path.exists("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"):
        return _(
            "AppArmor may forbid user namespaces; a profile for bwrap in /etc/apparmor.d allows them for it alone."
        )
    if name == "bubblewrap":
        return _("User namespaces may be switched off here; containers often forbid them.")
    return _("Install bubblewrap, or use a newer kernel that has Landlock switched on.")


def try_out(backend: Backend) -> str:
    """Start a real program inside; returns what went wrong, or nothing."""
    folder = f"/tmp/interpreter-{os.urandom(8).hex()}"
    os.mkdir(folder, 0o700)
    profile = Profile(
        workspace=os.path.realpath(folder),
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    try:
        done = run(backend.launch(profile, ["/bin/sh", "-c", "echo inside"]), timeout=20)
    except SandboxUnavailable as error:
        return error.message
    except subprocess.TimeoutExpired:
        return _("It did not start within 20 seconds.")
    finally:
        os.rmdir(folder)
    if done.returncode == 0 and done.stdout == b"inside\n":
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return said[-1][:300] if said else _("It ended with exit status {status}.", status=done.returncode)


def run(launch: Launch, *, timeout: float, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program inside its walls to its end, with its output in memory: for small and short ones.

    Raises subprocess.TimeoutExpired.
    """
    body = msgspec.json.encode(launch)
    fd = os.memfd_create("launch", 0)
    try:
        os.write(fd, body)
        os.lseek(fd, 0, os.SEEK_SET)
        command = [sys.executable, "-I", "-S", str(PROGRAM), str(fd)]
        return subprocess.run(command, pass_fds=(fd,), capture_output=True, input=stdin, timeout=timeout, check=False)
    finally:
        os.close(fd)
