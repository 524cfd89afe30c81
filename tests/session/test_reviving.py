"""A kernel that ends by itself is followed by one with its variables, and the model is told which."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from interpreter.kernels.ending import alive
from interpreter.llm.scripted import Reply
from interpreter.types.events import NoteAdded
from tests.bad.victim import processes_of

from .helpers import Talk, run


def test_a_step_that_ends_its_kernel_costs_no_variables(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("one")
        await talk.saved()
        await talk.turn("two")
        assert "The kernel ended while your code ran" in talk.told(-2)
        assert "has the variables as they were after step 1: rows" in talk.told(-2)
        assert talk.told() == "[1, 2] gone"
        assert any("step 1" in note.text and not note.to_model for note in talk.of(NoteAdded))

    died = Reply(code="late = 1\nimport os; os._exit(3)")
    look = Reply(code="print(rows, 'late' if 'late' in globals() else 'gone')")
    run(story, [Reply(code="rows = [1, 2]"), "One.", died, look, "Two."], tmp_path)


def test_a_keeper_that_dies_between_turns_costs_no_variables(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("one")
        await talk.saved()
        keeper, below = processes_of(talk.session.log.folder / "run")
        for pid in (*below, *keeper):
            with suppress(ProcessLookupError):  # a child that wrote a checkpoint may have ended meanwhile
                os.kill(pid, signal.SIGKILL)
        while alive(talk.session.log.folder / "run"):
            await asyncio.sleep(0.01)
        await talk.turn("two")
        assert talk.model.requests[-1].messages[-2].text == "[1, 2]"
        assert any("as they were after step 1: rows" in note.text and note.to_model for note in talk.of(NoteAdded))

    run(story, [Reply(code="rows = [1, 2]"), "One.", Reply(code="print(rows)"), "Two."], tmp_path)


def test_what_was_never_saved_is_told_as_gone(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("one")
        assert "variables and imports are gone" in talk.told(1) and "has the variables" not in talk.told(1)
        assert talk.told() == "gone"

    died = Reply(code="rows = [1, 2]\nimport os; os._exit(3)")
    run(story, [died, Reply(code="print('rows' if 'rows' in globals() else 'gone')"), "One."], tmp_path)
