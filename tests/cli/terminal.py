"""A terminal for tests: a real pseudo-terminal whose screen is drawn by pyte."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import pexpect
import pyte

from tests.zygote import DRIVE
from tests.zygote.terminal import Spawned


class Terminal:
    """Runs a program in it; the text of the screen is what a person would see."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        *,
        env: dict[str, str] | None = None,
        columns: int = 100,
        lines: int = 40,
        forks: bool = True,
    ) -> None:
        """`forks`: the command may be started by the zygote."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("INTERPRETER_", "TMUX"))}
        environ |= {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "", "INTERPRETER_HOME": str(cwd / "home")}
        environ.pop("NO_COLOR", None)
        self.screen: Any = pyte.HistoryScreen(columns, lines, history=2000, ratio=1)
        self.screen.write_process_input = self._reply
        self._stream: Any = pyte.Stream(self.screen)
        spawn = Spawned if forks else cast(Any, pexpect).spawn
        child: Any = spawn(
            argv[0], list(argv[1:]), cwd=str(cwd), env={**environ, **(env or {})}, dimensions=(lines, columns),
            encoding="utf-8", codec_errors="replace",
        )  # fmt: skip
        child.delaybeforesend = None
        child.ptyproc.delayafterclose = 0.01
        self.child: Any = child
        self.raw = ""

    @classmethod
    def drive(cls, arguments: Sequence[str], cwd: Path, **more: Any) -> Terminal:
        """The command line over the played session of `fake.py`."""
        return cls([sys.executable, DRIVE, *arguments], cwd, **more)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.close(force=True)

    @property
    def text(self) -> str:
        """Everything on the screen and above it, lines without the spaces at their ends."""
        # Not pyte's `display`, which measures every cell anew: this is asked after every piece that comes.
        buffer, columns, lines = self.screen.buffer, self.screen.columns, self.screen.lines
        cells = [*self.screen.history.top, *(buffer[y] for y in range(lines))]
        ends = [min(max(row, default=-1) + 1, columns) for row in cells]
        # pyte fills the second half of a wide character with an empty cell.
        rows = ["".join(row[x].data for x in range(end)) for row, end in zip(cells, ends, strict=True)]
        return re.sub(r"[ \t]+$", "", "\n".join(rows), flags=re.MULTILINE).rstrip()

    def send(self, keys: str) -> None:
        self.child.send(keys)

    def wait_for(self, wanted: str, timeout: float = 15.0, *, times: int = 1) -> None:
        """Until `wanted` stands on the screen that often."""
        end = time.monotonic() + timeout
        while self.text.count(wanted) < times:
            if not self._read(0.1) or time.monotonic() > end:
                if self.text.count(wanted) >= times:
                    return
                raise AssertionError(f"{wanted!r} did not appear {times} times on:\n{self.text}")

    def leave(self, timeout: float = 15.0) -> int:
        """Press Ctrl-D until the program ends: while a turn runs it is nobody's key."""
        end = time.monotonic() + timeout
        pressed = 0.0
        while True:
            if time.monotonic() - pressed > 0.5:
                self.send("\x04")
                pressed = time.monotonic()
            if not self._read(0.1):
                return self.finish()
            assert time.monotonic() < end, f"still running:\n{self.text}"

    def finish(self, timeout: float = 15.0) -> int:
        """The exit code, once the program has ended."""
        end = time.monotonic() + timeout
        while self._read(0.1):
            assert time.monotonic() < end, f"still running:\n{self.text}"
        self.child.wait()
        return self.child.exitstatus if self.child.exitstatus is not None else -self.child.signalstatus

    def _read(self, timeout: float) -> bool:
        try:
            data = self.child.read_nonblocking(65536, timeout)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True

    def _reply(self, data: str) -> None:
        self.child.send(data)
