"""Seals: heads of the sessions' chains, authenticated with a key, in a file beside the log that only grows.

A chain of hashes shows a change, but who can write the log can make a new chain. A seal is a head with a code that only
the key's holder can make; each is bound to the one before, and the file's first line holds the count. So what is
changed, removed or cut off up to the last seal shows, in the log and in the file itself.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast

from ..errors import StoreError
from ..text.i18n import _
from ..types.base import Value
from .home import reason_of

SEALS_NAME = "seals.jsonl"
KEY_NAME = "audit.key"
HEADER = 160
"""Bytes of the first line, whatever it says: it is written over in place."""
LONGEST = 1024
"""Bytes that one seal may have."""
LEAST_KEY = 16
LARGEST_KEY = 1 << 16
NOTHING = "0" * 64
"""What the first seal is bound to."""
What = Literal["head", "deleted"]
Problem = Literal["", "changed", "missing", "cut", "key", "header"]


class Seal(Value):
    n: int
    """Its number; the next is one more, for ever."""
    time: int
    """Microseconds since 1970."""
    what: What
    """head: the session's log ended with this. deleted: the person removed the session."""
    session: str
    seq: int
    """Of the last event."""
    hash: str
    """Of the last event, in hexadecimal."""
    key: str
    """Which key: the beginning of its hash."""
    mac: str


class Ledger(Value):
    """What a reading of the file of seals found."""

    seals: tuple[Seal, ...] = ()
    """Those that hold, in their order."""
    problem: Problem = ""
    """changed: a seal was altered or forged. missing: numbers are left out. cut: the newest are gone. key: made with
    another key. header: the first line, with the count, is damaged."""
    at: int = 0
    """The number of the first seal that does not hold."""
    there: bool = False
    """Whether there is such a file."""

    @property
    def head(self) -> str:
        """A line to keep elsewhere: it shows also when the whole home was put back to an older state."""
        return f"{self.seals[-1].n}:{self.seals[-1].mac}" if self.seals else ""


class Seals:
    """The seals of one home. Usable from any thread and by several processes at once.

    Args:
        home: the tool's home.
        key: a file that holds the key; None: `audit.key` in the home. It is made where there is none.
    """

    def __init__(self, home: Path, key: Path | None = None) -> None:
        self.path = home / SEALS_NAME
        self.key_path = key if key is not None else home / KEY_NAME
        self.problem: StoreError | None = None
        """Why the newest seal could not be made; the next one covers what it missed."""
        self._key = b""

    def ready(self) -> None:
        """Read the key, or make it. Raises StoreError."""
        if not self._key:
            self._key = key_of(self.key_path)

    def seal(self, session: str, seq: int, chained: str, what: What = "head") -> Seal:
        """Add one, on the disk when this returns. What it names must be durable before. Raises StoreError."""
        self.ready()
        try:
            with self._locked() as descriptor:
                return self._add(descriptor, session, seq, chained, what)
        except OSError as error:
            raise StoreError(
                _("The seals of the log, {path}, cannot be written: {reason}.", path=self.path,
                  reason=reason_of(error)),
                _("The log itself is whole. The next seal covers what this one missed."),
            ) from error  # fmt: skip

    def _add(self, descriptor: int, session: str, seq: int, chained: str, what: What) -> Seal:
        size = os.fstat(descriptor).st_size
        count = 0
        if size < HEADER:
            size = write_at(descriptor, header_line(0, NOTHING, self._key), 0)
        else:
            # The count goes on also after the newest seals were cut off, so that their numbers stay missing.
            count = count_of(os.pread(descriptor, HEADER, 0))
        size, last = last_line(descriptor, size)
        before = last.mac if last is not None else NOTHING
        n = max(count, last.n if last is not None else 0) + 1
        moment, name = time.time_ns() // 1000, fingerprint(self._key)
        mac = code(self._key, before, n, moment, what, session, seq, chained, name)
        seal = Seal(n=n, time=moment, what=what, session=session, seq=seq, hash=chained, key=name, mac=mac)
        write_at(descriptor, line_of(seal), size)
        os.fsync(descriptor)
        # Only now: a count ahead of its seals would look like a cut after a loss of power.
        write_at(descriptor, header_line(n, mac, self._key), 0)
        return seal

    @contextmanager
    def _locked(self) -> Generator[int]:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self) -> Ledger:
        """Every seal that holds, and what does not. Raises StoreError when key or file cannot be read."""
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH)
                data = file.read()
        except FileNotFoundError:
            return Ledger()
        except OSError as error:
            raise StoreError(
                _("The seals of the log, {path}, cannot be read: {reason}.", path=self.path, reason=reason_of(error))
            ) from error
        self.ready()
        return check(data, self._key)


