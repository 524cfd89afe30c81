"""A state that came back is in the log before anything runs on it."""

from __future__ import annotations

import asyncio

from interpreter.kernels.checkpoints import CheckpointEvent, Saves
from interpreter.types.events import CheckpointRestored


def test_nothing_runs_on_a_restored_state_before_the_log_has_it() -> None:
    """Else a host that dies between the two leaves a kernel of which the next one cannot say what it holds: the keeper
    tells of it until an execution begins there."""

    async def story() -> None:
        taking = asyncio.Event()
        logged: list[CheckpointEvent] = []

        async def log(event: CheckpointEvent) -> None:
            await taking.wait()
            logged.append(event)

        saves = Saves(lambda event: asyncio.get_running_loop().create_task(log(event)))
        saves.expect("k_1")
        saves.take({"event": "restored", "kernel": "k_1", "language": "python", "execution": "x_1", "names": 2,
                    "missing": [], "error": ""})  # fmt: skip
        restoring = asyncio.get_running_loop().create_task(saves.restored("python", "k_1"))
        await asyncio.sleep(0.05)
        assert not restoring.done() and logged == []
        taking.set()
        restored = await restoring
        assert restored.execution == "x_1" and isinstance(logged[0], CheckpointRestored)

    asyncio.run(asyncio.wait_for(story(), 20))
