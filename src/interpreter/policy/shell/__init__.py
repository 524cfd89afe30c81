"""Reads shell code by its syntax: which commands it would run, on what, through what."""

from __future__ import annotations

from collections.abc import Mapping

from ..facts import UNKNOWN, Reading
from .state import SPLIT, Context, State
from .tree import TooMuch
from .walk import MOST_BYTES, Walker

__all__ = ["read_shell"]


def read_shell(code: str, *, environ: Mapping[str, str] | None = None) -> Reading:
    """What `code` would do as bash would run it. Never raises; its time is bounded.

    `environ` is the environment that it will find: variables that the code does not set itself are taken from there.
    Without it they are unknown, `HOME` apart, which reads as `~`. What earlier code in the same shell has set is not
    known here; that code was read on its own, its functions included.
    """
    walker = Walker(environ)
    if UNKNOWN in code or SPLIT in code:
        walker.note("it contains characters that do not belong into code")
        code = code.replace(UNKNOWN, "").replace(SPLIT, "")
    if "\r" in code:
        walker.note("it contains carriage returns, which the shell takes for part of a word")
        code = code.replace("\r\n", "\n")
    if len(code) > MOST_BYTES:
        walker.note("it is too long to be read")
        code = code[:MOST_BYTES]
    try:
        walker.program(code, State(), Context())
        walker.finish()
    except TooMuch as error:
        walker.note(f"it was not read to its end: {error}")
    except RecursionError:
        walker.note("it was not read to its end: it is nested too deeply")
    return walker.reading()
