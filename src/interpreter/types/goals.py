"""What a goal run is given, and the events that say how it went: plan, checks, claims, ceilings, undo."""

from __future__ import annotations

from typing import Literal

from .base import Value
from .messages import Usage

By = Literal["person", "model"]
Phase = Literal["before", "stated", "claim", "health", "undo"]
UndoBy = Literal["snapshot", "command", "tool", "none"]
Rising = Literal["failures", "tokens", "cost"]
Ceiling = Literal["steps", "seconds", "tokens", "cost"]
GoalStatus = Literal[
    "proven", "failed", "blocked", "unproven", "worse", "undone", "denied", "waiting", "limit", "model", "sandbox",
    "interrupted",
]  # fmt: skip


class HttpCheck(Value, forbid_unknown_fields=True):
    """A request and what must come back."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str = ""
    status: int = 200
    holds: str = ""
    """Words that the body must hold."""
    matches: str = ""
    """A regular expression that must be found in the body."""


class FileCheck(Value, forbid_unknown_fields=True):
    """A file of the workspace and what it must hold."""

    path: str
    holds: str = ""
    matches: str = ""
    absent: bool = False
    """True: there must be no such file."""


class MetricCheck(Value, forbid_unknown_fields=True):
    """A query of a Prometheus server and the bound of every value that it gives; no value at all is a failure."""

    query: str
    url: str = ""
    """Of the server, e.g. `http://prometheus:9090`, asked from inside the walls; empty: the one that the person has
    configured for the tool `prometheus`, asked by it.
    """
    at_most: float | None = None
    at_least: float | None = None


class Check(Value, forbid_unknown_fields=True):
    """One thing that shows whether a goal is reached, or whether something is well. Exactly one of `command`, `http`,
    `file` and `metric` is set."""

    name: str = ""
    """Empty in a task file: made from what it does."""
    command: str = ""
    """A shell command that must end with exit status 0."""
    http: HttpCheck | None = None
    file: FileCheck | None = None
    metric: MetricCheck | None = None
    hold: float = 0.0
    """Seconds for which it must go on to pass."""
    within: float = 0.0
    """Seconds that it may take until it passes."""
    timeout: float = 60.0
    """Seconds of one look."""


class Ceilings(Value, forbid_unknown_fields=True):
    """What a run may use at most. Only the person sets them. None: none."""

    steps: int | None = 10
    """Requests to the model."""
    seconds: float | None = 3600.0
    tokens: int | None = 2_000_000
    """Prompt and completion together."""
    cost: float | None = None
    """In the currency of the configured prices."""


class Spent(Value):
    """What a run has used of its ceilings."""

    steps: int = 0
    seconds: float = 0.0
    tokens: int = 0
    cost: float | None = None


class Task(Value):
    """What a goal run is given, complete: the log holds it, so that a resume needs no file."""

    goal: str
    checks: tuple[Check, ...] = ()
    """Empty: the model states its own before its first writing action."""
    health: tuple[Check, ...] = ()
    ceilings: Ceilings = Ceilings()
    variables: dict[str, str] = {}
    """In commands of checks they are shell variables of the same name."""
    inputs: tuple[str, ...] = ()
    """Paths that the model is told of."""
    tools: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    without_undo: Literal["ask", "allow", "deny"] = "ask"
    """What becomes of a writing action that cannot be undone."""
    judge: str = ""
    """Name of a second model that has to agree; empty: none."""
    source: str = ""
    """The task file; empty: the command line."""


class GoalStarted(Value, tag="goal_started"):
    """The session works towards a goal. Before its first turn."""

    task: Task


class PlanStep(Value):
    text: str
    state: Literal["open", "doing", "done", "dropped"] = "open"


class PlanChanged(Value, tag="plan_changed"):
    """The model's plan, whole."""

    turn: str
    steps: tuple[PlanStep, ...]


class ChecksStated(Value, tag="checks_stated"):
    """The model's own checks, because the person gave none. They take the place of those it stated before."""

    turn: str
    checks: tuple[Check, ...]


class CheckFinished(Value, tag="check_finished"):
    """A check was run by the harness. Its executions are actions of their own, before it."""

    turn: str
    name: str
    phase: Phase
    """before: before any work; stated: when the model stated it; claim: after a claim; health; undo: after an undo."""
    passed: bool
    by: By = "person"
    told: str = ""
    """What it showed, shortened; the whole is with the actions."""
    actions: tuple[str, ...] = ()
    """Ids of its executions."""
    duration: float = 0.0
    vacuous: bool = False
    """It passed before any work had been done as well, and so proves nothing."""
    changed: tuple[str, ...] = ()
    """Files that the check names and that were changed since the run began."""


