"""Names of files, which may hold anything but NUL."""

from __future__ import annotations

from .clean import reveal


def shown(path: str) -> str:
    """A name as it may be shown: one line, nothing hidden in it, also where it is no text."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return reveal(text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))
