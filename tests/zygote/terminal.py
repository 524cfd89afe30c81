"""A program on a pseudo-terminal for pexpect; where a fork can stand for its start, it is one."""

from __future__ import annotations

import os
import pty
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import pexpect

from . import Forked, forked

_spawn: Any = cast(Any, pexpect).spawn
_pty_process: Any = import_module("ptyprocess").PtyProcess


class ForkedOnTerminal(_pty_process):
    """As `PtyProcess`; how the process ended is known from the zygote."""

    process: Forked

    @classmethod
    def spawn(
        cls, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], dimensions: tuple[int, int]
    ) -> ForkedOnTerminal:
        ours, theirs = pty.openpty()
        made: Any = cls(0, ours)
        made.setwinsize(*dimensions)
        try:
            made.process = Forked(
                argv, terminal=True, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs,
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(theirs)
        made.pid = made.process.pid
        return made

    def isalive(self) -> bool:
        return self.process.poll() is None or self._ended()

    def wait(self) -> int | None:
        self.process.wait()
        self._ended()
        return self.exitstatus

    def _ended(self) -> bool:
        code = self.process.returncode
        self.terminated = True
        self.exitstatus = code if code >= 0 else None
        self.signalstatus = -code if code < 0 else None
        return False


class Spawned(_spawn):
    """As `pexpect.spawn`."""

    def _spawnpty(self, args: Sequence[bytes], *, env: Mapping[str, str], cwd: str, **more: Any) -> Any:  # pyright: ignore[reportUnusedFunction]
        words = [os.fsdecode(word) for word in args]
        if forked(words, env):
            return ForkedOnTerminal.spawn(words, cwd=cwd, env=env, dimensions=more["dimensions"])
        base: Any = super()
        return base._spawnpty(args, env=env, cwd=cwd, **more)
