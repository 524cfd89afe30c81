"""What is different between two trees, as text: in the form that `git apply` and `patch` read."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..text.i18n import _
from .tree import FILE, FOLDER, LINK, Change, Entry

LARGEST = 1 << 20
"""Bytes of a file that is compared line by line."""
MOST_LINES = 20_000
ODD = re.compile(rb'[\x00-\x1f\x7f"\\]|[\x80-\xff]')
Content = Callable[[bytes], "bytes | Path"]


class Line(NamedTuple):
    """Of `--stat`."""

    path: bytes
    added: int
    removed: int
    before: int
    """Bytes; -1 where it was not there."""
    after: int
    binary: bool


def diff(changes: Sequence[Change], content: Content) -> Iterator[bytes]:
    """The text, piece by piece. Raises StoreError: a content is gone."""
    for path, before, after in changes:
        # What is one kind of thing before and another after goes and comes.
        if before is not None and after is not None and before.kind != after.kind:
            yield from _one(path, before, None, content)
            yield from _one(path, None, after, content)
        else:
            yield from _one(path, before, after, content)


def stat(changes: Sequence[Change], content: Content) -> Iterator[Line]:
    """For each file its lines that came and went, or its sizes. Raises StoreError."""
    for path, before, after in changes:
        if (
            FOLDER in (kind_of(before), kind_of(after))
            and kind_of(before) in (None, FOLDER)
            and kind_of(after) in (None, FOLDER)
        ):
            continue
        old, new = lines_of(before, content), lines_of(after, content)
        sizes = (size_of(before), size_of(after))
        if old is None or new is None:
            yield Line(path, 0, 0, *sizes, binary=True)
            continue
        added = removed = 0
        for line in difflib.unified_diff(old, new, n=0):
            added += line.startswith("+") and not line.startswith("+++")
            removed += line.startswith("-") and not line.startswith("---")
        yield Line(path, added, removed, *sizes, binary=False)


def _one(path: bytes, before: Entry | None, after: Entry | None, content: Content) -> Iterator[bytes]:
    kinds = {kind_of(one) for one in (before, after) if one is not None}
    if kinds == {FOLDER}:
        yield from _folder(path, before, after)
        return
    a, b = quoted(b"a/" + path), quoted(b"b/" + path)
    yield b"diff --git %s %s\n" % (a, b)
    old_mode, new_mode = mode_of(before), mode_of(after)
    if before is None:
        yield b"new file mode %s\n" % new_mode
    elif after is None:
        yield b"deleted file mode %s\n" % old_mode
    elif old_mode != new_mode:
        yield b"old mode %s\nnew mode %s\n" % (old_mode, new_mode)
    if before is not None and after is not None and before.id == after.id:
        return
    old, new = lines_of(before, content), lines_of(after, content)
    from_name, to_name = (b"/dev/null" if before is None else a), (b"/dev/null" if after is None else b)
    if old is None or new is None:
        sizes = f"{size_text(before)} -> {size_text(after)}".encode()
        yield b"Binary files %s and %s differ (%s)\n" % (from_name, to_name, sizes)
        return
    body = list(hunks(old, new))
    if body:
        yield b"--- %s%s\n+++ %s%s\n" % (from_name, tab(from_name), to_name, tab(to_name))
        yield b"".join(body)


def _folder(path: bytes, before: Entry | None, after: Entry | None) -> Iterator[bytes]:
    """git knows no folders; a line of our own, which `git apply` passes over."""
    name = quoted(path + b"/").decode()
    if before is None and after is not None:
        text = _("New folder {path}, mode {mode}", path=name, mode=f"{after.mode:04o}")
    elif after is None:
        text = _("Removed folder {path}", path=name)
    else:
        assert before is not None
        text = _("Folder {path}: mode {old} -> {new}", path=name, old=f"{before.mode:04o}", new=f"{after.mode:04o}")
    yield f"# {text}\n".encode()


def hunks(old: list[str], new: list[str]) -> Iterator[bytes]:
    for n, line in enumerate(difflib.unified_diff(old, new)):
        if n < 2:
            continue  # the names, which we write ourselves
        data = line.encode("utf-8", "surrogateescape")
        yield data if data.endswith(b"\n") else data + b"\n\\ No newline at end of file\n"


def kind_of(entry: Entry | None) -> int | None:
    return None if entry is None else entry.kind


def mode_of(entry: Entry | None) -> bytes:
    if entry is None:
        return b""
    return b"120000" if entry.kind == LINK else b"100755" if entry.mode & 0o100 else b"100644"


def size_of(entry: Entry | None) -> int:
    return -1 if entry is None else len(entry.id) if entry.kind == LINK else entry.size


def size_text(entry: Entry | None) -> str:
    return _("absent") if entry is None else _("{n} bytes", n=f"{size_of(entry):,}")


def lines_of(entry: Entry | None, content: Content) -> list[str] | None:
    """The lines of a text; None for what is compared by its size."""
    if entry is None or entry.kind == FOLDER:
        return []
    if entry.kind == LINK:
        return [os.fsdecode(entry.id)]
    if entry.kind != FILE or entry.size > LARGEST:
        return None
    data = content(entry.id)
    if isinstance(data, Path):
        data = data.read_bytes()
    if b"\0" in data:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    parts = text.split("\n")
    lines = [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
    return lines if len(lines) <= MOST_LINES else None


def quoted(path: bytes) -> bytes:
    """A name as git writes it: in quotes, with escapes, where it has odd bytes."""
    if not ODD.search(path):
        return path
    escapes = {b"\n": b"\\n", b"\t": b"\\t", b'"': b'\\"', b"\\": b"\\\\", b"\r": b"\\r"}
    try:
        path.decode("utf-8")
        odd = re.compile(rb'[\x00-\x1f\x7f"\\]')
    except UnicodeDecodeError:
        odd = ODD
    if not odd.search(path):
        return path
    return b'"' + odd.sub(lambda found: escapes.get(found.group(), b"\\%03o" % found.group()[0]), path) + b'"'


def tab(name: bytes) -> bytes:
    """Ends a name that has a space, as git does, so that `patch` reads all of it."""
    return b"\t" if b" " in name and not name.startswith(b'"') else b""
