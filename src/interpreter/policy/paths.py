"""Paths as code names them, made absolute, against the patterns of rules."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from ..text.expression import expression
from .facts import UNKNOWN
from .match import MAYBE, NO, YES

EVERYTHING = expression(r"(\*+|\.\*|\.\[!?\^?\.\]\*|\.\?\?\*|\{.*\*.*\})\Z")
"""A last part that stands for all that a folder holds."""
SPECIAL = expression("[*?\\[{" + UNKNOWN + "]")
"""In a path of the code: a pattern of the shell, or a piece that is not known."""
DRIVE = expression(r"[A-Za-z]:")


class Ground(NamedTuple):
    """Where relative paths and `~` lead."""

    workspace: str
    home: str


@lru_cache(4096)
def settle(path: str, ground: Ground, folder: str = "") -> str:
    """The absolute path that is meant; what is not known of it stays UNKNOWN."""
    path = re.sub(r"^\$(\{HOME\}|HOME\b)", "~", path)
    path = re.sub(r"^\$(\{WORKSPACE\}|WORKSPACE\b|\{PWD\}|PWD\b)", lambda _m: ground.workspace or ".", path)
    if path.startswith("file://"):
        path = path[7:]
    if DRIVE.match(path):
        return path.replace("\\", "/").rstrip("/") + "/"
    if path.startswith("~"):
        user, slash, rest = path[1:].partition("/")
        if UNKNOWN in user:
            return UNKNOWN
        base = ground.home or "/home/user" if not user else ("/root" if user == "root" else f"/home/{user}")
        path = base + slash + rest
    elif path.startswith(UNKNOWN):
        return path
    elif not path.startswith("/"):
        base = settle(folder, ground) if folder else ground.workspace or "/workspace"
        path = base + "/" + path
        if base.startswith(UNKNOWN):
            return path
    known, unknown, rest = path.partition(UNKNOWN)
    if unknown and ".." in rest.split("/"):
        return UNKNOWN
    plain = posixpath.normpath(known).replace("//", "/")
    if unknown:
        return (plain.rstrip("/") + "/" if known.endswith("/") else plain) + unknown + rest
    return plain


@lru_cache(4096)
def _shape(pattern: str) -> tuple[re.Pattern[str], str]:
    """A settled pattern as an expression, and its part without wildcards."""
    if pattern.endswith("/**"):
        body, tail = pattern[:-3], "(/.*)?"
    else:
        body, tail = pattern, ""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", body)
    expression = "".join({"**/": "(.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(p, re.escape(p)) for p in pieces)
    fixed = pieces[0] if len(pieces) > 1 else body
    return re.compile(expression + tail, re.DOTALL), fixed or "/"


@lru_cache(512)
def _union(patterns: tuple[str, ...], ground: Ground) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """All patterns as one expression, and their parts without wildcards."""
    shapes = [_shape(settle(one, ground)) for one in patterns]
    return re.compile("|".join(f"(?:{one.pattern})" for one, _fixed in shapes), re.DOTALL), tuple(f for _o, f in shapes)


def path_fits(patterns: Sequence[str], path: str, ground: Ground, *, folder: str = "", recursive: bool = False) -> int:
    """Whether a path that code names is one of those that the patterns mean.

    With `recursive`, what is above a pattern's path counts as well: with `/home`, `~` is gone.
    """
    settled = settle(path, ground, folder)
    every, roots = _union(tuple(patterns), ground)
    if not SPECIAL.search(settled):
        if every.fullmatch(settled) or (recursive and any(one.startswith(settled.rstrip("/") + "/") for one in roots)):
            return YES
        return NO
    parent, _slash, last = settled.rpartition("/")
    found = [settled]
    if EVERYTHING.match(last):
        found.append(parent or "/")
    best = NO
    for pattern in patterns:
        wanted = settle(pattern, ground)
        best = max(best, *(_fits(wanted, one, recursive, ground) for one in found))
    return best


def _fits(pattern: str, path: str, recursive: bool, ground: Ground) -> int:
    expression, fixed = _shape(pattern)
    if UNKNOWN in path:
        return _may_fit(fixed, "*" in pattern, path, recursive, ground)
    if expression.fullmatch(path):
        return YES
    if re.search(r"[*?\[]", path) and (fnmatchcase(fixed, path) and fixed.count("/") == path.count("/")):
        return YES
    if recursive and (fixed.startswith(path.rstrip("/") + "/")):
        return YES
    return NO


def _may_fit(fixed: str, wild: bool, path: str, recursive: bool, ground: Ground) -> int:
    known = path.partition(UNKNOWN)[0]
    if recursive:
        shape = ".*".join(re.escape(piece) for piece in path.split(UNKNOWN))
        # An unknown piece may be empty: `~/$x` is then the home itself.
        fits = re.fullmatch(shape, fixed) or re.fullmatch(shape, fixed.rstrip("/") + "/")
        return MAYBE if fits or (wild and known.startswith(fixed)) else NO
    if not known:
        return NO
    folder = known.rpartition("/")[0]
    inside = folder == fixed.rpartition("/")[0].rstrip("/") and folder not in ("", ground.workspace, ground.home)
    return MAYBE if inside or (wild and known.startswith(fixed.rstrip("/") + "/")) else NO


def lies_in(path: str, ground: Ground, folder: str = "") -> bool:
    """Whether a path certainly lies in the workspace or where scratch files go."""
    settled = settle(path, ground, folder)
    if settled in ("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"):
        return True
    roots = [root for root in (ground.workspace.rstrip("/"), "/tmp") if root]
    return UNKNOWN not in settled and any(settled.startswith(root + "/") for root in roots)
