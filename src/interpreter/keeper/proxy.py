"""The way out of a sandbox: an HTTP and SOCKS5 proxy on the host's side, one per walled program.

Run as `python -I -S proxy.py LISTENING_FD LIFE_FD SETTINGS_FD` by `wayout`. It ends when the process behind LIFE_FD (a
pidfd) ends. Whatever connects is untrusted: it gets connections to public addresses, and nothing else. Names are
resolved here, and the connection goes to the very address that was checked.

Settings (JSON): `log`: file that gets a line for each attempt. `hosts`: where present, the only names that are let
through; those may have private addresses, because the person's settings named them. `allow_private`: no address is
refused (tests). `upstream` and `no_proxy`: the proxy that this machine itself has to use, and for which names not.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import os
import socket
import sys
import time
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

HEAD_LIMIT = 65_536
HEAD_SECONDS, CONNECT_SECONDS, IDLE_SECONDS = 30, 30, 600
CONNECTIONS = 256
LOG_LIMIT = 64 << 20
"""Bytes; afterwards nothing is let through any more, because it could not be told."""
CHUNK = 65_536
PER_CONNECTION = ("connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade")
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(Exception):
    """The attempt is not let through; says why to the program inside."""


class Failed(Exception):
    """The attempt is allowed and went wrong outside."""


class Stream(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Proxy:
    def __init__(self, settings: dict[str, Any]) -> None:
        self.allow_private = bool(settings.get("allow_private"))
        hosts = settings.get("hosts")
        self.hosts = None if hosts is None else frozenset(str(name).lower().rstrip(".") for name in hosts)
        self.upstream = urlsplit(str(settings["upstream"])) if settings.get("upstream") else None
        self.no_proxy = [word.strip().lstrip(".").lower() for word in settings.get("no_proxy", "").split(",") if word]
        self.log = -1
        if settings.get("log"):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self.log = os.open(settings["log"], flags, 0o600)
        self.places = asyncio.Semaphore(CONNECTIONS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside = Stream(reader, writer)
        async with self.places:
            try:
                async with asyncio.timeout(HEAD_SECONDS):
                    first = await reader.readexactly(1)
                if first == b"\x05":
                    await self.serve_socks(inside)
                else:
                    await self.serve_http(inside, first)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError):
                pass
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def serve_http(self, inside: Stream, first: bytes) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = first + await inside.reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        try:
            method, target, version = line.decode("ascii").split(" ")
            host, port = address_of(method, target)
        except ValueError:
            await answer(inside, "400 Bad Request", "This is a proxy for http and https.")
            return
        try:
            outside = await self.connect(method, host, port)
        except Refused as error:
            await answer(inside, "403 Forbidden", str(error))
            return
        except Failed as error:
            await answer(inside, "502 Bad Gateway", str(error))
            return
        if method == "CONNECT":
            inside.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            outside.writer.write(forwarded(method, target, version, rest))
        await pump(inside, outside)

    async def serve_socks(self, inside: Stream) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            ways = await inside.reader.readexactly((await inside.reader.readexactly(1))[0])
            if 0 not in ways:
                inside.writer.write(b"\x05\xff")
                return
            inside.writer.write(b"\x05\x00")
            version, command, _, kind = await inside.reader.readexactly(4)
            if kind == 3:
                host = (await inside.reader.readexactly((await inside.reader.readexactly(1))[0])).decode("ascii")
            else:
                family = {1: socket.AF_INET, 4: socket.AF_INET6}[kind] if kind in (1, 4) else None
                if family is None:
                    raise ValueError("no such kind of address")
                host = socket.inet_ntop(family, await inside.reader.readexactly(4 if kind == 1 else 16))
            port = int.from_bytes(await inside.reader.readexactly(2), "big")
        nowhere = b"\x00\x01" + bytes(6)
        if version != 5 or command != 1:
            inside.writer.write(b"\x05\x07" + nowhere)
            return
        try:
            outside = await self.connect("SOCKS5", host, port)
        except Refused:
            inside.writer.write(b"\x05\x02" + nowhere)
            return
        except Failed:
            inside.writer.write(b"\x05\x04" + nowhere)
            return
        inside.writer.write(b"\x05\x00" + nowhere)
        await pump(inside, outside)

    async def connect(self, method: str, host: str, port: int) -> Stream:
        """A connection to a host, if it may be reached. Raises Refused or Failed; either way it is in the log."""
        name = host.lower().rstrip(".")
        address = ""
        try:
            if self.hosts is not None and name not in self.hosts:
                raise Refused(f"{host} is not among the hosts that may be reached from here")
            if self.upstream is not None and not self.direct(name):
                self.check(name)
                stream = await self.through_upstream(host, port)
                address = "upstream"
            else:
                address, stream = await self.connect_directly(name, port)
        except (Refused, Failed) as error:
            self.tell(method, host, port, address, "refused" if isinstance(error, Refused) else "failed", str(error))
            raise
        try:
            self.tell(method, host, port, address, "allowed", "")
        except Refused:
            stream.writer.close()
            raise
        return stream

    async def connect_directly(self, name: str, port: int) -> tuple[str, Stream]:
        found = await resolve(name, port)
        allowed = [address for address in found if self.may(name, address)]
        if not allowed:
            raise Refused(f"{name} is {found[0]}, an address of this machine or its own network")
        problem = ""
        for address in allowed[:4]:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return address, Stream(*await asyncio.open_connection(address, port))
            except (OSError, TimeoutError) as error:
                problem = str(error) or "no answer"
        raise Failed(f"{name}:{port} cannot be reached: {problem}")

    async def through_upstream(self, host: str, port: int) -> Stream:
        assert self.upstream is not None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                stream = Stream(
                    *await asyncio.open_connection(self.upstream.hostname or "", self.upstream.port or 3128)
                )
                where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                head = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
                if self.upstream.username:
                    pair = f"{unquote(self.upstream.username)}:{unquote(self.upstream.password or '')}"
                    head += f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
                stream.writer.write(head.encode() + b"\r\n")
                reply = await stream.reader.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
            raise Failed(f"the proxy of this machine does not answer: {error}") from error
        if reply.split(b" ", 2)[1:2] != [b"200"]:
            stream.writer.close()
            raise Failed(f"the proxy of this machine said: {reply.splitlines()[0][:200].decode('latin-1')}")
        return stream

    def direct(self, name: str) -> bool:
        return any(word == "*" or name == word or name.endswith(f".{word}") for word in self.no_proxy)

    def check(self, name: str) -> None:
        """Where somebody else resolves the name, at least an address in its place can be checked."""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            if name == "localhost" or name.endswith(".localhost"):
                raise Refused(f"{name} is this machine") from None
            return
        if not self.may(name, name):
            raise Refused(f"{name} is an address of this machine or its own network")

    def may(self, name: str, address: str) -> bool:
        return self.allow_private or self.hosts is not None or is_public(address)

    def tell(self, method: str, host: str, port: int, address: str, verdict: str, reason: str) -> None:
        if self.log < 0:
            return
        line = {"time": time.time(), "method": method[:16], "host": host[:255], "port": port, "address": address}
        body = json.dumps(line | {"verdict": verdict, "reason": reason}) + "\n"
        try:
            if os.fstat(self.log).st_size > LOG_LIMIT:
                raise Refused("the log of connections is full")
            os.write(self.log, body.encode())
        except OSError as error:
            raise Refused("connections cannot be logged") from error


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


def is_public(text: str) -> bool:
    """Whether an address belongs to the open network, also when it is wrapped in another one."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(found is not None and not is_public(str(found)) for found in inner):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast and not address.is_unspecified


