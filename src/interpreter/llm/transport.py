"""One HTTP exchange with a model's server, whatever carries it."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple, Protocol

from interpreter.errors import MalformedAnswer, UsageError
from interpreter.text.i18n import _

MAX_BODY = 16 << 20
"""Bytes of an answer that is read whole."""


class Target(NamedTuple):
    """A server, and the path under which its API lies."""

    scheme: str
    host: str
    port: int
    path: str
    """Without a trailing slash; may be empty."""

    @property
    def root(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    @property
    def url(self) -> str:
        return self.root + self.path

    @property
    def local(self) -> bool:
        """Whether the server is on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class Exchange(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    def body(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces as they come. Raises ServerFault when it breaks off."""
        ...

    async def finish(self) -> None:
        """The answer has been read as far as it is wanted: keep the connection if it is at its end."""
        ...

    async def close(self) -> None:
        """Break the connection unless the answer is complete; the server stops its work."""
        ...


class Transport(Protocol):
    """Connections to one server."""

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None, wait: float | None = None
    ) -> Exchange:
        """Send a request and wait for the head of its answer.

        `path` is absolute; `wait` bounds, in seconds, each wait for data (default: the transport's read timeout).
        Raises ModelUnreachable and MalformedAnswer.
        """
        ...

    async def close(self) -> None: ...


async def read_whole(exchange: Exchange) -> bytes:
    """The whole body. Raises MalformedAnswer beyond MAX_BODY."""
    parts: list[bytes] = []
    size = 0
    try:
        async for data in exchange.body():
            parts.append(data)
            size += len(data)
            if size > MAX_BODY:
                raise MalformedAnswer(
                    _("The server sent more than {size} MB where a short answer was expected.", size=MAX_BODY >> 20),
                    _("Check that --api_base is the address of a model's server."),
                )
        await exchange.finish()
    finally:
        await exchange.close()
    return b"".join(parts)


def one_line(value: str) -> str:
    """A header's value: it cannot begin another header, and holds nothing that cannot be sent."""
    return "".join(c if c.isprintable() else " " for c in value).strip()


def parse_base(api_base: str) -> Target:
    """A server's address as a person writes it. Raises UsageError for what is none."""
    text = api_base.strip()
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    scheme = scheme.lower()
    netloc, _slash, path = rest.partition("/")
    path = path.partition("?")[0].partition("#")[0].rstrip("/")
    host, port = split_port(netloc.rpartition("@")[2])
    number = port if port is not None else ("443" if scheme == "https" else "80")
    if scheme not in ("http", "https") or not host or not number.isdecimal() or not 0 < int(number) < 65536:
        raise no_address(api_base)
    return Target(scheme, host, int(number), f"/{path}" if path else "")


def no_address(written: str) -> UsageError:
    return UsageError(
        _("{value} is not the address of a model's server.", value=repr(written)),
        _("Write it like http://localhost:8000/v1"),
    )


def split_port(netloc: str) -> tuple[str, str | None]:
    """Host and port of `host`, `host:port`, `[::1]` or `[::1]:port`."""
    if netloc.startswith("["):
        host, _bracket, rest = netloc[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else None
    host, colon, port = netloc.partition(":")
    return host, port if colon else None
