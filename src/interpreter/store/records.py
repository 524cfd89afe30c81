"""Events as rows: encoding, and the chain of hashes through a session.

The chain covers each event's place, time, type and the hash of its body, so that a body can be erased and the chain
still holds. It shows a change or a hole; only a hash kept elsewhere shows that the end was cut off.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Literal

import msgspec

from ..errors import LogDamaged, SessionUnknown, StoreError
from ..text.i18n import _
from ..types.base import Value, to_json
from ..types.events import LIVE, Event, NoteAdded, Stored, event_name

ERASED = "(erased)"


class Verdict(Value):
    """What a walk along a session's chain found."""

    whole: bool
    events: int
    """How many events are in the log."""
    broken_at: int | None = None
    """The first seq that does not fit; None when whole."""
    problem: Literal["", "gap", "body", "chain"] = ""
    """gap: an event is missing. body: its text was changed. chain: its place, time, type or hash was changed."""
    hash: str = ""
    """Of the last event that fits: keep it elsewhere to notice a cut-off end."""
    erased: tuple[int, ...] = ()
    """Events whose bodies were taken away; their places and hashes are there."""
    marks: dict[int, str] = {}
    """The hashes of the events that were asked for, as far as the walk came."""


class Encoded(Value):
    type: str
    body: bytes
    digest: bytes


def encode(event: Event) -> Encoded:
    """Raises StoreError for a live event, which is never stored."""
    if isinstance(event, LIVE):
        raise StoreError(_("A live event ({name}) is shown and never stored.", name=event_name(event)))
    try:
        body = to_json(event)
    except UnicodeEncodeError:
        # Half a character (an undecodable byte of a file name, say) has no UTF-8 form.
        body = to_json(without_surrogates(msgspec.to_builtins(event)))
    return Encoded(type=event_name(event), body=body, digest=sha256(body).digest())


def without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {without_surrogates(k): without_surrogates(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [without_surrogates(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value


@lru_cache(maxsize=1)
def decoder() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(Event)


def decode(session: str, seq: int, moment: int, kind: str, body: bytes | None, chained: object) -> Stored:
    """Raises LogDamaged for a body that is no event, StoreError for one of a newer version."""
    event: Event
    if body is None:
        event = NoteAdded(text=ERASED, to_model=False)
    else:
        try:
            event = decoder().decode(body)
        except ValueError as error:
            raise unreadable(session, seq, kind, error) from error
    shown = chained.hex() if isinstance(chained, bytes) else ""
    return Stored(session=session, seq=seq, time=moment / 1e6, event=event, hash=shown)


@lru_cache(maxsize=1)
def known_types() -> frozenset[str]:
    return frozenset(event_name(kind) for kind in Event.__args__)


def unreadable(session: str, seq: int, kind: str, error: Exception) -> StoreError:
    if kind and kind not in known_types():
        return StoreError(
            _("Session {session} was continued by a newer version of this program (event {seq}: {kind}).",
              session=session, seq=seq, kind=kind),
            _("Nothing was changed. Install the newer version to resume it."),
        )  # fmt: skip
    return LogDamaged(
        _("Event {seq} of session {session} cannot be read: {reason}.", session=session, seq=seq, reason=error),
        _("The log was left as it is. `interpreter sessions export {session}` writes what can be read.",
          session=session),
    )  # fmt: skip


def genesis(session: str) -> bytes:
    """What the first event of a session is chained to."""
    return sha256(b"reinterpreter/1\n" + session.encode()).digest()


def link(before: bytes, seq: int, moment: int, kind: str, body_digest: bytes) -> bytes:
    return sha256(before + f"{seq}\n{moment}\n{kind}\n".encode() + body_digest).digest()


def head(connection: sqlite3.Connection, key: int, session: str) -> tuple[int, bytes]:
    """Seq and hash of the last event. Raises SessionUnknown when the session was deleted meanwhile."""
    row = connection.execute(
        "SELECT seq, hash FROM events WHERE session = ? ORDER BY seq DESC LIMIT 1", (key,)
    ).fetchone()
    if row is not None and isinstance(row[1], bytes):
        return int(row[0]), row[1]
    if row is not None:
        raise unreadable(session, int(row[0]), "", TypeError(_("its hash is no hash")))
    if connection.execute("SELECT 1 FROM sessions WHERE key = ?", (key,)).fetchone() is None:
        raise SessionUnknown(_("Session {session} was deleted.", session=session), _("Start a new session to go on."))
    return 0, genesis(session)


def append(
    connection: sqlite3.Connection, key: int, session: str, events: Sequence[tuple[Event, Encoded]]
) -> list[Stored]:
    """Add rows at the head, inside a transaction that the caller holds."""
    seq, chained = head(connection, key, session)
    stored: list[Stored] = []
    for event, row in events:
        seq, moment = seq + 1, time.time_ns() // 1000
        chained = link(chained, seq, moment, row.type, row.digest)
        connection.execute(
            "INSERT INTO events (session, seq, time, type, body, body_sha256, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, seq, moment, row.type, row.body, row.digest, chained),
        )
        stored.append(Stored(session=session, seq=seq, time=moment / 1e6, event=event, hash=chained.hex()))
    return stored


def adopt(connection: sqlite3.Connection, session: str, workspace: str, created: float, rows: Iterable[Any]) -> int:
    """Add a session with rows of another log, inside a transaction that the caller holds; its key."""
    cursor = connection.execute(
        "INSERT INTO sessions (id, workspace, created) VALUES (?, ?, ?)", (session, workspace, int(created * 1e6))
    )
    key = cursor.lastrowid or 0
    connection.executemany(
        "INSERT INTO events (session, seq, time, type, body, body_sha256, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((key, *row) for row in rows),
    )
    return key


def misfit(
    before: bytes, expected: int, seq: int, moment: int, kind: str, body: object, digest: object, chained: object
) -> Literal["", "gap", "body", "chain"]:
    """How an event does not follow the one before it; empty when it does."""
    if seq != expected:
        return "gap"
    # SQLite keeps any type in any column: who changes the file may leave text where bytes were.
    if not isinstance(digest, bytes):
        return "chain"
    if body is not None and (not isinstance(body, bytes) or sha256(body).digest() != digest):
        return "body"
    return "" if link(before, seq, moment, kind, digest) == chained else "chain"
