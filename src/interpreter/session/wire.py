"""What goes over the socket on which other terminals join a session: lines of JSON, both ways.

From the session: a `Hello`, then events as `--output jsonl` has them, a `Hello` again after each turn, and one `Reply`
for each request. To it: a `Greeting`, then `Request`s. A line that does not fit is answered or ends the connection; it
never reaches the session.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ..types.actions import Action
from ..types.base import Value
from ..types.events import Event
from ..types.messages import ServerFacts
from ..types.ops import Op
from ..types.rules import Mode
from ..types.turns import OpenLeft

VERSION = 1
SOCKET, TOKEN = "attach.sock", "attach.token"
LONGEST = 1 << 20
"""Bytes of a line to the session."""


class Hello(Value, tag="hello"):
    version: int
    session: str
    workspace: str
    where: str
    scratch: str
    mode: Mode
    busy: bool
    """A turn runs."""
    pid: int
    facts: ServerFacts | None = None
    window: int | None = None
    pending: tuple[Action, ...] = ()
    left: OpenLeft | None = None


class Reply(Value, tag="reply"):
    """To the request of that number. `error` is the class from the error tree; empty: it was taken."""

    n: int
    error: str = ""
    message: str = ""
    hint: str = ""


class Greeting(Value, forbid_unknown_fields=True):
    """The first line of whoever joins."""

    token: str
    version: int = VERSION
    watch: bool = False
    """Only looks on: cannot ask for anything."""


class Request(Value, forbid_unknown_fields=True):
    """One op, or the wish that the session's program goes on without its terminal."""

    n: int
    op: Op | None = None
    detach: bool = False


Said = Hello | Reply | Event

greeting_of = msgspec.json.Decoder(Greeting).decode
request_of = msgspec.json.Decoder(Request).decode
said_of = msgspec.json.Decoder(Said).decode


class Door:
    """The way to a file of a folder whose path may be too long for a socket's name."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        there = Path("/proc/self/fd").exists()
        self.socket = f"/proc/self/fd/{self._descriptor}/{SOCKET}" if there else str(folder / SOCKET)

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_raised: object) -> None:
        os.close(self._descriptor)
