"""Looking at servers of others before their tools are offered: what they define, and what a person made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from ..config.settings import Settings
from ..errors import InterpreterError, ToolError, UsageError
from ..store import default_home
from ..text.clean import show_hidden
from ..text.i18n import _
from ..tools.mcp.pins import Pins
from ..tools.mcp.server import Offer, Server, digest, read_servers
from .rulebook import open_rules
from .servers import Place, look


class Known(NamedTuple):
    name: str
    command: str
    trusted: bool
    tools: int
    """How many are offered; 0 where it is not trusted."""


class Row(NamedTuple):
    """One tool, harmless to show."""

    name: str
    state: Literal["", "new", "changed", "gone"]
    """Against what was trusted before; empty: the same."""
    description: str
    parameters: str
    """Its schema as JSON."""


class Looked(NamedTuple):
    """What a server says now."""

    name: str
    sha256: str
    """Of all its definitions."""
    trusted: bool
    """These very definitions are trusted already."""
    rows: tuple[Row, ...]
    offers: tuple[Offer, ...]
    server: Server


class Trusting:
    """Raises ConfigError: an entry of `mcp_servers` is wrong."""

    def __init__(self, settings: Settings, workspace: Path) -> None:
        self._settings, self._workspace = settings, workspace
        self._home = default_home()
        self._servers, self._pins = read_servers(settings.tools.servers), Pins(self._home)

    def known(self) -> list[Known]:
        found: list[Known] = []
        for name, server in self._servers.items():
            pin = self._pins.find(name, server)
            wanted = [one for one in pin.offers if not server.tools or one.name in server.tools] if pin else []
            found.append(Known(name, " ".join(server.origin), pin is not None, len(wanted)))
        return found

    async def look(self, name: str) -> Looked:
        """Start the server inside its walls, and end it again.

        Raises UsageError: no server is called that. InterpreterError: it cannot be started, or is none.
        """
        server = self._server(name)
        rules = open_rules(self._settings, self._workspace, self._home / "mcp" / f"{name}.files")
        network = rules.network()
        place = Place(self._settings, self._workspace, self._home, network.deny, credentials=network.credentials)
        try:
            offers = await look(name, server, place)
        except ToolError as error:
            raise InterpreterError(
                _("The server {name} could not be looked at: {reason}", name=name, reason=str(error)),
                _("Nothing was trusted. What it needs to run stands in its entry of mcp_servers: see docs/mcp.md."),
            ) from error
        pin = self._pins.find(name, server)
        before = {one.name: one for one in pin.offers} if pin is not None else {}
        rows = [shown(one, before) for one in offers]
        gone = [one for one in before.values() if one.name not in {offer.name for offer in offers}]
        rows += [Row(show_hidden(one.name), "gone", "", "") for one in gone]
        sha256 = digest(offers)
        same = pin is not None and pin.sha256 == sha256
        return Looked(name, sha256, same, tuple(rows), offers, server)

    def trust(self, looked: Looked) -> None:
        """Raises StoreError."""
        self._pins.keep(looked.name, looked.server, looked.offers)

    def forget(self, name: str) -> bool:
        """Whether it was trusted; a server that the settings no longer name can be forgotten as well."""
        if "/" in name or name.startswith("."):
            raise self._unknown(name)
        return self._pins.forget(name)

    def _server(self, name: str) -> Server:
        if name not in self._servers:
            raise self._unknown(name)
        return self._servers[name]

    def _unknown(self, name: str) -> UsageError:
        return UsageError(
            _("No server is called {name}.", name=name),
            _("Those of your configuration: {names}.", names=", ".join(self._servers) or "-"),
        )


def shown(offer: Offer, before: dict[str, Offer]) -> Row:
    state: Any = "" if before.get(offer.name) == offer else "changed" if offer.name in before else "new"
    schema = msgspec.json.encode(offer.schema).decode() if offer.schema else ""
    return Row(show_hidden(offer.name), state, show_hidden(offer.description), show_hidden(schema))
