"""The broker of the network: an HTTP and SOCKS5 proxy on the host's side, one for each walled program.

Run as `python -I -S proxy.py LISTENING_FD LIFE_FD SETTINGS_FD` by `wayout`. It ends when the process behind
LIFE_FD (a pidfd) ends. Whatever connects is untrusted. A name is judged before it is looked up; it is resolved here,
and the connection goes to the very address that was checked.

Settings (JSON): `log`: file that gets a line for each attempt. `rules`: allow, deny, otherwise, read_only. `hosts`:
in their place, the only names that are let through, wherever they lie. `authority`, `credentials`: see `inspector`.
`link`: where the keeper is reached, which passes questions and attempts on. `doors`: descriptors of further listening
sockets, each with the host and the port that whoever connects there is taken to have asked for.
`upstream` and `no_proxy`: the proxy that this machine itself has to use, and for which names not. For tests:
`allow_private`: no address is refused; `names`: addresses of names.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import socket
import sys
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

if not __package__:
    # Like keeper/__main__.py: the folder becomes a package and stays off the path.
    _folder = os.path.dirname(os.path.abspath(__file__))
    _package = type(sys)("keeper")
    _package.__path__ = [_folder]
    sys.modules["keeper"] = _package
    __package__ = "keeper"
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != _folder]

from . import walls, wayout
from .channel import Plain, exactly, linger, pump
from .hosts import Judgement, Rules, canonical, is_pattern, is_public, split_port
from .inspector import Inspector
from .ledger import Attempt, Ledger, Link, Untold
from .messages import BadMessage, Request, answer, parse_request

__all__ = ["is_public"]
HEAD_SECONDS, CONNECT_SECONDS = 30.0, 30.0
CONNECTIONS = 256
TARGET = re.compile(r"[A-Za-z0-9._:\[\]%-]{1,300}")
NOWHERE = b"\x00\x01" + bytes(6)


class Refused(Exception):
    """The attempt is not let through; says why to the program inside."""

    def __init__(self, reason: str, by: str = "") -> None:
        super().__init__(reason)
        self.by = by


class Failed(Exception):
    """The attempt is allowed and went wrong outside."""


class Reached(NamedTuple):
    channel: Plain
    name: str
    port: int


class Proxy:
    def __init__(self, settings: dict[str, Any], link: Link | None = None) -> None:
        hosts = settings.get("hosts")
        rules = settings.get("rules") or {"otherwise": "allow"}
        self.rules = Rules(rules if hosts is None else {"allow": [word for word in hosts if is_pattern(word)]})
        self.allow_private = bool(settings.get("allow_private"))
        self.names: dict[str, str] = settings.get("names") or {}
        self.upstream = urlsplit(str(settings["upstream"])) if settings.get("upstream") else None
        self.no_proxy = [word.strip().lstrip(".").lower() for word in settings.get("no_proxy", "").split(",") if word]
        self.link = link
        self.ledger = Ledger(str(settings.get("log") or ""), link)
        self.inspector = Inspector(settings, self.ledger)

    async def listen(self, listening: socket.socket, door: tuple[str, int] | None = None) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        places = asyncio.Semaphore(CONNECTIONS)
        tasks: set[asyncio.Task[None]] = set()

        async def one(sock: socket.socket) -> None:
            try:
                await (self.serve(sock) if door is None else self.serve_door(sock, *door))
            finally:
                places.release()

        while True:
            await places.acquire()
            try:
                sock, _ = await loop.sock_accept(listening)
            except OSError:
                places.release()
                await asyncio.sleep(0.1)
                continue
            task = asyncio.ensure_future(one(sock))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def serve(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        inside = Plain(sock)
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                first = await inside.peek(1)
            if first == b"\x05":
                await self.serve_socks(inside)
            elif first:
                await self.serve_http(inside)
            await linger(inside)
        except (OSError, EOFError, ValueError, TimeoutError):
            pass
        finally:
            inside.close()

    async def serve_door(self, sock: socket.socket, host: str, port: int) -> None:
        """As if it had asked for this host by CONNECT; whoever is refused here finds the connection closed."""
        sock.setblocking(False)
        inside = Plain(sock)
        try:
            reached = await self.connect("CONNECT", host, port)
            try:
                await self.carry(inside, reached)
            finally:
                reached.channel.close()
            await linger(inside)
        except (Refused, Failed, OSError, EOFError, ValueError, TimeoutError):
            pass
        finally:
            inside.close()

    async def serve_http(self, inside: Plain) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await inside.head()
        try:
            request = parse_request(head)
            host, port = target_of(request)
        except (BadMessage, ValueError):
            await answer(inside, "400 Bad Request", "This is a proxy for http and https.")
            return
        try:
            if request.method != "CONNECT" and (reason := self.inspector.refuses(request)):
                self.tell(request.method, host, port, "", Refused(reason), "read-only")
                raise Refused(reason)
            reached = await self.connect(request.method, host, port)
        except Refused as error:
            await answer(inside, f"403 {one_line(str(error))}", str(error))
            return
        except Failed as error:
            await answer(inside, "502 Bad Gateway", str(error))
            return
        try:
            if request.method == "CONNECT":
                await inside.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self.carry(inside, reached)
            else:
                await self.inspector.forward_one(inside, reached.channel, request, reached.name, reached.port)
        finally:
            reached.channel.close()

    async def serve_socks(self, inside: Plain) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            ways = await exactly(inside, (await exactly(inside, 2))[1])
            if 0 not in ways:
                await inside.send(b"\x05\xff")
                return
            await inside.send(b"\x05\x00")
            version, command, _, kind = await exactly(inside, 4)
            if kind == 3:
                host = (await exactly(inside, (await exactly(inside, 1))[0])).decode("ascii")
            else:
                family = {1: socket.AF_INET, 4: socket.AF_INET6}.get(kind)
                if family is None:
                    raise ValueError("no such kind of address")
                host = socket.inet_ntop(family, await exactly(inside, 4 if kind == 1 else 16))
            port = int.from_bytes(await exactly(inside, 2), "big")
        if version != 5 or command != 1 or not port:
            await inside.send(b"\x05\x07" + NOWHERE)
            return
        try:
            reached = await self.connect("SOCKS5", host, port)
        except (Refused, Failed) as error:
            await inside.send((b"\x05\x02" if isinstance(error, Refused) else b"\x05\x04") + NOWHERE)
            return
        try:
            await inside.send(b"\x05\x00" + NOWHERE)
            await self.carry(inside, reached)
        finally:
            reached.channel.close()

    async def carry(self, inside: Plain, reached: Reached) -> None:
        """What goes through a connection that was asked for: closed to us, unless a rule needs to look into it."""
        if self.inspector.wants(reached.name, reached.port):
            await self.inspector.look_into(inside, reached.channel, reached.name, reached.port)
        else:
            await pump(inside, reached.channel)

    async def connect(self, method: str, host: str, port: int) -> Reached:
        """A connection to a host, if it may be reached. Raises Refused or Failed; either way it is told."""
        name, address, by = host, "", "default"
        try:
            try:
                name = canonical(host)
            except ValueError as error:
                raise Refused(f"{host[:200]!r}: {error}") from None
            verdict = await self.judged(method, name, port)
            by = verdict.by
            if self.upstream is not None and not self.direct(name):
                if reason := self.unresolved(name, port, verdict.named):
                    raise Refused(reason)
                sock, address = await self.through_upstream(name, port), "upstream"
            else:
                address, sock = await self.connect_directly(name, port, verdict.named)
        except (Refused, Failed) as error:
            by = getattr(error, "by", "") or by
            self.tell(method, name, port, address, error, by)
            raise
        try:
            self.tell(method, name, port, address, None, by)
        except Refused:
            sock.close()
            raise
        return Reached(Plain(sock), name, port)

    async def judged(self, method: str, name: str, port: int) -> Judgement:
        """The rules' word, and the person's where they ask. Raises Refused."""
        verdict = self.rules.judge(name, port)
        if verdict.decision == "deny" and verdict.by != "default":
            raise Refused(f"{name} is denied by the rule {verdict.by}", verdict.by)
        if verdict.decision == "deny":
            raise Refused(f"{name} is not among the hosts that may be reached; {remedy(name)}", "default")
        if verdict.decision == "ask":
            # Without a look-up: a question to a name server could carry data out.
            if reason := self.unresolved(name, port, False):
                raise Refused(reason)
            allowed, by = (False, "nobody can be asked")
            if self.link is not None:
                allowed, by = await self.link.ask(name, port, method)
            if not allowed and by == "person":
                raise Refused(f"the person said no to {name}", by)
            if not allowed:
                raise Refused(f"{name} was not allowed ({by}); {remedy(name)}", by)
            return Judgement("allow", by)
        return verdict

    async def connect_directly(self, name: str, port: int, named: bool) -> tuple[str, socket.socket]:
        found = [self.names[name]] if name in self.names else await resolve(name, port)
        reasons = {address: self.refusal(address, port, named) for address in found}
        allowed = [address for address, reason in reasons.items() if not reason]
        if not allowed:
            raise Refused(f"{name} is {found[0]}, {reasons[found[0]]}")
        problem = ""
        for address in allowed[:4]:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await asyncio.get_running_loop().sock_connect(sock, (address, port))
            except (OSError, TimeoutError) as error:
                sock.close()
                problem = str(error) or "no answer"
            else:
                return address, sock
        raise Failed(f"{name}:{port} cannot be reached: {problem}")

    async def through_upstream(self, host: str, port: int) -> socket.socket:
        assert self.upstream is not None
        loop = asyncio.get_running_loop()
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
        if self.upstream.username:
            pair = f"{unquote(self.upstream.username)}:{unquote(self.upstream.password or '')}"
            head += f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                at = self.upstream.hostname or "", self.upstream.port or 3128
                family, _, _, _, place = (await loop.getaddrinfo(*at, type=socket.SOCK_STREAM))[0]
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setblocking(False)
                await loop.sock_connect(sock, place)
                channel = Plain(sock)
                await channel.send(head.encode() + b"\r\n")
                reply = await channel.head()
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            if sock is not None:
                sock.close()
            raise Failed(f"the proxy of this machine does not answer: {error}") from error
        if reply.split(b" ", 2)[1:2] != [b"200"]:
            sock.close()
            raise Failed(f"the proxy of this machine said: {reply.splitlines()[0][:200].decode('latin-1')}")
        return sock

    def direct(self, name: str) -> bool:
        inner = any(word == "*" or name == word or name.endswith(f".{word}") for word in self.no_proxy)
        return inner or name in self.names

    def unresolved(self, name: str, port: int, named: bool) -> str:
        """Why a name is refused before anybody looks it up: an address in its place, or this machine."""
        if ":" not in name and not name[-1].isdigit():
            local = name == "localhost" or name.endswith(".localhost")
            return f"{name} is this machine" if local and not (named or self.allow_private) else ""
        reason = self.refusal(name, port, named)
        return f"{name} is {reason}" if reason else ""

    def refusal(self, address: str, port: int, named: bool) -> str:
        return "" if self.allow_private else self.rules.may_connect(address, port, named=named)

    def tell(self, method: str, host: str, port: int, address: str, error: Exception | None, by: str) -> None:
        verdict = "allowed" if error is None else "refused" if isinstance(error, Refused) else "failed"
        reason = str(error) if error is not None else ""
        try:
            self.ledger.tell(Attempt(method, host, port, verdict, by, reason), address)
        except Untold as untold:
            raise Refused(str(untold)) from untold


def remedy(name: str) -> str:
    return f'to allow it, the person can add "{name}" below network: allow: in policy.yaml, or say --allow-host {name}'


def one_line(text: str) -> str:
    """A reason for a status line: clients show that one, and hide the body of a refused CONNECT."""
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:400]


async def resolve(name: str, port: int) -> list[str]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            loop = asyncio.get_running_loop()
            infos = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Failed(f"the name {name} cannot be resolved") from error
    found = list(dict.fromkeys(str(info[4][0]) for info in infos))
    if not found:
        raise Failed(f"the name {name} has no address")
    return found


def target_of(request: Request) -> tuple[str, int]:
    """Host and port of a request to a proxy. Raises ValueError."""
    target = request.target
    if request.method != "CONNECT":
        parts = urlsplit(target)
        if parts.scheme != "http" or "@" in parts.netloc or parts.fragment:
            raise ValueError("not for a proxy")
        target = parts.netloc
    if not TARGET.fullmatch(target):
        raise ValueError("no host")
    host, port = split_port(target)
    if not host or (port is None and request.method == "CONNECT") or (":" in host and not host.startswith("[")):
        raise ValueError("no host")
    return host, port if port is not None else 80


async def run(listening: socket.socket, life: int, settings: dict[str, Any]) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(life, over.set)
    link: Link | None = None
    with contextlib.suppress(OSError):
        link = Link(settings["link"]) if settings.get("link") else None
    proxy = Proxy(settings, link)
    serving = [asyncio.ensure_future(proxy.listen(listening))]
    doors: list[tuple[int, str, int]] = settings.get("doors") or []
    for fd, host, port in doors:
        serving.append(asyncio.ensure_future(proxy.listen(socket.socket(fileno=fd), (host, port))))
    await over.wait()
    for one in serving:
        one.cancel()
    with contextlib.suppress(Exception):
        proxy.ledger.flush()
    # Nobody is left to be served.
    os._exit(0)


def main(argv: list[str]) -> int:
    walls.prctl(wayout.PR_SET_DUMPABLE, 0)
    listening = socket.socket(fileno=int(argv[1]))
    with open(int(argv[3]), encoding="utf-8") as file:
        settings = json.load(file)
    asyncio.run(run(listening, int(argv[2]), settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
