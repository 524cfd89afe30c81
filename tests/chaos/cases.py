"""Cases, and the workers that carry them out."""

from __future__ import annotations

import queue
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from .check import KINDS, Violation
from .world import World


class Outcome(NamedTuple):
    struck: bool
    """Whether what the case is about happened; a case that came too late counts for nothing."""
    found: list[Violation]
    cuts: int = 1
    """How many deaths, cuts or failures it was."""
    shown: int = 0
    """Completions that had been shown before, and had to be there after."""


class Case(NamedTuple):
    part: str
    name: str
    do: Callable[[World], Outcome]
    control: bool = False
    """It is built to fail, and must."""


@dataclass
class Row:
    """The counts of one part."""

    part: str
    cases: int = 0
    struck: int = 0
    shown: int = 0
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    seconds: float = 0.0
    control: bool = False

    @property
    def bad(self) -> bool:
        """Something is wrong; of a control: nothing was lost."""
        return self.struck == 0 or (self.found["lost"] == 0 if self.control else sum(self.found.values()) > 0)


def sample(cases: Iterable[Case], most: int, seed: int) -> list[Case]:
    """At most so many, drawn by `seed`, in their order."""
    listed = list(cases)
    if most >= len(listed):
        return listed
    chosen = sorted(random.Random(seed).sample(range(len(listed)), most))
    return [listed[i] for i in chosen]


class Runner:
    """Carries cases out on `jobs` threads, each with a world of its own; tells violations as they come."""

    def __init__(self, jobs: int, *, quiet: bool = False) -> None:
        self.rows: dict[str, Row] = {}
        self.violations: list[tuple[str, Violation]] = []
        self._quiet = quiet
        self._jobs = jobs
        self._lock = threading.Lock()
        self._broken: list[BaseException] = []

    def run(self, cases: Sequence[Case]) -> None:
        todo: queue.SimpleQueue[Case | None] = queue.SimpleQueue()
        for case in [*cases, *[None] * self._jobs]:
            todo.put(case)
        workers = [threading.Thread(target=self._work, args=(todo,)) for _ in range(self._jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if self._broken:
            raise self._broken[0]

    def _work(self, todo: queue.SimpleQueue[Case | None]) -> None:
        top = Path(tempfile.mkdtemp(prefix="chaos-")).resolve()
        world = World(top / "w")
        try:
            while (case := todo.get()) is not None and not self._broken:
                begun = time.monotonic()
                outcome = case.do(world)
                self._count(case, outcome, time.monotonic() - begun)
                world.clear()
        except BaseException as error:
            self._broken.append(error)
        finally:
            world.close()
            shutil.rmtree(top, ignore_errors=True)

    def _count(self, case: Case, outcome: Outcome, seconds: float) -> None:
        with self._lock:
            row = self.rows.setdefault(case.part, Row(case.part, control=case.control))
            row.cases += 1
            row.seconds += seconds
            row.struck += outcome.cuts if outcome.struck else 0
            row.shown += outcome.shown
            for violation in outcome.found:
                row.found[violation.kind] += 1
                if not case.control:
                    self.violations.append((case.name, violation))
                    self.say(f"VIOLATION {case.name}: {violation.kind}: {violation.what}")
            done = sum(row.cases for row in self.rows.values())
            if done % 50 == 0:
                self.say(f"... {done} cases")

    def say(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    @property
    def held(self) -> bool:
        return not any(row.bad for row in self.rows.values())

    def table(self) -> str:
        head = ["what", "cases", "happened", "completions", *KINDS, "seconds", ""]
        lines = [head]
        for row in self.rows.values():
            said = ("fails, as it must" if row.control else "holds") if not row.bad else "MISSED"
            counts = [str(row.found[kind]) for kind in KINDS]
            lines.append(
                [row.part, str(row.cases), str(row.struck), str(row.shown), *counts, f"{row.seconds:.0f}", said]
            )
        widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
        )
