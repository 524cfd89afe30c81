"""The way over httpx: TLS, proxies, and the same answers and errors as on a plain connection."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import MalformedAnswer, ModelError, ModelUnreachable, ServerFault, UsageError
from interpreter.llm import contact
from interpreter.llm.contact import open_transport
from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions
from interpreter.llm.plain import PlainTransport
from interpreter.llm.script import Reply, Script
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.llm.secure import SecureTransport
from interpreter.llm.transport import Target, parse_base
from interpreter.types.messages import TextPiece

from .ask import ask, request, serving, text
from .raw import HEAD, LIST, MODELS, WORD, against

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@pytest.fixture
def over_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    def always(target: Target, options: ModelOptions) -> SecureTransport:
        return SecureTransport(target, options.connect_timeout, options.read_timeout)

    monkeypatch.setattr(contact, "open_transport", always)


@contextmanager
def relay(port: int, context: ssl.SSLContext | None = None) -> Generator[tuple[int, list[bytes]], None, None]:
    """Passes connections on to a port of this machine, with TLS towards the client if a context is given.

    Yields its own port, and the first bytes of each connection.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    heads: list[bytes] = []
    threads: list[threading.Thread] = []

    def pump(a: socket.socket, b: socket.socket, first: bool) -> None:
        try:
            while data := a.recv(65536):
                if first:
                    heads.append(data)
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def one(connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", port)) as onward:
            try:
                inner = context.wrap_socket(connection, server_side=True) if context else connection
            except OSError:
                return
            with inner:
                back = threading.Thread(target=pump, args=(onward, inner, False), daemon=True)
                back.start()
                pump(inner, onward, True)
                back.join(10)

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1], heads
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(10)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(pem)]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    return pem, context


def test_which_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ModelOptions()
    assert isinstance(open_transport(parse_base("http://localhost:8000"), options), PlainTransport)
    assert isinstance(open_transport(parse_base("http://10.0.0.9:8000"), options), PlainTransport)
    assert isinstance(open_transport(parse_base("https://api.example/v1"), options), SecureTransport)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert isinstance(open_transport(parse_base("http://localhost:8000"), options), PlainTransport)
    assert isinstance(open_transport(parse_base("http://10.0.0.9:8000"), options), SecureTransport)


@pytest.mark.usefixtures("over_httpx")
def test_answers_come_the_same() -> None:
    async def main() -> None:
        async with serving(["one two", Reply(code="print(1)"), Reply(fault="unreachable"), "healed"]) as (
            model,
            server,
        ):
            pieces, answer = await ask(model)
            assert text(pieces) == answer.text == "one two"
            assert (await ask(model))[1].calls[0].name == "execute"
            assert (await ask(model))[1].text == "healed"
            assert server.connections <= 3

    asyncio.run(main())


@pytest.mark.usefixtures("over_httpx")
def test_faults_come_the_same() -> None:
    async def main() -> None:
        replies = [
            Reply(text="one two three", fault="break", after=1),
            Reply(text="one two", fault="hang", after=1),
            Reply(text="late", delay=5),
        ]
        async with serving(replies, read_timeout=0.3, max_retries=0) as (model, _server):
            for kind, word in (
                (ServerFault, "broke off"),
                (ServerFault, "sent nothing"),
                (ModelUnreachable, "sent nothing"),
            ):
                with pytest.raises(ModelError) as caught:
                    await ask(model)
                assert type(caught.value) is kind
                assert word in str(caught.value)

    asyncio.run(main())


@pytest.mark.usefixtures("over_httpx")
def test_leaving_stops_the_server() -> None:
    async def main() -> None:
        async with serving([Reply(text="word " * 4000, pace=0.005)]) as (model, server):
            stream = model.stream(request())
            assert isinstance(await anext(stream), TextPiece)
            await stream.aclose()
            for _n in range(200):
                if server.seen[0].hung_up:
                    break
                await asyncio.sleep(0.02)
            assert server.seen[0].hung_up

    asyncio.run(main())


