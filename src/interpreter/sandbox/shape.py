"""A kernel's profile, put together: built in, set, of the named profile, granted, and what of that is closed."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from ..types.walls import Profile
from .closed import always_hidden, is_secret, protected
from .gitfolders import real_folders
from .grants import Opened
from .profiles import NamedProfile
from .system import within


def shape(
    profile: Profile,
    chosen: NamedProfile,
    opened: Opened,
    *,
    environ: Mapping[str, str],
    readable: tuple[str, ...] = (),
    writable: tuple[str, ...] = (),
    hidden: tuple[str, ...] = (),
    read_only: bool = False,
) -> Profile:
    """The profile with everything that the person said laid over it.

    Args:
        profile: of `workspace_profile`.
        readable, writable, hidden: absolute paths of the settings.
        read_only: the project asks for no writing, whatever the profile says.

    The network is not decided here: its rules come from the policy as well.
    """
    can_write = chosen.base != "read-only" and not read_only
    own = profile.hidden  # the tool's home: nothing opens it
    said_read = (*readable, *chosen.readable, *opened.readable)
    said_write = (*writable, *chosen.writable)
    granted = tuple(path for path in (*said_read, *said_write) if not within(os.path.realpath(path), own))
    git = real_folders(profile.workspace)
    values = {name: environ[name] for name in chosen.passed if name in environ}
    shaped = msgspec.structs.replace(
        profile,
        name=chosen.name,
        access="write" if can_write else "read",
        readable=(*profile.readable, *(said_read if can_write else (*said_read, *said_write)), *git),
        writable=(*profile.writable, *said_write, *(git if opened.git else ())) if can_write else profile.writable,
        named=tuple(path for path in granted if is_secret(os.path.realpath(path)) or named_below(path, profile)),
        hidden=tuple(dict.fromkeys(os.path.realpath(path) for path in (*own, *hidden, *chosen.hidden))),
        protected=chosen.protected,
        devices=chosen.devices,
        sockets=opened.sockets,
        limits=msgspec.structs.replace(profile.limits, **chosen.limits),
        environment=profile.environment | values | opened.variables | chosen.environment,
    )
    shaped = msgspec.structs.replace(shaped, hidden=(*shaped.hidden, *always_hidden(shaped)))
    return msgspec.structs.replace(shaped, protected=tuple(protected(shaped, git=opened.git)))


def named_below(path: str, profile: Profile) -> bool:
    """Whether a writable path lies in the workspace: naming it there only makes sense to open what is protected."""
    return within(os.path.realpath(path), (profile.workspace,))
