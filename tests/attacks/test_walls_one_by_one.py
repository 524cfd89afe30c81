"""One wall at a time is taken away: the attacks that it alone holds come through, although all others stand."""

from __future__ import annotations

import os
import sys

import pytest

from tests.conformance.sandbox_world import PYTHON, users
from tests.conformance.test_sandboxes import works_here

from .field import attack_all, field_of
from .inside.registry import ATTACKS
from .openings import OPENINGS, SHOWS

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's"),
    pytest.mark.skipif(not os.path.exists(PYTHON), reason=f"the attacks run under {PYTHON}"),
    pytest.mark.skipif(users() == [0], reason="an ordinary user is needed"),
]


@pytest.mark.parametrize("opening", sorted(OPENINGS))
def test_this_wall_is_what_holds(opening: str) -> None:
    backend, _, _ = opening.partition(" ")
    if why := works_here(backend):
        pytest.skip(why)
    assert set(SHOWS[opening]) <= set(ATTACKS)
    with field_of(users()[-1]) as world:
        found = attack_all(world, lambda argv: OPENINGS[opening](world, argv), SHOWS[opening])
    assert found == dict.fromkeys(sorted(SHOWS[opening]), "through")


def test_each_opening_shows_something() -> None:
    assert set(OPENINGS) == set(SHOWS) and all(SHOWS.values())
