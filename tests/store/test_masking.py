"""Secrets that a program printed are not kept in its output."""

from __future__ import annotations

import io
import os
from hashlib import sha256
from pathlib import Path

import pytest

from interpreter.errors import StoreError
from interpreter.store import Store
from interpreter.store.blobs import INLINE
from interpreter.store.masking import PIECE, masked_pieces
from interpreter.text.redact import Redactor

SECRET = "correct-horse-battery-9"
STARS = "*" * len(SECRET)
KEY = "ghp_" + "a1B2" * 9


def write(store: Store, data: bytes, index: bytes | None = b"\x01" + bytes(8), name: str = "x_1") -> Path:
    folder = store.folder("s_1") / "run" / "outputs"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.out"
    path.write_bytes(data)
    if index is not None:
        path.with_suffix(".idx").write_bytes(index)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "home")
    store.masks = Redactor([SECRET])
    return store


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("size", [200, INLINE, INLINE + 1, 3 * PIECE])
def test_known_values_are_masked_in_outputs_of_every_size(store: Store, size: int) -> None:
    with store:
        log = store.create("s_1", "/project")
        text = f"before {SECRET} after\n".encode()
        data = text + b"." * (size - 2 * len(text)) + text
        path = write(store, data)
        ref = log.put_file(path, sha256(data).hexdigest())
        kept = log.read_blob(ref)
        assert kept == data.replace(SECRET.encode(), STARS.encode()) and ref.size == len(data)
        assert ref.sha256 == sha256(kept).hexdigest() and Path(ref.path).stat().st_mode & 0o777 == 0o600
        assert Path(ref.path).with_suffix(".idx").read_bytes() == b"\x01" + bytes(8)
        assert not path.exists() and not path.with_suffix(".idx").exists()
    assert SECRET.encode() not in everything_under(store.home)


def test_forms_are_masked_in_small_outputs(store: Store) -> None:
    with store:
        log = store.create("s_1", "/project")
        ref = log.put_file(write(store, f"a {KEY} b".encode()))
        assert log.read_blob(ref) == b"a " + b"*" * len(KEY) + b" b"
    assert KEY.encode() not in everything_under(store.home)


def test_an_output_without_secrets_is_moved_and_not_copied(store: Store) -> None:
    with store:
        log = store.create("s_1", "/project")
        for size in (100, INLINE + 1):
            path = write(store, b"x" * size, name=f"x_{size}")
            inode = path.stat().st_ino
            assert Path(log.put_file(path).path).stat().st_ino == inode


def test_without_known_values_a_log_keeps_outputs_as_they_came(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        assert log.read_blob(log.put_file(write(store, KEY.encode()))) == KEY.encode()


@pytest.mark.parametrize("size", [0, INLINE])
def test_the_same_call_after_a_crash_finds_what_was_masked(store: Store, size: int) -> None:
    data = f"a {SECRET}".encode() + b"." * size
    digest = sha256(data).hexdigest()
    with store:
        log = store.create("s_1", "/project")
        path = write(store, data)
        first = log.put_file(path, digest)
        assert log.put_file(path, digest) == first, "the program died before the completion was logged"
        with pytest.raises(StoreError, match="is gone"):
            log.put_file(path, sha256(b"other").hexdigest())


@pytest.mark.parametrize("size", [0, INLINE])
def test_a_crash_before_the_file_was_removed_is_made_good(store: Store, size: int) -> None:
    data = f"a {SECRET}".encode() + b"." * size
    digest = sha256(data).hexdigest()
    with store:
        log = store.create("s_1", "/project")
        first = log.put_file(write(store, data), digest)
        again = log.put_file(write(store, data), digest)
        assert again == first and log.read_blob(again).startswith(b"a ***")


def read_all(data: bytes, redactor: Redactor) -> bytes:
    return b"".join(masked_pieces(io.BytesIO(data), redactor))


@pytest.mark.parametrize("place", [PIECE - 1, PIECE - 5, PIECE - len(SECRET), PIECE, 2 * PIECE - 3])
def test_a_value_across_the_seam_of_two_pieces_is_masked(place: int) -> None:
    data = bytearray(os.urandom(2 * PIECE + 100))
    data[place : place + len(SECRET)] = SECRET.encode()
    expected = bytes(data).replace(SECRET.encode(), STARS.encode())
    assert read_all(bytes(data), Redactor([SECRET])) == expected


def test_pieces_of_a_short_and_an_empty_file() -> None:
    assert read_all(b"", Redactor([SECRET])) == b""
    assert read_all(b"ab", Redactor([SECRET])) == b"ab"
    assert read_all(SECRET.encode(), Redactor([SECRET])) == STARS.encode()


def test_a_session_that_is_resumed_reads_what_was_masked(store: Store) -> None:
    with store:
        log = store.create("s_1", "/project")
        ref = log.put_file(write(store, f"a {SECRET}".encode()))
        log.close()
        Path(ref.path).unlink()
        back = store.resume("s_1")
        assert back.read_blob(ref) == b"a " + STARS.encode(), "from the log's own copy"
