"""A short run of the chaos suite, and proof that its eyes are open; `make chaos` is the whole."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from interpreter.types.actions import Action, Completion, Observation
from interpreter.types.base import new_id
from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted, KernelEvent, SessionResumed
from tests.bad.command import needs_walls

from . import cuts, deaths, faults, work
from .cases import Case, Outcome, Runner, sample
from .check import Reading, judge
from .deaths import Reference
from .faults import Fault
from .world import World

SEED = 20261129
pytestmark = [
    needs_walls,
    pytest.mark.skipif(bool(faults.why_not()), reason=faults.why_not() or "never"),
    pytest.mark.xdist_group("chaos"),
]


class Quiet(NamedTuple):
    world: World
    reference: Reference


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Generator[Quiet]:
    """A world in which the reference run has been, undisturbed."""
    world = World(tmp_path_factory.mktemp("chaos") / "w")
    try:
        yield Quiet(world, Reference(world, again=False))
    finally:
        world.close()
        faults.forget()


def holds(cases: Sequence[Case]) -> None:
    runner = Runner(2, quiet=True)
    runner.run(cases)
    assert runner.violations == [], runner.table()
    assert not any(row.bad for row in runner.rows.values() if row.control), runner.table()
    # A call of the reference run may be missing in another: then nothing happens.
    assert sum(row.struck > 0 for row in runner.rows.values()) > len(runner.rows) // 2, runner.table()


def test_deaths_at_calls_and_at_random_moments(quiet: Quiet) -> None:
    reference = quiet.reference
    assert len(reference.calls["host"]) > 200
    assert len(reference.calls["keeper"]) > 30
    reference.again = reference.calls["host"][:250]
    holds([
        *sample(deaths.points(reference, SEED), 4, SEED),
        *sample(deaths.again(reference, SEED), 1, SEED),
        *sample(deaths.failing(reference, SEED), 2, SEED),
        *deaths.at_random(reference, SEED, 2),
    ])  # fmt: skip


def test_a_full_disk_under_a_file_beside_the_log_is_told_in_words(quiet: Quiet, tmp_path: Path) -> None:
    number = next(n for n, place in enumerate(quiet.reference.places, 1) if place.endswith("before.json"))
    world = World(tmp_path / "w")
    try:
        world.play(work.plan())
        run = world.ask(work.TASK, fault=Fault("fail", at=number, errno=errno.ENOSPC))
        assert run.struck and run.code == 1
        assert "No space left on device" in run.err and "Everything logged so far is kept." in run.err
        assert judge(world, [run, world.go_on()]) == []
    finally:
        world.close()


@pytest.mark.skipif(bool(cuts.why_not()), reason=cuts.why_not() or "never")
def test_power_cuts_and_a_full_disk(quiet: Quiet) -> None:
    calls = sum(call != "send" for calls in quiet.reference.calls.values() for call in calls)
    # So much room that a checkpoint does not fit, and what saves it is ended for want of space.
    full = Case("a disk that gets full", "full", partial(cuts.fill, 525_727))
    holds([*cuts.cuts(SEED, 2, calls), full])


def kinds(world: World, reference: Reference) -> set[str]:
    return {violation.kind for violation in judge(world, [reference.run])}


def test_a_violation_would_be_seen(quiet: Quiet) -> None:
    """The controls of the eyes: each defect is planted, seen, and taken away again."""
    world, reference = quiet
    assert reference.found == []
    assert kinds(world, reference) == set()
    ledger = world.work / "ledger"
    honest = ledger.read_text()
    ledger.write_text(f"{honest}2\n")
    assert kinds(world, reference) == {"twice"}
    ledger.write_text(f"{honest}77\n")
    assert kinds(world, reference) == {"twice"}
    ledger.write_text("1\n")
    assert kinds(world, reference) == {"lost"}
    ledger.write_text(honest)
    large = max((world.home / "sessions").glob("*/blobs/*.out"), key=lambda path: path.stat().st_size)
    kept = large.read_bytes()
    large.write_bytes(kept[:-1])
    assert kinds(world, reference) == {"lost"}
    large.write_bytes(kept)
    reference.run.shown.append({"action": "a_of_nobody", "status": "ok"})
    assert kinds(world, reference) == {"lost"}
    reference.run.shown.pop()
    reference.run.err = "Traceback (most recent call last):"
    assert kinds(world, reference) == {"words"}
    reference.run.err = ""
    database = sqlite3.connect(world.home / "log.db")
    with database:
        database.execute("UPDATE events SET body = replace(body, 'step 2', 'step 3') WHERE type = 'action_finished'")
    database.close()
    assert "log" in kinds(world, reference)


def told(reading: Reading, n: int, status: str = "ok", text: str = "") -> None:
    code = work.code(n) if n else work.LOOK["python"]
    action = Action(id=new_id("a"), language="python", code=code, sha256="")
    reading.apply(ActionProposed(turn="t", step=1, action=action))
    reading.apply(ActionStarted(action=action.id, execution=f"x_{n}", kernel="k", language="python", sandbox=""))
    done = Completion(execution=f"x_{n}", status="ok")
    observation = Observation(text=text, shown="")
    reading.apply(ActionFinished(action=action.id, status=status, observation=observation, completion=done))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("state", "right"),
    [
        (f"[[1, 2], {work.x_of([1, 2])}, true]", True),
        (f"[[1, 2], {work.x_of([1, 2])}, false]", False),
        (f"[[1, 2], {work.x_of([2, 1])}, true]", False),
        (f"[[1], {work.x_of([1])}, true]", False),
        (f"[[], {work.x_of([])}, true]", False),
    ],
)
def test_wrong_variables_would_be_seen(state: str, right: bool) -> None:
    reading = Reading()
    told(reading, 1)
    told(reading, 2)
    told(reading, 0, text=f"STATE {state}")
    assert (not reading.found) == right


def test_lost_variables_are_right_only_when_they_were_told() -> None:
    nothing = f"STATE [[], {work.x_of([])}, true]"
    for tells in (SessionResumed(gone=("python",)), KernelEvent(language="python", kernel="k", what="died"), None):
        reading = Reading()
        told(reading, 1)
        if tells is not None:
            reading.apply(tells)
        told(reading, 0, text=nothing)
        assert bool(reading.found) is (tells is None)


def nothing(world: World) -> Outcome:
    return Outcome(False, [])


def nothing_lost(world: World) -> Outcome:
    return Outcome(True, [])


def test_a_run_in_which_nothing_happens_is_no_success() -> None:
    runner = Runner(1, quiet=True)
    runner.run([Case("never", "never", nothing)])
    assert not runner.held


def test_a_control_that_loses_nothing_is_no_success() -> None:
    runner = Runner(1, quiet=True)
    runner.run([Case("control", "control", nothing_lost, control=True)])
    assert not runner.held
