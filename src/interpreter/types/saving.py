"""What a log says about checkpoints of kernels: their states, saved and brought back."""

from __future__ import annotations

from .base import Value


class Unsaved(Value):
    """A name that a checkpoint does not hold, or that could not be brought back. All of it is a kernel's claim."""

    name: str
    type: str = ""
    reason: str = ""
    execution: str = ""
    """The execution that last bound the name; empty: not known."""
    rebuild: bool = False
    """It is too dear to save and was quick to make: running that execution's code again would bring it back."""


class CheckpointSaved(Value, tag="checkpoint_saved"):
    """The state of a kernel is on disk, as it was after `execution`. Comes after that execution's ActionFinished or
    before it, and never for one that did not end well."""

    language: str
    kernel: str
    execution: str
    manifest: str
    """SHA-256 of the manifest, `checkpoints/<manifest>.json` in the session's folder."""
    names: int = 0
    """How many names it holds."""
    unsaved: tuple[Unsaved, ...] = ()
    size: int = 0
    """Bytes of all that it refers to."""
    written: int = 0
    """Bytes of it that were not on disk before."""
    duration: float = 0.0
    """Seconds from the request until it was on disk; the kernel ran on meanwhile."""


class CheckpointMissed(Value, tag="checkpoint_missed"):
    """After `execution` there is no checkpoint; the one before it stays."""

    language: str
    kernel: str
    execution: str
    reason: str


class CheckpointRestored(Value, tag="checkpoint_restored"):
    """A new kernel has the state that another one had after `execution`, but for what is missing."""

    language: str
    kernel: str
    execution: str
    names: int = 0
    missing: tuple[Unsaved, ...] = ()
