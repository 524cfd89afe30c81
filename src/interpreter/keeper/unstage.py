"""Leaving the stages of a session: nothing may write to them any more when what lies there is committed or dropped."""

import time
from collections.abc import Callable

from .kernel import Kernel
from .loop import Loop
from .process import Reaper
from .stage import Stages

LAST_SAVES = 20.0
"""Seconds that a kernel's last checkpoint may take before its stage is left without it."""


def unstage(loop: Loop, kernels: list[Kernel], reaper: Reaper, stages: Stages, done: Callable[[], None]) -> None:
    """End every kernel that is on a stage, and let go of the stages; `done` is called when nothing can write there."""
    staged = [kernel for kernel in kernels if kernel.state != "dead" and kernel.launch.get("stage")]
    until = time.monotonic() + LAST_SAVES
    for kernel in staged:
        if kernel.checkpoints:
            kernel.checkpoints.finish(lambda: None)

    def end() -> None:
        if time.monotonic() < until and any(k.checkpoints and k.checkpoints.saving for k in staged):
            loop.later(0.02, end)
            return
        for kernel in staged:
            if kernel.state != "dead":
                kernel.kill("the stage is left")
        for process in list(reaper.processes):
            if process.staged:  # whoever looked at it
                process.kill()
        leave()

    def leave() -> None:
        if any(process.staged for process in reaper.processes):
            loop.later(0.01, leave)
            return
        stages.leave()
        done()

    end()
