"""Looks into connections where a rule needs it: the method of a request, and the headers that carry a credential.

Settings: `rules.read_only`; `credentials`: variable, placeholder, value, host; `authority`: key, certificate, site, and
`trust`, the file of authorities by which real servers are checked (empty: the system's).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any
from urllib.parse import urlsplit

from .authority import Authority
from .channel import Channel, Plain, Secure
from .hosts import canonical, split_port
from .ledger import Attempt, Ledger, Untold
from .messages import (
    BadMessage,
    Framing,
    Header,
    Request,
    Response,
    answer,
    body,
    get,
    kept,
    parse_request,
    parse_response,
    request_framing,
    response_framing,
    send_body,
    written,
)
from .placeholders import Swap, secrets_of

FIRST_SECONDS, HANDSHAKE_SECONDS, HEAD_SECONDS = 30.0, 30.0, 60.0
READING = ("GET", "HEAD")
PINNED = (
    "the program did not accept the certificate of this session: it trusts only certificates of its own (pinning), or "
    "does not read SSL_CERT_FILE and its like"
)


class Inspector:
    def __init__(self, settings: dict[str, Any], ledger: Ledger) -> None:
        rules: dict[str, Any] = settings.get("rules") or {}
        self.read_only = bool(rules.get("read_only"))
        self.secrets = secrets_of(settings.get("credentials") or [])
        self.ledger = ledger
        told: dict[str, str] = settings.get("authority") or {}
        self.authority = Authority(told) if told else None
        self._outside: ssl.SSLContext | None = None
        self._trust: str | None = told.get("trust") or None

    def wants(self, name: str, port: int) -> bool:
        """Whether a connection to this host has to be looked into."""
        return self.read_only or any(secret.goes_to(name, port) for secret in self.secrets)

    def refuses(self, request: Request) -> str:
        """Why a request is not let through; empty: it is."""
        if self.read_only and request.method not in READING:
            return f"only {' and '.join(READING)} are let through (read-only), not {request.method}"
        if "websocket" in (request.get("upgrade") or "").lower():
            return "a WebSocket cannot be looked into, which the rules for this host ask for"
        return ""

    async def look_into(self, inside: Plain, outside: Plain, name: str, port: int) -> None:
        """Serve a connection that the program takes for a tunnel to `name`."""
        async with asyncio.timeout(FIRST_SECONDS):
            first = await inside.peek(1)
        if first == b"\x16":
            await self._end_tls(inside, outside, name, port)
        elif first.isalpha() and first.isupper():
            await self._serve(inside, outside, name, port, tls=False)
        elif first:
            self._tell("CONNECT", name, port, "refused", "only HTTP can be looked into, which the rules ask for here")

    async def _end_tls(self, inside: Plain, outside: Plain, name: str, port: int) -> None:
        if self.authority is None:
            self._tell("CONNECT", name, port, "failed", "this session has no certificate authority")
            return
        context = self.authority.context(name)

        def on_name(_socket: object, asked: str | None, _context: object) -> int | None:
            same = asked is None or same_name(asked, name)
            return None if same else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        context.sni_callback = on_name
        try:
            client = await Secure.accept(inside, context, HANDSHAKE_SECONDS)
        except (OSError, EOFError) as error:
            pinned = isinstance(error, (ssl.SSLError, ConnectionError)) and "UNRECOGNIZED" not in str(error).upper()
            self._tell("CONNECT", name, port, "failed", PINNED if pinned else f"no TLS: {error}")
            return
        try:
            try:
                server = await Secure.connect(outside, self._client_context(), name, HANDSHAKE_SECONDS)
            except (OSError, EOFError) as error:
                reason = f"the certificate of {name} is not valid: {error}"
                if not isinstance(error, ssl.SSLCertVerificationError):
                    reason = f"{name} does not speak TLS as it should: {error}"
                self._tell("CONNECT", name, port, "failed", reason)
                await client.head()
                await answer(client, "502 Bad Gateway", reason)
                return
            try:
                await self._serve(client, server, name, port, tls=True)
            finally:
                server.close()
        finally:
            client.close()

    def _client_context(self) -> ssl.SSLContext:
        if self._outside is None:
            self._outside = ssl.create_default_context(cafile=self._trust)
            self._outside.set_alpn_protocols(["http/1.1"])
        return self._outside

    async def _serve(self, inside: Channel, outside: Channel, name: str, port: int, *, tls: bool) -> None:
        again = True
        while again:
            try:
                async with asyncio.timeout(HEAD_SECONDS):
                    head = await inside.head()
                request = parse_request(head)
                check_target(request, name, port, tls=tls)
            except Misdirected as error:
                self._tell("CONNECT", name, port, "refused", str(error))
                await answer(inside, "421 Misdirected Request", str(error))
                return
            except BadMessage as error:
                await answer(inside, "400 Bad Request", str(error))
                return
            if reason := self.refuses(request):
                self._tell(request.method, name, port, "refused", reason, "read-only")
                await answer(inside, f"403 {reason}", reason)
                return
            self._tell(request.method, name, port, "allowed", "", "looked into")
            again = await self._exchange(inside, outside, request, name, port, tls=tls)

    async def forward_one(self, inside: Plain, outside: Plain, request: Request, name: str, port: int) -> None:
        """One request in the absolute form, of which the connection is used for nothing else."""
        parts = urlsplit(request.target)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        last = [*request.headers, ("Connection", "close")]
        await self._exchange(inside, outside, request._replace(target=path, headers=last), name, port, tls=False)

    async def _exchange(
        self, inside: Channel, outside: Channel, request: Request, name: str, port: int, *, tls: bool
    ) -> bool:
        """One request and its answer; whether the connection can carry another one."""
        own = tuple(secret for secret in self.secrets if secret.goes_to(name, port))
        swap = Swap(self.secrets, fill=own if tls else ())
        try:
            framing = request_framing(request)
            headers = swap.headers(
                kept(request.headers, "host", "content-length", *(("accept-encoding",) if own else ()))
            )
            if own:
                headers.append(("Accept-Encoding", "identity"))
            for variable in dict.fromkeys(swap.stray):
                where = "this host" if tls or not own else "a connection without TLS"
                reason = f"the placeholder of {variable} went out as it is: its value is not for {where}"
                self._tell(request.method, name, port, "allowed", reason, "credential")
            if (request.get("expect") or "").lower() == "100-continue":
                await inside.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await outside.send(request_head(request, headers, framing, name, port, tls=tls))
            with contextlib.suppress(ConnectionError):
                # A server may answer and close before it has everything.
                await send_body(outside, body(inside, framing), chunked=framing.kind == "chunked")
            response = parse_response(await outside.head())
            while response.status in (100, 102, 103):
                response = parse_response(await outside.head())
            if reason := unreadable(response, looked=bool(own)):
                raise BadMessage(reason)
            return await self._answer(inside, outside, request, response, swap)
        except (BadMessage, EOFError) as error:
            reason = str(error) or "the server ended the connection too early"
            self._tell(request.method, name, port, "failed", reason)
            await answer(inside, "502 Bad Gateway", reason)
            return False

    async def _answer(
        self, inside: Channel, outside: Channel, request: Request, response: Response, swap: Swap
    ) -> bool:
        framing = response_framing(response, request.method)
        old = request.version == "HTTP/1.0"
        again = framing.kind != "end" and not old and not closes(request.headers) and not closes(response.headers)
        again = again and response.version == "HTTP/1.1"
        chunked = framing.kind == "chunked" and not old
        headers = swap.clean_headers(kept(response.headers))
        headers += [("Transfer-Encoding", "chunked")] if chunked else []
        headers += [] if again else [("Connection", "close")]
        reason = swap.clean(response.reason.encode("latin-1")).decode("latin-1")
        await inside.send(written(f"HTTP/1.1 {response.status} {reason}", headers))
        try:
            await send_body(inside, swap.cleaned(body(outside, framing)), chunked=chunked)
        except (BadMessage, EOFError):
            # The head is gone already: only an end that comes too early can tell it.
            return False
        return again

    def _tell(self, method: str, name: str, port: int, verdict: str, reason: str, by: str = "broker") -> None:
        with contextlib.suppress(Untold):
            self.ledger.tell(Attempt(method, name, port, verdict, by, reason))


class Misdirected(BadMessage):
    """A request for another host than the one that was allowed."""


def check_target(request: Request, name: str, port: int, *, tls: bool) -> None:
    """Raises Misdirected, BadMessage."""
    whole = request.method == "OPTIONS" and request.target == "*"
    if request.method == "CONNECT" or not (request.target.startswith("/") or whole):
        raise BadMessage("not a request to this host")
    told = request.get("host")
    if told is None:
        return
    try:
        host, asked = split_port(told.strip())
        same = canonical(host) == name and (asked or (443 if tls else 80)) == port
        # Many clients leave a port out that is not the usual one.
        same = same or (asked is None and canonical(host) == name)
    except ValueError:
        same = False
    if not same:
        raise Misdirected(f"the connection is to {name}, the request inside it to {told[:200]}")


def request_head(
    request: Request, headers: list[Header], framing: Framing, name: str, port: int, *, tls: bool
) -> bytes:
    host = f"[{name}]" if ":" in name else name
    if port != (443 if tls else 80):
        host = f"{host}:{port}"
    size: list[Header] = [("Transfer-Encoding", "chunked")] if framing.kind == "chunked" else []
    if framing.kind == "length" or request.get("content-length") is not None:
        size = [("Content-Length", str(framing.length))]
    last: list[Header] = [("Connection", "close")] if closes(request.headers) else []
    return written(f"{request.method} {request.target} HTTP/1.1", [("Host", host), *headers, *size, *last])


def unreadable(response: Response, *, looked: bool) -> str:
    if response.status == 101:
        return "the server changed the protocol, which cannot be looked into"
    coding = (response_header(response, "content-encoding") or "identity").strip().lower()
    if looked and coding not in ("", "identity"):
        return f"the answer is packed ({coding}), and could carry the credential unseen"
    return ""


def response_header(response: Response, name: str) -> str | None:
    return get(response.headers, name)


def closes(headers: list[Header]) -> bool:
    words = [
        word.strip().lower() for name, value in headers if name.lower() == "connection" for word in value.split(",")
    ]
    return "close" in words


def same_name(asked: str, name: str) -> bool:
    try:
        return canonical(asked) == name
    except ValueError:
        return False