def address_of(method: str, target: str) -> tuple[str, int]:
    """Host and port of a request to a proxy. Raises ValueError."""
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    if method != "CONNECT" and parts.scheme != "http":
        raise ValueError("not for a proxy")
    port = parts.port if parts.port is not None else 443 if method == "CONNECT" else 80
    if not parts.hostname or not 0 < port < 65_536:
        raise ValueError("no host")
    return parts.hostname, port


def forwarded(method: str, target: str, version: str, headers: bytes) -> bytes:
    """The request as the server itself gets it: one per connection."""
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [
        line
        for line in headers.split(b"\r\n")
        if line and line.split(b":", 1)[0].strip().lower().decode("latin-1") not in PER_CONNECTION
    ]
    return b"\r\n".join([f"{method} {path} {version}".encode(), *kept, b"Connection: close", b"", b""])


async def answer(inside: Stream, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    inside.writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
    await inside.writer.drain()


async def pump(inside: Stream, outside: Stream) -> None:
    """Both directions, until both have ended or nothing has moved for a long time."""

    async def one_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                data = await reader.read(CHUNK)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(one_way(inside.reader, outside.writer))
            group.create_task(one_way(outside.reader, inside.writer))
    except* (OSError, TimeoutError):
        pass
    finally:
        outside.writer.close()


async def run(listening: socket.socket, life: int, settings: dict[str, Any]) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(life, over.set)
    proxy = Proxy(settings)
    server = await asyncio.start_server(proxy.serve, sock=listening, limit=HEAD_LIMIT)
    await over.wait()
    server.close()
    # Nobody is left to be served.
    os._exit(0)


def main(argv: list[str]) -> int:
    listening = socket.socket(fileno=int(argv[1]))
    with open(int(argv[3]), encoding="utf-8") as file:
        settings = json.load(file)
    asyncio.run(run(listening, int(argv[2]), settings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
