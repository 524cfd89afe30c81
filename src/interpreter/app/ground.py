"""What a session stands on before anything is said in it: its log, its walls, its kernels.

Little has to be loaded for it, so the kernel that will be needed first boots while the rest of the program is loaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from ..aio import Tasks
from ..config.settings import Settings
from ..errors import KernelError, SandboxUnavailable
from ..kernels.checkpoints import CheckpointEvent
from ..kernels.contracts import KernelOptions
from ..kernels.environments import find_environment
from ..kernels.kernels import Kernels
from ..sandbox import Walls, open_grants, resolve, shape, workspace_profile
from ..sandbox.stage import staged
from ..store import SessionLog, Store
from ..text.redact import Redactor
from ..types.events import KernelEvent
from ..types.walls import Profile
from .granted import with_grants
from .known import credential_values
from .network import network_of, with_network
from .rulebook import open_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..staging.stage import Stage

SOON = 0.05
"""Seconds that a keeper which was begun early may take to answer before the rest is loaded without waiting for it."""


class Ground:
    """Raises SandboxUnavailable, UsageError, PolicyError when it is made."""

    def __init__(
        self, settings: Settings, store: Store, log: SessionLog, workspace: Path, redactor: Redactor, *, chosen: bool
    ) -> None:
        self.settings = settings = with_grants(settings, workspace)
        self.store, self.log, self.redactor = store, log, redactor
        self.chosen = chosen
        """Whether the person named the working folder; else it has to be the one that the session began in."""
        self.tasks = Tasks()
        self.environment = find_environment(workspace, store.home, os.environ, base=settings.walls.python)
        self.scratch = log.folder / "scratch"
        self.opened = open_grants((*settings.walls.grants, *settings.walls.granted), os.environ)
        self.rules = open_rules(settings, workspace, log.folder)
        self.walls = Walls(self._profile(workspace), network_log=log.folder / "network.jsonl", way=log.folder / "way")
        self.stage = self._stage()
        self.workspace = Path(self.walls.profile.workspace)
        redactor.add(*credential_values(self.walls.profile.rules.credentials))
        self._events: list[KernelEvent | CheckpointEvent] = []
        self._listener: Callable[[KernelEvent | CheckpointEvent], Awaitable[None] | None] = self._events.append
        options = KernelOptions(
            python=self.environment.python,
            readable=self.environment.readable,
            written=(self.walls.profile.workspace, *self.walls.profile.writable),
            checkpoints=settings.checkpoints,
            checkpoint_folder=str(log.folder / "checkpoints"),
        )
        self.kernels = Kernels(log.folder / "run", self.walls, options, lambda event: self._listener(event))

    def listen(self, listener: Callable[[KernelEvent | CheckpointEvent], Awaitable[None]]) -> None:
        """From now on `listener` gets what happens to kernels, what has happened already first."""
        self._listener = listener
        for event in self._events:
            listener(event)

    async def begin_kernel(self, *, waiting: bool) -> None:
        """Begin the kernel that will be needed first. `waiting`: a keeper is there, so see to it that it is asked."""
        if self.settings.agent.tools_only:
            return  # there will be none
        asked = asyncio.Event()

        async def warm() -> None:
            try:
                await self.kernels.prewarm("python", asked)
            except (KernelError, SandboxUnavailable):
                asked.set()  # told when code is to run

        self.tasks.start(warm())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON if waiting else 0):
                await asked.wait()

    def _profile(self, workspace: Path) -> Profile:
        walls = self.settings.walls
        chosen = resolve(walls.profile, walls.profiles)
        network = network_of(self.settings, chosen, self.rules.network(), self.opened.hosts)
        profile = workspace_profile(
            workspace,
            self.scratch,
            home=self.store.home,
            env=self.environment.env,
            network=network[0],
            limits=self.settings.limits,
            backend=walls.backend,
            final=False,
        )
        shaped = shape(
            profile,
            chosen,
            self.opened,
            environ=os.environ,
            readable=walls.readable,
            writable=walls.writable,
            hidden=walls.hidden,
            read_only=walls.read_only,
        )
        folder = self.log.folder / "stage"
        if walls.stage or (folder / "state.json").exists():
            shaped = msgspec.structs.replace(shaped, stage=str(folder / "1"))
        return with_network(shaped, network)

    def _stage(self) -> Stage | None:
        """The stage of a staged session. One that was begun stays: nothing of it reaches the folder by an omission."""
        if not self.walls.profile.stage:
            return None
        # Only a staged session pays for it.
        module = importlib.import_module(".layers", __package__)
        stage: Stage = module.begin_stage(self.log.folder, staged(self.walls.profile))
        self.walls.stage(stage.place)
        return stage

    def release(self) -> None:
        self.log.close()
        self.store.close()

    async def abandon(self) -> None:
        """Undo what was begun when a session could not be opened."""
        await self.tasks.close()
        await self.kernels.close()
        self.release()
