"""`interpreter approvals serve`: the listener behind the links that questions are sent with."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from typing import TYPE_CHECKING

from ..aio import Tasks
from ..config.settings import Settings
from ..errors import UsageError
from ..text.i18n import _
from .say import say, say_warning

if TYPE_CHECKING:
    from ..web.http import Listener

HOST, PORT = "127.0.0.1", 8347


def serve(settings: Settings, host: str, port: str) -> int:
    """Until it is stopped; the exit code. Raises UsageError, ConfigError, StoreError."""
    from ..app.links import Links, check_url
    from ..web import http
    from ..web.answers import Answers, names

    check_url(settings.links)
    address = read_address(host)
    number = read_port(port)
    links = Links(settings)
    if not ipaddress.ip_address(address).is_loopback:
        say_warning(_("Others can reach this address, and nothing is encrypted. Put a proxy with TLS before it."))
    try:
        listening = http.listen(address, number)
    except OSError as error:
        raise UsageError(
            _("It cannot listen on {address} port {port}: {reason}.", address=address, port=number,
              reason=error.strerror or str(error)),
            _("Name another one: --port N, or --port 0 for any that is free."),
        ) from None  # fmt: skip
    number = listening.getsockname()[1]
    hosts, origins = names(settings.links.url, address, number)
    answers = Answers(links, hosts, origins, lang=settings.lang, say=say)
    shown = f"[{address}]" if ":" in address else address
    say(_("Listening: {address}", address=f"http://{shown}:{number}"))
    if not settings.links.url:
        say(_("No links are made yet. In your configuration: approval_url: {url}", url=f"http://{shown}:{number}"))
    if not settings.links.notify:
        say(_("Nobody is told of questions yet. In your configuration: approval_notify: [TARGET]"))
    return asyncio.run(until_stopped(http.Listener(answers), listening))


async def until_stopped(listener: Listener, listening: socket.socket) -> int:
    tasks = Tasks()
    serving = tasks.start(listener.serve(listening))
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        say(_("Stopped. Questions wait as they did."))
    return 0


def read_address(text: str) -> str:
    """An address of this machine, not a name: what a name leads to may change. Raises UsageError."""
    try:
        return str(ipaddress.ip_address((HOST if text in ("", "localhost") else text).strip("[]")))
    except ValueError:
        raise UsageError(_("--host should be an address such as 127.0.0.1 or ::1, not `{text}`.", text=text)) from None


def read_port(text: str) -> int:
    """Raises UsageError."""
    if not text:
        return PORT
    if text.isascii() and text.isdecimal() and int(text) < 65536:
        return int(text)
    raise UsageError(_("--port should be a whole number below 65536; 0 for any."))
