"""Attacks on the walls, on every backend, as root and as an ordinary user; and the same attacks without walls.

What a backend cannot hold stands in `open_ways.py`, and in docs/security.md; the lists are exact both ways.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from interpreter.sandbox import Walls
from tests.conformance.sandbox_world import PYTHON, World, users
from tests.conformance.test_sandboxes import has_identity, works_here
from tests.engine import engine

from .field import TELLING, attack_all, attack_bare, field_of, grouped, snapshot
from .inside.registry import ATTACKS
from .open_ways import BY_ROOT_ONLY, HERE_STOPPED, OPEN, by_root_only_here

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the attacks run under {PYTHON}"),
]
COUNTED = "threads_instead_of_processes"


def who(uid: int) -> str:
    return "root" if uid == 0 else "user"


@pytest.fixture(scope="module", params=grouped("walls", ["bubblewrap", "container", "landlock"]))
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "container":
            socket, why = engine()
            if not socket:
                pytest.skip(why)
            patch.setenv("DOCKER_HOST", f"unix://{socket}")
        if why := works_here(request.param):
            pytest.skip(why)
        yield request.param


class Ran:
    """One run of all attacks, and what the tests saw from outside."""

    def __init__(self, world: World, backend: str) -> None:
        before = list(snapshot(world.outside))
        environ = {"PATH": "/usr/bin:/bin", **TELLING}
        self.counted = world.uid != 0 or has_identity(world, backend)
        self.found = attack_all(world, lambda argv: Walls(world.profile(backend, environ=environ)).launch(argv))
        after = [one for one in snapshot(world.outside) if not one[0].startswith("moved-")]
        self.changed = [one[0] for one in after if one not in before] + [
            one[0] for one in before if one[0] not in [other[0] for other in after]
        ]
        with open(world.facts["signals"], encoding="ascii") as file:
            self.signals = file.read()


@pytest.fixture(scope="module", params=users(), ids=who)
def ran(request: pytest.FixtureRequest, backend: str) -> Iterator[tuple[int, Ran]]:
    with field_of(request.param) as world:
        yield request.param, Ran(world, backend)


@pytest.fixture(scope="module")
def bare() -> Iterator[dict[int, dict[str, str]]]:
    found: dict[int, dict[str, str]] = {}
    for uid in users():
        # A world of its own, because here the attacks do what they are for.
        with field_of(uid) as world:
            found[uid] = attack_bare(world)
    yield found


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_no_attack_comes_through(ran: tuple[int, Ran], backend: str, attack: str) -> None:
    uid, run = ran
    if attack == COUNTED and not run.counted:
        pytest.skip("root is not counted by the kernel; the keeper's control group is what bounds it")
    if who(uid) in OPEN[backend].get(attack, {}):
        assert run.found[attack] == "through", "no longer open: take it off the list"
    else:
        assert run.found[attack].startswith("stopped"), run.found[attack]


def test_nothing_outside_was_touched(ran: tuple[int, Ran]) -> None:
    assert ran[1].changed == []
    assert ran[1].signals == ""


@pytest.mark.xdist_group("walls bare")
@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize("uid", users(), ids=who)
def test_without_walls_it_comes_through(bare: dict[int, dict[str, str]], uid: int, attack: str) -> None:
    if attack in HERE_STOPPED:
        # Another machine may let it through; then it proves itself there.
        assert bare[uid][attack] == "through" or bare[uid][attack].startswith("stopped")
    elif uid != 0 and by_root_only_here(attack):
        assert bare[uid][attack].startswith("stopped"), "take it off the list"
    else:
        assert bare[uid][attack] == "through"


def test_few_attacks_are_stopped_by_the_machine_itself() -> None:
    assert set(HERE_STOPPED) | set(BY_ROOT_ONLY) <= set(ATTACKS)
    assert len(HERE_STOPPED) <= len(ATTACKS) / 10
