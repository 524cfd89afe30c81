"""The broker as a program of its own, and what somebody inside might send it."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.keeper.brokerage import Broker, Server, broker, read_all, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the broker serves Linux's sandboxes")
HERE = {"good.example": "127.0.0.1", "other.example": "127.0.0.1", "rebound.example": "127.0.0.1"}


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def guarded(tmp_path: Path) -> Generator[Broker]:
    """Only `good.example` is allowed; every name leads to this machine."""
    with broker(tmp_path / "log.jsonl", rules={"allow": ["good.example"]}, names=HERE) as found:
        yield found


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Generator[Broker]:
    """As `guarded`; one for many requests of which none looks at the log."""
    log = tmp_path_factory.mktemp("standing") / "log.jsonl"
    with broker(log, rules={"allow": ["good.example"]}, names=HERE) as found:
        yield found


def refused(got: bytes) -> bool:
    return got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.1 502"))


def test_the_refusal_says_what_to_add(guarded: Broker, server: Server) -> None:
    got = guarded.talk(f"CONNECT other.example:{server.port} HTTP/1.1\r\n\r\n".encode()).decode()
    line, _, body = got.partition("\r\n")
    for text in (line, body):
        assert 'add "other.example" below network: allow: in policy.yaml' in text, "clients show one or the other"
        assert "--allow-host other.example" in text
    told = guarded.lines()[-1]
    assert (told["verdict"], told["by"], told["host"]) == ("refused", "default", "other.example")


def test_a_denied_host_says_which_rule(tmp_path: Path, server: Server) -> None:
    rules = {"allow": ["*"], "deny": ["*.example"], "otherwise": "allow"}
    with broker(tmp_path / "log", rules=rules, names=HERE) as found:
        got = found.talk(f"CONNECT good.example:{server.port} HTTP/1.1\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 403 good.example is denied by the rule *.example")
        assert found.lines()[-1]["by"] == "*.example"


@pytest.mark.parametrize("host", ["good.example", "GOOD.Example", "good.example."])
def test_the_spellings_of_an_allowed_host(standing: Broker, server: Server, host: str) -> None:
    inner = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    got = standing.talk(f"CONNECT {host}:{server.port} HTTP/1.1\r\n\r\n".encode() + inner)
    assert b'"path": "/x"' in got
    socks = b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + server.port.to_bytes(2, "big")
    with standing.connect() as client:
        client.sendall(socks)
        assert client.recv(2) == b"\x05\x00" and client.recv(10)[:2] == b"\x05\x00"
        client.sendall(inner)
        assert b'"path": "/x"' in read_all(client)


@pytest.mark.parametrize(
    "target",
    ["good.example@other.example:{port}", "other.example:{port}#good.example:{port}",
     "good.example%00.other.example:{port}",
     "good.example.other.example:{port}", "evilgood.example:{port}", "g\u043e\u043ed.example:{port}",
     "xn--god-yed.example:{port}", "good.example:{port}:443", "good.example", "good.example:0",
     "http://good.example:{port}/", "[good.example]:{port}", "127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}",
     "[::ffff:127.0.0.1]:{port}", "[fe80::1%25lo]:{port}", "[::1%lo]:{port}", "0x7f000001:{port}", "2130706433:{port}",
     "0177.0.0.1:{port}", "127.1:{port}", "0:{port}", "169.254.169.254:80", "[fd00:ec2::254]:80",
     "[64:ff9b::7f00:1]:{port}"],
)  # fmt: skip
def test_no_spelling_leads_elsewhere(standing: Broker, server: Server, target: str) -> None:
    before = len(server.seen)
    target = target.replace("{port}", str(server.port))
    inner = b"GET /stolen HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert refused(standing.talk(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode() + inner)), target
    assert refused(standing.talk(f"GET http://{target}/ HTTP/1.1\r\nHost: good.example\r\n\r\n".encode())) or (
        target in ("good.example", "good.example:0")
    )
    assert len(server.seen) == before


def test_a_name_that_leads_home_is_refused_at_connect_time(tmp_path: Path, server: Server) -> None:
    # As with DNS rebinding: whatever the name was when it was looked up before, what is connected to is what counts.
    for rules in ({"allow": ["*.example"]}, {"otherwise": "allow"}):
        with broker(tmp_path / "log", rules=rules, names=HERE) as found:
            got = found.talk(f"CONNECT rebound.example:{server.port} HTTP/1.1\r\n\r\n".encode())
            assert got.startswith(b"HTTP/1.1 403") and b"its own network" in got
    named = {"rules": {"allow": ["rebound.example"]}, "names": {"rebound.example": "169.254.169.254"}}
    with broker(tmp_path / "log", **named) as found:
        assert found.talk(b"CONNECT rebound.example:80 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 403")


def test_what_is_not_allowed_is_not_looked_up(guarded: Broker) -> None:
    started = time.monotonic()
    got = guarded.talk(b"CONNECT c2VjcmV0.leak.invalid:443 HTTP/1.1\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 403") and b"cannot be resolved" not in got
    assert guarded.lines()[-1]["address"] == "" and time.monotonic() - started < 20


@pytest.mark.parametrize(
    "head",
    ["GET http://good.example:{port}/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
     "GET http://good.example:{port}/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "POST http://good.example:{port}/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
     "POST http://good.example:{port}/ HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello",
     "POST http://good.example:{port}/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     "POST http://good.example:{port}/ HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
     "GET http://good.example:{port}/ HTTP/1.1\r\nX: a\n\r\n GET /stolen HTTP/1.1\r\n\r\n",
     "GET http://good.example:{port}/ HTTP/1.1\r\nX : a\r\n\r\n",
     "GET http://good.example:{port}/ HTTP/1.1\r\nX: a\r\n folded: b\r\n\r\n",
     "GET http://good.example:{port}/\rstolen HTTP/1.1\r\n\r\n",
     "GET  http://good.example:{port}/ HTTP/1.1\r\n\r\n",
     "GET http://good.example:{port}/ HTTP/2.0\r\n\r\n",
     "get http://good.example:{port}/ HTTP/1.1\r\n\r\n",
     "GET http://user:pass@good.example:{port}/ HTTP/1.1\r\n\r\n",
     "GET https://good.example:{port}/ HTTP/1.1\r\n\r\n",
     "GET file:///etc/passwd HTTP/1.1\r\n\r\n",
     "CONNECT good.example:{port} HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd",
     "CONNECT good.example:{port}\r\nX: HTTP/1.1\r\n\r\n"],
)  # fmt: skip
def test_a_request_that_can_be_read_in_two_ways_goes_nowhere(standing: Broker, server: Server, head: str) -> None:
    before = len(server.seen)
    assert refused(standing.talk(head.replace("{port}", str(server.port)).encode("latin-1")))
    assert len(server.seen) == before


def test_one_request_and_not_the_one_behind_it(standing: Broker, server: Server) -> None:
    own = "Host: other.example\r\nConnection: x-h\r\nX-H: 1\r\n"
    first = f"GET http://good.example:{server.port}/first HTTP/1.1\r\n{own}\r\n"
    second = "GET /second HTTP/1.1\r\nHost: other.example\r\n\r\n"
    got = standing.talk((first + second).encode())
    told = json.loads(got.split(b"\r\n\r\n", 1)[1])
    assert told["path"] == "/first" and told["headers"]["host"] == f"good.example:{server.port}"
    assert "x-h" not in told["headers"] and not any(seen["path"] == "/second" for seen in server.seen)


def test_bodies_both_ways(standing: Broker, server: Server) -> None:
    head = f"POST http://good.example:{server.port}%s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    # The answer to the smaller one comes in pieces of a few bytes, thousands of them.
    for path, times in (("/", 375), ("/chunked", 50)):
        body = bytes(range(256)) * times
        cut = [body[at : at + 1000] for at in range(0, len(body), 1000)]
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in cut)
        got = standing.talk((head % path).encode() + pieces + b"0\r\nX-Trailer: 1\r\n\r\n")
        assert got.startswith(b"HTTP/1.1 200") and server.seen[-1]["body"].encode("latin-1") == body
    head = (head % "/chunked").encode()
    assert standing.talk(head + b"zz\r\nhello\r\n0\r\n\r\n").startswith(b"HTTP/1.1 502")


def test_a_client_that_speaks_slowly_or_without_end(guarded: Broker, server: Server) -> None:
    request = f"GET http://good.example:{server.port}/ok HTTP/1.1\r\n\r\n".encode()
    with guarded.connect() as slow, guarded.connect() as large:
        for byte in request[:9]:
            slow.sendall(bytes([byte]))
        try:
            large.sendall(b"GET http://x/ HTTP/1.1\r\nX: " + b"a" * (1 << 20))
            got = read_all(large)
        except (ConnectionResetError, BrokenPipeError):
            got = b""
        assert refused(got)
        assert guarded.talk(request).startswith(b"HTTP/1.1 200"), "others are served meanwhile"
        slow.sendall(request[9:])
        assert slow.recv(12) == b"HTTP/1.1 200"
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(500))
    assert refused(guarded.talk(request[:-2] + many + b"\r\n"))


def test_hundreds_of_connections_are_served_in_turn(guarded: Broker, server: Server) -> None:
    idle = [guarded.connect() for _ in range(200)]
    try:
        got: list[bytes] = []
        request = f"GET http://good.example:{server.port}/ok HTTP/1.1\r\n\r\n".encode()
        threads = [threading.Thread(target=lambda: got.append(guarded.talk(request)[:12])) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert got == [b"HTTP/1.1 200"] * 40
    finally:
        for client in idle:
            client.close()


def test_a_flood_is_counted_and_not_written_line_by_line(guarded: Broker, server: Server) -> None:
    for _ in range(50):
        guarded.talk(f"CONNECT other.example:{server.port} HTTP/1.1\r\n\r\n".encode())
    for number in range(600):
        guarded.talk(f"CONNECT n{number}.example:443 HTTP/1.1\r\n\r\n".encode())
    deadline, lines = time.monotonic() + 30, guarded.lines()
    while time.monotonic() < deadline:
        lines = guarded.lines()
        others = sum(line["count"] for line in lines if line["host"] == "*")
        if sum(line["count"] for line in lines) == 650 and (others or len(lines) < 600):
            break
        time.sleep(0.2)
    assert sum(line["count"] for line in lines) == 650
    assert sum(line["count"] for line in lines if line["host"] == "other.example") == 50
    assert len([line for line in lines if line["host"] == "other.example"]) < 20


def test_a_half_closed_connection_still_brings_the_answer(standing: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def late() -> None:
            peer, _ = listening.accept()
            with peer:
                whole = read_all(peer)
                peer.sendall(b"got %d bytes" % len(whole))

        thread = threading.Thread(target=late)
        thread.start()
        with standing.tunnel(f"good.example:{listening.getsockname()[1]}") as client:
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"got 100000 bytes"
        thread.join(20)


def test_a_websocket_goes_through_a_tunnel_and_not_through_a_request(standing: Broker, server: Server) -> None:
    upgrade = b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with standing.tunnel(f"good.example:{server.port}") as client:
        client.sendall(upgrade)
        client.shutdown(socket.SHUT_WR)
        assert b"X-Upgraded: websocket" in read_all(client)
    direct = upgrade.replace(b"GET /upgrade", f"GET http://good.example:{server.port}/upgrade".encode())
    assert standing.talk(direct).startswith(b"HTTP/1.1 403 a WebSocket cannot be looked into")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_read_only_lets_nothing_be_written(tmp_path: Path, server: Server, method: str) -> None:
    before = len(server.seen)
    with broker(tmp_path / "log", rules={"allow": ["good.example"], "read_only": True}, names=HERE) as found:
        head = f"{method} http://good.example:{server.port}/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode()
        assert found.talk(head).startswith(b"HTTP/1.1 403 only GET and HEAD are let through")
        inner = f"{method} / HTTP/1.1\r\nHost: good.example:{server.port}\r\nContent-Length: 0\r\n\r\n".encode()
        with found.tunnel(f"good.example:{server.port}") as client:
            client.sendall(inner)
            assert read_all(client).startswith(b"HTTP/1.1 403 only GET and HEAD")
        with found.tunnel(f"good.example:{server.port}") as client:
            client.sendall(b"SSH-2.0-x\r\n")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client)[:12] in (b"", b"HTTP/1.1 400")
        assert len(server.seen) == before
        with found.tunnel(f"good.example:{server.port}") as client:
            ask = f"GET /%d HTTP/1.1\r\nHost: good.example:{server.port}\r\n\r\n".encode()
            client.sendall(ask % 1 + ask % 2 + inner)
            got = read_all(client)
        assert b'"/1"' in got and b'"/2"' in got and b"403 only GET" in got, "several requests on one connection"
        methods = [
            line["method"] for line in found.lines() if line["verdict"] == "allowed" and line["by"] == "looked into"
        ]
        assert "GET" in methods and method not in methods


def test_the_proxy_is_no_way_to_its_own_machine(tmp_path: Path, server: Server) -> None:
    with broker(tmp_path / "log", rules={"otherwise": "allow"}) as found:
        for target in (f"127.0.0.1:{found.port}", f"localhost:{server.port}", f"[::1]:{server.port}", "0.0.0.0:80"):
            assert found.talk(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 403"), target
            socks = b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + server.port.to_bytes(2, "big")
            assert found.talk(socks).startswith(b"\x05\x00\x05\x02")
