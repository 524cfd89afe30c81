"""The way out: the real proxy as a process of its own, and real programs that go through it from inside."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.keeper.proxy import is_public
from interpreter.keeper.wayout import await_visit
from interpreter.sandbox import Walls, choose, run, workspace_profile
from interpreter.types.rules import NetworkRules
from interpreter.types.walls import Profile

PROGRAM = Path(__file__).parents[2] / "src" / "interpreter" / "keeper" / "proxy.py"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the proxy serves Linux's sandboxes")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.reply(json.dumps({"path": self.path, "headers": seen}).encode())

    def do_POST(self) -> None:
        self.reply(self.rfile.read(int(self.headers["Content-Length"])))

    def reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the base class's
        del format, args


@pytest.fixture(scope="module")
def upstream() -> Generator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


class Proxy(NamedTuple):
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def talk(self, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            got = b""
            while data := client.recv(65_536):
                got += data
            return got


Start = Callable[..., Proxy]


@pytest.fixture
def start(tmp_path: Path) -> Generator[Start]:
    running: list[tuple[Proxy, subprocess.Popen[bytes]]] = []

    def begin(**settings: object) -> Proxy:
        life = subprocess.Popen(["/bin/sleep", "600"])
        log = tmp_path / f"log-{len(running)}.jsonl"
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
            held = os.pidfd_open(life.pid)
            told = os.memfd_create("settings", 0)
            os.write(told, json.dumps({"log": str(log)} | settings).encode())
            os.lseek(told, 0, os.SEEK_SET)
            fds = (listening.fileno(), held, told)
            command = [sys.executable, "-I", "-S", str(PROGRAM), *map(str, fds)]
            proxy = Proxy(listening.getsockname()[1], log, subprocess.Popen(command, pass_fds=fds))
            os.close(held)
            os.close(told)
        running.append((proxy, life))
        return proxy

    yield begin
    for proxy, life in running:
        life.kill()
        life.wait()
        # It ends by itself when the program that it serves ends.
        assert proxy.process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
     "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0",
     "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
     "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1", "localhost", ""],
)  # fmt: skip
def test_addresses_that_are_nobodys_business(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_addresses_of_the_open_network(address: str) -> None:
    assert is_public(address)


def test_private_addresses_are_refused_and_told(start: Start, upstream: int) -> None:
    proxy = start()
    for target in (f"127.0.0.1:{upstream}", f"localhost:{upstream}", f"[::1]:{upstream}", "169.254.169.254:80"):
        got = proxy.talk(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 403") and b"its own network" in got, target
    got = proxy.talk(f"GET http://127.0.0.1:{upstream}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 403")
    socks = b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + upstream.to_bytes(2, "big")
    assert proxy.talk(socks).startswith(b"\x05\x00\x05\x02")
    lines = proxy.lines()
    assert [line["verdict"] for line in lines] == ["refused"] * 6
    assert [line["method"] for line in lines] == ["CONNECT"] * 4 + ["GET", "SOCKS5"]
    assert {line["port"] for line in lines} == {upstream, 80} and lines[1]["host"] == "localhost"
    assert proxy.log.stat().st_mode & 0o777 == 0o600


def test_other_spellings_of_this_machine_are_seen_through(start: Start, upstream: int) -> None:
    proxy = start()
    for host in ("127.1", "2130706433", "0x7f000001", "017700000001", "0", "localhost."):
        got = proxy.talk(f"CONNECT {host}:{upstream} HTTP/1.1\r\n\r\n".encode())
        assert got.startswith((b"HTTP/1.1 403", b"HTTP/1.1 502")), host
    assert all(line["verdict"] in ("refused", "failed") for line in proxy.lines())


def test_a_request_goes_on_without_what_is_for_the_proxy(start: Start, upstream: int) -> None:
    proxy = start(allow_private=True)
    request = f"GET http://127.0.0.1:{upstream}/a?b=1 HTTP/1.1\r\nHost: here\r\nX-Kept: 1\r\n"
    got = proxy.talk(request.encode() + b"Proxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\n\r\n")
    seen = json.loads(got.split(b"\r\n\r\n", 1)[1])
    assert seen["path"] == "/a?b=1" and seen["headers"]["x-kept"] == "1" and "Host: here" not in got.decode()
    assert seen["headers"]["host"] == f"127.0.0.1:{upstream}", "the host that was judged, not the one that was claimed"
    assert seen["headers"]["connection"] == "close" and not any("proxy" in name for name in seen["headers"])
    assert proxy.lines()[0]["verdict"] == "allowed" and proxy.lines()[0]["address"] == "127.0.0.1"


def test_a_body_of_many_bytes_goes_through_whole(start: Start, upstream: int) -> None:
    proxy = start(allow_private=True)
    body = bytes(range(256)) * 4096
    inner = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    got = proxy.talk(f"CONNECT 127.0.0.1:{upstream} HTTP/1.1\r\n\r\n".encode() + inner)
    assert got.startswith(b"HTTP/1.1 200 Connection established\r\n\r\n") and got.endswith(body)


def test_only_the_named_hosts(start: Start, upstream: int) -> None:
    proxy = start(hosts=["localhost"])
    inner = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert b'"path": "/"' in proxy.talk(f"CONNECT LOCALHOST:{upstream} HTTP/1.1\r\n\r\n".encode() + inner)
    got = proxy.talk(b"CONNECT 1.1.1.1:443 HTTP/1.1\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 403") and b"not among the hosts" in got


def test_through_the_proxy_that_this_machine_must_use(start: Start, upstream: int) -> None:
    second = start(allow_private=True)
    first = start(upstream=f"http://user:pass%20word@127.0.0.1:{second.port}", no_proxy="direct.example")
    got = first.talk(b"CONNECT company.invalid:443 HTTP/1.1\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 502")
    assert second.lines()[0]["host"] == "company.invalid", "names are resolved there, not here"
    assert first.talk(f"CONNECT 127.0.0.1:{upstream} HTTP/1.1\r\n\r\n".encode()).startswith(b"HTTP/1.1 403")
    first.talk(b"CONNECT direct.example:443 HTTP/1.1\r\n\r\n")
    assert [line["host"] for line in second.lines()] == ["company.invalid"]


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x05", b"\x05\x01", b"\x05\x01\x02", b"\x05\x01\x00\x05\x02\x00\x01\x01\x01\x01\x01\x00\x50",
     b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"CONNECT \r\n\r\n", b"CONNECT x:99999 HTTP/1.1\r\n\r\n",
     b"\xff\xfe\r\n\r\n", b"GET ftp://x/ HTTP/1.1\r\n\r\n", b"CONNECT [::1 HTTP/1.1\r\n\r\n", b"X" * 200_000,
     b"CONNECT :1 HTTP/1.1\r\n\r\n"],
)  # fmt: skip
def test_nonsense_ends_only_its_own_connection(start: Start, upstream: int, sent: bytes) -> None:
    proxy = start(allow_private=True)
    try:
        got = proxy.talk(sent)
    except (ConnectionResetError, BrokenPipeError):
        got = b""
    assert got == b"" or got.startswith((b"HTTP/1.1 400", b"\x05\xff", b"\x05\x00\x05\x07"))
    request = f"GET http://127.0.0.1:{upstream}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert proxy.talk(request).startswith(b"HTTP/1.1 200")


def test_without_a_log_nothing_goes_out(start: Start, upstream: int, tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    proxy = start(allow_private=True, log="/dev/full")
    got = proxy.talk(f"CONNECT 127.0.0.1:{upstream} HTTP/1.1\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 403") and b"cannot be logged" in got


@pytest.fixture(params=["bubblewrap", "landlock"])
def open_walls(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Walls]:
    try:
        choose(Profile(backend=request.param))
    except SandboxUnavailable as error:
        pytest.skip(error.message)
    for name in ("ws", "home"):
        (tmp_path / name).mkdir()

    def make(allow_private: bool = False) -> Walls:
        profile = workspace_profile(
            tmp_path / "ws",
            tmp_path / "home" / "s",
            home=tmp_path / "home",
            backend=request.param,
            network="proxy",
            environ={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
        profile = msgspec.structs.replace(profile, rules=NetworkRules(otherwise="allow"))
        return Walls(profile, network_log=tmp_path / "home" / "network.jsonl", allow_private=allow_private)

    return make


def test_programs_find_the_way_out(open_walls: Callable[..., Walls], upstream: int, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    url = f"http://127.0.0.1:{upstream}/"
    script = f"unset no_proxy NO_PROXY; curl -sS -m 20 {url}plain; curl -sS -m 20 -p {url}tunnel"
    done = run(open_walls(allow_private=True).launch(["/bin/sh", "-c", script]), timeout=60)
    assert b'"path": "/plain"' in done.stdout and b'"path": "/tunnel"' in done.stdout, done
    lines = [json.loads(line) for line in (tmp_path / "home" / "network.jsonl").read_text().splitlines()]
    assert [(line["method"], line["verdict"]) for line in lines] == [("GET", "allowed"), ("CONNECT", "allowed")]


def test_there_is_no_other_way_out(open_walls: Callable[..., Walls], upstream: int, tmp_path: Path) -> None:
    code = f"""
