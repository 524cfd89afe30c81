"""The contract of a sandbox backend, and what all of them share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.rules import NetworkRules
from ..types.walls import Launch, Profile
from .system import within


class Backend(Protocol):
    name: str
    living_grants: bool
    """Whether a path can be made to appear inside a program that already runs."""

    def launch(self, profile: Profile, argv: Sequence[str]) -> Launch:
        """How to start `argv` with the walls of `profile`; starts nothing.

        Raises SandboxUnavailable when it cannot hold all that the profile asks for. Must never leave one out.
        """
        ...

    def missing(self) -> tuple[str, str]:
        """Why it cannot work here and the remedy, as far as that is seen without trying; both empty: it may work."""
        ...

    def identity(self) -> str:
        """What its working depends on; a result of trying it is good as long as this stays the same."""
        ...

    def holds(self) -> dict[str, bool]:
        """Each kind of wall (`WALLS`) and whether this backend has it."""
        ...


WALLS = (
    "files",  # nothing is written or read outside
    "names",  # the names of files outside cannot be seen
    "modes",  # modes, owners and times of files outside cannot be changed
    "protected",  # .git and .interpreter in the working folder are read-only
    "network",  # nothing is reached, or only the proxy
    "services",  # sockets of the host's services cannot be connected to
    "processes",  # the host's processes cannot be seen
    "signals",  # nor signalled
    "temporary",  # /tmp is private
    "grants",  # a path can be granted to a living kernel
)


FEWEST_FILES = 256
"""With fewer open files the shell's kernel cannot work."""


def rlimits(profile: Profile) -> dict[str, tuple[int, int]]:
    """The limits that the kernel holds per process. -1: none."""
    limits = profile.limits
    values: dict[str, tuple[int, int]] = {"CORE": (0, 0)}
    # DATA and not AS: Node, Java and Go reserve far more addresses than they ever use.
    files = None if limits.open_files is None else max(FEWEST_FILES, limits.open_files)
    for name, value in (("DATA", limits.memory), ("FSIZE", limits.file_size), ("NOFILE", files)):
        if value is not None:
            values[name] = (value, value)
    return values


def cgroup(profile: Profile) -> dict[str, int]:
    found = {"memory": profile.limits.memory, "pids": profile.limits.processes}
    return {name: value for name, value in found.items() if value is not None}


def proxy(profile: Profile) -> dict[str, Any] | None:
    """What the way out has to know: its rules, and the proxy that this machine itself must use, if any."""
    if profile.network != "proxy":
        return None
    upstream = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY") or os.environ.get("http_proxy") or ""
    usable = upstream.startswith("http://")
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    own = {"upstream": upstream if usable else "", "no_proxy": no_proxy}
    return {"allow_private": False, "rules": broker_rules(profile.rules), "doors": doors(profile.rules), **own}


def doors(rules: NetworkRules) -> list[list[Any]]:
    """Host and port of the rules that open one port of this machine's loopback: by 127.0.0.1 or `localhost`."""
    found: dict[int, str] = {}
    for word in rules.allow:
        host, _colon, port = word.rpartition(":")
        if host in ("127.0.0.1", "localhost") and port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
            found.setdefault(int(port), host)
    return [[host, port] for port, host in found.items()]


def broker_rules(rules: NetworkRules) -> dict[str, Any]:
    """The rules as the broker reads them."""
    lists = {"allow": list(rules.allow), "deny": list(rules.deny)}
    return {**lists, "otherwise": rules.otherwise, "read_only": rules.read_only}


def written(profile: Profile) -> tuple[str, ...]:
    """The folders that programs may write, as they are named."""
    return profile.writable if profile.access == "read" else (profile.workspace, *profile.writable)


def outside(profile: Profile) -> list[str]:
    """The readable paths that no writable one holds already.

    Those inside are passed over without a look: a program in the sandbox may have made them links to anywhere.
    """
    writable = written(profile)
    return [path for path in profile.readable if not within(os.path.abspath(path), writable)]


def refuse_host_network(profile: Profile, name: str) -> None:
    """The host's own network is never shared with walled code."""
    if profile.network == "host":
        raise SandboxUnavailable(
            _("The sandbox {name} does not share the network of this machine.", name=name),
            _("Nothing was run. Use --network for a way out through the proxy, or --sandbox host for no walls."),
        )
