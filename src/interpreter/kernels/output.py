"""Reading what an execution printed, without ever loading the whole of it."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

from ..text.clean import clean_text
from ..text.cut import head_tail, join_cut
from ..text.decode import looks_binary, placeholder
from ..types.actions import OutputRef

Stream = Literal["stdout", "stderr"]
STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}
RECORD = struct.Struct(">BQ")
CHUNK = 1 << 20
EARLY = 2_000
"""Pieces of output that are held for whoever will watch; the oldest give way."""
REPLAYED = 1 << 16
"""Bytes of an output that are shown again to who comes back."""


class Listener(Protocol):
    """As much of `contracts.Sink` as is needed here."""

    def output(self, stream: str, data: bytes, skipped: int) -> None: ...


def replay(ref: OutputRef, sink: Listener, most: int = REPLAYED) -> None:
    """Show the end of what was printed. An output that cannot be read is not shown; it stays where it is."""
    start = max(0, ref.size - most)
    skipped, shown = start, start
    try:
        for stream, offset, length in segments(ref):
            first = max(offset, start)
            if data := read_output(ref, first, offset + length - first):
                sink.output(stream, data, skipped)
                skipped, shown = 0, offset + length
        if rest := read_output(ref, shown, ref.size - shown):
            sink.output("stdout", rest, skipped)
    except OSError:
        return


def left_output(path: Path) -> OutputRef:
    """An output that nobody has closed the books of; empty where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return OutputRef()
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return OutputRef()
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return OutputRef(path=str(path), size=file.tell(), sha256=digest)


def read_output(ref: OutputRef, offset: int, length: int) -> bytes:
    """At most `length` bytes from `offset` on; empty beyond the end or where nothing was kept. Raises OSError."""
    if not ref.path or length <= 0:
        return b""
    fd = os.open(ref.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.pread(fd, min(length, max(0, ref.size - offset)), max(0, offset))
    finally:
        os.close(fd)


def read_head_tail(ref: OutputRef, cap: int, name: str) -> str:
    """Beginning and end of the output, cleaned of control codes, in at most about `cap` characters.

    Between them stands a line that says how much was cut and that the whole can be read as `name`. A file that cannot
    be read gives a sentence that says so.
    """
    try:
        start = read_output(ref, 0, 4096)
        if looks_binary(start):
            return f"{placeholder(start, ref.size)} Its whole content is kept as {name}.\n"
        if ref.size <= 4 * cap:
            text = head_tail(clean_text(read_output(ref, 0, ref.size)), cap, name)
        else:
            half = cap // 2 - 40
            head = _whole_lines(clean_text(read_output(ref, 0, 2 * half)), half)
            tail = _last_lines(clean_text(read_output(ref, ref.size - 2 * half, 2 * half)), half)
            text = join_cut(head, tail, 0, ref.size - len(head.encode()) - len(tail.encode()), name)
    except OSError as error:
        return f"[The output could not be read: {error.strerror}. Its file is {Path(ref.path).name}.]\n"
    if ref.dropped:
        end = "" if not text or text.endswith("\n") else "\n"
        text += f"{end}[{ref.dropped:,} more bytes were beyond the output limit and are not kept.]\n"
    return text


def _whole_lines(text: str, most: int) -> str:
    text = text[:most]
    end = text.rfind("\n") + 1
    return text[:end] if end > most // 2 else text


def _last_lines(text: str, most: int) -> str:
    text = text[-most:]
    start = text.find("\n") + 1
    return text[start:] if 0 < start < most // 2 else text


def segments(ref: OutputRef) -> Iterator[tuple[Stream, int, int]]:
    """Which stream wrote what, in order of arrival: stream, offset, length.

    What is not in the index yet (of a run that goes on) is left out. Raises OSError.
    """
    if not ref.path:
        return
    offset = 0
    with Path(ref.path).with_suffix(".idx").open("rb") as file:
        while len(record := file.read(RECORD.size)) == RECORD.size:
            stream, length = RECORD.unpack(record)
            if stream not in STREAMS or length > ref.size - offset:
                return
            yield STREAMS[stream], offset, length
            offset += length


def read_stream(ref: OutputRef, stream: Stream) -> Iterator[bytes]:
    """The bytes of one stream, in pieces of at most 1 MB. Raises OSError."""
    for name, offset, length in segments(ref):
        if name == stream:
            for start in range(offset, offset + length, CHUNK):
                yield read_output(ref, start, min(CHUNK, offset + length - start))
