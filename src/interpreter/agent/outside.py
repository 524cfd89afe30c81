"""What the code looked for and lies outside the walls, and the line of the policy that opens it.

Read off the output of a failed execution, which is an untrusted claim: it is told as words and opens nothing.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from ..keeper.hosts import GROUPS
from ..kernels.output import read_head_tail
from ..text.i18n import _
from ..types.actions import Action, Completion
from ..types.events import NoteAdded
from .ports import Emitter
from .refusals import grant_for_model, grant_hint

READ = 8000
"""Characters of the output, and of what was raised, that are looked at."""
CODE = 100_000
"""Characters of the code that are looked at."""
TOLD = 3
"""Hosts that one note names."""
REGISTRIES = "@package-registries"
# Patterns as text: most runs never need them, and compiling them all takes two milliseconds of each start.
INSTALLERS = (
    r"\b(?:pip3?|uv|poetry|conda|npm|npx|yarn|pnpm|cargo|gem|bundle|go|mvn|gradle|apt|apt-get|composer)\s+(?:-\S+\s+){0,20}"
    r"(?:\w+\s+)?(?:install|add|i|ci|get|mod|download|update|sync|build|fetch|create|exec)\b"
)
NO_NETWORK = (
    r"Temporary failure in name resolution|Name or service not known|nodename nor servname|Network is unreachable"
    r"|[Cc]ould not resolve (?:host|hostname)|unable to resolve host|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)"
    r"|NewConnectionError|ConnectError|Failed to establish a new connection|Temporary failure resolving"
    r"|[Ff]ailed to connect to |Could not connect to |ECONNREFUSED|Connection refused|dial tcp: lookup "
    r"|\(from versions: none\)"
)
NAME = r"[A-Za-z0-9][A-Za-z0-9.-]{0,200}"
HOSTS = (
    rf"HTTPS?Connection(?:Pool)?\(host='({NAME})', port=(\d+)",
    rf"[Cc]ould not resolve (?:host|hostname):? '?({NAME})()",
    rf"unable to resolve host address [‘'`\"]({NAME})()",
    rf"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ({NAME})()",
    rf"Temporary failure resolving '({NAME})()",
    rf"dial tcp: lookup ({NAME})()",
    rf"ECONNREFUSED ({NAME}):(\d+)",
    rf"https?://(?:[^\s/@'\"]*@)?({NAME})(?::(\d+))?",
)
STANDARD = ("", "80", "443")
SIGNS = (
    ("docker", r"(?i)connect to the docker (?:daemon|api)|Error while fetching server API version"),
    ("git", r"\.git/\S{0,300}: (?:Read-only file system|Permission denied)"),
    ("ssh", r"Permission denied \(publickey|Could not open a connection to your authentication agent"),
    ("kubectl", r"connection to the server localhost:8080 was refused|couldn't get current server API"),
    ("aws", r"Unable to locate credentials"),
    ("gcloud", r"You do not currently have an active account selected"),
    ("az", r"Please run 'az login'"),
)


async def said_of(completion: Completion) -> str:
    """What a run that failed has printed and raised, within bounds."""
    said = await asyncio.to_thread(read_head_tail, completion.output, READ, "")
    if completion.error is not None:
        said += f"\n{completion.error.message[:READ]}\n{completion.error.traceback[-READ:]}"
    return said


class Missed(NamedTuple):
    """What a program ran into the walls for."""

    hosts: tuple[str, ...] = ()
    """Patterns for `network: allow:`."""
    grants: tuple[str, ...] = ()


class Outside:
    """A remedy of the runner. `closed`: there is no network. `grants`: those that are open. `place`: the person's
    policy file."""

    def __init__(self, emitter: Emitter, *, closed: bool, grants: tuple[str, ...], place: str) -> None:
        self._emitter, self._closed, self._grants, self._place = emitter, closed, grants, place
        self._told: set[str] = set()

    async def __call__(self, action: Action, completion: Completion) -> str:
        """For the model: what is closed, and that only the person can open it; the person reads it once."""
        if completion.status != "error":
            return ""
        said = await said_of(completion)
        missed = look(action.code, said)
        grants = [name for name in missed.grants if name not in self._grants]
        hosts = tuple(host for host in missed.hosts if self._closed or is_here(host))
        lines = [f"What {name} needs lies outside the sandbox. {grant_for_model(name)}" for name in grants]
        for_person = [grant_hint([name], self._place) for name in grants if name not in self._told]
        if hosts:
            lines.append(network_for_model(hosts))
            if not self._told.issuperset(hosts):
                for_person.append(network_hint(hosts, self._place))
        self._told.update(grants, hosts)
        for text in for_person:
            await self._emitter.emit(NoteAdded(text=text, to_model=False))
        return " ".join(lines)


def look(code: str, said: str) -> Missed:
    """What the output of a program that failed speaks of."""
    code = code[:CODE]
    grants = tuple(name for name, sign in SIGNS if re.search(sign, said))
    if not re.search(NO_NETWORK, said) or grants:
        return Missed((), grants)
    found: dict[str, None] = {}
    for text in (said, code):
        for pattern in HOSTS:
            for host, port in re.findall(pattern, text):
                found[host.rstrip(".") if port in STANDARD else f"{host}:{port}"] = None
        if found:
            break
    # An installer that names no host, or well-known ones, needs more of them than the first that it missed.
    if re.search(INSTALLERS, code) and all(host in GROUPS[REGISTRIES[1:]] for host in found):
        return Missed((REGISTRIES,))
    return Missed(tuple(found)[:TOLD])


def is_here(host: str) -> bool:
    """Whether it names this machine, which inside the walls is the sandbox itself."""
    return host.startswith(("127.", "localhost"))


def network_for_model(hosts: tuple[str, ...]) -> str:
    here = all(map(is_here, hosts))
    why = "Inside the sandbox this address is the sandbox itself." if here else "There is no network in this sandbox."
    return (
        f"{why} If it is to be reached outside, only the person can open it: with {listed(hosts)} below "
        f"network: allow: in their policy file, or --allow-host. Trying again changes nothing."
    )


def listed(hosts: tuple[str, ...]) -> str:
    return ", ".join(f'"{host}"' for host in hosts)


def network_hint(hosts: tuple[str, ...], place: str) -> str:
    if all(map(is_here, hosts)):
        why = _("Inside the sandbox, {hosts} is the sandbox itself.", hosts=", ".join(hosts))
    else:
        why = _("The network is closed.")
    return f"{why} " + _(
        "To let the code reach {hosts}, add to {path} the line\n  network: {line}\nor, for one run: {flags}",
        hosts=", ".join(hosts),
        path=place,
        line=f"{{allow: [{listed(hosts)}]}}",
        flags=" ".join(f"--allow-host {host}" for host in hosts),
    )
