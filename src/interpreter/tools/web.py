"""HTTP from the host's side: under the network rules, to checked addresses, with bounds on time and size.

A name is judged before it is looked up, and what was checked is what is connected to. Credentials of
the policy are put in here and taken out of what comes back, so that neither models nor walled code see them.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import httpx

from ..errors import ToolError
from ..keeper import hosts
from ..text.clean import clean_text
from ..types.events import NetworkAttempt
from ..types.rules import NetworkRules
from .context import Listen, WebAnswer

Ask = Callable[[str, int, str], Awaitable[tuple[bool, str]]]
"""Whether an unknown host may be reached (host, port, method), and by whose word."""
READING = ("GET", "HEAD")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CONNECT = 10.0
LONGEST_URL = 8192
MOST_HEADERS = 64
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"))
PLACEHOLDER = re.compile(r"\$\{?([A-Z_][A-Z0-9_]*)\}?")
CLOSED = "No host may be reached in this session: the network is off."
REMEDY = "The person can open it: --network ask, or `network: allow:` in the policy. Tell them which host is needed."
ALLOW = "The person can allow it: --allow-host {host}, or `network: allow:` in the policy. Do not try another way."


class Secret(NamedTuple):
    """A credential of the policy with its value."""

    variable: str
    host: str
    value: str


class Way(NamedTuple):
    """Where a request goes: the URL, its host in the one spelling, the port, and the address that was checked."""

    url: httpx.URL
    host: str
    port: int
    address: str


class GuardedWeb:
    """`tools.context.Web`."""

    def __init__(
        self,
        rules: NetworkRules | None,
        ask: Ask,
        record: Callable[[NetworkAttempt], None],
        *,
        secrets: Callable[[], tuple[Secret, ...]] = tuple,
        names: Mapping[str, str] | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            rules: which hosts may be reached; None: none at all.
            names: addresses of names, which then are not looked up; for tests.
            verify: how certificates are checked; None: as the environment says.
        """
        self._rules, self._ask, self._record = rules, ask, record
        self._secrets, self._names, self._verify = secrets, dict(names or {}), verify
        table = {"allow": rules.allow, "deny": rules.deny, "otherwise": rules.otherwise} if rules is not None else {}
        self._judge = hosts.Rules(table)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        seconds: float = 30.0,
        most: int = 1 << 20,
        configured: bool = False,
        redirects: int = 3,
        listen: Listen | None = None,
    ) -> WebAnswer:
        """See `tools.context.Web`."""
        method = method.upper()
        if method not in METHODS:
            raise ToolError(f"{method[:20]} is not a method here. Use one of: {', '.join(METHODS)}.")
        given = checked_headers(headers or {})
        try:
            async with asyncio.timeout(seconds):
                return await self._followed(method, url, given, body, most, configured, redirects, listen)
        except TimeoutError:
            raise ToolError(f"{shown(url)} did not answer within {seconds:g} s.") from None

    async def _followed(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes,
        most: int,
        configured: bool,
        redirects: int,
        listen: Listen | None,
    ) -> WebAnswer:
        """The answer after redirects within the same host."""
        for rest in range(redirects, -1, -1):
            way = await self._way(method, url, configured)
            answer = await self._asked(way, method, headers, body, most, listen)
            place = next((value for name, value in answer.headers if name.lower() == "location"), "")
            if answer.status not in (301, 302, 303, 307, 308) or not place or not rest:
                return answer
            following = way.url.join(place)
            same = following.host == way.url.host and following.scheme in (way.url.scheme, "https")
            if not same or (following.scheme == way.url.scheme and following.port != way.url.port):
                return answer  # another host is another question
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, body = "GET", b""
            url = str(following)
        raise AssertionError("unreachable: the last round returns")

    # --- where to

    async def _way(self, method: str, url: str, configured: bool) -> Way:
        """Raises ToolError where it may not go there."""
        parsed, host, port = address_of(url)
        if configured:
            return Way(parsed, host, port, (await self._resolved(host, port))[0])
        if self._rules is None:
            raise ToolError(CLOSED, REMEDY)
        if self._rules.read_only and method not in READING:
            self._told(host, port, method, "denied", "read_only", "only GET and HEAD are allowed")
            raise ToolError("The network is read-only in this session: only GET and HEAD.")
        judged = self._judge.judge(host, port)
        allowed, by, why = judged.decision == "allow", judged.by, "a rule says no"
        if judged.decision == "ask":
            allowed, by = await self._ask(host, port, method)
            why = by if not allowed and by != "person" else "the person said no"
        if not allowed:
            self._told(host, port, method, "denied", by, why)
            raise ToolError(f"{host}:{port} may not be reached: {why}.", ALLOW.format(host=host))
        for address in await self._resolved(host, port):
            why = self._judge.may_connect(address, port, named=judged.named)
            if not why:
                self._told(host, port, method, "allowed", by, "")
                return Way(parsed, host, port, address)
        self._told(host, port, method, "denied", by, why)
        raise ToolError(f"{host}:{port} may not be reached: {why}.", ALLOW.format(host=host))

    async def _resolved(self, host: str, port: int) -> list[str]:
        if hosts.address_in(host) is not None:
            return [host]
        if host in self._names:
            return [self._names[host]]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ToolError(f"{host} was not found: {getattr(error, 'strerror', None) or error}.") from None
        # What can be spoken to everywhere goes first.
        ranked = sorted(found, key=lambda one: one[0] != socket.AF_INET)
        return list(dict.fromkeys(str(one[4][0]) for one in ranked))

    def _told(self, host: str, port: int, method: str, decision: str, by: str, reason: str) -> None:
        word = "allowed" if decision == "allowed" else "denied"
        self._record(NetworkAttempt(host=host, port=port, decision=word, by=by, method=method, reason=reason))

    # --- asking

    async def _asked(
        self, way: Way, method: str, headers: dict[str, str], body: bytes, most: int, listen: Listen | None
    ) -> WebAnswer:
        known = [one for one in self._secrets() if any(p.fits(way.host, way.port) for p in hosts.patterns(one.host))]
        known.sort(key=lambda one: -len(one.value))  # one may be the beginning of another
        values = {one.variable: one.value for one in known}
        sent = {name: PLACEHOLDER.sub(lambda m: values.get(m[1], m[0]), value) for name, value in headers.items()}
        netloc = way.url.netloc.decode("ascii")
        fixed = {"Host": netloc.rpartition("@")[2], "User-Agent": "interpreter", "Accept-Encoding": "identity"}
        lower = {name.lower() for name in sent}
        sent |= {name: value for name, value in fixed.items() if name.lower() not in lower}
        target = way.url.copy_with(host=way.address)
        if way.url.scheme == "https" and self._verify is None:
            self._verify = httpx.create_ssl_context()  # 20 ms, once
        transport = httpx.AsyncHTTPTransport(verify=self._verify or False, retries=0)
        timeout = httpx.Timeout(None, connect=CONNECT)
        try:
            async with httpx.AsyncClient(transport=transport, timeout=timeout, trust_env=False) as client:
                request = client.build_request(
                    method, target, headers=sent, content=body or None, extensions={"sni_hostname": way.host}
                )
                response = await client.send(request, stream=True)
                try:
                    return await read(response, way, most, known, listen)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            said = without(clean_text(str(error))[:300], known) or type(error).__name__
            raise ToolError(f"{way.host}:{way.port} could not be asked: {said}.") from None


