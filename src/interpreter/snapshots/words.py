"""Why something is not covered or not brought back, in words for a person."""

from __future__ import annotations

from collections.abc import Sequence

from ..text.clean import clean_text
from ..text.i18n import _

MOST = 20
"""Paths that are named; of further ones only the number."""


def reason(code: bytes) -> str:
    match code:
        case b"large":
            return _("larger than snapshots.largest")
        case b"quota":
            return _("snapshots.quota is used up")
        case b"space":
            return _("too little space on the disk")
        case b"special":
            return _("a pipe, socket or device")
        case b"rights":
            return _("may not be read")
        case b"changing":
            return _("changed while it was looked at")
        case b"mount":
            return _("another file system")
        case b"deep":
            return _("too many folders within folders")
        case b"many":
            return _("more files than snapshots.files")
        case b"ignored":
            return _("left out of snapshots by rule")
        case b"aside":
            return _("moved aside, because no snapshot holds it")
        case b"not empty":
            return _("stays, because it holds what no snapshot holds")
        case b"kept":
            return _("stays, because no snapshot holds it")
        case _:
            return _("the system refused it")


def path_text(path: bytes) -> str:
    """A path as text that can be stored and shown, whatever bytes it has."""
    text = path.decode("utf-8", "backslashreplace")
    return clean_text(text.replace("\n", "\\n").replace("\r", "\\r"))


def named(pairs: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Each path with its reason; the first of many, and how many more there are."""
    lines = [f"{path_text(path)} ({reason(code)})" for path, code in pairs[:MOST]]
    if len(pairs) > MOST:
        lines.append(_("and {n} more", n=len(pairs) - MOST))
    return tuple(lines)
