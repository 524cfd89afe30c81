"""Real kernels over a real keeper, in the smallest words that tests need."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from interpreter.kernels import Hello, KernelOptions, Kernels, Walls
from interpreter.kernels.checkpoints import CheckpointEvent
from interpreter.types.actions import Action, Completion, Display, Permit
from interpreter.types.base import code_sha256, new_id
from interpreter.types.events import CheckpointMissed, CheckpointSaved, KernelEvent
from interpreter.types.walls import Launch, Limits


def go(work: Coroutine[Any, Any, None], seconds: float = 60) -> None:
    """Run an asynchronous test; whatever hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(seconds):
            await work

    asyncio.run(bounded())


class OpenWalls:
    """No walls: what is tested here is the kernel, not the sandbox."""

    def __init__(self, cwd: Path, rlimits: Mapping[str, tuple[int, int]] | None = None) -> None:
        self.cwd = cwd
        self.rlimits = dict(rlimits or {})

    def describe(self) -> str:
        return "host"

    def launch(
        self, argv: Sequence[str], *, readable: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> Launch:
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.cwd), **(env or {})}
        return Launch(backend="host", argv=tuple(argv), env=environment, cwd=str(self.cwd), rlimits=self.rlimits)


class Watching:
    """A sink that remembers."""

    def __init__(self, answer: Callable[[str, bool], str | None] = lambda prompt, secret: None) -> None:
        self.pieces: list[tuple[str, bytes, int]] = []
        self.displays: list[Display] = []
        self.asked: list[tuple[str, bool]] = []
        self._answer = answer
        self._news = asyncio.Event()

    def output(self, stream: str, data: bytes, skipped: int) -> None:
        self.pieces.append((stream, data, skipped))
        self._news.set()

    def display(self, display: Display) -> None:
        self.displays.append(display)

    async def ask_input(self, prompt: str, secret: bool) -> str | None:
        self.asked.append((prompt, secret))
        return self._answer(prompt, secret)

    async def call_tool(self, number: int, name: str, arguments: str) -> str:
        raise AssertionError("no tool is called here")

    @property
    def live(self) -> bytes:
        return b"".join(data for _, data, _ in self.pieces)

    async def until(self, wanted: bytes) -> None:
        """Until the live output holds `wanted`."""
        while wanted not in self.live:
            self._news.clear()
            await self._news.wait()


class Ran:
    """A completion, and what it left on disk."""

    def __init__(self, completion: Completion, sink: Watching) -> None:
        self.completion = completion
        self.sink = sink
        self.status = completion.status
        self.exit_status = completion.exit_status
        self.result = completion.result
        self.error = completion.error
        self.restarted = completion.restarted
        self.limit = completion.limit
        self.context = completion.context
        self.bytes = Path(completion.output.path).read_bytes() if completion.output.path else b""

    @property
    def text(self) -> str:
        return self.bytes.decode()

    @property
    def traceback(self) -> str:
        return self.error.traceback if self.error else ""

    def __repr__(self) -> str:
        return f"<{self.completion!r} {self.bytes[-2000:]!r}>"


class Begun:
    """An execution on its way."""

    def __init__(self, execution: str, sink: Watching, task: asyncio.Task[Completion]) -> None:
        self.execution = execution
        self.sink = sink
        self.task = task

    async def end(self) -> Ran:
        return Ran(await self.task, self.sink)


class Bench:
    """A session's kernels."""

    def __init__(self, run_dir: Path, cwd: Path, options: KernelOptions, walls: Walls | None = None) -> None:
        self.run_dir, self.options = run_dir, options
        self.events: list[KernelEvent] = []
        self.saves: list[CheckpointEvent] = []
        self._news = asyncio.Event()
        self.walls: Walls = walls or OpenWalls(cwd)
        self.kernels = Kernels(run_dir, self.walls, options, self._take)
        self.hello = Hello(version=0)

    def _take(self, event: KernelEvent | CheckpointEvent) -> None:
        if isinstance(event, KernelEvent):
            self.events.append(event)
        else:
            self.saves.append(event)
            self._news.set()

    async def saved(self, ran: Ran) -> CheckpointSaved | CheckpointMissed:
        """What became of the checkpoint after a run that is the last so far."""
        execution = ran.completion.execution
        while True:
            for event in self.saves:
                if isinstance(event, (CheckpointSaved, CheckpointMissed)) and event.execution == execution:
                    return event
            self._news.clear()
            await self._news.wait()

    def begin(self, code: str, language: str = "python", sink: Watching | None = None, **limits: Any) -> Begun:
        action = Action(id=new_id("a"), language=language, code=code, sha256=code_sha256(code))
        permit = Permit(action=action.id, language=language, sha256=action.sha256, by="test")
        sink = sink or Watching()
        execution = new_id("x")
        work = self.kernels.execute(permit, action, execution, sink, Limits(**limits))
        return Begun(execution, sink, asyncio.get_running_loop().create_task(work))

    async def run(self, code: str, language: str = "python", sink: Watching | None = None, **limits: Any) -> Ran:
        ran = await self.begin(code, language, sink, **limits).end()
        await self.kernels.collect(ran.completion.execution)
        return ran


@contextlib.asynccontextmanager
async def opened(
    folder: Path, *, python: str = sys.executable, walls: OpenWalls | None = None, **options: Any
) -> AsyncGenerator[Bench]:
    """A bench in `folder`; its kernels run in `folder/work` and everything ends with it."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    bench = Bench(folder / "run", work, KernelOptions(python=python, **options), walls)
    bench.hello = await bench.kernels.open()
    try:
        yield bench
    finally:
        await bench.kernels.close()
