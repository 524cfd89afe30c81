"""What must hold after any death, and how the log, the ledger and the variables say whether it does."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from interpreter.errors import InterpreterError
from interpreter.store import Store
from interpreter.store.audit import verify
from interpreter.store.log import SessionLog
from interpreter.types.actions import OutputRef
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ActionStarted,
    CheckpointRestored,
    Event,
    KernelEvent,
    Rewound,
    SessionResumed,
    TurnFinished,
    TurnStarted,
)

from . import work
from .world import Run, World

KINDS = ("lost", "twice", "log", "variables", "processes", "words")
"""lost: a completed step or its output is gone. twice: a step ran twice, or without an intent. log: it does not open or
is not whole. variables: another state than the log tells. processes: something is left over, or hangs. words: no clear
end: a traceback, a wrong exit code, a turn without an end."""
OURS = re.compile(r"Traceback \(most recent|interpreter itself")
STATE = re.compile(r"STATE (\[.*\])")


class Violation(NamedTuple):
    kind: str
    what: str


@dataclass
class Kernel:
    """The states in which a kernel's variables may be, as the log tells it: steps that they contain."""

    states: list[tuple[int, ...]] = field(default_factory=lambda: [()])
    after: dict[str, tuple[int, ...]] = field(default_factory=lambda: dict[str, tuple[int, ...]]())
    """By execution: the state after it."""

    dead: bool = False
    """It died; what it had just done may be told after that."""

    def fresh(self) -> None:
        self.states, self.dead = [()], False

    def restored(self, execution: str) -> None:
        self.states, self.dead = [self.after.get(execution, (-1,))], False

    def ran(self, n: int, status: str, execution: str) -> None:
        moved = [(*state, n) for state in self.states]
        self.states = moved if status == "ok" else self.states + moved
        if status == "ok":
            self.after[execution] = moved[0]
        if self.dead:
            self.fresh()


class Reading:
    """One walk through a session's events: what the model and the person were told of the kernels, step by step."""

    def __init__(self) -> None:
        self.codes: dict[str, tuple[str, str]] = {}
        """By action: language and code."""
        self.executions: dict[str, str] = {}
        self.kernels = {"python": Kernel(), "shell": Kernel()}
        self.found: list[Violation] = []
        self.ok: set[int] = set()
        self.not_run: set[int] = set()
        self.started: list[int] = []
        self.order: list[int] = []
        """Every execution of the session, as a step of the work or 0."""
        self.looked = 0

    def apply(self, event: Event) -> None:
        match event:
            case ActionProposed():
                self.codes[event.action.id] = (event.action.language, event.action.code)
            case ActionStarted():
                self.executions[event.action] = event.execution
                language, code = self.codes[event.action]
                if (kernel := self.kernels.get(language)) is not None and kernel.dead:
                    kernel.fresh()
                n = work.number(code)
                self.order.append(n)
                self.started += [n] if n else []
            case ActionFinished():
                self._finished(event)
            case KernelEvent(what="died") if event.language in self.kernels:
                self.kernels[event.language].dead = True
            case KernelEvent() if event.language in self.kernels and event.what != "closed":
                self.kernels[event.language].fresh()
            case Rewound() if "files" in event.parts:
                self.ok &= set(self.order[: event.step])
            case CheckpointRestored() if event.language in self.kernels:
                self.kernels[event.language].restored(event.execution)
            case SessionResumed():
                for name in set(event.gone) & self.kernels.keys():
                    self.kernels[name].fresh()
            case _:
                pass

    def _finished(self, event: ActionFinished) -> None:
        language, code = self.codes[event.action]
        kernel = self.kernels.get(language)
        n = work.number(code)
        if event.status == "not_run":
            self.not_run |= {n} if n else set()
        elif n and kernel is not None:
            kernel.ran(n, event.status, self.executions.get(event.action, ""))
            if event.status == "ok":
                self.ok.add(n)
        elif kernel is not None and event.status == "ok" and (state := STATE.search(event.observation.text)):
            self._look(language, kernel, json.loads(state[1]))
            kernel.after[self.executions[event.action]] = kernel.states[0]
            if kernel.dead:
                kernel.fresh()

    def _look(self, language: str, kernel: Kernel, state: tuple[list[int], int, bool]) -> None:
        done, x, fits = state
        self.looked += 1
        if tuple(done) not in kernel.states:
            self.found.append(Violation("variables", f"{language} holds {done}, told was one of {kernel.states}"))
        if x != work.x_of(done) or not fits:
            self.found.append(Violation("variables", f"{language}: {done} does not fit to x = {x}, big {fits}"))
        kernel.states = [tuple(done)]


