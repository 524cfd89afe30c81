"""What comes out of a session: a tagged union, in a promised order.

Order: SessionStarted first. Within a turn: TurnStarted; then for each step ModelAsked, its live pieces, and exactly
one of ModelAnswered or ModelFailed; then for each action of the answer, in order: ActionProposed, ActionJudged, perhaps
ApprovalRequested and ApprovalResolved, perhaps ActionStarted with live OutputChunk, and exactly one ActionFinished.
Every turn ends with exactly one TurnFinished. KernelEvent, NetworkAttempt, NoteAdded and the checkpoints'
events may stand anywhere, as may QuestionSent after its ApprovalRequested; RewindStarted and Rewound between turns or
within the undo of a goal run; SnapshotTaken comes before ActionStarted. What a goal run adds (`types.goals`) stands
within its turns; the harness's own executions are actions whose `purpose` says so. A process that dies leaves its turn
without an end; then SessionResumed stands within it, and the next process goes on: a request that was cut off gets its
ModelFailed, an action may be judged again, and what was proposed is not proposed again.

Live-only events (`LIVE`) are shown and never stored; what they add up to is stored once.
"""

from __future__ import annotations

from typing import Any, Literal

from .account import Compacted, Summarized
from .actions import Action, Completion, Observation
from .base import Value
from .goals import GoalEvent, GoalStarted, UndoStarted, UndoStepFinished
from .marks import SessionImported as SessionImported
from .marks import SessionNamed as SessionNamed
from .marks import SessionTagged as SessionTagged
from .messages import ToolCall, Usage
from .rewinding import RewindStarted, Rewound, SnapshotTaken
from .rules import Decision, Mode, Reason
from .saving import CheckpointMissed as CheckpointMissed
from .saving import CheckpointRestored as CheckpointRestored
from .saving import CheckpointSaved as CheckpointSaved
from .saving import Unsaved as Unsaved
from .staging import StageCommitStarted, StageCommitted, StageDropped


class SessionStarted(Value, tag="session_started"):
    session: str
    workspace: str
    sandbox: str
    """Name of the backend and profile, e.g. `bubblewrap/workspace`."""
    version: str
    system: str = ""
    """The system prompt, fixed for the session's life."""
    user: str = ""
    """The account of the system that began it."""
    uid: int = -1
    host: str = ""
    forked: str = ""
    """The session that it was forked from, whose events up to there follow; empty: it began by itself."""
    step: int = 0
    """With `forked`: after which step."""


class SessionResumed(Value, tag="session_resumed"):
    """`living`: languages whose kernels were reconnected; `gone`: those whose state is lost."""

    living: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    """Ids of actions whose intent has no completion."""
    account: str = ""
    """What the model is told: what was done, what is there, what is gone."""
    user: str = ""
    """The account of the system that took it up."""
    uid: int = -1
    host: str = ""


class TurnStarted(Value, tag="turn_started"):
    turn: str
    text: str
    images: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    """Names of the skills that the person wants it done with."""


class ModelAsked(Value, tag="model_asked"):
    turn: str
    step: int
    """1-based within the turn."""
    model: str
    api_base: str
    messages: int
    """How many messages the request holds."""
    size: int
    """Characters of the request's messages."""
    purpose: Literal["", "summary", "judge"] = ""
    """summary: of older steps; it belongs to the step that follows, and Summarized ends it. judge: of a goal run; a
    second model is asked, and JudgeAnswered ends it."""


class TextDelta(Value, tag="text_delta"):
    turn: str
    text: str


class ReasoningDelta(Value, tag="reasoning_delta"):
    turn: str
    text: str


class CodeDelta(Value, tag="code_delta"):
    """Live: a piece of the code of a coming action, for views that stream code."""

    turn: str
    index: int
    text: str
    language: str = ""


class ModelAnswered(Value, tag="model_answered"):
    turn: str
    step: int
    text: str
    prose: str | None = None
    """What the text says besides the actions that were read from it; None where that is all of it."""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    usage: Usage = Usage()
    model: str = ""
    first_token: float = 0.0
    duration: float = 0.0
    retries: int = 0
    source: Literal["", "cache", "recording"] = ""
    """Where it comes from when no server was asked for it: it cost nothing."""


