"""What goes into a session. Ops are the only way in; unknown fields are refused."""

from __future__ import annotations

from typing import Literal

from .base import Value
from .rules import Mode


class SubmitInput(Value, tag="submit_input", forbid_unknown_fields=True):
    """The person says something; begins a turn. Refused while a turn runs (use Steer)."""

    text: str
    images: tuple[str, ...] = ()
    """Paths of image files to show to the model."""
    own_code: bool = False
    """The person typed `%%` themselves: what follows is their own code and runs without a question. A front end sets it
    only for what was typed at a terminal, never for text that came from a pipe, a file or a program."""
    skills: tuple[str, ...] = ()
    """Names of skills to do it with."""


class ResolveApproval(Value, tag="resolve_approval", forbid_unknown_fields=True):
    """An answer to an ApprovalRequested. A second answer to the same approval is refused."""

    approval: str
    answer: Literal["yes", "no", "edit", "always", "session"]
    """session: for kind network, yes until the session ends (there, yes means the action that asked)."""
    reason: str = ""
    """With `no`: goes to the model, and the turn goes on."""
    code: str = ""
    """With `edit`: what runs instead."""
    text: str = ""
    """For an approval of kind `input`: the line that the program asked for."""
    sha256: str = ""
    """For an approval of kind `run`: the hash of the code that was seen; an answer for other code is refused. Empty:
    the hash of the question."""
    by: str = "person"
    channel: str = "terminal"


class Interrupt(Value, tag="interrupt", forbid_unknown_fields=True):
    """Stop what runs now; everything is kept, the model is told at its next request."""


class Steer(Value, tag="steer", forbid_unknown_fields=True):
    """Say something while a turn runs; the model reads it before its next answer."""

    text: str


class SetMode(Value, tag="set_mode", forbid_unknown_fields=True):
    auto: bool
    mode: Mode | None = None
    """None: `auto` says it (ask or auto)."""


class Undo(Value, tag="undo", forbid_unknown_fields=True):
    """Take back the last `turns` turns of the conversation; files and variables with them, where that is said."""

    turns: int = 1
    files: bool = False
    variables: bool = False


class Rewind(Value, tag="rewind", forbid_unknown_fields=True):
    """Go back to how things were after a step. With none of the three named, all three go back."""

    step: int
    """The n-th ActionStarted (without a `parent`) of the session's log; 0: before the first."""
    files: bool = False
    """The workspace's files. Kernels are ended, and get back what they hold now."""
    variables: bool = False
    """Each kernel gets the newest checkpoint at or before the step, else it begins anew."""
    conversation: bool = False
    """The model's history ends after the step's result."""


class Reset(Value, tag="reset", forbid_unknown_fields=True):
    """Forget the conversation and restart the kernels; the log keeps everything."""


class StageCommit(Value, tag="stage_commit", forbid_unknown_fields=True):
    """Staged mode: change the folder as the stage says. The kernels are stopped; the next code gets new ones. Refused
    while a turn runs, and in a session that is not staged."""

    paths: tuple[str, ...] = ()
    """Files, or folders with all in them; from the working folder on. Empty: everything but what needs a second look
    (what was changed in the folder as well, and what other programs may run by themselves)."""
    seen: str = ""
    """`types.staging.digest` of the changes that were shown; what has changed since is refused. Empty: not checked."""


class StageDrop(Value, tag="stage_drop", forbid_unknown_fields=True):
    """Staged mode: forget staged changes. The folder stays as it is; the kernels are stopped."""

    paths: tuple[str, ...] = ()
    """As in StageCommit; empty: everything."""


class Close(Value, tag="close", forbid_unknown_fields=True):
    """End the session's work in this process. `keep_kernels` leaves them to the keeper's grace time."""

    keep_kernels: bool = False


Op = (
    SubmitInput | ResolveApproval | Interrupt | Steer | SetMode | Undo | Rewind | Reset | StageCommit | StageDrop
    | Close
)  # fmt: skip