def judge(world: World, runs: Sequence[Run], *, ended: bool = True) -> list[Violation]:
    """Everything that is wrong after these commands; `ended`: the last one was to go on to the end."""
    found = list(words(runs, ended=ended))
    try:
        with Store.open(world.home) as store:
            if ended:
                known = [info.id for info in store.sessions() if info.size]
                found += [Violation("processes", f"left over: {left}") for left in world.gone(known)]
            check = verify(store)
            if not check.whole:
                found.append(Violation("log", f"audit: {check}"))
            kept: dict[str, str] = {}
            for info in store.sessions():
                found += session(world, store.visit(info.id), kept, ended=ended)
            found += acknowledged(runs, kept)
    except InterpreterError as error:
        found += [Violation("log", f"{type(error).__name__}: {error}"), *acknowledged(runs, {})]
        return found
    connection = sqlite3.connect(world.home / "log.db")
    said = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    if said != [("ok",)]:
        found.append(Violation("log", f"integrity_check: {said}"))
    return found


def words(runs: Sequence[Run], *, ended: bool) -> Iterable[Violation]:
    for run in runs:
        if run.hung:
            yield Violation("processes", f"it hung: {run.err[-500:]}")
        if OURS.search(run.err):
            yield Violation("words", run.err[-2000:])
    if ended and not runs[-1].hung and runs[-1].code != 0:
        yield Violation("words", f"the last command ended with {runs[-1].code}: {runs[-1].err[-1000:]}")


def session(world: World, log: SessionLog, kept: dict[str, str], *, ended: bool) -> Iterable[Violation]:
    """What is wrong with one session; its completions go into `kept`, by action."""
    if not log.verify().whole:
        yield Violation("log", f"the chain breaks: {log.verify()}")
        return
    reading = Reading()
    events = [entry.event for entry in log.events()]
    for event in events:
        reading.apply(event)
        if isinstance(event, ActionFinished):
            kept[event.action] = event.status
            n = work.number(reading.codes[event.action][1])
            if event.status == "ok" and n and event.completion is not None:
                yield from whole(log, event.completion.output, n)
    yield from reading.found
    if ended and not reading.looked:
        yield Violation("words", "nobody looked at the variables")
    yield from counted(world.ledger(), reading)
    yield from ends(events, ended=ended)


def acknowledged(runs: Sequence[Run], kept: dict[str, str]) -> Iterable[Violation]:
    """What was shown as completed is in the log."""
    for line in (line for run in runs for line in run.shown):
        action, status = line["action"], line["status"]
        if kept.get(action) != status:
            yield Violation("lost", f"{action} was shown as {status}; in the log: {kept.get(action, 'nothing')}")


def whole(log: SessionLog, ref: OutputRef, n: int) -> Iterable[Violation]:
    try:
        data = log.read_blob(ref)
    except InterpreterError as error:
        yield Violation("lost", f"the output of step {n}: {error}")
        return
    if ref.dropped and len(data) + ref.dropped == len(work.printed(n)) and work.printed(n).startswith(data):
        return  # a full disk: what it did not take is counted, and the model was told
    if data != work.printed(n) or sha256(data).hexdigest() != ref.sha256:
        yield Violation("lost", f"the output of step {n} is {len(data)} bytes, {data[:40]!r}")


def counted(ledger: Sequence[int], reading: Reading) -> Iterable[Violation]:
    """Each effect at most once; none without an intent; all of what is said to have completed."""
    for n in sorted({n for n in ledger if ledger.count(n) > 1}):
        yield Violation("twice", f"step {n} ran {ledger.count(n)} times")
    for n in sorted(set(ledger) - set(reading.started)):
        yield Violation("twice", f"step {n} ran and the log has no intent")
    for n in sorted(reading.ok - set(ledger)):
        yield Violation("lost", f"step {n} is said to be done, and its effect is not there")


def ends(events: Sequence[Event], *, ended: bool) -> Iterable[Violation]:
    proposed = [event.action.id for event in events if isinstance(event, ActionProposed)]
    finished = [event.action for event in events if isinstance(event, ActionFinished)]
    begun = [event.turn for event in events if isinstance(event, TurnStarted)]
    over = [event.turn for event in events if isinstance(event, TurnFinished)]
    if len(set(finished)) != len(finished) or len(set(over)) != len(over):
        yield Violation("words", "an action or a turn has two ends")
    if ended and (sorted(proposed) != sorted(finished) or sorted(begun) != sorted(over)):
        yield Violation("words", "an action or a turn has no end")
