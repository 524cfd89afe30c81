"""What a log says about the workspace's files: how they were before a step, and that they were brought back."""

from __future__ import annotations

from typing import Literal

from .base import Value

Part = Literal["files", "variables", "conversation"]
PARTS: tuple[Part, ...] = ("files", "variables", "conversation")


class SnapshotTaken(Value, tag="snapshot_taken"):
    """The workspace's state is kept, on the disk itself. Before the ActionStarted of each step that may write, and at a
    session's end when a step has run since."""

    action: str = ""
    """The action before which it was taken; empty: at the session's end."""
    tree: str = ""
    """The state, by its name in the snapshots of the home; empty: there is none, and `missed` says why."""
    files: int = 0
    size: int = 0
    """Bytes of all files that it covers."""
    uncovered: tuple[str, ...] = ()
    """Paths that it does not cover, each with the reason; said again only when they are others than before."""
    after: str = ""
    """The state as the step before this one left it, where it has changed since by other hands."""
    missed: str = ""


class RewindStarted(Value, tag="rewind_started"):
    """The intent: durable before anything is brought back. Followed by one Rewound, perhaps only after a resume."""

    step: int
    """How things were after this step; 0: before the session's first."""
    parts: tuple[Part, ...] = PARTS
    tree: str = ""
    """The state that the files are brought back to; empty: they stay."""
    before: str = ""
    """Their state when the rewind began, which is kept as well."""
    action: str = ""
    """The conversation ends after this action's result; empty: see `turn`."""
    turn: str = ""
    """The conversation ends before this turn."""
    undo: int = 0
    """How many turns were taken back, where turns were named and not a step."""


class VariablesBack(Value):
    """Of one kernel."""

    language: str
    step: int = 0
    """The step after which the checkpoint was made; 0: there was none, and the kernel is a new one."""
    names: int = 0
    missing: tuple[str, ...] = ()
    """Names that it does not hold."""


class Rewound(Value, tag="rewound"):
    """The completion. From here on the model's history ends where `action` or `turn` says."""

    step: int
    parts: tuple[Part, ...] = PARTS
    tree: str = ""
    files: int = 0
    """Files, links and folders that were written, removed, or given other rights."""
    left: tuple[str, ...] = ()
    """Paths that are not as they were, each with the reason."""
    variables: tuple[VariablesBack, ...] = ()
    irreversible: tuple[str, ...] = ()
    """What the steps did that cannot be taken back, as far as the log tells."""
    action: str = ""
    turn: str = ""
    undo: int = 0
    failed: str = ""
    """Why files or variables could not be brought back; the conversation then stays as it was."""
