"""The one way out, misused: the proxy as a relay to this machine and its network, and ways around it.

usage: python -c SOURCE JSON      the world: ports and addresses; prints one JSON object, attack to result
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

World = dict[str, Any]
RELAYS: dict[str, Callable[[World], bytes]] = {}
SAID = b"THE SERVICE ANSWERS"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SPELLINGS = {
    "its_number": "127.0.0.1",
    "its_name": "localhost",
    "its_name_with_a_dot": "localhost.",
    "version_six": "[::1]",
    "a_mapped_number": "[::ffff:127.0.0.1]",
    "one_number": "2130706433",
    "base_sixteen": "0x7f000001",
    "base_eight": "0177.0.0.1",
    "a_short_number": "127.1",
    "another_loopback": "127.9.9.9",
    "nobody": "0.0.0.0",
    "nobody_in_six": "[::]",
    "the_machines_own": "{address_here}",
    "a_name_that_leads_home": "home.example",
}


def relay(function: Callable[[World], bytes]) -> Callable[[World], bytes]:
    RELAYS[function.__name__] = function
    return function


def proxy() -> socket.socket:
    found = urlsplit(os.environ["http_proxy"])
    return socket.create_connection((found.hostname or "", found.port or 0), timeout=10)


def everything(link: socket.socket) -> bytes:
    got = b""
    while data := link.recv(65_536):
        got += data
    return got


def ask(sent: bytes) -> bytes:
    with proxy() as link:
        link.sendall(sent)
        return everything(link)


def by_connect(target: str, world: World) -> bytes:
    target = target.format(**world)
    return ask(f"CONNECT {target}:{world['port']} HTTP/1.1\r\n\r\n".encode() + REQUEST)


for _name, _target in SPELLINGS.items():
    RELAYS[f"tunnel_by_{_name}"] = lambda world, target=_target: by_connect(target, world)


@relay
def request_without_a_tunnel(world: World) -> bytes:
    return ask(f"GET http://127.0.0.1:{world['port']}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


@relay
def request_for_a_name_that_leads_home(world: World) -> bytes:
    text = f"GET http://home.example:{world['port']}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    return ask(text.encode())


@relay
def request_with_two_hosts(world: World) -> bytes:
    """The line names an open host, the header another one."""
    text = f"GET http://127.0.0.1:{world['port']}/ HTTP/1.1\r\nHost: pypi.org\r\nConnection: close\r\n\r\n"
    return ask(text.encode())


def by_socks(kind: bytes, address: bytes, world: World) -> bytes:
    with proxy() as link:
        link.sendall(b"\x05\x01\x00")
        if link.recv(2) != b"\x05\x00":
            return b""
        link.sendall(b"\x05\x01\x00" + kind + address + world["port"].to_bytes(2, "big"))
        if link.recv(10)[1:2] != b"\x00":
            return b""
        link.sendall(REQUEST)
        return everything(link)


@relay
def socks_by_its_number(world: World) -> bytes:
    return by_socks(b"\x01", socket.inet_aton("127.0.0.1"), world)


@relay
def socks_by_its_name(world: World) -> bytes:
    return by_socks(b"\x03", b"\x09localhost", world)


@relay
def socks_by_a_name_that_leads_home(world: World) -> bytes:
    return by_socks(b"\x03", b"\x0chome.example", world)


def direct(family: int, host: str, world: World) -> bytes:
    with socket.socket(family) as link:
        link.settimeout(3)
        link.connect((host, world["port"]))
        link.sendall(REQUEST)
        return everything(link)


@relay
def around_the_proxy(world: World) -> bytes:
    return direct(socket.AF_INET, "127.0.0.1", world)


@relay
def around_the_proxy_by_version_six(world: World) -> bytes:
    return direct(socket.AF_INET6, "::1", world)


@relay
def around_the_proxy_by_the_machines_address(world: World) -> bytes:
    return direct(socket.AF_INET, world["address_here"], world)


@relay
def around_the_proxy_with_the_first_packet(world: World) -> bytes:
    """Fast open connects by sending, without the call that is watched."""
    with socket.socket() as link:
        link.settimeout(3)
        try:
            link.sendto(REQUEST, 0x20000000, ("127.0.0.1", world["port"]))
        except BlockingIOError:
            # No cookie of that server yet: the connection is on its way, and the data were not taken.
            select.select([], [link], [], 3)
            link.sendall(REQUEST)
        return everything(link)


@relay
def around_the_proxy_by_several_paths(world: World) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as link:
        link.settimeout(3)
        link.connect(("127.0.0.1", world["port"]))
        link.sendall(REQUEST)
        return everything(link)


@relay
def around_the_proxy_by_a_datagram(world: World) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(1)
        link.sendto(b"x", ("127.0.0.1", world["datagrams"]))
        return link.recv(100)


def main(world: World) -> None:
    found: dict[str, str] = {}
    for name, attack in RELAYS.items():
        try:
            got = attack(world)
            found[name] = "through" if SAID in got else f"stopped: {got[:120]!r}"
        except OSError as error:
            found[name] = f"stopped: {type(error).__name__}: {error}"
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