import socket
def attempt(name, work):
    try:
        work()
        print(name, "through")
    except OSError as error:
        print(name, "stopped")
here = ("127.0.0.1", {upstream})
attempt("tcp", lambda: socket.create_connection(here, timeout=3))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(here))
attempt("fast", lambda: socket.socket().sendto(b"x", 0x20000000, here))
"""
    walls = open_walls()
    done = run(walls.launch(["/usr/bin/env", "python3", "-c", code]), timeout=60)
    if done.returncode == 127:
        pytest.skip("there is no python3 of the system")
    said = dict(line.split() for line in done.stdout.decode().splitlines())
    assert said["tcp"] == said["fast"] == "stopped", done
    # In a namespace of its own a datagram socket can be made, and reaches nobody.
    assert said["udp"] == ("through" if walls.describe() == "bubblewrap" else "stopped")
    assert not (tmp_path / "home" / "network.jsonl").exists() or not (tmp_path / "home" / "network.jsonl").read_text()


@pytest.mark.parametrize("visited", [True, False], ids=["visited", "over"])
def test_it_is_started_by_the_first_who_connects(visited: bool) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_server(("127.0.0.1", 0)) as door,
        subprocess.Popen(["sleep", "60"]) as program,
    ):
        life = os.pidfd_open(program.pid)
        waiting = os.fork()
        if waiting == 0:
            await_visit([listening.fileno(), door.fileno()], life)
            os._exit(7)
        assert os.waitpid(waiting, os.WNOHANG) == (0, 0)
        if visited:
            socket.create_connection(door.getsockname()).close()
        else:
            program.kill()
        assert os.waitstatus_to_exitcode(os.waitpid(waiting, 0)[1]) == (7 if visited else 0)
        program.kill()
        os.close(life)
