"""`make chaos`: kill, cut the power, fill the disk, and count what is lost.

usage: python -m tests.chaos [--seed N] [--jobs N] [--most N] [--random N] [--cuts N] [--full N] [--only WORDS] [--list]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from . import cuts, deaths, faults, scenes
from .cases import Case, Runner, sample
from .world import World


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261129, help="draws moments and kinds (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="worlds at the same time (default %(default)s)")
    parser.add_argument("--most", type=int, default=100_000, help="at most so many cases of a part (default: all)")
    parser.add_argument("--random", type=int, default=600, help="deaths at random moments (default %(default)s)")
    parser.add_argument("--cuts", type=int, default=240, help="power cuts (default %(default)s)")
    parser.add_argument("--full", type=int, default=40, help="disks that get full (default %(default)s)")
    parser.add_argument("--only", default="", help="cases whose name has these words in it")
    parser.add_argument("--list", action="store_true", help="name the cases, and do nothing")
    return parser.parse_args(argv)


def parts(reference: deaths.Reference, given: argparse.Namespace) -> list[Case]:
    seed, most = given.seed, given.most
    return [
        *sample(deaths.points(reference, seed), most, seed),
        *sample(deaths.again(reference, seed), most, seed),
        *deaths.at_random(reference, seed, given.random),
        *sample(deaths.failing(reference, seed), most, seed),
        *disks(reference, given),
    ]


def disks(reference: deaths.Reference, given: argparse.Namespace) -> list[Case]:
    if reason := cuts.why_not():
        print(f"No power cuts and no full disks: {reason}.", file=sys.stderr)
        return []
    calls = sum(call != "send" for calls in reference.calls.values() for call in calls)
    return [*cuts.cuts(given.seed, given.cuts, calls), *cuts.full(given.seed, given.full)]


def measure(given: argparse.Namespace) -> tuple[deaths.Reference, list[Case]]:
    """What happens where nothing is struck, and the cases that follow from it."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        world = World(Path(folder).resolve() / "w")
        try:
            reference = deaths.Reference(world)
            cases = list(scenes.cases(world, given.seed))
            return reference, cases
        finally:
            world.close()


def by_part(cases: list[Case], most: int, seed: int) -> list[Case]:
    names = dict.fromkeys(case.part for case in cases)
    return [one for name in names for one in sample([case for case in cases if case.part == name], most, seed)]


def main(argv: list[str]) -> int:
    given = arguments(argv)
    if reason := faults.why_not():
        print(f"Not here: {reason}.", file=sys.stderr)
        return 2
    begun = time.monotonic()
    reference, beside = measure(given)
    cases = [*parts(reference, given), *by_part(beside, given.most, given.seed)]
    cases = [case for case in cases if given.only in case.name]
    if given.list:
        print("\n".join(case.name for case in cases))
        return 0
    runner = Runner(given.jobs)
    runner.say(f"seed {given.seed}: {len(cases)} cases; the reference run: {len(reference.calls['host'])} calls of the "
               f"host, {len(reference.calls['keeper'])} of the keeper, {reference.seconds:.1f} s")  # fmt: skip
    for violation in reference.found:
        runner.say(f"VIOLATION reference: {violation.kind}: {violation.what}")
    runner.run(cases)
    print(runner.table())
    bad = len(runner.violations) + len(reference.found)
    print(f"{bad} violations, seed {given.seed}, {time.monotonic() - begun:.0f} s")
    faults.forget()
    return 0 if runner.held and not reference.found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
