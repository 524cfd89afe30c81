"""The same server over HTTP, for this machine alone: on loopback, and only for whoever holds the token."""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ..aio import Tasks
from .calls import Calls
from .serve import made

HOST = "127.0.0.1"
PATH = "/mcp"
MOST_CLIENTS = 16
IDLE = 1800.0
"""Seconds after which a client that says nothing is forgotten."""
SECONDS = 10.0
"""For a request to come; a connection without one is closed after twice as many at the most."""
LAST = 2
"""Seconds for what still runs when it ends."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def token(path: Path) -> str:
    """The secret that clients show, of a file for its owner alone; made where it is not there. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        if found := path.read_text(encoding="ascii").strip():
            return found
        path.unlink()
        return token(path)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(made_up := os.urandom(32).hex())
    return made_up


def listen(port: int) -> socket.socket:
    """A socket on loopback; port 0: any that is free. Raises OSError: it is taken."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((HOST, port))
    except OSError:
        found.close()
        raise
    return found


class Guarded:
    """Lets a request through that shows the token; tells others nothing."""

    def __init__(self, manager: StreamableHTTPSessionManager, secret: str) -> None:
        self._manager, self._wanted = manager, f"Bearer {secret}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        shown = next((value for name, value in headers if name == b"authorization"), b"")
        if not hmac.compare_digest(shown, self._wanted):
            await refuse(send, 401)
        elif scope["path"] != PATH:
            await refuse(send, 404)
        else:
            await self._manager.handle_request(scope, receive, send)


async def refuse(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


class Impatient(H11Protocol):
    """Closes a connection on which no request comes: uvicorn waits for ever, also for the rest of one, and so a few
    silent strangers would have all the connections that there are.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as in uvicorn
        super().connection_made(transport)
        self.loop.call_later(SECONDS, self._look, None)

    def _look(self, before: RequestResponseCycle | None) -> None:
        """`before`: the request that was the last one when it looked before."""
        last = cast("RequestResponseCycle | None", self.cycle)
        if self.transport.is_closing():
            return
        if last is before and (last is None or last.response_complete):
            self.transport.close()
        else:
            self.loop.call_later(SECONDS, self._look, last)


class Quiet(uvicorn.Server):
    """Leaves signals to the command."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve_http(calls: Calls, listening: socket.socket, secret: str) -> None:
    """Answer until it is cancelled; the socket is closed then."""
    port = listening.getsockname()[1]
    names = [f"{HOST}:{port}", f"localhost:{port}"]
    # A page in the person's browser can reach loopback too; it cannot forge where it comes from.
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=names, allowed_origins=[f"http://{name}" for name in names]
    )
    manager = StreamableHTTPSessionManager(
        made(calls), security_settings=security, session_idle_timeout=IDLE, max_sessions=MOST_CLIENTS
    )
    options = uvicorn.Config(
        Guarded(manager, secret), http=Impatient, lifespan="off", ws="none", log_config=None, access_log=False,
        limit_concurrency=4 * MOST_CLIENTS, timeout_graceful_shutdown=LAST,
    )  # fmt: skip
    server, tasks = Quiet(options), Tasks()
    with listening:
        async with manager.run():
            work = tasks.start(server.serve([listening]))
            try:
                await asyncio.shield(work)
            finally:
                server.should_exit = True
                await asyncio.wait({work}, timeout=LAST + 1)
                await tasks.close()
