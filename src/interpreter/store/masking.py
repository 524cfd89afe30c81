"""Outputs without the secrets that a program printed: each byte of one becomes `*`, so that no place moves."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Protocol

PIECE = 1 << 20


class Masks(Protocol):
    """What is needed of `text.redact.Redactor`."""

    @property
    def longest(self) -> int:
        """Bytes of the longest known value."""
        ...

    def mask(self, data: bytes) -> bytes: ...

    def mask_known(self, data: bytes) -> bytes: ...

    def holds_known(self, data: bytes | mmap.mmap) -> bool: ...


def file_holds_known(path: Path, masks: Masks) -> bool:
    """Whether a known value stands in a file; the file is looked at in place and not read into memory."""
    if not masks.longest:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return masks.holds_known(data)


def copy_masked(source: Path, target: Path, masks: Masks) -> str:
    """Copy a file without known values, on the disk when this returns; the SHA-256 of the copy. Raises OSError."""
    digest = sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with source.open("rb") as old, os.fdopen(descriptor, "wb") as new:
        for piece in masked_pieces(old, masks):
            digest.update(piece)
            new.write(piece)
        new.flush()
        os.fsync(new.fileno())
    return digest.hexdigest()


def masked_pieces(file: BinaryIO, masks: Masks) -> Iterator[bytes]:
    """A value may lie across the seam of two pieces: the end of each is looked at again with the next."""
    overlap = masks.longest - 1
    kept = b""
    while piece := file.read(PIECE):
        data = masks.mask_known(kept + piece)
        kept = data[-overlap:] if overlap > 0 else b""
        yield data[: len(data) - len(kept)]
    yield kept
