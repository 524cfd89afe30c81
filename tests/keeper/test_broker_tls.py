"""The broker where it looks into TLS: credentials that stay outside, read-only hosts, and servers that lie."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from interpreter.keeper.placeholders import Secret, Swap, forms
from tests.keeper.brokerage import (
    Broker,
    Certificates,
    Server,
    broker,
    certificates,
    expired,
    serving,
    session_authority,
)

pytest.importorskip("cryptography", reason="the package cryptography is not installed")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the broker serves Linux's sandboxes")
VALUE = "ghp_RealSecretValueThatNobodyInsideMaySee42"
HOLDER = "placeholder" + "abcdefghijklmnopqrstuvwxyz012345"
assert len(VALUE) == len(HOLDER)
CREDENTIAL = {"variable": "GITHUB_TOKEN", "host": "api.example", "value": VALUE, "placeholder": HOLDER}
NAMES = {"api.example": "127.0.0.1", "other.example": "127.0.0.1", "pinned.example": "127.0.0.1"}
RULES = {"allow": list(NAMES)}


class World:
    def __init__(self, tmp_path: Path, stack: ExitStack) -> None:
        self.folder, self.stack = tmp_path, stack
        self.outside: Certificates = certificates(tmp_path)
        self.session = session_authority(self.outside.root)
        (tmp_path / "session.pem").write_text(self.session["certificate"])
        self.servers: dict[str, Server] = {}

    def server(self, name: str, certificate: Path | None = None) -> Server:
        found = self.stack.enter_context(serving(certificate or self.outside.make(name)))
        self.servers[name] = found
        return found

    def broker(self, **settings: Any) -> Broker:
        told = {"rules": RULES, "names": NAMES, "authority": self.session, "credentials": [CREDENTIAL]}
        return self.stack.enter_context(broker(self.folder / "log.jsonl", **(told | settings)))

    @contextmanager
    def client(
        self, found: Broker, name: str, port: int, *, trust: str = "session.pem", sni: str = ""
    ) -> Generator[http.client.HTTPConnection]:
        """A connection that a program inside makes: CONNECT, then TLS."""
        context = ssl.create_default_context(cafile=str(self.folder / trust))
        context.check_hostname = not sni
        context.set_alpn_protocols(["h2", "http/1.1"])
        with found.tunnel(f"{name}:{port}") as plain:
            secure = context.wrap_socket(plain, server_hostname=sni or name)
            assert secure.selected_alpn_protocol() in (None, "http/1.1")
            connection = http.client.HTTPConnection(name, port)
            connection.sock = secure
            try:
                yield connection
            finally:
                connection.close()


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def test_the_real_value_reaches_its_host_and_nobody_else(world: World) -> None:
    server, found = world.server("api.example"), world.broker()
    basic = base64.b64encode(f"user:{HOLDER}".encode()).decode()
    headers = {"Authorization": f"Bearer {HOLDER}", "X-Token": HOLDER, "Accept-Encoding": "gzip"}
    with world.client(found, "api.example", server.port) as client:
        for path, given in (("/a", headers), ("/b", {"Authorization": f"Basic {basic}"}), ("/chunked", headers)):
            client.request("POST", path, body=HOLDER, headers=given)
            answer = client.getresponse()
            text = answer.read().decode()
            assert answer.status == 200 and VALUE not in text + str(answer.headers)
            assert base64.b64encode(f"user:{VALUE}".encode()).decode() not in text
            assert json.loads(text)["path"] == path, "an answer keeps its form"
    first, second, third = server.seen
    assert first["headers"]["authorization"] == f"Bearer {VALUE}" and first["headers"]["x-token"] == VALUE
    assert first["body"] == HOLDER, "headers alone are filled in"
    assert first["headers"]["accept-encoding"] == "identity"
    assert base64.b64decode(second["headers"]["authorization"][6:]).decode() == f"user:{VALUE}"
    assert third["headers"]["authorization"] == f"Bearer {VALUE}"
    log = found.log.read_text()
    assert VALUE not in log and HOLDER not in log
    assert VALUE.encode() not in Path(f"/proc/{found.process.pid}/cmdline").read_bytes()
    with contextlib.suppress(PermissionError):  # to an ordinary user it is closed altogether
        assert VALUE.encode() not in Path(f"/proc/{found.process.pid}/environ").read_bytes()


def test_elsewhere_a_placeholder_stays_one_and_is_reported(world: World) -> None:
    other, found = world.server("other.example"), world.broker(rules=RULES | {"read_only": True})
    with world.client(found, "other.example", other.port) as client:
        client.request("GET", "/", headers={"Authorization": f"Bearer {HOLDER}"})
        assert client.getresponse().status == 200
    assert other.seen[0]["headers"]["authorization"] == f"Bearer {HOLDER}"
    assert any("GITHUB_TOKEN went out as it is" in line["reason"] for line in found.lines())


def test_without_tls_the_value_stays_here(world: World) -> None:
    server = world.stack.enter_context(serving())
    found = world.broker()
    head = f"GET http://api.example:{server.port}/ HTTP/1.1\r\nAuthorization: Bearer {HOLDER}\r\n\r\n"
    assert found.talk(head.encode()).startswith(b"HTTP/1.1 200")
    assert server.seen[0]["headers"]["authorization"] == f"Bearer {HOLDER}"
    assert any("without TLS" in line["reason"] for line in found.lines())


def test_an_answer_that_is_packed_is_not_passed_on(world: World) -> None:
    server, found = world.server("api.example"), world.broker()
    with world.client(found, "api.example", server.port) as client:
        client.request("GET", "/packed", headers={"Authorization": f"Bearer {HOLDER}"})
        answer = client.getresponse()
        assert answer.status == 502 and b"packed (gzip)" in answer.read()


@pytest.mark.parametrize("kind", ["expired", "unknown", "other name"])
def test_a_server_that_cannot_prove_its_name(world: World, kind: str, tmp_path: Path) -> None:
    (tmp_path / "strange").mkdir()
    certificate = {
        "expired": lambda: expired(tmp_path, "api.example"),
        "unknown": lambda: certificates(tmp_path / "strange").make("api.example"),
        "other name": lambda: world.outside.make("other.example"),
    }[kind]()
    server, found = world.server("api.example", certificate), world.broker()
    with world.client(found, "api.example", server.port) as client:
        client.request("GET", "/", headers={"Authorization": f"Bearer {HOLDER}"})
        answer = client.getresponse()
        assert answer.status == 502 and b"certificate of api.example is not valid" in answer.read()
    assert server.seen == [] and found.lines()[-1]["verdict"] == "failed"


def test_a_client_that_pins_is_told_so_in_the_log(world: World) -> None:
    server, found = world.server("api.example"), world.broker()
    with pytest.raises(ssl.SSLError), world.client(found, "api.example", server.port, trust="root.pem"):
        pass
    deadline = time.monotonic() + 20
    while not any("did not accept the certificate of this session" in line["reason"] for line in found.lines()):
        assert time.monotonic() < deadline, found.lines()
        time.sleep(0.01)


def test_the_name_inside_is_the_name_outside(world: World) -> None:
    server, found = world.server("api.example"), world.broker()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with world.client(found, "api.example", server.port, sni="other.example"):
            pass
    with world.client(found, "api.example", server.port) as client:
        client.request("GET", "/", headers={"Host": "other.example"})
        assert client.getresponse().status == 421
    assert server.seen == []


def test_other_hosts_are_not_looked_into(world: World) -> None:
    other, found = world.server("other.example"), world.broker()
    with world.client(found, "other.example", other.port, trust="root.pem") as client:
        client.request("POST", "/", body="x" * 100_000)
        assert client.getresponse().status == 200


def test_read_only_over_tls(world: World) -> None:
    server = world.server("other.example")
    found = world.broker(rules=RULES | {"read_only": True}, credentials=[])
    with world.client(found, "other.example", server.port) as client:
        for path in ("/1", "/2"):
            client.request("GET", path)
            assert client.getresponse().read()
        client.request("POST", "/3", body="x")
        answer = client.getresponse()
        assert answer.status == 403 and b"only GET and HEAD" in answer.read()
    assert [seen["path"] for seen in server.seen] == ["/1", "/2"]
    with world.client(found, "other.example", server.port) as client:
        client.request("GET", "/", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        assert client.getresponse().status == 403


def test_the_certificate_is_made_for_the_host_and_lives_for_days(world: World) -> None:
    server, found = world.server("api.example"), world.broker()
    context = ssl.create_default_context(cafile=str(world.folder / "session.pem"))
    with found.tunnel(f"api.example:{server.port}") as plain:
        with context.wrap_socket(plain, server_hostname="api.example") as secure:
            told = secure.getpeercert()
    assert told is not None and told["subjectAltName"] == (("DNS", "api.example"),)
    ends, begins = (ssl.cert_time_to_seconds(str(told[key])) for key in ("notAfter", "notBefore"))
    assert 0 < ends - begins < 9 * 86_400


def swap_of(value: str, holder: str) -> Swap:
    secret = Secret("X", holder, value, ())
    return Swap((secret,), fill=(secret,))


def test_a_value_is_found_in_each_of_its_spellings_and_across_pieces() -> None:
    value, holder = 'aA+/="\\x&9 end'.replace(" ", "_"), "H" * 14
    assert len(value) == len(holder)
    swap = swap_of(value, holder)
    for form in forms(value):
        data = b"before " + form.encode() + b" after"
        cleaned = swap.clean(data)
        assert form.encode() not in cleaned and len(cleaned) == len(data)
    assert re.fullmatch(rb"a{3}H{14}", swap.clean(b"aaa" + value.encode()))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_stream_keeps_its_length_and_loses_the_value(size: int) -> None:
    swap = swap_of(VALUE, HOLDER)
    data = f"x{VALUE[:20]}{VALUE}{VALUE}y{VALUE[:-1]}".encode()

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), size):
            yield data[at : at + size]

    async def whole() -> bytes:
        return b"".join([piece async for piece in swap.cleaned(pieces())])

    assert asyncio.run(whole()) == f"x{VALUE[:20]}{HOLDER}{HOLDER}y{VALUE[:-1]}".encode()
