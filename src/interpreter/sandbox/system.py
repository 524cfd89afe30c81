"""What of this machine every sandbox may read, and what of that stays hidden."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path

from ..aio.search import within as within

FOLDERS = (
    "/usr",
    "/etc",
    "/opt",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
    "/var/lib/texmf",
    "/var/cache/fontconfig",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
"""Programs, their libraries and their public settings. Nothing of other users, nothing of services."""
SECRET = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/NetworkManager/system-connections",
    "/etc/wireguard",
    "/etc/krb5.keytab",
    "/etc/security/opasswd",
    "/etc/polkit-1/rules.d",
    "/etc/letsencrypt",
    "/etc/kubernetes",
    "/etc/rancher",
    "/etc/docker",
    "/etc/ppp",
    "/etc/openvpn",
    "/etc/ipsec.secrets",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class System:
    """
    Args:
        folders: absolute, real folders.
        links: name and target of the folders that are links (`/bin` to `usr/bin`).
        secret: what of them holds keys.
    """

    def __init__(self, folders: tuple[str, ...], links: tuple[tuple[str, str], ...], secret: tuple[str, ...]) -> None:
        self.folders, self.links, self.secret = folders, links, secret

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """All that programs with an owner's rights must not see; for root that takes a walk of some milliseconds."""
        if os.geteuid() != 0:
            return self.secret
        closed = [path for top in ("/etc", "/opt") for path in closed_to_others(top) if not within(path, self.secret)]
        return (*self.secret, *closed)


@lru_cache(maxsize=1)
def system() -> System:
    """What there is of the system here."""
    folders: list[str] = []
    links: list[tuple[str, str]] = []
    for folder in FOLDERS:
        if os.path.islink(folder) and "/" not in folder[1:]:
            links.append((folder, os.readlink(folder)))
        elif os.path.isdir(folder):
            folders.append(folder)
    secret = [path for path in SECRET if os.path.lexists(path)]
    secret += [str(path) for path in Path("/etc/ssh").glob("*_key")]
    return System(tuple(folders), tuple(links), tuple(secret))


def closed_to_others(top: str) -> Iterable[str]:
    """What under a folder only its owner or group may read.

    Root keeps an owner's rights inside every sandbox, because files know it by its number.
    """
    try:
        entries = list(os.scandir(top))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        folder = entry.is_dir(follow_symlinks=False)
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue
        needed = stat.S_IROTH | stat.S_IXOTH if folder else stat.S_IROTH
        if mode & needed != needed:
            yield entry.path
        elif folder and top != "/opt":
            yield from closed_to_others(entry.path)


def without(folder: str, hidden: Iterable[str]) -> list[str]:
    """Paths that together are the folder but for what is hidden in it; for walls that can only add."""
    inside = [path for path in hidden if within(path, (folder,))]
    if not inside:
        return [folder]
    if folder in inside:
        return []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [path for name in names for path in without(os.path.join(folder, name), inside)]
