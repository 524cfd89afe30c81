"""The course of a session, read from its log: its steps, and the files and variables as they were after each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    ApprovalResolved,
    CheckpointRestored,
    CheckpointSaved,
    ConversationReset,
    Event,
    GrantAdded,
    KernelEvent,
    NetworkAttempt,
    TurnStarted,
)
from ..types.rewinding import RewindStarted, Rewound, SnapshotTaken
from ..types.tooling import TOOL, in_a_line


@dataclass
class Node:
    """What a kernel holds after a step, and after which step it held what that one added to."""

    step: int
    before: Node | None = None
    checkpoint: CheckpointSaved | None = None


class Point(NamedTuple):
    """A moment between two steps."""

    tree: str
    """The files; empty where they are not known, or are as they are now."""
    missed: str
    """Why the files are not known."""
    kernels: dict[str, Node | None]

    def checkpoint(self, language: str) -> tuple[CheckpointSaved, int] | None:
        """The newest checkpoint of a kernel on the way that led here, and its step."""
        node = self.kernels.get(language)
        while node is not None:
            if node.checkpoint is not None:
                return node.checkpoint, node.step
            node = node.before
        return None


@dataclass
class Step:
    number: int
    """1-based in the session's log, never used again."""
    action: str
    language: str
    turn: str
    code: str = ""
    status: str = ""
    """Empty: it has no end yet."""
    before: str = ""
    """The files before it: a tree; empty where that is not known."""
    after: str = ""
    """The files as it left them."""
    state: str = ""
    """The files before the next step that may write, or when a rewind began: what the person did meanwhile as well."""
    missed: str = ""
    """Why there is no `state`."""
    kernels: dict[str, Node | None] = field(default_factory=lambda: dict[str, Node | None]())
    reached: list[str] = field(default_factory=lambda: list[str]())
    """Hosts that were reached while it ran."""
    grants: list[str] = field(default_factory=lambda: list[str]())
    called: list[str] = field(default_factory=lambda: list[str]())
    """Calls of tools: its own, where it is one, and those that its code made."""

    @property
    def kernel(self) -> str:
        """The language whose kernel ran it: SQL runs in the one of Python."""
        return "python" if self.language == "sql" else self.language