async def read(
    response: httpx.Response, way: Way, most: int, known: list[Secret], listen: Listen | None = None
) -> WebAnswer:
    """The answer with at most `most` bytes of its body, and no secret in it."""
    packed = response.headers.get("content-encoding", "").strip().lower()
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if packed in ("gzip", "deflate") else None
    data, held, came, cut = bytearray(), bytearray(), 0, False
    headers = tuple((name, without(value, known)) for name, value in response.headers.multi_items())
    head = WebAnswer(status=response.status_code, headers=headers, url=str(way.url))
    async for piece in response.aiter_raw():  # as it comes: who listens is not kept waiting for a full buffer
        came += len(piece)
        room = most - len(data)
        try:
            plain = unpack.decompress(piece, max(1, room + 1)) if unpack is not None else piece
        except zlib.error:
            plain, unpack = piece, None
        data += plain[:room]
        if len(plain) > room:
            cut = True
            break
        if listen is None:
            continue
        held += plain
        if b"\n" in plain:  # whole lines are heard: a secret may come in two pieces, but not in two lines
            end = held.rfind(b"\n") + 1
            lines, held = bytes(held[:end]), held[end:]
            if await listen(head, bytes_without(lines, known)):
                break
    body = bytes_without(bytes(data), known)
    return WebAnswer(status=response.status_code, headers=headers, body=body, size=came, cut=cut, url=str(way.url))


def without(said: str, known: list[Secret]) -> str:
    """What a server said, with the names of secrets in their place."""
    for one in known:
        said = said.replace(one.value, f"${{{one.variable}}}")
    return said


def bytes_without(said: bytes, known: list[Secret]) -> bytes:
    for one in known:
        said = said.replace(one.value.encode(), f"${{{one.variable}}}".encode())
    return said


def address_of(url: str) -> tuple[httpx.URL, str, int]:
    """The parsed URL, its host and port. Raises ToolError for what is no plain http(s) address."""
    if len(url) > LONGEST_URL:
        raise ToolError("The address is too long.")
    try:
        parsed = httpx.URL(url.strip())
        host = hosts.canonical(parsed.raw_host.decode("ascii"))
    except (httpx.InvalidURL, ValueError, UnicodeError) as error:
        raise ToolError(f"{shown(url)} is no address: {clean_text(str(error))[:200]}.") from None
    if parsed.scheme not in ("http", "https"):
        raise ToolError(f"Only http and https addresses are asked, not {shown(url)}.")
    if parsed.userinfo:
        raise ToolError("An address with a password in it is not asked. Use a header.")
    return parsed, host, parsed.port or (443 if parsed.scheme == "https" else 80)


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Raises ToolError for what is no header, or one that says how the message itself is sent."""
    if len(headers) > MOST_HEADERS:
        raise ToolError(f"At most {MOST_HEADERS} headers.")
    for name, value in headers.items():
        if not TOKEN.fullmatch(name) or any(ord(char) < 32 or ord(char) == 127 for char in value) or len(value) > 8192:
            raise ToolError(f"{name[:60]!r} is no header that can be sent.")
        if name.lower() in OURS:
            raise ToolError(f"The header {name} cannot be set.")
        if not value.isascii():
            raise ToolError(f"The header {name} may hold ASCII only.")
    return dict(headers)


def shown(url: str) -> str:
    return clean_text(url.strip())[:200]
