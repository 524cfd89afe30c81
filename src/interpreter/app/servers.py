"""Servers of others by the Model Context Protocol: their walls, their trusted tools, and their lives in a session.

Loaded only where a server is named.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..aio import Tasks
from ..config.settings import Settings
from ..errors import InterpreterError, SandboxUnavailable, ToolError, UsageError
from ..sandbox import Walls, resolve, shape, workspace_profile
from ..sandbox.grants import Opened
from ..text.i18n import _
from ..tools.context import ToolContext, ToolResult
from ..tools.definition import Tool
from ..tools.mcp.http import HttpWire
from ..tools.mcp.pins import Pin, Pins
from ..tools.mcp.server import Offer, Server, called, declared, digest, offers, read_servers
from ..tools.mcp.speaking import Speaking, readable
from ..tools.mcp.wire import Wire
from ..tools.web import GuardedWeb, address_of
from ..types.events import NetworkAttempt
from ..types.rules import Credential, NetworkRules
from ..types.walls import Launch
from .attempts import Attempts
from .network import with_network
from .tooling import secrets_of

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
ALIVE = 5.0
"""Seconds in which a server has to show that it lives, after a call that took too long or was stopped."""
CHANGED = (
    "Nothing was called: what the server {name} says about its tools is not what was trusted. "
    "The person looks at it and accepts it with: interpreter mcp trust {name}"
)


class Place(NamedTuple):
    """Where servers are started."""

    settings: Settings
    workspace: Path
    home: Path
    deny: tuple[str, ...] = ()
    """Hosts that the policy denies."""
    read_only: bool = False
    """Nothing in the working folder may be changed, whatever is said of a server."""
    credentials: tuple[Credential, ...] = ()
    """Of the policy, for hosts."""
    folder: Path | None = None
    """Of a session, where what its servers try on the network is kept; None: in the server's own."""

    def network_log(self, name: str) -> Path:
        return (
            Pins(self.home).place(name) / "network.jsonl" if self.folder is None else self.folder / f"mcp.{name}.jsonl"
        )


def values_of(table: Mapping[str, str], leave: Collection[str] = ()) -> tuple[dict[str, str], tuple[str, ...]]:
    """What an entry says of variables or headers with its values, and those of them that came from this program's
    environment: they count as secrets. `leave`: names that something else stands for.

    Raises UsageError: one of these is not set.
    """
    taken: list[str] = []

    def value(found: re.Match[str]) -> str:
        if found[1] in leave:
            return found[0]
        if found[1] not in os.environ:
            raise UsageError(_("The variable {name} is not set.", name=found[1]))
        taken.append(os.environ[found[1]])
        return taken[-1]

    return {name: VARIABLE.sub(value, text) for name, text in table.items()}, tuple(taken)


def launch_of(name: str, server: Server, place: Place) -> Launch:
    """How a server is started: in walls of its own, that show what is said of it and nothing of the session's grants.

    Raises SandboxUnavailable, UsageError.
    """
    settings, files = place.settings, Pins(place.home).place(name)
    backend = settings.walls.backend
    network = "host" if backend == "host" else "proxy" if server.allow_host else "closed"
    plain = workspace_profile(
        place.workspace,
        files / "scratch",
        home=place.home,
        env=values_of(server.env)[0],
        network=network,
        limits=settings.limits,
        backend=backend,
        final=False,
    )
    writable = tuple(map(absolute, server.writable))
    plain = msgspec.structs.replace(plain, writable=(*plain.writable, *writable))
    shaped = shape(
        plain,
        resolve("workspace", {}),
        Opened(),
        environ=os.environ,
        readable=tuple(map(absolute, server.readable)),
        hidden=settings.walls.hidden,
        read_only=server.workspace == "read" or place.read_only,
    )
    rules = NetworkRules(allow=server.allow_host, deny=place.deny, otherwise="deny")
    walls = Walls(with_network(shaped, (network, rules)), network_log=place.network_log(name), way=files / "way")
    return walls.launch([absolute(word) if word.startswith("~/") else word for word in server.command])


def absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


async def look(name: str, server: Server, place: Place) -> tuple[Offer, ...]:
    """What a server offers now; it is ended again. Raises ToolError, SandboxUnavailable, UsageError."""
    tasks = Tasks()
    wire = wire_of(name, server, place, tasks, lambda _attempt: None)
    try:
        return told(name, await begun(name, server, place, wire))
    finally:
        await wire.end("not needed any more")
        await tasks.close()


def wire_of(
    name: str, server: Server, place: Place, tasks: Tasks, attempt: Callable[[NetworkAttempt], None]
) -> Wire | HttpWire:
    """Raises UsageError, ToolError."""
    if not server.url:
        return Wire(name, tasks)
    _url, host, port = address_of(server.url)
    # The person named this very host for it: it alone is reached, unless the policy denies it.
    rules = NetworkRules(
        allow=(f"[{host}]:{port}" if ":" in host else f"{host}:{port}",), deny=place.deny, otherwise="deny",
        credentials=place.credentials,
    )  # fmt: skip
    web = GuardedWeb(rules, nobody, attempt, secrets=lambda: secrets_of(rules))
    headers = values_of(server.headers, variables(place))[0]
    return HttpWire(name, server.url, headers, web, server.timeout, tasks)