class ModelFailed(Value, tag="model_failed"):
    turn: str
    step: int
    error: str
    """The class name from the error tree."""
    message: str
    hint: str = ""
    partial: str = ""
    """Text that had been shown before the stream broke."""


class ActionProposed(Value, tag="action_proposed"):
    turn: str
    step: int
    """0: the person's own code (`%%`), not the model's."""
    action: Action


class ApprovalRequested(Value, tag="approval_requested"):
    """A question to a person. `kind` run: may this code run; install: may these packages be installed; grant: may this
    path be read; network: may this host be reached; input: the program asks for a line; continue: a bound was reached,
    go on?; pause: cost or failures of a goal run have risen suddenly, go on? Those of kind run
    and pause can be parked."""

    approval: str
    kind: Literal["run", "install", "grant", "network", "input", "continue", "pause"]
    action: str = ""
    question: str = ""
    """In the person's language, for kinds other than run."""
    subject: str = ""
    """run: the code's hash; install: package names; grant: the path; network: `host:port`; input: the program's
    prompt; pause: what has risen (`failures`, `tokens`, `cost`)."""
    where: str = ""
    """run: where it would run, e.g. `bubblewrap, in /work/data`."""
    secret: bool = False
    """input: do not echo."""
    reasons: tuple[Reason, ...] = ()
    """The rules that ask, where rules do."""
    unknown: tuple[str, ...] = ()
    """run: what the rules could not understand, which asks by itself; as in `Verdict`."""
    proposal: str = ""
    """The narrowest useful rule that `always` would write to the person's policy, as YAML; empty: `always` counts for
    this session."""
    covers: tuple[str, ...] = ()
    """What else that rule would allow: a few examples."""
    deadline: float | None = None
    """Unix seconds after which silence is a no; None: it waits."""


class QuestionSent(Value, tag="question_sent"):
    """A question was sent to where the person wants to be told, or could not be. It waits in either case."""

    approval: str
    target: str
    """Its name in the configuration."""
    problem: str = ""
    """Why it was not sent; empty: it was."""
    link: bool = False
    """Whether a link that answers it was sent along. The link itself stands nowhere."""


class ActionJudged(Value, tag="action_judged"):
    """What the rules said about a proposed action; after ActionProposed and before any question."""

    action: str
    decision: Decision
    reasons: tuple[Reason, ...] = ()
    unknown: tuple[str, ...] = ()
    mode: Mode = "ask"


class ApprovalResolved(Value, tag="approval_resolved"):
    approval: str
    answer: Literal["yes", "no", "edit", "always", "session", "cancelled"]
    by: str
    channel: str = ""
    reason: str = ""
    action: Action | None = None
    """With `edit`: the action as it will run."""


class ActionStarted(Value, tag="action_started"):
    """The intent: durable before anything runs. A call by code (`parent`) begins and ends while that code runs."""

    action: str
    execution: str
    kernel: str
    language: str
    sandbox: str
    parent: str = ""


class OutputChunk(Value, tag="output_chunk"):
    """Live: what the program printed, as it came. Very large output is sampled; the whole is on disk."""

    action: str
    stream: Literal["stdout", "stderr"]
    text: str
    skipped: int = 0
    """Bytes left out before this chunk."""


class Progress(Value, tag="progress"):
    """Live: how far something of ours is (an install, a download)."""

    what: str
    done: float | None = None
    """0 to 1, None where unknown."""
    text: str = ""


class ActionFinished(Value, tag="action_finished"):
    """The completion, durable. Exactly one for every ActionProposed."""

    action: str
    status: Literal["ok", "error", "interrupted", "timeout", "limit", "died", "lost", "denied", "not_run", "refused"]
    """denied: a person or a rule said no. not_run: an earlier action of the same answer failed, or the turn ended.
    refused: the machinery could not run it (language missing, no walls)."""
    observation: Observation
    completion: Completion | None = None


class KernelEvent(Value, tag="kernel"):
    language: str
    kernel: str
    what: Literal["started", "restarted", "died", "closed"]
    reason: str = ""
    sandbox: str = ""


