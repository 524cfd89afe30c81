"""Finding programs of the host where the session's code can write: in a folder of PATH, it may be, or by a link in one.

Such a program may run inside the walls, but never on the host, and where its links lead opens nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/homebrew/bin", "/opt/local/bin")
SYSTEM_ONLY = ("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/")
MOST_LINKS = 40


def of_the_system(name: str) -> str | None:
    """The path of a program in the folders that only an administrator fills."""
    return shutil.which(name, path=os.pathsep.join(SYSTEM))


def search_path(written: Iterable[str]) -> str:
    """PATH without its relative folders, and without those that lie in a folder of `written` or lead through one."""
    tops = tuple(written)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(one for one in folders if os.path.isabs(one) and not passes(one, tops)) or os.defpath


def find(name: str, written: Iterable[str]) -> str | None:
    """The first program of that name in PATH; but no link in a folder of `written` that leads out of all of them."""
    tops = tuple(written)
    found = shutil.which(name)
    if (
        found is None
        or found.startswith(SYSTEM_ONLY)
        or not passes(found, tops)
        or within(os.path.realpath(found), _real(tops))
    ):
        return found
    return shutil.which(name, path=search_path(tops))


def passes(path: str, written: Iterable[str]) -> bool:
    """Whether the way to a file, link by link, goes through one of these folders or ends in one."""
    tops = _real(written)
    at, links = "/", 0
    left = _parts(os.path.abspath(path))
    while left:
        part = left.pop()
        if part == "..":
            at = os.path.dirname(at)
            continue
        here = os.path.join(at, part)
        if within(here, tops):
            return True
        try:
            target = os.readlink(here)
        except OSError:
            at = here
            continue
        links += 1
        if links > MOST_LINKS:
            return True
        at = "/" if os.path.isabs(target) else at
        left += _parts(target)
    return False


def _parts(path: str) -> list[str]:
    """Of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _real(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(os.path.realpath(folder) for folder in folders)


def within(path: str, folders: Iterable[str]) -> bool:
    """Whether a path is one of the folders or lies in one."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
