"""Deaths of host, keeper, kernels or all: at every call of a reference run, and at random moments."""

from __future__ import annotations

import errno
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import work
from .cases import Case, Outcome
from .check import Violation, judge
from .faults import Fault, Role, Whom
from .world import Run, World, below, kill

STREAMED = 0.001
"""Seconds between two pieces of an answer at random moments, so that some fall into it."""
WHOM: tuple[Whom, ...] = ("host", "all", "keeper", "kernel")
CODES = (0, 1, 3, 4, 5, 6, 7, 130)
"""Exit codes with which a command may end that was not killed itself."""


class Reference:
    """A run to which nothing happens: how many calls host and keeper make, and how long it takes.

    `again`: and the calls of a run that takes up one that died, for deaths in it.
    """

    def __init__(self, world: World, *, again: bool = True) -> None:
        world.play(work.plan(pace=STREAMED))
        begun = time.monotonic()
        self.run = world.ask(work.TASK, fault=Fault(trace=True))
        self.seconds = time.monotonic() - begun
        self.places = places_of(world)
        self.calls = {role: calls_of(world, role) for role in ("host", "keeper")}
        self.found = judge(world, [self.run])
        self.again: list[str] = []
        if again:
            world.clear()
            world.play(work.plan())
            cut = world.ask(work.TASK, fault=Fault("after", "host", len(self.calls["host"]) * 2 // 3, "all"))
            resumed = world.go_on(fault=Fault(trace=True))
            self.again = calls_of(world, "host")
            self.found += judge(world, [cut, resumed])
            world.clear()


def places_of(world: World) -> list[str]:
    """The file of each call of the host."""
    return [line.split(" ", 2)[2] for line in (world.faults / "host.trace").read_text().splitlines()]


def calls_of(world: World, role: str) -> list[str]:
    """The calls that the run made, by their kinds."""
    file = world.faults / f"{role}.trace"
    calls = [line.split()[1] for line in file.read_text().splitlines()] if file.exists() else []
    file.unlink(missing_ok=True)
    return calls


def outcome(world: World, runs: list[Run], whom: str) -> Outcome:
    return Outcome(runs[-1].struck, settled(world, runs, whom), shown=sum(len(run.shown) for run in runs))


def settled(world: World, runs: list[Run], fault_whom: str) -> list[Violation]:
    """The run after the deaths, and what is wrong with all of it."""
    found: list[Violation] = []
    if fault_whom == "all":
        found += [
            Violation("processes", f"left over after a death of all: {left}") for left in world.gone(world.sessions())
        ]
    found += [Violation("words", f"exit code {run.code}: {run.err[-500:]}") for run in runs if odd(run, fault_whom)]
    return [*found, *judge(world, [*runs, world.go_on()])]


def odd(run: Run, whom: str) -> bool:
    killed = run.struck and whom in ("host", "all")
    return not run.hung and run.code not in CODES and not (killed and run.code == -9)


def struck(fault: Fault, world: World) -> Outcome:
    world.play(work.plan())
    run = world.ask(work.TASK, fault=fault)
    return outcome(world, [run], fault.whom)


def struck_again(first: Fault, second: Fault, world: World) -> Outcome:
    world.play(work.plan())
    runs = [world.ask(work.TASK, fault=first)]
    runs.append(world.go_on(fault=second))
    return outcome(world, runs, second.whom)


def points(reference: Reference, seed: int) -> Iterator[Case]:
    """At every call of the host its death or, in turn, that of all; at every call of the keeper: all four."""
    chosen = random.Random(seed)
    roles: tuple[Role, ...] = ("host", "keeper")
    for role in roles:
        for n, call in enumerate(reference.calls[role], 1):
            for whom in WHOM if role == "keeper" else (WHOM[(n + seed) % 2],):
                when = chosen.choice(("before", "torn") if call == "write" else ("before", "after"))
                fault = Fault(when, role, n, whom)
                part = f"at every call of the {role}: {whom} killed"
                yield Case(part, f"point/{role}/{n}/{call}/{when}/{whom}", partial(struck, fault))


def again(reference: Reference, seed: int) -> Iterator[Case]:
    """A death while a session is taken up that has died before."""
    chosen = random.Random(seed + 1)
    for n, call in enumerate(reference.again, 1):
        first = Fault("after", "host", chosen.randint(60, len(reference.calls["host"])), chosen.choice(("host", "all")))
        second = Fault("torn" if call == "write" else "before", "host", n, chosen.choice(("host", "all")))
        name = f"again/{first.at}/{first.whom}/{n}/{call}/{second.whom}"
        yield Case("while it is taken up again", name, partial(struck_again, first, second))


def at_random(reference: Reference, seed: int, count: int) -> Iterator[Case]:
    chosen = random.Random(seed + 2)
    for i in range(count):
        whom = WHOM[i % len(WHOM)]
        delay = chosen.uniform(0.05, reference.seconds)
        yield Case(f"at a random moment: {whom} killed", f"random/{i}/{whom}/{delay:.3f}", partial(late, whom, delay))


def late(whom: str, delay: float, world: World) -> Outcome:
    world.play(work.plan(pace=STREAMED))
    run = world.ask(work.TASK, fault=Fault(), meanwhile=after(delay, whom, world))
    return outcome(world, [run], whom)


def after(delay: float, whom: str, world: World) -> Callable[[subprocess.Popen[Any]], bool]:
    def strike(process: subprocess.Popen[Any]) -> bool:
        try:
            process.wait(delay)
            return False
        except subprocess.TimeoutExpired:
            pass
        keeper = world.keeper()
        kernels = below(keeper) if keeper else []
        doomed = [
            *(kernels if whom in ("kernel", "all") else []),
            *([keeper] if keeper and whom in ("keeper", "all") else []),
        ]
        kill(doomed)
        if whom in ("host", "all"):
            process.kill()
        return bool(doomed) or whom == "host" or whom == "all"

    return strike


def failing(reference: Reference, seed: int) -> Iterator[Case]:
    """A file system that fails: one call, or all from one on; with an error of the disk, or for want of space."""
    chosen = random.Random(seed + 3)
    roles: tuple[Role, ...] = ("host", "keeper")
    for role in roles:
        for n, call in enumerate(reference.calls[role], 1):
            if call == "send":
                continue
            code, times = chosen.choice((errno.EIO, errno.ENOSPC)), chosen.choice((1, 1, 5, -1))
            fault = Fault("fail", role, n, errno=code, times=times)
            part = f"a disk that fails under the {role}"
            yield Case(part, f"fail/{role}/{n}/{call}/{errno.errorcode[code]}/{times}", partial(struck, fault))
