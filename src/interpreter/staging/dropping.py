"""Takes changes out of an upper folder, so that what lies below shows again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence

from ..errors import StageError
from ..text.i18n import _
from ..types.staging import Change
from .changes import Layer, is_opaque
from .journal import above
from .names import FOLDER, folder_above, look, opened
from .removal import remove


def drop(layers: Iterable[Layer], changes: Sequence[Change], every: Sequence[Change]) -> None:
    """Take `changes` out of the stage, of which `every` are all.

    Raises StageError where one cannot go alone, before anything is done; OSError.
    """
    by_top = {layer.top: layer for layer in layers}
    whole = {change.name for change in changes if is_whole(change)}
    chosen = {(change.name, change.kind) for change in changes}
    for change in changes:
        if not held(change.name, whole):
            layer = by_top[change.top]
            path = hidden_by(layer, change.path, added=change.was == "")
            if path and all((one.name, one.kind) in chosen for one in at(f"{layer.top}/{path}", every)):
                # Made anew over one that was there, which is no change of its own: it goes when all in it does.
                whole.add(f"{layer.top}/{path}")
            elif path:
                raise StageError(
                    _("{path} cannot be dropped alone: its folder was deleted or made anew.", path=change.name),
                    _("Drop the folder: interpreter stage drop {path}", path=f"{layer.top}/{path}"),
                )
    for change in changes:
        layer = by_top[change.top]
        if held(change.name, whole) or change.name in whole:
            continue
        if change.kind == "mode" and change.what == "folder":
            with folder_above(layer.upper, change.path) as (holder, name), opened(name, below=holder) as fd:
                os.fchmod(fd, change.was_mode)
        else:
            uncover(layer, change.path)
    for name in [name for name in whole if not held(name, whole)]:
        layer = by_top[max((top for top in by_top if name.startswith(f"{top}/")), key=len)]
        uncover(layer, os.path.relpath(name, layer.top), folders=True)


def is_whole(change: Change) -> bool:
    """Whether all that lies in it comes or goes with it."""
    return change.kind != "mode" and "folder" in (change.what, change.was)


def held(name: str, whole: set[str]) -> bool:
    return any(outer in whole for outer in above(name))


def at(name: str, changes: Iterable[Change]) -> Iterable[Change]:
    """Those at a name and below it."""
    return (change for change in changes if f"{change.name}/".startswith(f"{name}/"))


def hidden_by(layer: Layer, path: str, *, added: bool = False) -> str:
    """The outermost folder above `path` in the stage of which nothing shows that lies below; empty: there is none.

    `added`: nothing lies below, so it may as well be gone from a folder that was made anew.
    """
    fd = os.open(layer.upper, FOLDER)
    parts = path.split("/")
    try:
        for count, part in enumerate(parts[:-1], 1):
            found = look(part, fd)
            if found is None or not stat.S_ISDIR(found.st_mode):
                return "/".join(parts[:count])
            deeper = os.open(part, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = deeper
            if not added and is_opaque(fd, layer.private):
                return "/".join(parts[:count])
    finally:
        os.close(fd)
    return ""


def uncover(layer: Layer, path: str, *, folders: bool = False) -> None:
    """Take an entry out of the upper folder; a folder only where `folders` says so."""
    with folder_above(layer.upper, path) as (holder, name):
        found = look(name, holder)
        if found is not None and (folders or not stat.S_ISDIR(found.st_mode)):
            remove(name, holder)
