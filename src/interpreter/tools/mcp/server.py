"""What a person says about one server, and what the server says about its tools."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import msgspec

from ...errors import ConfigError
from ...text.clean import clean_text
from ...text.i18n import _
from ...types.base import Value
from ...types.tooling import Declaration

NAME = re.compile(r"[a-z][a-z0-9_-]{0,23}")
WRONG = re.compile(r"[^a-zA-Z0-9_-]")
MOST_TOOLS = 200
LONGEST_NAME = 64
LONGEST_DESCRIPTION = 1000
"""Characters of a tool's description that a model reads."""
LONGEST_SCHEMA = 32_000
"""Bytes of one tool's schema, and characters of its description as the server tells it."""
DEEPEST = 30


class Server(Value, forbid_unknown_fields=True):
    """One entry of `mcp_servers`."""

    command: tuple[str, ...] = ()
    """The program and its arguments; or `url`."""
    url: str = ""
    """Where it is reached over HTTP."""
    headers: dict[str, str] = {}
    """That it is shown over HTTP; `${NAME}` stands for a variable of yours, or for a credential of your policy."""
    env: dict[str, str] = {}
    """Further variables for it alone; `${NAME}` stands for one of yours."""
    workspace: Literal["read", "write"] = "read"
    """What it may do in the working folder."""
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    allow_host: tuple[str, ...] = ()
    """Patterns of hosts that it may reach; without any it has no network."""
    tools: tuple[str, ...] = ()
    """The server's own names of those that are offered; empty: all that were trusted."""
    reads: tuple[str, ...] = ()
    """The server's own names of those that only read; `*`: all. What the server says of that itself is not believed."""
    timeout: float = 60.0
    """Seconds of one call, and of its start."""

    @property
    def origin(self) -> tuple[str, ...]:
        """What it is started with, or where it is: with another it is another server."""
        return self.command or (self.url,)

    def fault(self) -> str:
        """What is wrong with the entry as a whole; empty: nothing."""
        if bool(self.command) == bool(self.url):
            return _("it needs either a command or a url")
        if not self.timeout > 0:
            return _("its timeout has to be above 0")
        if self.command:
            return _("headers are for a server with a url") if self.headers else ""
        if self.env or self.readable or self.writable or self.allow_host or self.workspace != "read":
            return _("a server with a url runs elsewhere: it takes url, headers, tools, reads and timeout alone")
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
        except ValueError:
            good = False
        return "" if good else _("its url has to be an http or https address, without a password in it")


class Offer(Value):
    """A tool as its server defines it, cleaned."""

    name: str
    description: str = ""
    schema: dict[str, Any] = {}


def read_servers(table: Mapping[str, Any]) -> dict[str, Server]:
    """Raises ConfigError: an entry cannot be understood."""
    found: dict[str, Server] = {}
    for name, raw in table.items():
        hint = _("What a server takes stands in docs/mcp.md.")
        if not NAME.fullmatch(name):
            raise ConfigError(
                _("mcp_servers: {name} is no name: small letters, digits, - and _, at most 24.", name=name), hint
            )
        try:
            server = msgspec.convert(raw, Server)
        except msgspec.ValidationError as error:
            raise ConfigError(_("mcp_servers: {name} is wrong: {reason}", name=name, reason=str(error)), hint) from None
        if why := server.fault():
            raise ConfigError(_("mcp_servers: {name} is wrong: {reason}", name=name, reason=why), hint)
        found[name] = server
    return found


def offers(listed: list[Any]) -> tuple[Offer, ...]:
    """The tools of a server's own list, harmless to show, in the order of their names. Raises ValueError: what is
    wrong with it.
    """
    if len(listed) > MOST_TOOLS:
        raise ValueError(f"more than {MOST_TOOLS} tools")
    found: dict[str, Offer] = {}
    for one in listed:
        row = cast("dict[str, Any]", one) if isinstance(one, dict) else {}
        name, text = row.get("name"), row.get("description") or ""
        schema: Any = row.get("inputSchema") or {}
        if not isinstance(name, str) or not name or not isinstance(text, str) or not isinstance(schema, dict):
            raise ValueError("a tool without a name, or one with a description or a schema that is none")
        if len(name) > 200 or name in found:
            raise ValueError(f"two tools called {clean_text(name)[:60]!r}, or one with too long a name")
        if len(text) > LONGEST_SCHEMA:
            raise ValueError(f"the description of {clean_text(name)[:60]!r} is longer than {LONGEST_SCHEMA} characters")
        told = cleaned(cast("dict[str, Any]", schema), DEEPEST)
        if len(msgspec.json.encode(told)) > LONGEST_SCHEMA:
            raise ValueError(f"the schema of {clean_text(name)[:60]!r} is larger than {LONGEST_SCHEMA} bytes")
        found[name] = Offer(name=name, description=clean_text(text), schema=told)
    return tuple(found[name] for name in sorted(found))


def cleaned(value: Any, depth: int) -> Any:
    """A schema without control codes in its texts. Raises ValueError: it is nested too deep."""
    if depth < 0:
        raise ValueError("a schema that is nested too deep")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        rows = cast("dict[str, Any]", value)
        return {clean_text(key): cleaned(one, depth - 1) for key, one in rows.items()}
    if isinstance(value, list):
        return [cleaned(one, depth - 1) for one in cast("list[Any]", value)]
    return value


def digest(found: tuple[Offer, ...]) -> str:
    """The SHA-256 of definitions: of each name, description and schema."""
    return hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest()


def called(server: str, tool: str) -> str:
    """The name by which models know a tool."""
    return WRONG.sub("_", f"{server}__{tool}")[:LONGEST_NAME]


def declared(name: str, server: Server, offer: Offer) -> Declaration:
    """What models, rules and people are told of it."""
    about = offer.description if len(offer.description) <= LONGEST_DESCRIPTION else offer.description[:1000] + "..."
    properties: Any = offer.schema.get("properties")
    required: Any = offer.schema.get("required")
    named = cast("list[Any]", required) if isinstance(required, list) else []
    known = cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}
    nothing: dict[str, Any] = {}
    parameters: dict[str, Any] = {
        **offer.schema,
        "type": "object",
        "properties": {key: one if isinstance(one, dict) else nothing for key, one in known.items()},
        "required": [one for one in named if isinstance(one, str) and one in known],
    }
    parameters.setdefault("additionalProperties", not known)
    return Declaration(
        name=called(name, offer.name),
        description=" ".join(about.split()) or f"{clean_text(offer.name)} of {name}.",
        parameters=parameters,
        access="read" if "*" in server.reads or offer.name in server.reads else "write",
        timeout=server.timeout,
        origin=f"mcp:{name}",
    )
