from __future__ import annotations

import gzip
import random
import zipfile
from io import BytesIO

import pytest

from interpreter.text.decode import decode, encoding_of, kind_of, looks_binary, placeholder

CHINESE = "数据已保存到文件，共有三千行。\n" * 20


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", "utf-8"),
        (b"plain", "utf-8"),
        (CHINESE.encode(), "utf-8"),
        (CHINESE.encode()[1:-2], "utf-8"),
        (CHINESE.encode("gbk"), "gb18030"),
        (("name,城市\n" + CHINESE).encode("gb18030")[:-1], "gb18030"),
        ("hello 世界".encode("utf-16"), "utf-16"),
        ("café crème brûlée, très cher".encode("latin-1"), ""),
        (CHINESE.encode()[:100] + b"\xff\xfe\xfd" + CHINESE.encode()[99:], ""),
    ],
)
def test_encodings(data: bytes, encoding: str) -> None:
    assert encoding_of(data) == encoding


def test_decode_never_fails_and_says_the_encoding() -> None:
    assert decode(CHINESE.encode("gbk")) == (CHINESE, "gb18030")
    assert decode("用户".encode()) == ("用户", "utf-8")
    assert decode(b"caf\xe9 au lait") == ("caf\ufffd au lait", "utf-8")


def packed() -> bytes:
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "JPEG image"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WebP image"),
        (gzip.compress(b"x" * 100), "gzip archive"),
        (packed(), "ZIP archive or Office document"),
        (b"PAR1\x15\x04\x15\x00\x00\x00", "Parquet file"),
        (b"\x7fELF\x02\x01\x01\x00", "ELF program"),
        (b"SQLite format 3\x00\x10\x00", "SQLite database"),
        (random.Random(1).randbytes(500), ""),
    ],
    # Archives hold the time of their making: their bytes are no names for tests.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_binary_data_is_told_by_type_and_size(data: bytes, kind: str) -> None:
    assert looks_binary(data)
    assert kind_of(data) == kind
    assert placeholder(data, 12_345) == f"[binary data: {kind or 'unknown type'}, 12.3 kB]"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain text\n",
        CHINESE.encode(),
        CHINESE.encode("gbk"),
        b"\x1b[31mred\x1b[0m\r\n\x07",
        "hello 世界".encode("utf-16"),
        "café crème brûlée, très cher".encode("latin-1"),
        b"BM is how this line begins",
        b"%PDF-1.4 is how a PDF begins",
        b"one bad byte \xff in a long line of text",
    ],
)
def test_text_is_not_taken_for_binary(data: bytes) -> None:
    assert not looks_binary(data)