class Reflected(Value, tag="reflected"):
    """A result was not what the model expected, and this is what it said next."""

    turn: str
    action: str
    expected: str
    found: str
    """In which way it differed."""
    text: str = ""
    """Empty: it said nothing about it."""


class Claimed(Value, tag="claimed"):
    """What the model says about the goal. It proves nothing."""

    turn: str
    status: Literal["success", "failure", "blocked"]
    evidence: str = ""
    form: Literal["call", "text", "silence"] = "call"
    """text: read from what it wrote. silence: it stopped acting twice without a claim, which counts as success."""


class JudgeAnswered(Value, tag="judge_answered"):
    """A second model read goal, evidence and checks; after its ModelAsked."""

    turn: str
    model: str
    agrees: bool
    reason: str = ""
    problem: str = ""
    """Why its answer could not be used, which counts as a no."""
    usage: Usage = Usage()
    duration: float = 0.0


class CeilingNeared(Value, tag="ceiling_neared"):
    """Three quarters of a ceiling are used; the model was told to finish or to plan anew."""

    turn: str
    ceiling: Ceiling
    used: float
    most: float


class RiseSeen(Value, tag="rise_seen"):
    """Failures, or what a request costs, have risen suddenly: the run stands still until a person says go on. Before
    the ApprovalRequested of kind pause; without one, nobody could be asked, and the run ends at a limit."""

    turn: str
    what: Rising
    """failures: of the last actions. tokens, cost: of the last request."""
    now: float
    """failures: how many of the last actions failed; else what the last request took."""
    before: float
    """failures: how many of the actions before those failed; else the median of the requests before."""


class UndoNamed(Value, tag="undo_named"):
    """How a writing action is undone. Before its ActionStarted, and as durable."""

    turn: str
    action: str
    by: UndoBy
    """snapshot: the workspace's files are brought back. command: `code` is run, then the files are brought back.
    tool: the same, by the tool's own call. none: it cannot be undone, and rules or the person let it run."""
    code: str = ""
    language: str = "shell"
    why: str = ""
    """What of the action reaches beyond the workspace."""
    approved: bool = False
    """A rule asks about the undo, and the person said yes to it with the action: it is not asked about again."""


class HealthWorsened(Value, tag="health_worsened"):
    """A health check that passed before an action fails after it: nothing is written any more but the undo."""

    turn: str
    action: str
    checks: tuple[str, ...]


class UndoStarted(Value, tag="undo_started"):
    turn: str
    reason: Literal["health", "person"]
    actions: tuple[str, ...]
    """In the order in which they are undone: the newest first."""


class UndoStepFinished(Value, tag="undo_step_finished"):
    turn: str
    action: str
    """The action that was undone."""
    by: UndoBy
    undone: bool
    told: str = ""


class UndoFinished(Value, tag="undo_finished"):
    turn: str
    undone: int
    left: tuple[str, ...] = ()
    """Ids of actions whose effect stays."""
    healthy: bool | None = None
    """Whether the health checks pass now; None: there are none."""


class GoalFinished(Value, tag="goal_finished"):
    """How the run stands. After `waiting`, `limit`, `model`, `sandbox` and `interrupted` it can be gone on with, and
    another one follows. Before the TurnFinished with the same exit code."""

    turn: str
    status: GoalStatus
    exit_code: int
    text: str = ""
    evidence: str = ""
    """What the model claimed last."""
    own_checks: bool = False
    """The checks were stated by the model itself."""
    vacuous: tuple[str, ...] = ()
    """Names of checks that prove nothing, because they passed before any work."""
    changed: tuple[str, ...] = ()
    """Files named by checks that the run has changed."""
    spent: Spent = Spent()


GoalEvent = (
    GoalStarted | PlanChanged | ChecksStated | CheckFinished | Reflected | Claimed | JudgeAnswered | CeilingNeared
    | RiseSeen | UndoNamed | HealthWorsened | UndoStarted | UndoStepFinished | UndoFinished | GoalFinished
)  # fmt: skip
GOES_ON: frozenset[str] = frozenset(("waiting", "limit", "model", "sandbox", "interrupted"))
"""How a run stands that can be gone on with."""
