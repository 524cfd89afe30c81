"""What an action reaches: whether it only reads, and what of it lies beyond the workspace's snapshots."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .. import policy
from ..session.effects import outside, outward, short
from ..types.actions import Action
from ..types.goals import UndoBy
from ..types.tooling import TOOL, Declaration, read_call
from .reading import no_undo

SENDING = ("post", "put", "patch", "delete", "urlopen", "request", "send", "sendmail", "connect")
"""Last parts of the names of calls that may change something elsewhere."""


def beyond(action: Action, workspace: Path) -> str:
    """What of the action snapshots of the workspace do not cover, in a line; empty where nothing was found."""
    reading = policy.read_code(action.language, action.code)
    for command in reading.commands:
        if outward(command):
            return short(command.text or " ".join(command.words))
    for path in (*reading.writes, *reading.deletes):
        if outside(path, workspace) and not path.startswith(("/tmp/", "$TMPDIR")):
            return short(path)
    for call in reading.calls:
        name = call.name.rpartition(".")[2].lower()
        if call.hosts and (name in SENDING or "POST" in call.text):
            return short(call.text or call.name)
    return ""


class Way(NamedTuple):
    """How an action is undone."""

    by: UndoBy
    code: str = ""
    why: str = ""
    """What of it reaches beyond the workspace; of a tool, in which way it is undone by a person."""
    missing: bool = False
    """The model has to say it first."""


def way_back(action: Action, workspace: Path, declared: Mapping[str, Declaration], *, kept: bool, says: bool) -> Way:
    """How a writing action is undone.

    Args:
        declared: the session's tools by name.
        kept: whether the workspace's files are kept before each step.
        says: whether the model can name an undo at all.
    """
    if action.language == TOOL:
        return of_tool(action, declared, kept=kept)
    why = beyond(action, workspace) or ("" if kept else "files in the folder, which are not kept")
    if not why:
        return Way("snapshot")
    if not action.undo.strip() and says:
        return Way("none", why=why, missing=True)
    if not action.undo.strip() or no_undo(action.undo):
        return Way("none", why=why)
    return Way("command", action.undo.strip(), why)


def of_tool(action: Action, declared: Mapping[str, Declaration], *, kept: bool) -> Way:
    """What a tool brings: a shell command with the arguments quoted, or a sentence for a person."""
    try:
        called = read_call(action.code)
    except ValueError:
        return Way("none", why="a call that cannot be read")
    found = declared.get(called.tool)
    if found is None or not found.undo:
        inside = found is not None and found.targets and all(target.kind == "path" for target in found.targets)
        return Way("snapshot") if inside and kept else Way("none", why=called.tool)
    if shutil.which(found.undo.split()[0]) is None:
        return Way("tool", why=found.undo)
    code = found.undo
    for name, value in called.arguments.items():
        code = code.replace("{" + name + "}", shlex.quote(str(value)))
    return Way("tool", code, called.tool)
