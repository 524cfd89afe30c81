"""An action on its way: proposed, permitted, executed, observed."""

from __future__ import annotations

from typing import Any, Literal

from .base import Value


class Action(Value):
    """What the model wants to run, after tolerant reading and before approval."""

    id: str
    """Unguessable; every later event about the action carries it."""
    language: str
    """Canonical name: python, shell, javascript, ... (`agent/parse` maps the spellings)."""
    code: str
    """Byte for byte what is shown, approved, run and stored."""
    sha256: str
    """Of the code's UTF-8 bytes."""
    call_id: str = ""
    """The native tool call that this answers; empty for code read from text."""
    repairs: tuple[str, ...] = ()
    """What the parser had to mend, in words, for the log."""
    source: str = ""
    """`skill NAME`: the first look of a skill, begun by the harness before the model was asked; or what stands in
    `purpose`. Empty: the model's, or the person's own."""
    parent: str = ""
    """The action whose code made this call of a tool while it ran; empty: it stands for itself. `call_id` is then the
    call's place: `<execution>/<number>`."""
    purpose: Literal["", "check", "health", "undo"] = ""
    """Set for an execution of the harness itself, in a goal run: it gets a kernel of its own, and the model reads of it
    only what it is told."""
    expect: str = ""
    """What the model expects of it."""
    undo: str = ""
    """A shell command by which the model says that its effect is undone."""


class Permit(Value):
    """The right to run one piece of code once. Only `agent/gate.py` makes one."""

    action: str
    language: str
    sha256: str
    by: str
    """Who allowed it: `person`, `auto` (-y), `always` (a standing yes), or a rule's name."""


class Resources(Value):
    cpu: float = 0.0
    """Seconds of CPU of the kernel's process tree during the execution."""
    memory: int = 0
    """Peak resident bytes of the kernel's process tree, as far as the machine tells."""


class Display(Value):
    """A rich result: the file in the session's folder that holds its best representation."""

    mime: str
    path: str
    """Absolute path on the host; files are written by the keeper, never by walled code."""
    text: str = ""
    """The `text/plain` form."""
    size: int = 0


class ErrorReport(Value):
    """An error inside the person's program, as the kernel tells it (an untrusted claim)."""

    name: str
    message: str = ""
    traceback: str = ""
    line: int | None = None
    """1-based line in the submitted code where it can be told."""


class OutputRef(Value):
    """Where the whole output lies: bytes in order of arrival, and which stream each run came from."""

    path: str = ""
    """Absolute path of the data file; its name is `<execution id>.out`. Segments lie beside it in `.idx`:
    records of one byte stream (1 stdout, 2 stderr) and 8 bytes big-endian length."""
    size: int = 0
    sha256: str = ""
    dropped: int = 0
    """Bytes beyond the output limit, which were not kept."""


class Completion(Value):
    """How an execution ended, as the keeper knows it."""

    execution: str
    status: Literal["ok", "error", "interrupted", "timeout", "limit", "died", "lost"]
    """ok: ended without an error (exit status 0 or none). error: the program failed. interrupted: stopped on
    request. timeout, limit: stopped by a bound (`limit` names it). died: the kernel ended under it. lost: our
    machinery broke, nothing is known."""
    exit_status: int | None = None
    """The program's own, where the language has one; signals as 128 + n."""
    duration: float = 0.0
    error: ErrorReport | None = None
    result: str = ""
    """`text/plain` of the last expression (Python, JavaScript), already capped."""
    displays: tuple[Display, ...] = ()
    output: OutputRef = OutputRef()
    resources: Resources = Resources()
    limit: str = ""
    """Which limit, and how much was asked for, in words."""
    restarted: bool = False
    """True when the kernel had to be restarted: its state is gone."""
    context: dict[str, Any] = {}
    """Facts that the kernel offers about its own state for `agent/diagnose` (untrusted claims, capped)."""


class Observation(Value):
    """The result in three readings: for the model, for the person, for whoever tests."""

    text: str
    """What the model reads, capped."""
    shown: str
    """What the person sees at the end, when it was not streamed; control codes removed."""
    facts: tuple[str, ...] = ()
    """What `diagnose` looked up; already part of `text`."""