@needs_openssl
def test_a_trusted_certificate(certificate: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    pem, context = certificate
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    async def main(url: str) -> None:
        model = HttpModel(ModelOptions(api_base=url))
        assert (await ask(model))[1].text == "over TLS"
        await model.close()

    with ScriptedServer(Script(replies=("over TLS",))) as server:
        with relay(parse_base(server.url).port, context) as (port, _heads):
            asyncio.run(main(f"https://localhost:{port}/v1"))


@needs_openssl
def test_an_untrusted_certificate(certificate: tuple[Path, ssl.SSLContext]) -> None:
    async def main(url: str) -> ModelError:
        model = HttpModel(ModelOptions(api_base=url))
        with pytest.raises(ModelError) as caught:
            await model.connect()
        await model.close()
        return caught.value

    with ScriptedServer(Script()) as server:
        with relay(parse_base(server.url).port, certificate[1]) as (port, _heads):
            error = asyncio.run(main(f"https://localhost:{port}/v1"))
    assert type(error) is ModelUnreachable
    assert "not trusted" in error.message
    assert "SSL_CERT_FILE" in error.hint


def test_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay stands for the proxy: what it gets is a request for the whole address."""

    async def main(url: str) -> Any:
        model = HttpModel(ModelOptions(api_base=url))
        with pytest.raises(ModelError) as caught:
            await model.connect()
        await model.close()
        return caught.value

    with ScriptedServer(Script()) as server, relay(parse_base(server.url).port) as (port, heads):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        asyncio.run(main("http://models.invalid/v1"))
    assert heads[0].startswith(b"GET http://models.invalid/v1/models HTTP/1.1")


@pytest.mark.usefixtures("over_httpx")
def test_nothing_compressed_is_asked_for_or_unpacked() -> None:
    """A megabyte that was compressed twice becomes gigabytes in memory."""
    packed = gzip.compress(gzip.compress(MODELS))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    heads: list[bytes] = []

    async def use(model: HttpModel) -> ModelError:
        with pytest.raises(ModelError) as caught:
            await model.connect()
        return caught.value

    error = asyncio.run(against(lambda _listing: iter([head, packed]), use, 0, heads))
    assert type(error) is MalformedAnswer and "compressed body (gzip, gzip)" in error.message
    assert b"accept-encoding: identity\r\n" in heads[0].lower() and b"gzip" not in heads[0].lower()


KEYS = [
    ("sk-ab\ncd", "sk-ab cd"),
    ("sk-ab…cd", "sk-ab…cd"),
    ("sk-ab\x00\x07\x7fcd", "sk-ab   cd"),
    ("sk-ab\udcffcd", "sk-ab cd"),
    (" sk-ab\u2028cd\r", "sk-ab cd"),
]


@pytest.mark.parametrize("over", ["plain", "httpx"])
@pytest.mark.parametrize(("key", "sent"), KEYS, ids=range(len(KEYS)))
def test_a_key_that_cannot_be_a_header_is_neither_raised_nor_shown(
    key: str, sent: str, over: str, request: pytest.FixtureRequest
) -> None:
    if over == "httpx":
        request.getfixturevalue("over_httpx")
    heads: list[bytes] = []
    headers = {"X-Team": "a\x00b\r\nX-Other: c"}
    pieces = [HEAD + b"\r\n", WORD]
    asked = against(
        lambda listing: iter([LIST] if listing else pieces), ask, 0.001, heads, api_key=key, headers=headers
    )
    assert asyncio.run(asked)[1].text == "hi"
    for head in heads:
        lines = head.decode().split("\r\n")
        assert f"Authorization: Bearer {sent}" in lines and "X-Team: a b  X-Other: c" in lines


@pytest.mark.parametrize("name", ["My Header", "Größe", "", "X\udcff"])
@pytest.mark.usefixtures("over_httpx")
def test_a_header_that_has_no_name_is_said_without_its_value(name: str) -> None:
    async def use(model: HttpModel) -> str:
        with pytest.raises(ModelError) as caught:
            await model.connect()
        return str(caught.value)

    assert "s3cret" not in asyncio.run(against(lambda _listing: iter([LIST]), use, 0, headers={name: "s3cret"}))


@pytest.mark.parametrize("address", ["a\x00b/v1", "models.test/v1\udcff", "a\udcffb/v1", "xn--/v1", "[::g]/v1"])
def test_an_address_that_the_library_refuses_is_none(address: str) -> None:
    async def main() -> None:
        model = HttpModel(ModelOptions(api_base=f"https://{address}"))
        with pytest.raises(UsageError, match="address"):
            await model.connect()
        await model.close()

    asyncio.run(main())
