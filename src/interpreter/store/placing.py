"""Where the files that an event names lie here: the log may come from another machine, or from another home.

The names in an event are its writer's claim. Whoever reads the log gets paths in the session's own folder, or none.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from ..types.actions import Completion
from ..types.events import ActionFinished, Event, TurnStarted

INSIDE = re.compile(r"(?:blobs|run/outputs)/[A-Za-z0-9][\w.-]{0,199}", re.ASCII)


def placed(event: Event, folder: Path, *, foreign: bool) -> Event:
    """The event with the files it names in this session's folder; the same object where they are there already.

    Args:
        foreign: it came from a file: what it names outside of the session is somebody else's.
    """
    match event:
        case ActionFinished() if event.completion is not None:
            done = placed_completion(event.completion, str(folder))
            return event if done is event.completion else msgspec.structs.replace(event, completion=done)
        case TurnStarted() if foreign and event.images:
            return msgspec.structs.replace(event, images=())
        case _:
            return event


def placed_completion(done: Completion, folder: str) -> Completion:
    changed: dict[str, object] = {}
    if done.output.path and (path := place_of(done.output.path, folder)) != done.output.path:
        changed["output"] = msgspec.structs.replace(done.output, path=path)
    shown = tuple(
        display if (path := place_of(display.path, folder)) == display.path
        else msgspec.structs.replace(display, path=path)
        for display in done.displays
    )  # fmt: skip
    if shown != done.displays:
        changed["displays"] = shown
    return msgspec.structs.replace(done, **changed) if changed else done


def place_of(path: str, folder: str) -> str:
    parts = path.rsplit("/", 3)
    inside = "/".join(parts[-3:]) if parts[-3:-1] == ["run", "outputs"] else "/".join(parts[-2:])
    if INSIDE.fullmatch(inside) is not None:
        return f"{folder}/{inside}"
    if path.startswith(f"{folder}/") and ".." not in path.split("/"):
        return path
    return f"{folder}/blobs/{parts[-1]}" if parts[-1] not in ("", "..", ".") else ""
