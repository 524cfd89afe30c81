"""HTTP/1.1 messages, read strictly: what two readers could take for two things is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from .channel import CHUNK, Channel

Header = tuple[str, str]
METHOD = re.compile(rb"[A-Z]{1,20}")
TARGET = re.compile(rb"[\x21-\x7e]{1,16384}")
NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
STATUS = re.compile(rb"(HTTP/1\.[01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
HEADERS = 200
PER_CONNECTION = frozenset(
    ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings", "expect")
)


class BadMessage(ValueError):
    """Not a message, or one that could be read in two ways."""


class Request(NamedTuple):
    method: str
    target: str
    version: str
    headers: list[Header]

    def get(self, name: str) -> str | None:
        return get(self.headers, name)


class Response(NamedTuple):
    version: str
    status: int
    reason: str
    headers: list[Header]


def get(headers: Iterable[Header], name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name), None)


def parse_request(head: bytes) -> Request:
    """Raises BadMessage."""
    line, headers = parse_head(head)
    words = line.split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise BadMessage("not a request")
    if not METHOD.fullmatch(words[0]) or not TARGET.fullmatch(words[1]):
        raise BadMessage("not a request")
    if words[0] == b"CONNECT" and (
        get(headers, "transfer-encoding") or get(headers, "content-length") not in (None, "0")
    ):
        raise BadMessage("a CONNECT with a body")
    if sum(name.lower() == "host" for name, _ in headers) > 1:
        raise BadMessage("two hosts")
    return Request(words[0].decode(), words[1].decode(), words[2].decode(), headers)


def parse_response(head: bytes) -> Response:
    """Raises BadMessage."""
    line, headers = parse_head(head)
    found = STATUS.fullmatch(line)
    if found is None:
        raise BadMessage("not a response")
    return Response(found[1].decode(), int(found[2]), (found[3] or b"").decode("latin-1"), headers)


def parse_head(head: bytes) -> tuple[bytes, list[Header]]:
    lines = head[:-4].split(b"\r\n")
    if len(lines) > HEADERS:
        raise BadMessage("too many headers")
    headers: list[Header] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise BadMessage("a header that is none")
        headers.append((name.decode("ascii"), value.decode("latin-1")))
    return lines[0], headers


class Framing(NamedTuple):
    """How long a body is: `length` bytes, in chunks, or until the connection ends."""

    kind: str
    """none, length, chunked or end."""
    length: int = 0


def framing_of(headers: list[Header]) -> Framing | None:
    """What the headers say; None: nothing. Raises BadMessage where they could be read in two ways."""
    coded = [value.strip().lower() for name, value in headers if name.lower() == "transfer-encoding"]
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    if coded:
        if coded != ["chunked"] or lengths:
            raise BadMessage("a body of unclear length")
        return Framing("chunked")
    if lengths:
        (length, *others) = lengths
        if others or not LENGTH.fullmatch(length):
            raise BadMessage("a body of unclear length")
        return Framing("length", int(length)) if int(length) else Framing("none")
    return None


def request_framing(request: Request) -> Framing:
    return framing_of(request.headers) or Framing("none")


def response_framing(response: Response, method: str) -> Framing:
    if method == "HEAD" or response.status in (204, 304) or response.status < 200:
        return Framing("none")
    return framing_of(response.headers) or Framing("end")


async def body(channel: Channel, framing: Framing) -> AsyncIterator[bytes]:
    """The pieces of a body as it is, without its framing. Raises BadMessage, EOFError."""
    if framing.kind == "length":
        rest = framing.length
        while rest:
            data = await channel.some(min(rest, CHUNK))
            if not data:
                raise EOFError
            rest -= len(data)
            yield data
    elif framing.kind == "end":
        while data := await channel.some():
            yield data
    elif framing.kind == "chunked":
        while True:
            found = CHUNK_SIZE.fullmatch(await channel.line())
            if found is None:
                raise BadMessage("a chunk without its size")
            rest = int(found[1], 16)
            if not rest:
                break
            async for data in body(channel, Framing("length", rest)):
                yield data
            if await channel.line() != b"\r\n":
                raise BadMessage("a chunk that does not end")
        # Trailers are left out.
        while await channel.line() != b"\r\n":
            pass


async def send_body(channel: Channel, pieces: AsyncIterator[bytes], *, chunked: bool) -> None:
    async for data in pieces:
        if chunked and data:
            await channel.send(b"%x\r\n%b\r\n" % (len(data), data))
        elif data:
            await channel.send(data)
    if chunked:
        await channel.send(b"0\r\n\r\n")


def kept(headers: list[Header], *without: str) -> list[Header]:
    """The headers that go on to the other side: none that is for one connection only."""
    named = {
        word.strip().lower() for name, value in headers if name.lower() == "connection" for word in value.split(",")
    }
    gone = PER_CONNECTION | named | set(without)
    return [h for h in headers if h[0].lower() not in gone and not h[0].lower().startswith("proxy-")]


def written(line: str, headers: Iterable[Header]) -> bytes:
    return "\r\n".join([line, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


async def answer(channel: Channel, status: str, text: str) -> None:
    """A whole answer of our own."""
    data = f"{text}\n".encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(data))),
        ("Connection", "close"),
    ]
    await channel.send(written(f"HTTP/1.1 {status}", headers) + data)
