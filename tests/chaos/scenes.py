"""Deaths in what is done beside the steps: a compaction, an answer to a question from another terminal."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from interpreter.llm.script import Reply

from . import work
from .cases import Case, Outcome
from .check import Violation, judge
from .deaths import CODES, calls_of, odd, settled
from .faults import Fault
from .world import Run, World

SMALL = 3072
"""Tokens of a window in which the reference run does not fit without giving up old outputs."""


@dataclass(frozen=True)
class Scene:
    name: str
    prepare: Callable[[World], Any]
    """What stands before; its result is given to the others."""
    fire: Callable[[World, Any, Fault], Run]
    """The command that is struck."""
    settle: Callable[[World, Any, Run], list[Violation]]
    """The next command, and what is wrong."""


def compacting(world: World) -> None:
    world.window = SMALL
    world.play(work.plan(last=work.STEPS + 4))


def compact(world: World, _given: None, fault: Fault) -> Run:
    return world.ask("--max_tokens", "512", work.TASK, fault=fault)


def compacted(world: World, _given: None, run: Run) -> list[Violation]:
    found = settled(world, [run], "host")
    if not run.struck and not world.logged("SELECT 1 FROM events WHERE type = 'compacted'"):
        found.append(Violation("words", "nothing was compacted: the scene shows nothing"))
    world.window = 32768
    return found


def asking(world: World) -> str:
    """A run that is parked at a question; the question's id."""
    world.play(work.plan())
    parked = world.ask("--approvals", "park", work.TASK, auto=False)
    questions = [line["approval"] for line in parked.lines if line.get("type") == "approval_requested"]
    assert parked.code == 4 and len(questions) == 1, parked
    return str(questions[0])


def answer(world: World, question: str, fault: Fault) -> Run:
    return world.command("approvals", "approve", question, fault=fault)


def answered(world: World, question: str, run: Run) -> list[Violation]:
    """The answer is there or not; given again where it is not, it lets the step run, once."""
    found = [Violation("words", f"{run.code}: {run.err[-300:]}")] if odd(run, "host") or run.code not in (0, -9) else []
    given = world.logged("SELECT 1 FROM events WHERE type = 'approval_resolved'")
    if run.code == 0 and not given:
        found.append(Violation("lost", "the answer was taken, and is not there"))
    if not given and (again := world.command("approvals", "approve", question)).code:
        found.append(Violation("words", f"the answer was refused: {again.err[-300:]}"))
    last = world.go_on()
    found += judge(world, [run, last])
    if world.ledger()[:1] != [1]:
        found.append(Violation("lost", f"the approved step did not run first: {world.ledger()}"))
    return found


BACK = 3
"""The step to which is rewound."""


def worked(world: World) -> Run:
    world.play(work.plan())
    return world.ask(work.TASK)


def rewind(world: World, _before: Run, fault: Fault) -> Run:
    return world.command("rewind", str(BACK), fault=fault)


def rewound(world: World, before: Run, run: Run) -> list[Violation]:
    """Taken back or not; what was begun is brought to its end by the next command."""
    begun = bool(world.logged("SELECT 1 FROM events WHERE type = 'rewind_started'"))
    last = world.go_on()
    found = judge(world, [before, run, last])
    wanted = list(range(1, (BACK if begun else work.STEPS) + 1))
    if world.ledger()[: len(wanted) + 1] not in (wanted, [*wanted, work.STEPS + 1]):
        found.append(Violation("lost", f"the files are as after {world.ledger()}, begun: {begun}"))
    if run.code == 0 and not begun:
        found.append(Violation("lost", "a rewind that was told is not in the log"))
    return found


def packed(world: World) -> tuple[Run, Path]:
    """A session in a file, and a home that does not know it."""
    before = worked(world)
    file = world.faults / "session"
    world.command("sessions", "export", "last", "--format", "session", "-o", str(file), "--force")
    shutil.rmtree(world.home)
    return before, file


def take_in(world: World, given: tuple[Run, Path], fault: Fault) -> Run:
    return world.command("sessions", "import", str(given[1]), "--workspace", str(world.work), fault=fault)


def taken_in(world: World, given: tuple[Run, Path], run: Run) -> list[Violation]:
    """All of the session or nothing of it; then all of it."""
    sessions = world.sessions()
    found = [Violation("log", f"{len(sessions)} sessions of one file")] if len(sessions) > 1 else []
    if run.code == 0 and not sessions:
        found.append(Violation("lost", "it was taken in, and is not there"))
    if not sessions and (again := take_in(world, given, Fault())).code:
        found.append(Violation("words", f"it was refused the second time: {again.err[-300:]}"))
    return [*found, *judge(world, [given[0], run, world.go_on()])]


FILES = ("ledger", "second", "folder/third")
MORE = Reply(
    code="import os\nos.mkdir('folder')\nfor name in 'second', 'folder/third':\n    open(name, 'w').write(name * 2000)"
)


def staged(world: World) -> Run:
    world.play([MORE, *work.plan()])
    run = world.ask("--stage", work.TASK)
    assert run.code == 0 and not world.ledger(), run
    return run


def commit(world: World, _before: Run, fault: Fault) -> Run:
    return world.command("stage", "commit", fault=fault)


def committed(world: World, before: Run, run: Run) -> list[Violation]:
    """All files or none, once the next command has brought what was decided to its end."""
    there = [(world.work / name).exists() for name in FILES]
    found = [Violation("lost", f"committed was told, and there is {there}")] if run.code == 0 and not all(there) else []
    world.command("stage")
    there = [(world.work / name).exists() for name in FILES]
    if any(there) != all(there):
        found.append(Violation("lost", f"a part of a commit: {there}"))
    if not all(there) and (again := world.command("stage", "commit")).code:
        found.append(Violation("words", f"it was refused the second time: {again.err[-300:]}"))
    if world.ledger() != list(range(1, work.STEPS + 1)):
        found.append(Violation("lost", f"the committed file holds {world.ledger()}"))
    return [*found, *judge(world, [before, run], ended=False)]


SCENES = (
    Scene("in a small window, with compactions", compacting, compact, compacted),
    Scene("while a question is answered from another terminal", asking, answer, answered),
    Scene("in a rewind", worked, rewind, rewound),
    Scene("while a session is taken in from a file", packed, take_in, taken_in),
    Scene("in a staged commit", staged, commit, committed),
)


def cases(world: World, seed: int) -> Iterator[Case]:
    """A death at every call of each scene's command, as many as a first run of it makes."""
    for scene in SCENES:
        given = scene.prepare(world)
        first = scene.fire(world, given, Fault(trace=True))
        calls = calls_of(world, "host")
        found = scene.settle(world, given, first)
        assert first.code in CODES and not found, (scene.name, first, found)
        world.clear()
        chosen = random.Random(seed + 6)
        for n, call in enumerate(calls, 1):
            when = chosen.choice(("before", "torn") if call == "write" else ("before", "after"))
            whom = chosen.choice(("host", "all"))
            fault = Fault(when, "host", n, whom)
            yield Case(scene.name, f"{scene.name}/{n}/{call}/{when}/{whom}", partial(struck, scene, fault))


def struck(scene: Scene, fault: Fault, world: World) -> Outcome:
    given = scene.prepare(world)
    run = scene.fire(world, given, fault)
    return Outcome(run.struck, scene.settle(world, given, run), shown=len(run.shown))
