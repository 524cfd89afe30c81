"""For tests of the broker: the real program as a process of its own, servers on this machine, and names for them."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from interpreter.keeper import authority

PROGRAM = Path(__file__).parents[2] / "src" / "interpreter" / "keeper" / "proxy.py"


def library() -> authority.Library:
    """Needs `cryptography`; raises ImportError where it is absent."""
    import cryptography

    return authority.Library(str(Path(cryptography.__file__).parents[1]))


class Certificates(NamedTuple):
    """An authority of the outside world, as a real one would be."""

    root: Path
    """PEM, what clients trust."""
    make: Callable[[str], Path]
    """A certificate with its key for a name."""


def certificates(folder: Path) -> Certificates:
    found = library()
    key, root = authority.make(found)
    settings = {"key": key, "certificate": root, "site": str(Path(found.x509.__file__).parents[2])}
    outside = authority.Authority(settings)
    (folder / "root.pem").write_text(root)

    def make(name: str) -> Path:
        path = folder / f"{name.replace('*', 'any')}.pem"
        path.write_bytes(outside._leaf_pem + outside._sign(name))  # pyright: ignore[reportPrivateUsage]
        return path

    return Certificates(folder / "root.pem", make)


def expired(folder: Path, name: str) -> Path:
    """A self-signed certificate that ended yesterday."""
    found = library()
    key, subject = found.new_key(), found.name(name)
    now = datetime.datetime.now(datetime.UTC)
    builder = found.x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=9))
    builder = builder.not_valid_after(now - datetime.timedelta(days=1))
    builder = builder.add_extension(found.x509.SubjectAlternativeName([found.x509.DNSName(name)]), False)
    path = folder / "expired.pem"
    pem = builder.sign(key, found.hashes.SHA256()).public_bytes(found.forms.Encoding.PEM)
    path.write_bytes(found.key_pem(key) + pem)
    return path


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON: method, path, headers, body."""

    protocol_version = "HTTP/1.1"
    seen: list[dict[str, Any]]

    def answer(self) -> None:
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = {"method": self.command, "path": self.path, "headers": headers, "body": body.decode("latin-1")}
        self.seen.append(told)
        data = json.dumps(told).encode()
        self.send_response(200)
        if self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("X-Echo", headers.get("authorization", ""))
            self.end_headers()
            # Cut so small that whatever is looked for lies across pieces.
            for at in range(0, len(data), 7):
                piece = data[at : at + 7]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        if self.path.startswith("/packed"):
            self.send_header("Content-Encoding", "gzip")
        if self.path.startswith("/upgrade"):
            self.send_header("X-Upgraded", headers.get("upgrade", "no"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_OPTIONS = do_PATCH = answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name is the base class's
        del format, args


class Server(NamedTuple):
    port: int
    seen: list[dict[str, Any]]


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks its connection off is part of these tests."""
        del request, client_address


@contextmanager
def serving(
    certificate: Path | None = None, handler: type[http.server.BaseHTTPRequestHandler] = Echo
) -> Generator[Server]:
    """A server on 127.0.0.1, with TLS where a certificate is given."""
    seen: list[dict[str, Any]] = []
    kind = type("Handler", (handler,), {"seen": seen})
    with Quiet(("127.0.0.1", 0), kind) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Server(server.server_address[1], seen)
        finally:
            server.shutdown()
            thread.join()


class Broker(NamedTuple):
    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def talk(self, sent: bytes) -> bytes:
        with self.connect() as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def tunnel(self, target: str) -> socket.socket:
        """A connection through CONNECT; the caller closes it."""
        client = self.connect()
        client.sendall(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
        got = b""
        while not got.endswith(b"\r\n\r\n"):
            data = client.recv(1)
            if not data:
                break
            got += data
        if not got.startswith(b"HTTP/1.1 200"):
            client.close()
            raise ConnectionRefusedError(got.decode("latin-1"))
        return client


def read_all(client: socket.socket) -> bytes:
    got = b""
    while data := client.recv(65_536):
        got += data
    return got


@contextmanager
def broker(log: Path, **settings: object) -> Generator[Broker]:
    """The program, alone; with the settings that `wayout` gives it."""
    life = subprocess.Popen(["/bin/sleep", "600"])
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        held = os.pidfd_open(life.pid)
        told = os.memfd_create("settings", 0)
        os.write(told, json.dumps({"log": str(log)} | settings).encode())
        os.lseek(told, 0, os.SEEK_SET)
        command = [sys.executable, "-I", "-S", str(PROGRAM), *map(str, (listening.fileno(), held, told))]
        process = subprocess.Popen(command, pass_fds=(listening.fileno(), held, told))
        os.close(held)
        os.close(told)
        found = Broker(listening.getsockname()[1], log, process)
    try:
        yield found
    finally:
        life.kill()
        life.wait()
        assert process.wait(timeout=30) == 0


def session_authority(trust: Path) -> dict[str, str]:
    """Settings of a broker that ends TLS, as `sandbox.wayout` makes them."""
    found = library()
    key, certificate = authority.make(found)
    site = str(Path(found.x509.__file__).parents[2])
    return {"key": key, "certificate": certificate, "site": site, "trust": str(trust)}


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
