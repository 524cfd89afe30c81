"""The records in which the state of a shell travels to and from what keeps it on disk (design/0018)."""

import hashlib
import json
import socket
from typing import Any

from . import shell_state as state
from .frames import Frame

FORMAT = "bash"
SMALL = 16 << 10
"""Bytes. What is larger has a blob of its own, which is not written again while it does not change."""
TOGETHER = 500
"""Names in one group."""
RECORD = 60_000
Key = tuple[bytes, bytes]


def tell(to: socket.socket, frame: Frame, dump: bytes, born: state.Pieces, made: dict[str, str]) -> None:
    """Everything of one save, or why there is none."""
    token = str(frame["id"])
    try:
        pieces, lost = state.read(dump, token)
    except state.Unreadable as error:
        fail(to, token, f"what the shell told cannot be read: {error}")
        return
    pieces = state.own(pieces, born)
    unsaved = [
        unsaved_of(name, "variable", f"{size} characters are too many", made.get(name, "")) for name, size in lost
    ]
    known: set[str] = set(frame.get("known") or ())
    try:
        groups = [_send_blob(to, token, {key: pieces[key] for key in keys}, known) for keys in _together(pieces)]
        contents = json.dumps({"groups": groups, "unsaved": unsaved}).encode()
        for at in range(0, len(contents), RECORD):
            _record(to, token, "m", contents[at : at + RECORD])
        _record(to, token, "z", b"")
    except OSError:
        # Who reads has gone or does not read: there is no checkpoint then, and the reader says so.
        return


def fail(to: socket.socket, token: str, why: str) -> None:
    try:
        _record(to, token, "f", why.encode(errors="replace")[:2000])
    except OSError:
        return


def unsaved_of(name: str, kind: str, reason: str, execution: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "reason": reason, "execution": execution, "rebuild": False}


def _together(pieces: state.Pieces) -> list[list[Key]]:
    """What goes into one blob each."""
    small = [key for key, text in pieces.items() if len(text) <= SMALL]
    large = [[key] for key, text in pieces.items() if len(text) > SMALL]
    return [small[n : n + TOGETHER] for n in range(0, len(small), TOGETHER)] + large


def _send_blob(to: socket.socket, token: str, pieces: state.Pieces, known: set[str]) -> dict[str, Any]:
    data = state.pack(pieces)
    name = hashlib.sha256(data).hexdigest()
    if name not in known:
        for at in range(0, len(data), RECORD):
            _record(to, token, "d", data[at : at + RECORD])
        _record(to, token, "e", name.encode())
        known.add(name)
    names = list(dict.fromkeys(state.called(*key) for key in pieces))
    return {"names": names, "format": FORMAT, "blob": name, "at": 0, "size": len(data), "buffers": []}


def _record(to: socket.socket, token: str, kind: str, payload: bytes) -> None:
    to.send(token.encode() + kind.encode() + payload)


class Taken:
    """A state that comes to be restored. Nothing of it counts before it is whole."""

    def __init__(self, of: socket.socket, token: str) -> None:
        self.socket = of
        self.token = token
        self.ended = False
        self.error = ""
        self._contents = bytearray()
        self._blobs: dict[str, bytearray] = {}
        self._now = bytearray()
        self._pieces: state.Pieces | None = None

    def read(self) -> bool:
        """What lies in the socket. True when that was the last of it."""
        while not self.ended:
            try:
                record = self.socket.recv(1 << 16)
            except BlockingIOError:
                return False
            except OSError as error:
                self.ended, self.error = True, str(error)
                break
            kind, payload = record[20:21], record[21:]
            if not record:
                self.ended, self.error = True, "it came only in part"
            elif record[:20] != self.token.encode():
                continue
            elif kind == b"m":
                self._contents += payload
            elif kind == b"b":
                self._now = self._blobs.setdefault(str(json.loads(payload)["sha256"]), bytearray())
            elif kind == b"d":
                self._now += payload
            elif kind in (b"z", b"f"):
                self.ended, self.error = True, payload.decode(errors="replace")
        return True

    def pieces(self) -> state.Pieces:
        """Raises state.Unreadable."""
        if self.error:
            raise state.Unreadable(self.error)
        if self._pieces is None:
            found: state.Pieces = {}
            for group in json.loads(self._contents)["groups"]:
                at, size = int(group.get("at") or 0), int(group.get("size") or 0)
                data = self._blobs.get(str(group.get("blob")))
                if group.get("format") != FORMAT or data is None or len(data) < at + size:
                    raise state.Unreadable(f"a group of the format {str(group.get('format'))[:40]!r} without its blob")
                found.update(state.unpack(bytes(data[at : at + size])))
            state.agree(found)
            self._pieces = found
        return self._pieces
