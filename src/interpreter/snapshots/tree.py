"""A folder's state as a tree of values, named by the hashes of their contents."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

FILE, FOLDER, LINK, UNCOVERED, LEFT_OUT = range(5)
"""Kinds of entries. UNCOVERED: it is there and could not be kept; LEFT_OUT: it is there and is ignored by rule."""
COVERED = (FILE, FOLDER, LINK)
SMALL = 128
"""Entries that one node takes; more are spread over several, so that one change writes one of them anew."""
SPREAD = 63


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One name in a folder. Times are not kept: what is brought back is new to `make` and its like, as it should be."""

    name: bytes
    kind: int
    mode: int = 0
    """Permission bits."""
    id: bytes = b""
    """FILE: of its content; FOLDER: of its tree; LINK: where it points."""
    size: int = 0
    uid: int = 0
    gid: int = 0


class Change(NamedTuple):
    """A path that is not the same in two trees; None where it is absent."""

    path: bytes
    before: Entry | None
    after: Entry | None


Node = tuple[int, list[Entry], list[bytes]]
"""0 and the entries, or 1 and the ids of the nodes that hold them."""
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Node)
Read = Callable[[bytes], bytes]
"""The encoded node of an id. Raises StoreError where there is none."""
EMPTY = hashlib.sha256(_encode((0, [], []))).digest()


def encode_tree(entries: Sequence[Entry]) -> list[tuple[bytes, bytes]]:
    """The nodes of a folder whose entries are sorted by name, as (id, bytes); the last one is the folder's own."""
    if len(entries) <= SMALL:
        return [_node((0, list(entries), []))]
    found: list[tuple[bytes, bytes]] = []
    part: list[Entry] = []
    for entry in entries:
        part.append(entry)
        if not zlib.crc32(entry.name) & SPREAD:
            found.append(_node((0, part, [])))
            part = []
    if part:
        found.append(_node((0, part, [])))
    found.append(_node((1, [], [key for key, _body in found])))
    return found


def _node(node: Node) -> tuple[bytes, bytes]:
    body = _encode(node)
    return hashlib.sha256(body).digest(), body


def entries_of(read: Read, tree: bytes) -> list[Entry]:
    """The entries of a folder, sorted by name. Raises StoreError."""
    if tree == EMPTY:
        return []
    spread, entries, parts = _decoder.decode(read(tree))
    if not spread:
        return entries
    return [entry for part in parts for entry in _decoder.decode(read(part))[1]]


def children(body: bytes) -> tuple[list[bytes], list[bytes]]:
    """Of an encoded node: the ids of the nodes below it, and those of the files' contents."""
    _spread, entries, parts = _decoder.decode(body)
    below = [*parts, *(entry.id for entry in entries if entry.kind == FOLDER)]
    return below, [entry.id for entry in entries if entry.kind == FILE]


def changes(read: Read, before: bytes, after: bytes, above: bytes = b"") -> Iterator[Change]:
    """Every path that differs, in order; folders are told where they come, go, or change their rights.

    Raises StoreError: a tree is no longer there.
    """
    if before == after:
        return
    olds = {entry.name: entry for entry in entries_of(read, before)}
    news = {entry.name: entry for entry in entries_of(read, after)}
    for name in sorted({*olds, *news}):
        old, new = olds.get(name), news.get(name)
        if old == new or unknown(old) or unknown(new):
            continue
        path = above + name
        old_folder = old if old is not None and old.kind == FOLDER else None
        new_folder = new if new is not None and new.kind == FOLDER else None
        if old_folder is None or new_folder is None or rights(old_folder) != rights(new_folder):
            yield Change(path, old, new)
        if old_folder is not None or new_folder is not None:
            yield from changes(
                read,
                old_folder.id if old_folder is not None else EMPTY,
                new_folder.id if new_folder is not None else EMPTY,
                path + b"/",
            )


def unknown(entry: Entry | None) -> bool:
    """Whether something is there of which the content is not known."""
    return entry is not None and entry.kind not in COVERED


def rights(entry: Entry) -> tuple[int, int, int]:
    return entry.mode, entry.uid, entry.gid