class GrantAdded(Value, tag="grant_added"):
    path: str
    access: Literal["read", "write"]
    by: str
    tool: str = ""
    """The grant by name that it belongs to: `docker`, `git` ..."""


class NetworkAttempt(Value, tag="network_attempt"):
    """Somebody inside wanted to reach a host. By whom it was decided stands in `by`: a rule, `person`, `default`."""

    host: str
    port: int
    decision: Literal["allowed", "denied", "failed"]
    by: str
    method: str = ""
    """CONNECT, SOCKS5, or the HTTP method where it is visible."""
    reason: str = ""
    count: int = 1
    """How many attempts that are alike this stands for: the first is told at once, further ones together."""


class Quarantined(Value, tag="quarantined"):
    """A step left something that would run by itself later; it was taken away and is kept at `kept`."""

    action: str
    path: str
    kept: str
    reason: str


class NoteAdded(Value, tag="note_added"):
    """A sentence of the harness to the model (and shown to the person): a nudge, a loss, a steer of the person."""

    text: str
    source: Literal["harness", "person", "skill", "checks"] = "harness"
    """skill: the instructions of a skill, for the model. checks: what was found by checks or the judge, as their events
    show it."""
    to_model: bool = True
    call_id: str = ""
    """The native tool call that this answers, where the call could not be read."""
    stops: bool = False
    """The person interrupted the turn here: it is not gone on with by itself."""


class ModeChanged(Value, tag="mode_changed"):
    auto: bool
    mode: Mode | None = None
    """None: a log written before there were modes; `auto` says it."""


class ConversationUndone(Value, tag="conversation_undone"):
    """Everything from the start of `turn` on is no longer part of the model's history."""

    turn: str
    rewind: bool = False
    """It belongs to a rewind, whose Rewound follows and says the rest."""


class ConversationReset(Value, tag="conversation_reset"):
    pass


class TurnFinished(Value, tag="turn_finished"):
    turn: str
    reason: Literal["done", "failed", "interrupted", "denied", "limit", "model", "waiting", "sandbox"]
    exit_code: int
    text: str = ""
    """The answer (for `done`), else what happened and what to do next."""
    steps: int = 0
    usage: Usage = Usage()
    """Sum over the turn's requests."""
    duration: float = 0.0


class SessionClosed(Value, tag="session_closed"):
    reason: str = ""


Event = (
    SessionStarted | SessionResumed | TurnStarted | ModelAsked | TextDelta | ReasoningDelta | CodeDelta | ModelAnswered
    | ModelFailed | ActionProposed | ActionJudged | ApprovalRequested | ApprovalResolved | ActionStarted | OutputChunk
    | QuestionSent
    | Progress | ActionFinished | KernelEvent | GrantAdded | NetworkAttempt | Quarantined | CheckpointSaved
    | CheckpointMissed | CheckpointRestored | SnapshotTaken | RewindStarted | Rewound | NoteAdded | ModeChanged
    | Compacted | Summarized | ConversationUndone | ConversationReset | TurnFinished | SessionClosed
    | SessionNamed | SessionTagged | SessionImported | StageCommitStarted | StageCommitted | StageDropped
    | GoalEvent
)  # fmt: skip

LIVE = (TextDelta, ReasoningDelta, CodeDelta, OutputChunk, Progress)
DURABLE = (
    ActionStarted, ActionFinished, ApprovalResolved, TurnStarted, TurnFinished, SessionStarted, RewindStarted, Rewound,
    SessionNamed, SessionTagged, SessionImported, StageCommitStarted, StageCommitted, StageDropped,
    GoalStarted, UndoStarted, UndoStepFinished,
)  # fmt: skip
"""Committed with synchronous=FULL before the emit returns; the rest are flushed with the next of these, at the latest
after 50 ms. What proposes an action is on disk before the action begins, because its intent is."""


class Stored(Value):
    """An event in its place in the log."""

    session: str
    seq: int
    """1-based, without gaps."""
    time: float
    """Unix seconds."""
    event: Event
    hash: str = ""


def event_name(event: Any) -> str:
    """The tag of an event, as it stands in the log and in JSONL."""
    return str(event.__struct_config__.tag)
