"""Staged mode: overlays take what programs write, so that the person's folders stay as they are until they say so."""

from __future__ import annotations

import os
from typing import Any, Final

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Profile, layers_of
from .backend import written
from .system import within

BACKEND: Final = "bubblewrap"
"""The only one whose programs are born where a folder can be another one under the same name."""


def stage_of(profile: Profile, identity: int | None) -> dict[str, Any] | None:
    """What the keeper mounts for a profile (`Launch.stage`); the folders of the layers are made where missing.

    Raises SandboxUnavailable: a folder that programs may write cannot be staged; nothing is left out silently.
    """
    tops = staged(profile)
    if not tops:
        return None
    folders: list[tuple[str, str]] = []
    for top in tops:
        if not os.path.isdir(top):
            raise refusal(_("{path} is no folder, and only folders can be staged.", path=top))
        if within(profile.stage, (top,)):
            raise refusal(_("This program keeps its own files inside {path}.", path=top))
        folders.append((top, layers(profile.stage, top)))
    return {"folders": folders, "identity": identity}


def staged(profile: Profile) -> tuple[str, ...]:
    """The real paths of the folders whose changes are kept aside: the workspace, and what else of the person's may be
    written; none without staged mode. What belongs to the session itself (its scratch) is not among them."""
    if not profile.stage:
        return ()
    own = os.path.dirname(profile.stage)
    session = os.path.dirname(own)
    tops = dict.fromkeys(os.path.realpath(path) for path in written(profile))
    tops = {path: None for path in tops if not within(path, (session,))}
    return tuple(path for path in tops if not any(path != top and within(path, (top,)) for top in tops))


def layers(stage: str, top: str) -> str:
    """The folder with the layers over `top`. Its `upper` has the mode and the owner of `top`, which it stands for."""
    folder = layers_of(stage, top)
    for name in ("", "lower", "seen", "work"):
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    upper = os.path.join(folder, "upper")
    if not os.path.isdir(upper):
        like = os.stat(top)
        os.mkdir(upper, 0o700)
        if os.geteuid() == 0:
            os.chown(upper, like.st_uid, like.st_gid)
        os.chmod(upper, like.st_mode & 0o7777)
    return folder


def upper_of(profile: Profile, path: str) -> str:
    """Where on the host what is written to `path` lands."""
    for top in staged(profile):
        if within(path, (top,)):
            return os.path.join(layers_of(profile.stage, top), "upper")
    return path


def check_backend(profile: Profile, name: str) -> None:
    """Raises SandboxUnavailable where a backend has no overlays and the profile asks for them."""
    if profile.stage and name != BACKEND:
        raise refusal(_("The sandbox {name} has no staged mode.", name=name))


def refusal(reason: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        _("Staged mode is not possible here: {reason}", reason=reason),
        _("Nothing was run. Staged mode needs bubblewrap; without --stage, programs write to the folder itself."),
    )
