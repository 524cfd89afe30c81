"""What a forked child of the keeper does for one checkpoint: takes it from a guest and writes it, or the other way.

The keeper's own loop must never wait for a disk or a hash. Whatever comes from the guest is a claim: it can make this
checkpoint void, and nothing else. The child ends itself; its result is one JSON object in a pipe.
"""

import contextlib
import json
import os
import re
import select
import signal
import socket
import time
from typing import Any

from . import walls
from .vault import HASH, READ, Blob, Damaged, Vault

RECORD = 65_536
HEAD = 21
MOST_CONTENTS = 16 << 20
MOST_STRANGE = 1 << 30
"""Bytes of records of other saves that are dropped before we give up."""
MOST_GROUPS, MOST_NAMES, MOST_UNSAVED, TOLD = 20_000, 100_000, 5_000, 200
FORMAT = re.compile(r"[a-z0-9.-]{1,40}")
ID = re.compile(r"[A-Za-z0-9_-]{0,80}")
NICE = 5


class Void(Exception):
    """There is no checkpoint; its words say why."""


def fork(job: dict[str, Any], channel: int, work: str) -> tuple[int, int]:
    """Begin a child that does `work` (`take` or `give`) over a descriptor; its number, and where its result comes."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        os.set_blocking(read, False)
        return pid, read
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        walls.close_others({channel, write})
        os.nice(NICE)
        result = answer(job, channel, take if work == "take" else give)
        data = memoryview(json.dumps(result).encode())
        while data:
            data = data[os.write(write, data) :]
    finally:
        os._exit(0)


def answer(job: dict[str, Any], channel: int, work: Any) -> dict[str, Any]:
    try:
        with socket.socket(fileno=channel) as link:
            return {"ok": True, **work(job, link)}
    except (Void, Damaged) as error:
        return {"ok": False, "reason": str(error)}
    except OSError as error:
        return {"ok": False, "reason": f"the disk did not take it: {error.strerror or error}"}
    except Exception as error:
        return {"ok": False, "reason": f"{type(error).__name__}: {error}"[:300]}


class Records:
    """Records of one save, as they come; others are dropped."""

    def __init__(self, link: socket.socket, token: str, deadline: float) -> None:
        self._link, self._token = link, token.encode()
        self._ends = time.monotonic() + deadline
        self._strange = 0
        self.last = b"-"
        """Kind of the last record."""
        self._buffer = memoryview(bytearray(RECORD + 1))
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def next(self) -> tuple[int, memoryview]:
        """Kind and payload, good until the next call. Raises Void."""
        while True:
            left = self._ends - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                raise Void("it was not there in time")
            size = self._link.recv_into(self._buffer)
            if size == 0:
                raise Void("the kernel ended")
            if size > RECORD:
                raise Void("a record that is too large")
            if size >= HEAD and bytes(self._buffer[: HEAD - 1]) == self._token:
                self.last = bytes(self._buffer[HEAD - 1 : HEAD])
                return self._buffer[HEAD - 1], self._buffer[HEAD:size]
            self._strange += size
            if self._strange > MOST_STRANGE:
                raise Void("too much that nobody asked for")

    def drop(self) -> None:
        """Read the rest of a save that failed: its sender would wait for us, and the next save behind it. Where the
        sender has ended it by itself, nothing more comes.
        """
        with contextlib.suppress(Void, OSError):
            while self.last not in b"zf":
                self.next()


def take(job: dict[str, Any], link: socket.socket) -> dict[str, Any]:
    """Receive one checkpoint and write it. Raises Void, OSError."""
    vault = Vault(job["folder"])
    room = min(int(job["total"]), vault.free() // 2)
    records = Records(link, job["token"], job["deadline"])
    try:
        return taken(job, vault, records, room)
    except (Void, Damaged, OSError):
        records.drop()
        raise


def taken(job: dict[str, Any], vault: Vault, records: Records, room: int) -> dict[str, Any]:
    sizes = {name: size for name in job["known"] if (size := vault.size(name)) >= 0}
    contents = bytearray()
    blob: Blob | None = None
    try:
        while True:
            kind, payload = records.next()
            if kind == ord("d"):
                blob = blob or vault.begin()
                room -= len(payload)
                if room < 0:
                    raise Void("larger than a checkpoint may be, or than there is room on the disk")
                blob.write(payload)
            elif kind == ord("e"):
                done, blob = blob or vault.begin(), None
                if done.hash.hexdigest() != str(payload, "ascii", "replace"):
                    vault.abandon(done)
                    raise Void("a part of it is not what it was said to be")
                sizes[vault.keep(done)] = done.size
            elif kind == ord("m"):
                contents += payload
                if len(contents) > MOST_CONTENTS:
                    raise Void("a list of contents that is too long")
            elif kind == ord("z"):
                return sealed(vault, job, bytes(contents), sizes)
            elif kind == ord("f"):
                raise Void(f"the kernel could not save: {clean(str(payload, 'utf-8', 'replace'), 300)}")
            else:
                raise Void("a record of an unknown kind")
    finally:
        vault.abandon(blob)


def sealed(vault: Vault, job: dict[str, Any], contents: bytes, sizes: dict[str, int]) -> dict[str, Any]:
    groups, unsaved, made = checked(contents, sizes)
    executions = {token: job["executions"][token] for token in made if token in job["executions"]}
    for one in unsaved:
        one["execution"] = job["executions"].get(one["execution"], "")
    blobs = {name: sizes[name] for group in groups for name in (group["blob"], *group["buffers"])}
    facts = {"version": 1, "time": time.time(), **job["facts"]}
    manifest = vault.seal({**facts, "groups": groups, "unsaved": unsaved, "blobs": blobs, "executions": executions})
    vault.prune(int(job["disk"]))
    return {
        "manifest": manifest,
        "names": sum(len(group["names"]) for group in groups),
        "unsaved": unsaved[:TOLD],
        "size": sum(blobs.values()),
        "written": vault.written,
        "blobs": list(blobs),
    }


Contents = tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]


def checked(contents: bytes, sizes: dict[str, int]) -> Contents:
    """The guest's list of contents, in our own words: groups, what is unsaved, tokens of what made something.

    Raises Void for whatever does not fit.
    """
    try:
        told: Any = json.loads(contents)
        groups = [group_of(one, sizes) for one in told["groups"][:MOST_GROUPS]]
        unsaved = [unsaved_of(one) for one in told["unsaved"][:MOST_UNSAVED]]
        made = [str(token) for token in told.get("made", ())[:MOST_NAMES]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Void("a list of contents that cannot be read") from None
    if sum(len(group["names"]) for group in groups) > MOST_NAMES:
        raise Void("too many names")
    return groups, unsaved, made


def group_of(one: Any, sizes: dict[str, int]) -> dict[str, Any]:
    names = [clean(name, 500) for name in one["names"]]
    blob, buffers, at, size = str(one["blob"]), [str(name) for name in one["buffers"]], int(one["at"]), int(one["size"])
    if not all(HASH.fullmatch(name) and name in sizes for name in (blob, *buffers)):
        raise Void("it names what was never sent")
    if not FORMAT.fullmatch(str(one["format"])) or not 0 <= at <= at + size <= sizes[blob]:
        raise ValueError
    return {"names": names, "format": one["format"], "blob": blob, "at": at, "size": size, "buffers": buffers}


def unsaved_of(one: Any) -> dict[str, Any]:
    execution = str(one.get("execution", ""))
    return {
        "name": clean(one["name"], 200),
        "type": clean(one.get("type", ""), 200),
        "reason": clean(one.get("reason", ""), 300),
        "execution": execution if ID.fullmatch(execution) else "",
        "rebuild": one.get("rebuild") is True,
    }


def clean(text: Any, most: int) -> str:
    """Text that every encoder takes."""
    if not isinstance(text, str):
        raise TypeError
    return text[:most].encode("utf-8", "replace").decode()


def give(job: dict[str, Any], link: socket.socket) -> dict[str, Any]:
    """Send one checkpoint to a new kernel; each part is checked before the guest may load it. Raises Damaged, Void."""
    vault = Vault(job["folder"])
    head = job["token"].encode()
    link.settimeout(job["deadline"])

    def send(kind: bytes, payload: bytes | memoryview = b"") -> None:
        try:
            link.sendmsg([head, kind, payload])
        except TimeoutError:
            raise Void("the kernel does not take it") from None

    try:
        manifest = vault.read(job["manifest"])
        told = json.dumps({name: manifest[name] for name in ("groups", "unsaved")}).encode()
        groups, unsaved, _made = checked(told, manifest["blobs"])
        for name, size in manifest["blobs"].items():
            if vault.size(name) != size:
                raise Damaged("a part of it is missing")
        contents = json.dumps({"groups": groups}).encode()
        for start in range(0, len(contents), RECORD - HEAD):
            send(b"m", contents[start : start + RECORD - HEAD])
        order = dict.fromkeys(name for group in groups for name in (group["blob"], *group["buffers"]))
        for name in order:
            send_blob(vault, name, manifest["blobs"][name], send)
    except (Damaged, KeyError, TypeError, ValueError) as error:
        why = str(error) if isinstance(error, Damaged) else "its manifest cannot be read"
        send(b"f", why.encode())
        raise Damaged(why) from None
    send(b"z")
    executions = {str(token): str(name) for token, name in manifest.get("executions", {}).items()}
    about = {"execution": str(manifest.get("execution", "")), "executions": executions}
    return {**about, "unsaved": unsaved[:TOLD], "blobs": list(order)}


def send_blob(vault: Vault, name: str, size: int, send: Any) -> None:
    """Raises Damaged where its bytes are not those of its name."""
    blob = Blob(vault.open_blob(name), name)
    try:
        send(b"b", json.dumps({"sha256": name, "size": size}).encode())
        while data := os.read(blob.fd, READ):
            view = memoryview(data)
            blob.hash.update(view)
            blob.size += len(view)
            if blob.size > size:
                break
            for start in range(0, len(view), RECORD - HEAD):
                send(b"d", view[start : start + RECORD - HEAD])
    finally:
        os.close(blob.fd)
    if blob.size != size or blob.hash.hexdigest() != name:
        raise Damaged("a part of it was changed")
    send(b"e")
