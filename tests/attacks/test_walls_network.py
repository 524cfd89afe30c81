"""From inside, with the network opened to everybody by the rules: this machine and its own network stay out of reach.

Without walls the same code goes through a proxy that looks at nothing, and around it.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interpreter.sandbox import Walls
from interpreter.types.rules import NetworkRules
from tests.conformance.sandbox_world import PYTHON, run_as, users, world_of
from tests.conformance.test_sandboxes import works_here
from tests.engine import engine

from .field import address_here, grouped
from .inside.relays import RELAYS, SAID

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the attacks run under {PYTHON}"),
]
SOURCE = (Path(__file__).parent / "inside" / "relays.py").read_text(encoding="utf-8")
HOME = {"home.example": "127.0.0.1"}


class Service(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + SAID)


class Datagrams(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        self.wfile.write(SAID)


class Careless(socketserver.StreamRequestHandler):
    """A proxy that connects to whatever it is told."""

    def handle(self) -> None:
        first = self.rfile.read(1)
        if first == b"\x05":
            self.rfile.read(2)
            self.wfile.write(b"\x05\x00")
            kind = self.rfile.read(4)[3]
            host = (
                socket.inet_ntoa(self.rfile.read(4)) if kind == 1 else self.rfile.read(self.rfile.read(1)[0]).decode()
            )
            target = (host, int.from_bytes(self.rfile.read(2), "big"))
            self.wfile.write(b"\x05\x00\x00\x01" + bytes(6))
        else:
            words = (first + self.rfile.readline()).decode().split()
            named = words[1].removeprefix("http://").rstrip("/")
            host, _, port = named.rpartition(":")
            target = (host.strip("[]"), int(port))
            while self.rfile.readline().strip():
                pass
        with contextlib.suppress(OSError), socket.create_connection(home(target), timeout=5) as link:
            link.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while data := link.recv(65_536):
                self.wfile.write(data)


def home(target: tuple[str, int]) -> tuple[str, int]:
    name = target[0].rstrip(".")
    return HOME.get(name, name), target[1]


class Both(socketserver.ThreadingTCPServer):
    """On all addresses of both versions."""

    daemon_threads = True
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address


class Plain(Both):
    address_family = socket.AF_INET

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)


@contextlib.contextmanager
def serving(server: socketserver.TCPServer) -> Generator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, Any]]:
    with (
        serving(Both(("::", 0), Service)) as port,
        serving(socketserver.UDPServer(("127.0.0.1", 0), Datagrams)) as datagrams,
    ):
        yield {"port": port, "datagrams": datagrams, "address_here": address_here()}


@pytest.fixture(scope="module", params=grouped("walls network", ["bubblewrap", "container", "landlock"]))
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "container":
            found, why = engine()
            if not found:
                pytest.skip(why)
            patch.setenv("DOCKER_HOST", f"unix://{found}")
        if why := works_here(request.param):
            pytest.skip(why)
        yield request.param


@pytest.fixture(scope="module", params=users(), ids=lambda uid: "root" if uid == 0 else "user")
def found(request: pytest.FixtureRequest, backend: str, facts: dict[str, Any]) -> Iterator[dict[str, str]]:
    # The library of this Python may be closed to that user: what is needed there is loaded here.
    codecs.lookup("ascii")
    with world_of(request.param) as world:
        arguments = [PYTHON, "-I", "-c", SOURCE, json.dumps(facts)]
        profile = msgspec.structs.replace(
            world.profile(backend, network="proxy"), rules=NetworkRules(otherwise="allow")
        )
        log = world.home / "network.jsonl"
        done = run_as(world.uid, lambda: Walls(profile, network_log=log, names=HOME).launch(arguments))
        assert done.status == 0, done
        told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        assert told and {line["verdict"] for line in told} == {"refused"}, "each attempt is told, and none is allowed"
        yield json.loads(done.stdout)


@pytest.mark.parametrize("relay", sorted(RELAYS))
def test_the_way_out_leads_nowhere_near(found: dict[str, str], relay: str) -> None:
    assert found[relay].startswith("stopped"), found[relay]


@pytest.fixture(scope="module")
def bare(facts: dict[str, Any]) -> Iterator[dict[str, str]]:
    with serving(Plain(("127.0.0.1", 0), Careless)) as port:
        done = subprocess.run(
            [PYTHON, "-I", "-c", SOURCE, json.dumps(facts)],
            env={"PATH": "/usr/bin:/bin", "http_proxy": f"http://127.0.0.1:{port}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    yield json.loads(done.stdout)


@pytest.mark.xdist_group("walls network bare")
@pytest.mark.parametrize("relay", sorted(RELAYS))
def test_without_walls_it_comes_through(bare: dict[str, str], relay: str) -> None:
    assert bare[relay] == "through", bare[relay]