def check(data: bytes, key: bytes) -> Ledger:
    """Walk the seals from the first to the last; those behind a bad one count by themselves."""
    header, rest = data[:HEADER], data[HEADER:]
    seals: list[Seal] = []
    first: tuple[Problem, int] = ("", 0)
    before, n = NOTHING, 0
    name = fingerprint(key)
    # A last line without its end was being written when the machine stopped.
    for line in rest.split(b"\n")[:-1]:
        seal = parsed(line)
        problem = misfit(seal, before, n + 1, key, name)
        if problem and not first[0]:
            first = (problem, n + 1)
        if seal is not None and problem in ("", "missing"):
            seals.append(seal)
        before, n = (seal.mac, seal.n) if seal is not None else ("", n + 1)
    if not first[0]:
        first = (check_header(header, seals, key), n + 1)
    return Ledger(seals=tuple(seals), problem=first[0], at=first[1] if first[0] else 0, there=True)


def misfit(seal: Seal | None, before: str, expected: int, key: bytes, name: str) -> Problem:
    if seal is None:
        return "changed"
    if seal.key != name:
        return "key"
    mac = code(key, before, seal.n, seal.time, seal.what, seal.session, seal.seq, seal.hash, seal.key)
    if seal.n < expected or not hmac.compare_digest(mac, seal.mac):
        return "changed"
    return "missing" if seal.n > expected else ""


def check_header(header: bytes, seals: list[Seal], key: bytes) -> Problem:
    count = count_of(header)
    mac = ([NOTHING] + [seal.mac for seal in seals])[count] if count <= len(seals) else ""
    if count > len(seals) and well_formed(header):
        return "cut"
    return "" if hmac.compare_digest(header, header_line(count, mac, key)) else "header"


def code(key: bytes, before: str, *parts: object) -> str:
    text = "\n".join((before, *(str(part) for part in parts)))
    return hmac.new(key, text.encode("utf-8", "replace"), sha256).hexdigest()


def fingerprint(key: bytes) -> str:
    return sha256(b"reinterpreter audit key\n" + key).hexdigest()[:12]


def header_line(n: int, mac: str, key: bytes) -> bytes:
    text = json.dumps({"seals": n, "mac": code(key, mac, "count", n)})
    return text.encode().ljust(HEADER - 1) + b"\n"


def well_formed(header: bytes) -> bool:
    return isinstance(fields_of(header).get("seals"), int)


def count_of(header: bytes) -> int:
    """The count that the first line tells; 0 where it cannot be read."""
    found = fields_of(header).get("seals")
    return found if isinstance(found, int) and found >= 0 else 0


def fields_of(line: bytes) -> dict[str, Any]:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def line_of(seal: Seal) -> bytes:
    fields = {name: getattr(seal, name) for name in Seal.__struct_fields__}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def parsed(line: bytes) -> Seal | None:
    fields = fields_of(line)
    kinds = {"n": int, "time": int, "seq": int}
    if set(fields) != set(Seal.__struct_fields__) or fields["what"] not in ("head", "deleted"):
        return None
    if not all(isinstance(value, kinds.get(name, str)) for name, value in fields.items()):
        return None
    return Seal(**fields)


def last_line(descriptor: int, size: int) -> tuple[int, Seal | None]:
    """Where the next seal belongs, and the newest one; a line that was torn by a loss of power is written over."""
    start = max(HEADER, size - LONGEST)
    data = os.pread(descriptor, size - start, start)
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.ftruncate(descriptor, start + whole)
    lines = data[:whole].splitlines()
    return start + whole, parsed(lines[-1]) if lines else None


def write_at(descriptor: int, data: bytes, place: int) -> int:
    """Returns the place after it. Raises OSError, also where only a part could be written."""
    written = os.pwrite(descriptor, data, place)
    if written != len(data):
        raise OSError(28, os.strerror(28))
    return place + written


def own_key(path: Path) -> bytes:
    """What the file holds; a new key where there is none. Raises OSError."""
    try:
        return read_key(path)
    except FileNotFoundError:
        make_key(path)
        return read_key(path)


def key_of(path: Path) -> bytes:
    """The key; a new one where there is no file. Raises StoreError."""
    try:
        data = own_key(path)
    except OSError as error:
        raise StoreError(
            _("The key of the audit trail, {path}, cannot be read or made: {reason}.", path=path,
              reason=reason_of(error)),
            _("Nothing was run. Make it readable for you, or name another file: INTERPRETER_AUDIT_KEY=PATH"),
        ) from error  # fmt: skip
    if not LEAST_KEY <= len(data) <= LARGEST_KEY:
        raise StoreError(
            _("The key of the audit trail, {path}, is no key: it has {n} bytes.", path=path, n=len(data)),
            _("Nothing was run. A key has at least {n} bytes; `openssl rand -hex 32` makes one.", n=LEAST_KEY),
        )
    return data


def read_key(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_KEY + 1).strip()


def make_key(path: Path) -> None:
    """Whole or not at all, and never over one that is there: two programs may begin at once. Raises OSError."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink(missing_ok=True)
