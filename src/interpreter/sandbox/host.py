"""No walls: only ever by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ..errors import SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Launch, Profile
from .backend import WALLS, cgroup, rlimits


class Host:
    name = "host"
    living_grants = False

    def launch(self, profile: Profile, argv: Sequence[str]) -> Launch:
        if profile.backend != self.name:
            raise SandboxUnavailable(
                _("The sandbox `host` has no walls and is only used by name."),
                _("Nothing was run. Ask for it with: --sandbox host"),
            )
        limits = rlimits(profile)
        if profile.limits.processes is not None and os.geteuid() != 0 and sys.platform == "linux":
            limits["NPROC"] = (profile.limits.processes, profile.limits.processes)
        return Launch(
            backend=self.name,
            argv=tuple(argv),
            env=dict(profile.environment),
            cwd=profile.workspace,
            rlimits=limits,
            cgroup=cgroup(profile),
        )

    def missing(self) -> tuple[str, str]:
        return "", ""

    def identity(self) -> str:
        return ""

    def holds(self) -> dict[str, bool]:
        return dict.fromkeys(WALLS, False)
