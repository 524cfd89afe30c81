"""What of a profile's folders stays hidden, and what stays read-only, on the machine as it stands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache

from ..types.walls import Profile
from .gitfolders import nested
from .names import KEYS, KEYS_ANYWHERE, OF_GIT, RUNS_BY_ITSELF, RUNS_IN_A_HOME
from .system import within

LARGEST = 1 << 20


@lru_cache(maxsize=1)
def homes() -> tuple[str, ...]:
    """The real homes of the people of this machine, this one's first; as /etc/passwd says, which asks no network."""
    found = [os.path.realpath(os.path.expanduser("~"))]
    try:
        with open("/etc/passwd", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(LARGEST).splitlines()
    except OSError:
        lines = []
    for line in lines:
        fields = line.split(":")
        if len(fields) > 5 and fields[5].startswith(("/home/", "/root", "/Users/", "/data/", "/mnt/", "/srv/")):
            found.append(os.path.realpath(fields[5]))
    return tuple(dict.fromkeys(path for path in found if path != "/"))


def shown(profile: Profile) -> tuple[str, ...]:
    """The real folders that a profile shows beside the system's, the session's own left out."""
    paths = (profile.workspace, *profile.readable, *profile.writable)
    return tuple(dict.fromkeys(os.path.realpath(path) for path in paths))


def always_hidden(profile: Profile) -> list[str]:
    """Keys and the like that lie in what a profile shows, but for what the person named; absolute, real, existing."""
    folders = shown(profile)
    wanted = [f"{folder}/{name}" for folder in folders for name in KEYS_ANYWHERE]
    for home in homes():
        if within(home, folders) or any(within(folder, (home,)) for folder in folders):
            wanted += [f"{home}/{name}" for name in KEYS]
    named = named_really(profile)
    found: dict[str, None] = {}
    for path in wanted:
        real = os.path.realpath(path) if os.path.lexists(path) else ""
        if real and within(real, folders) and not opened(real, named):
            found[real] = None
    return list(found)


def named_really(profile: Profile) -> tuple[str, ...]:
    return tuple(os.path.realpath(path) for path in profile.named)


def opened(path: str, named: Iterable[str]) -> bool:
    """Whether a closed path was named one by one. A name below it opens that alone, not the whole."""
    return within(path, named)


def is_secret(path: str) -> bool:
    """Whether a real path lies in what is always hidden, or is it."""
    if any(within(path, (f"{home}/{name}" for name in KEYS)) for home in homes()):
        return True
    return any(part in KEYS_ANYWHERE for part in path.split("/"))


def protected(profile: Profile, *, git: bool = False) -> list[str]:
    """Absolute paths in writable folders that stay read-only inside, whether they exist or not.

    `git`: the person granted it. Repositories further down are looked for within bounds.
    """
    tops = [os.path.realpath(profile.workspace)] if profile.access == "write" else []
    tops += [os.path.realpath(path) for path in profile.writable if path not in own_folders(profile)]
    paths: list[str] = list(profile.protected)
    for top in dict.fromkeys(tops):
        if not os.path.isdir(top):
            continue
        paths += [f"{top}/{name}" for name in RUNS_BY_ITSELF if not (git and name in OF_GIT)]
        for home in homes():
            if within(home, (top,)):
                names = (*RUNS_BY_ITSELF, *RUNS_IN_A_HOME)
                paths += [f"{home}/{name}" for name in names if not (git and name in OF_GIT)]
        if not git:
            paths += nested(top)
    exempt = {os.path.realpath(path) for path in (*profile.writable, *profile.named)}
    return [path for path in dict.fromkeys(paths) if path not in exempt]


def own_folders(profile: Profile) -> tuple[str, ...]:
    """The session's scratch and its temporary folder: nothing there is opened by anybody else's tools."""
    temporary = profile.environment.get("TMPDIR", "")
    return (temporary, temporary.removesuffix(".tmp")) if temporary else ()
