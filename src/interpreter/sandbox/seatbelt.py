"""Walls by Seatbelt, the sandbox of macOS: a profile in its language (SBPL), put on by /usr/bin/sandbox-exec.

Written from its public descriptions; its text is tested, but it has not been run: there was no Mac to try it on. In
SBPL the last rule that matches wins, so what is forbidden stands after what is allowed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Launch, Profile
from .backend import WALLS, outside, refuse_host_network, rlimits

PROGRAM = "/usr/bin/sandbox-exec"
SYSTEM = (
    "/System",
    "/Library",
    "/usr",
    "/bin",
    "/sbin",
    "/opt",
    "/Applications/Xcode.app",
    "/private/etc",
    "/private/var/db/timezone",
    "/private/var/db/dyld",
    "/private/var/select",
)
SECRET = ("/private/etc/master.passwd", "/private/etc/sudoers", "/private/etc/ssh", "/Library/Keychains")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/dtracehelper")
SERVICES = (
    "com.apple.system.opendirectoryd.libinfo",
    "com.apple.system.opendirectoryd.membership",
    "com.apple.system.logger",
    "com.apple.system.notification_center",
    "com.apple.bsd.dirhelper",
)
"""What the C library asks for names of users and for the temporary folder. None of them starts or opens anything."""


class Seatbelt:
    name = "seatbelt"
    living_grants = False

    def launch(self, profile: Profile, argv: Sequence[str]) -> Launch:
        refuse_host_network(profile, self.name)
        if profile.network != "closed":
            raise SandboxUnavailable(
                _("The sandbox {name} has no way out to the network yet.", name=self.name),
                _("Nothing was run. Leave the network closed, or run on Linux."),
            )
        return Launch(
            backend=self.name,
            argv=(PROGRAM, "-p", text_of(profile), *argv),
            env=dict(profile.environment),
            cwd=profile.workspace,
            rlimits=rlimits(profile),
        )

    def missing(self) -> tuple[str, str]:
        if sys.platform == "darwin" and os.access(PROGRAM, os.X_OK):
            return "", ""
        return _("Seatbelt is the sandbox of macOS."), ""

    def identity(self) -> str:
        return os.uname().release

    def holds(self) -> dict[str, bool]:
        lacking = {"names", "processes", "grants", "modes"}
        return {wall: wall not in lacking for wall in WALLS}


def text_of(profile: Profile) -> str:
    """The profile in Seatbelt's language."""
    workspace = os.path.realpath(profile.workspace)
    writable = [os.path.realpath(path) for path in profile.writable]
    if profile.access == "write":
        writable.insert(0, workspace)
    readable = [workspace, *(os.path.realpath(path) for path in outside(profile)), *SYSTEM]
    hidden = [*SECRET, *(os.path.realpath(path) for path in profile.hidden)]
    lines = [
        "(version 1)",
        "(deny default)",
        "(allow process-exec)",
        "(allow process-fork)",
        "(allow process-info* (target same-sandbox))",
        "(allow signal (target same-sandbox))",
        "(allow sysctl-read)",
        "(allow ipc-posix-sem)",
        "(allow file-read-metadata)",
        '(allow file-read* (literal "/"))',
        *rule("allow mach-lookup", "global-name", SERVICES),
        *rule("allow file-read* file-write-data file-ioctl", "literal", DEVICES),
        *rule("allow file-read* file-map-executable", "subpath", dict.fromkeys((*readable, *writable))),
        *rule("allow file-write*", "subpath", writable),
        *rule("deny file-read* file-write*", "subpath", hidden),
        *rule("allow file-read*", "subpath", map(os.path.realpath, profile.named)),
        *rule("deny file-write*", "subpath", profile.protected),
        # A folder above may be renamed, and its content with it: the names on the way are held as well.
        *rule("deny file-write-unlink", "literal", ways(profile.protected, workspace)),
        "(deny network*)",
    ]
    return "\n".join(lines) + "\n"


def rule(head: str, kind: str, values: Iterable[str]) -> list[str]:
    found = [f"({kind} {quoted(value)})" for value in values]
    return [f"({head} {' '.join(found)})"] if found else []


def quoted(text: str) -> str:
    """Raises SandboxUnavailable for a path that the language cannot name."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise SandboxUnavailable(
            _("The sandbox cannot name the path {path}, which holds control characters.", path=repr(text)),
            _("Nothing was run. Rename it."),
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def ways(paths: Iterable[str], top: str) -> list[str]:
    """The folders between `top` and each path, and `top` itself."""
    found: dict[str, None] = {}
    for path in paths:
        above = os.path.dirname(path)
        while above.startswith(top) and above != "/":
            found[above] = None
            above = os.path.dirname(above)
    return list(found)