def variables(place: Place) -> set[str]:
    return {one.variable for one in place.credentials}


async def nobody(_host: str, _port: int, _method: str) -> tuple[bool, str]:
    return False, "nobody is asked"


async def begun(name: str, server: Server, place: Place, wire: Wire | HttpWire) -> list[Any]:
    if isinstance(wire, HttpWire):
        return await wire.open()
    return await wire.open(launch_of(name, server, place), server.timeout)


def told(name: str, listed: list[Any]) -> tuple[Offer, ...]:
    try:
        return offers(listed)
    except ValueError as error:
        raise ToolError(f"What the server {name} says about its tools is of no use: {error}.") from None


class Servers:
    """The tools of the servers that were trusted. A server is started by the first call, and ends with the session.

    Raises ConfigError when it is made: an entry is wrong.
    """

    def __init__(
        self, table: Mapping[str, Any], place: Callable[[], Place], home: Path, secret: Callable[..., None]
    ) -> None:
        """`place`: asked when a server is started. `secret`: takes values that are never to be shown."""
        self.notes: list[str] = []
        self.tools: list[Tool] = []
        self._place, self._secret = place, secret
        self._tasks, self._ending = Tasks(), Tasks()
        self._wires: dict[str, Speaking] = {}
        self._attempts: dict[str, Attempts] = {}
        self._tell: Callable[[NetworkAttempt], None] = lambda _attempt: None
        self._starting: dict[str, asyncio.Lock] = {}
        pins = Pins(home)
        for name, server in read_servers(table).items():
            if (pin := pins.find(name, server)) is None:
                words = f"interpreter mcp trust {name}"
                self.notes.append(
                    _("The tools of the server {name} are not offered until you have looked at them: {words}",
                      name=name, words=words)
                )  # fmt: skip
                continue
            self._add(name, server, pin)

    def join(self, attempt: Callable[[NetworkAttempt], None]) -> None:
        """Who is told what servers try on the network."""
        self._tell = attempt

    def _add(self, name: str, server: Server, pin: Pin) -> None:
        taken = {one.name for one in self.tools}
        for offer in pin.offers:
            if server.tools and offer.name not in server.tools:
                continue
            if called(name, offer.name) in taken:
                self.notes.append(
                    _("The tool {tool} of the server {name} is not offered: another has the same name.",
                      tool=offer.name, name=name)
                )  # fmt: skip
                continue
            taken.add(called(name, offer.name))
            self.tools.append(Tool(declared(name, server, offer), self._caller(name, server, pin, offer)))

    def _caller(self, name: str, server: Server, pin: Pin, offer: Offer) -> Callable[..., Any]:
        async def call(*_context: ToolContext, **arguments: Any) -> ToolResult:
            try:
                wire = await self._wire(name, server, pin)
                try:
                    result = await wire.ask("tools/call", {"name": offer.name, "arguments": arguments})
                except asyncio.CancelledError:
                    self._ending.start(wire.check(ALIVE))
                    raise
            finally:
                self._look(name)
            text = readable(result)
            return ToolResult(text=text, value=result.get("structuredContent") or text)

        return call

    def _look(self, name: str) -> None:
        """Tell what a server in walls has tried since."""
        if (attempts := self._attempts.get(name)) is not None:
            for attempt in attempts.newest():
                self._tell(attempt)

    async def _wire(self, name: str, server: Server, pin: Pin) -> Speaking:
        """The server, running, and the one that was trusted. Raises ToolError."""
        async with self._starting.setdefault(name, asyncio.Lock()):
            wire = self._wires.get(name)
            if wire is not None and not wire.over:
                return wire
            wire: Speaking | None = None
            try:
                place = self._place()
                self._secret(*values_of(server.env)[1], *values_of(server.headers, variables(place))[1])
                if not server.url:
                    self._attempts.setdefault(name, Attempts(place.network_log(name)))
                wire = opened = wire_of(name, server, place, self._tasks, self._tell)
                found = told(name, await begun(name, server, place, opened))
                if digest(found) != pin.sha256:
                    raise ToolError(CHANGED.format(name=name))
            except BaseException as error:
                if wire is not None:
                    self._ending.start(wire.end("its start was given up"))
                if isinstance(error, InterpreterError) and not isinstance(error, ToolError):
                    what = "There are no walls for it" if isinstance(error, SandboxUnavailable) else "It is not set up"
                    raise ToolError(f"The server {name} was not started. {what}: {error}") from error
                raise
            self._wires[name] = wire
            return wire

    async def close(self) -> None:
        await asyncio.gather(*(wire.end("the session was closed") for wire in self._wires.values()))
        for name in self._attempts:
            self._look(name)
        await self._ending.drain()
        await self._tasks.close()
