"""A program prints secrets; nobody and nothing outside the walls gets to see them."""

from __future__ import annotations

import json

import pytest

from interpreter.text.redact import GONE
from interpreter.types.events import ActionFinished, ActionProposed

from .world import World, reply

KNOWN = "correct-horse-battery-9"
FORM = "ghp_" + "a1B2" * 9
CODE = "print(open('notes.txt').read())\nraise ValueError(open('notes.txt').read())"


@pytest.fixture(autouse=True)
def _in_full(world: World) -> None:  # pyright: ignore[reportUnusedFunction]
    """Whose environment holds the secret is a process that was started with it."""
    world.forks = False


@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_what_a_program_prints_is_without_secrets_everywhere(world: World, output: str) -> None:
    (world.here / "notes.txt").write_text(f"known {KNOWN} form {FORM} plain")
    world.serve(reply("Reading.", CODE), f"It says {FORM}.")
    done = world.run("-y", "--output", output, "read my notes", env={"DEPLOY_TOKEN": KNOWN})
    assert done.code == 0
    (finished,) = world.of(ActionFinished)
    assert finished.status == "error" and f"known {GONE} form {GONE} plain" in finished.observation.text
    assert f"known {GONE} form {GONE} plain" in world.told(1), "the model reads that something stood there"
    # Nobody but the file of the model's own words, which stay exact in the log, may hold it.
    seen = {"standard output": done.out, "standard error": done.err, "requests": json.dumps(world.requests())}
    for words in (("sessions", "show", "last"), ("sessions", "export", "last", "--form", "md"),
                  ("sessions", "export", "last", "--form", "ipynb"), ("sessions", "export", "last", "--form", "jsonl"),
                  ("audit", "export")):  # fmt: skip
        reading = world.run(*words, env={"DEPLOY_TOKEN": KNOWN})
        assert reading.code == 0
        seen[" ".join(words)] = reading.out
    for place, text in seen.items():
        assert KNOWN not in text, place
        assert FORM not in text, place
    # The person's own files are kept as they are, for their owner alone, or they could not be brought back.
    kept = b"".join(
        path.read_bytes() for path in world.data.rglob("*") if path.is_file() and path.name[:9] != "snapshots"
    )
    assert KNOWN.encode() not in kept


def test_the_code_that_was_approved_is_kept_and_run_exactly(world: World) -> None:
    code = f"open('made.txt', 'w').write('{FORM}')"
    world.serve(reply("", code), "Done.")
    done = world.run("-y", "--output", "jsonl", f"write {KNOWN} {FORM}", env={"DEPLOY_TOKEN": KNOWN})
    assert (world.here / "made.txt").read_text() == FORM
    (proposed,) = world.of(ActionProposed)
    assert proposed.action.code == code
    assert f"write {KNOWN} {FORM}" in world.told(0), "the task is done with what the person said"
    started = next(line for line in done.lines if line["type"] == "turn_started")
    assert started["text"] == f"write {GONE} {GONE}"
    shown = world.run("audit", "export").out
    assert FORM not in shown and proposed.action.sha256 in shown
