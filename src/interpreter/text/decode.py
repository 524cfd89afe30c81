"""Bytes that may be text: which encoding, or which kind of file."""

from __future__ import annotations

import re

from .cut import human_size

SAMPLE = 1 << 16
"""How much of the data is looked at to tell text from a binary file."""
MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"GIF8", "GIF image"),
    (b"BM", "BMP image"),
    (b"II*\x00", "TIFF image"),
    (b"MM\x00*", "TIFF image"),
    (b"%PDF-", "PDF document"),
    (b"PAR1", "Parquet file"),
    (b"ARROW1", "Arrow file"),
    (b"SQLite format 3\x00", "SQLite database"),
    (b"PK\x03\x04", "ZIP archive or Office document"),
    (b"\x1f\x8b", "gzip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ\x00", "xz archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"Rar!\x1a\x07", "RAR archive"),
    (b"\x7fELF", "ELF program"),
    (b"\xca\xfe\xba\xbe", "Java class or Mach-O program"),
    (b"\xcf\xfa\xed\xfe", "Mach-O program"),
    (b"MZ", "Windows program"),
    (b"\x00asm", "WebAssembly module"),
    (b"\x93NUMPY", "NumPy array"),
    (b"\x89HDF\r\n\x1a\n", "HDF5 file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Office document"),
    (b"OggS", "Ogg media"),
    (b"fLaC", "FLAC audio"),
    (b"ID3", "MP3 audio"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM video"),
    (b"\x80\x04\x95", "Python pickle"),
    (b"\x80\x05\x95", "Python pickle"),
)
# What text does not hold: NUL, and controls other than those of terminals and line ends.
ODD = bytes([*range(7), *range(14, 27), *range(28, 32), 127])
FIRST_PART = re.compile(rb"\A[\x80-\xbf]{1,3}")
LAST_PART = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")


def kind_of(data: bytes) -> str:
    """What the first bytes of a file say it is; empty when they say nothing."""
    for magic, name in MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF":
        return {b"WEBP": "WebP image", b"WAVE": "WAV audio", b"AVI ": "AVI video"}.get(data[8:12], "RIFF file")
    if data[4:8] == b"ftyp":
        return "MP4 media"
    return "tar archive" if data[257:262] == b"ustar" else ""


def looks_binary(data: bytes) -> bool:
    """True where the beginning of the data is no text in any encoding known here."""
    sample = data[:SAMPLE]
    if not sample:
        return False
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")) and encoding_of(sample).startswith("utf-16"):
        return False
    if b"\x00" in sample:
        return True
    odd = len(sample) - len(sample.translate(None, ODD))
    if odd * 10 > len(sample):
        return True
    if encoding_of(sample):
        return False
    broken = sample.decode("utf-8", "replace").count("\ufffd")
    return broken * 10 > len(sample) * 3 or (broken > 0 and bool(kind_of(sample)))


def encoding_of(data: bytes) -> str:
    """`utf-8`, `utf-16`, `gb18030` (which holds GBK and GB2312), or empty when it is none of them.

    Characters that the beginning or the end of the data cuts through are no objection. The characters of UTF-8 are
    often characters of GB18030 too, so that is only taken where hardly any fits UTF-8.
    """
    begin = FIRST_PART.match(data)
    end = LAST_PART.search(data, max(len(data) - 3, 0))
    if fits(data[begin.end() if begin else 0 : end.start() if end else len(data)], "utf-8"):
        return "utf-8"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and fits(data[: len(data) // 2 * 2], "utf-16"):
        return "utf-16"
    if b"\x00" in data or not mostly_broken(data[:SAMPLE].decode("utf-8", "replace")):
        return ""
    for cut in range(4):
        if fits(data[: len(data) - cut], "gb18030"):
            return "gb18030" if mostly_chinese(data[: min(SAMPLE, len(data) - cut)].decode("gb18030", "ignore")) else ""
    return ""


def mostly_broken(text: str) -> bool:
    """Of what is not ASCII, half or more did not fit the encoding."""
    other = [c for c in text if not c.isascii()]
    return other.count("\ufffd") * 2 >= len(other)


def fits(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def mostly_chinese(text: str) -> bool:
    """Nearly any bytes are characters of GB18030: only common ones make it likely."""
    other = [c for c in text if not c.isascii()]
    common = sum("\u4e00" <= c <= "\u9fa5" or "\u3000" <= c <= "\u303f" or "\uff01" <= c <= "\uff5e" for c in other)
    return bool(other) and common >= 0.9 * len(other)


def decode(data: bytes) -> tuple[str, str]:
    """Text, and the encoding it was read in; what does not fit UTF-8 becomes U+FFFD where nothing else fits."""
    encoding = encoding_of(data) or "utf-8"
    return data.decode(encoding, "replace"), encoding


def placeholder(data: bytes, size: int | None = None) -> str:
    """The line that stands for binary data.

    Args:
        data: its beginning.
        size: of the whole, where `data` is not all of it.
    """
    kind = kind_of(data) or "unknown type"
    return f"[binary data: {kind}, {human_size(len(data) if size is None else size)}]"
