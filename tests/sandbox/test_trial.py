"""What doctor says of a backend is what was seen, and agrees with what the backend claims."""

from __future__ import annotations

import sys

import pytest

from interpreter.sandbox.backend import WALLS
from interpreter.sandbox.choice import BACKENDS, tried
from interpreter.sandbox.trial import try_walls
from interpreter.types.walls import BackendName

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these backends are Linux's")


@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
def test_a_backend_holds_what_it_claims(name: BackendName) -> None:
    if reason := tried(name)[0]:
        pytest.skip(reason)
    trial = try_walls(name)
    assert trial.problem == ""
    assert {wall: wall in trial.held for wall in WALLS} == BACKENDS[name].holds()
    assert set(trial.held) | set(trial.open) == set(WALLS)


def test_without_walls_every_probe_comes_through() -> None:
    trial = try_walls("host")
    assert trial.held == () and trial.problem == ""
    assert trial.open["files"] == ("read_outside", "write_outside", "write_through_a_link")
    assert trial.open["network"] == ("connect", "send_a_datagram")