@dataclass
class Course:
    """Feed it every event in order."""

    steps: list[Step] = field(default_factory=lambda: list[Step]())
    turns: list[str] = field(default_factory=lambda: list[str]())
    first: str = ""
    """The files before the first step."""
    missed: str = ""
    """Why there is no `first`."""
    unfinished: RewindStarted | None = None
    """A rewind that was cut off."""
    _turn: str = ""
    _tree: str = ""
    _open: list[Step] = field(default_factory=lambda: list[Step]())
    """Steps since the last snapshot."""
    _kernels: dict[str, Node | None] = field(default_factory=lambda: dict[str, Node | None]())
    _nodes: dict[str, Node] = field(default_factory=lambda: dict[str, Node]())
    """By execution."""
    _proposed: dict[str, Action] = field(default_factory=lambda: dict[str, Action]())
    _running: Step | None = None

    def apply(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self._turn = event.turn
                self.turns.append(event.turn)
            case ActionProposed():
                self._proposed[event.action.id] = event.action
            case ApprovalResolved() if event.action is not None:
                self._proposed[event.action.id] = event.action
            case SnapshotTaken():
                self._snapshot(event.after, event.tree, event.missed)
            case ActionStarted():
                self._started(event)
            case ActionFinished():
                self._proposed.pop(event.action, None)
                if self._running is not None and self._running.action == event.action:
                    self._running.status, self._running = event.status, None
            case RewindStarted():
                self.unfinished = event
                if event.before:
                    self._snapshot("", event.before, "")
            case Rewound():
                self.unfinished = None
                if event.tree and not event.failed:
                    self._tree = event.tree
            case NetworkAttempt() if event.decision == "allowed" and self.steps:
                self.steps[-1].reached.append(f"{event.host}:{event.port}")
            case GrantAdded() if self.steps:
                self.steps[-1].grants.append(event.path)
            case _:
                self._variables(event)

    def _started(self, event: ActionStarted) -> None:
        if not event.parent:
            self._begin(event)
        if event.language == TOOL and self.steps and (action := self._proposed.get(event.action)) is not None:
            self.steps[-1].called.append(in_a_line(TOOL, action.code))

    def _variables(self, event: Event) -> None:
        match event:
            case KernelEvent() if event.what != "closed":
                running = self._running
                if running is not None and running.kernel == event.language and event.what != "died":
                    # It was started for this step: what other kernels held before is not in it.
                    if (node := self._kernels.get(event.language)) is not None:
                        node.before = None
                else:
                    self._kernels[event.language] = None
            case ConversationReset():
                self._kernels = dict.fromkeys(self._kernels)
            case CheckpointSaved():
                if (node := self._nodes.get(event.execution)) is not None:
                    node.checkpoint = event
            case CheckpointRestored():
                self._kernels[event.language] = self._nodes.get(event.execution)
            case _:
                pass

    def _snapshot(self, after: str, tree: str, missed: str) -> None:
        for step in self._open:
            step.after, step.state, step.missed = after or tree, tree, missed
        if not self.steps and not self.first:
            self.first, self.missed = tree, missed
        self._open, self._tree = [], tree

    def _begin(self, event: ActionStarted) -> None:
        action = self._proposed.get(event.action)
        code = action.code if action is not None else ""
        step = Step(len(self.steps) + 1, event.action, event.language, self._turn, code, before=self._tree)
        if event.language != TOOL:  # a call of a tool changes no kernel's variables
            node = Node(step.number, self._kernels.get(step.kernel))
            self._kernels[step.kernel] = self._nodes[event.execution] = node
        step.kernels = dict(self._kernels)
        self.steps.append(step)
        self._open.append(step)
        self._running = step

    # --- readings

    @property
    def last(self) -> int:
        return len(self.steps)

    def after(self, number: int) -> Point:
        """After a step; 0: before the first."""
        if number == 0:
            return Point(self.first, self.missed, {})
        step = self.steps[number - 1]
        return Point(step.state, step.missed, step.kernels)

    def before(self, number: int) -> Point:
        """Before a step, on the way that led to it: steps that were taken back earlier do not count."""
        step = self.steps[number - 1]
        kernels = dict(step.kernels)
        if step.language != TOOL:
            node = kernels[step.kernel]
            kernels[step.kernel] = node.before if node is not None else None
        return Point(step.before, "" if step.before else self.missed, kernels)

    def now(self) -> Point:
        return Point("", "", dict(self._kernels))

    def languages(self, point: Point) -> list[str]:
        """Whose kernels have held something up to now or held it then."""
        return sorted({*point.kernels, *self._kernels})

    def after_turn(self, number: int) -> str:
        """The turn that follows the one of this step (0: the turn of the first step); empty: there is none."""
        if number == 0:
            return self.steps[0].turn if self.steps else ""
        turn = self.steps[number - 1].turn
        place = self.turns.index(turn) + 1 if turn in self.turns else len(self.turns)
        return self.turns[place] if place < len(self.turns) else ""

    def ends_its_turn(self, number: int) -> bool:
        """Whether no later step belongs to the same turn."""
        return number == 0 or all(step.turn != self.steps[number - 1].turn for step in self.steps[number:])

    def before_turn(self, turn: str) -> int:
        """The number of the last step before a turn."""
        place = self.turns.index(turn) if turn in self.turns else len(self.turns)
        later = set(self.turns[place:])
        return next((step.number - 1 for step in self.steps if step.turn in later), self.last)


def read_course(events: Iterable[Event]) -> Course:
    course = Course()
    for event in events:
        course.apply(event)
    return course
