"""The walls as the agent asks for them: grants that reach living kernels."""

from __future__ import annotations

import os
from pathlib import Path

from ..kernels.kernels import Kernels
from ..sandbox import Walls
from ..sandbox.system import system, within


class WalledGrants:
    """`agent.grants.Granter` over the session's walls and kernels."""

    def __init__(self, walls: Walls, kernels: Kernels) -> None:
        self._walls, self._kernels = walls, kernels

    def settled(self, path: str) -> str:
        profile, real = self._walls.profile, os.path.realpath(path)
        written = (profile.workspace, *profile.writable)
        turned = any(within(os.path.realpath(place), written) for place in Path(path).parents)
        return real if turned else path

    def reads(self, path: str) -> bool:
        profile = self._walls.profile
        if self._walls.describe() == "host":
            return True
        real = os.path.realpath(path)
        return within(real, (profile.workspace, *profile.writable, *profile.readable, *system().folders))

    def forbidden(self, path: str) -> bool:
        real = os.path.realpath(path)
        closed = (*self._walls.profile.hidden, *system().hidden)
        return not Path(real).exists() or within(real, closed) or any(within(name, (real,)) for name in closed)

    async def grant(self, path: str) -> bool:
        """True when living kernels see the path; False when they were ended so that new ones do."""
        name = self._walls.grant(path, "read")
        if name and await self._kernels.grant(name, os.path.realpath(path)):
            return True
        await self._kernels.restart(wanted=False)
        return False
