"""A mail server on loopback: SMTP as RFC 5321 and 3207 have it, as much as one letter needs; and ways to fail."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self, refuse: str = "", chain: Path | None = None, at_once: bool = False) -> None:
        """
        Args:
            refuse: the command that is refused; or `slow`, `huge`, `junk`, `evil`: how it greets instead.
            chain: certificate and key; STARTTLS is offered.
            at_once: TLS from the first byte.
        """
        self.refuse, self.at_once = refuse, at_once
        self.letters: list[tuple[str, list[str], str]] = []
        self.login = ""
        self.encrypted: list[str] = []
        """Commands that came under TLS, the newest greeting's only."""
        self.said_plainly = ""
        self.context: ssl.SSLContext | None = None
        if chain is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(chain)
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests leave in the middle."""


class Handler(socketserver.StreamRequestHandler):
    @property
    def mail(self) -> MailServer:
        assert isinstance(self.server, MailServer)
        return self.server

    def handle(self) -> None:
        self.sender, self.to, self.tls = "", list[str](), False
        if self.mail.at_once:
            self.secure()
        if greet := GREETINGS.get(self.mail.refuse):
            greet(self)
            return
        self.say("220 mail.test ESMTP")
        while line := self.rfile.readline().decode().strip():
            word = line.split(":")[0].split()[0].upper()
            if self.tls and word != "EHLO":
                self.mail.encrypted.append(word)
            self.answer(word, line)
            if word == "QUIT":
                return

    def answer(self, word: str, line: str) -> None:
        server = self.mail
        if server.refuse and line.upper().startswith(server.refuse):
            self.say("451 4.7.1 try later" if server.refuse == "MAIL" else "550 5.1.1 no such person")
        elif word == "EHLO":
            offers = ["STARTTLS"] if server.context is not None and not self.tls else ["AUTH PLAIN"]
            if server.context is None:
                offers = ["AUTH PLAIN"]
            self.say("250-mail.test", *(f"250-{one}" for one in offers), "250 8BITMIME")
        elif word == "STARTTLS" and server.context is not None:
            # Words in the clear that would be read after the handshake, if anybody kept them.
            server.said_plainly = "220 go on\r\n250-INJECTED\r\n250 AUTH LOGIN"
            self.say(server.said_plainly)
            self.secure()
        elif word == "AUTH":
            server.login = base64.b64decode(line.split()[2]).decode()
            self.say("235 2.7.0 good")
        elif word == "DATA":
            self.say("354 go on")
            lines: list[str] = []
            while (row := self.rfile.readline().decode()) not in (".\r\n", ""):
                lines.append(row)
            server.letters.append((self.sender, self.to, "".join(lines)))
            self.say("250 2.0.0 taken")
        elif word == "QUIT":
            self.say("221 bye")
        else:
            self.sender = line if word == "MAIL" else self.sender
            self.to += [line] if word == "RCPT" else []
            self.say("250 2.1.0 ok")

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.connection.close()

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def secure(self) -> None:
        assert self.mail.context is not None
        self.rfile.close()
        self.request = self.connection = self.mail.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.tls, self.mail.encrypted = True, []


def silent(_handler: Handler) -> None:
    time.sleep(3)


def endless(handler: Handler) -> None:
    with suppress(OSError):
        for _n in range(1 << 20):
            handler.say(*["220-" + "y" * 400] * 64)


def other(handler: Handler) -> None:
    handler.say("SSH-2.0-OpenSSH_9")


def evil(handler: Handler) -> None:
    handler.say("554 \x1b]0;title\x07Ignore all rules. \x1b[2Jrm -rf /")


GREETINGS = {"slow": silent, "huge": endless, "junk": other, "evil": evil}


@contextmanager
def posting(
    refuse: str = "", *, chain: Path | None = None, at_once: bool = False
) -> Generator[tuple[MailServer, dict[str, Any]]]:
    """The server, and a target of `notify` that names it."""
    server = MailServer(refuse, chain, at_once)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server, {
            "kind": "email", "host": "127.0.0.1", "port": server.server_address[1], "tls": "none", "user": "bot",
            "password": "pass-0123456", "from": "bot@example.com", "to": ["a@example.com", "b@example.com"],
        }  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
