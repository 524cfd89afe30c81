"""A message by e-mail, over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from io import BufferedReader
from typing import cast

from .services import SIGNS, Note, Outcome, shortened
from .targets import Target

SECONDS = 20.0
MOST = 64000
LARGEST = 1 << 18
"""Bytes of all that a server says in the clear, or under TLS."""
TLS = ("starttls", "ssl", "none")
PORTS = {"starttls": 587, "ssl": 465, "none": 25}
HERE = ("localhost", "127.0.0.1", "::1")


class Bounded:
    """What a server says, up to a bound: the library reads an answer for as long as it goes on."""

    def __init__(self, file: BufferedReader) -> None:
        self._file, self._left = file, LARGEST

    def readline(self, size: int = -1) -> bytes:
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("it says more than a mail server has to say")
        return line

    def close(self) -> None:
        self._file.close()


class Plain(smtplib.SMTP):
    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = Bounded(self.sock.makefile("rb"))
        return super().getreply()


class Secure(smtplib.SMTP_SSL, Plain):
    """With TLS from the beginning."""


def letter(target: Target, note: Note) -> EmailMessage:
    """The message with its headers; a line break in a title does not become a header. Raises ValueError."""
    mail = EmailMessage()
    to = target.fields["to"]
    mail["From"] = target.text("from")
    mail["To"] = ", ".join(map(str, cast("list[object]", to))) if isinstance(to, list) else str(to)
    first = note.title or note.message.strip().partition("\n")[0]
    mail["Subject"] = f"{SIGNS[note.level]}{' '.join(first.split())[:150]}"
    mail["Date"], mail["Message-ID"] = formatdate(localtime=True), make_msgid(domain="interpreter.invalid")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(shortened(note.message, MOST))
    return mail


def send(target: Target, note: Note, context: ssl.SSLContext | None = None) -> Outcome:
    """Hand the message to the server, in this thread; at most `SECONDS` for each answer of it."""
    host, tls = target.text("host"), target.text("tls", "starttls")
    if tls not in TLS:
        return Outcome(f"tls is one of {', '.join(TLS)}")
    user, password = target.text("user"), target.text("password")
    if tls == "none" and password and host not in HERE:
        return Outcome("a password is not sent without tls")
    try:
        port = int(target.text("port") or PORTS[tls])
        mail = letter(target, note)
        context = context or ssl.create_default_context()
        if tls == "ssl":
            server: Plain = Secure(host, port, timeout=SECONDS, context=context)
        else:
            server = Plain(host, port, timeout=SECONDS)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return said(error)
    try:
        if tls == "starttls":
            server.starttls(context=context)
        if user:
            server.login(user, password)
        refused = server.send_message(mail)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return said(error)
    finally:
        with suppress(OSError, smtplib.SMTPException):
            server.quit()
    return Outcome(f"refused for {', '.join(refused)}") if refused else Outcome()


def said(error: Exception) -> Outcome:
    """4xx of a mail server means: later. So does a server that is not there."""
    code = getattr(error, "smtp_code", None)
    if code is not None:
        raw = getattr(error, "smtp_error", b"")
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        return Outcome(f"it answered {code}: {text[:300]}", 400 <= int(code) < 500)
    again = isinstance(error, OSError) and not isinstance(error, ssl.SSLError | smtplib.SMTPException)
    return Outcome(f"{type(error).__name__}: {error}"[:300], again)
