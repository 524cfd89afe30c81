"""Short programs of ours inside the session's walls: how a tool looks at what the model's code can write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from ..aio.programs import NOT_WALLED, run_launch
from ..errors import InterpreterError, SandboxUnavailable, ToolError
from ..sandbox import Walls
from ..text.clean import clean_text
from ..types.base import to_json
from ..types.walls import Launch

LARGEST = 100_000
"""Bytes of a request, which travels as an argument."""
Stage = Callable[[Launch, float, int], Awaitable[tuple[int, bytes]]]
"""Runs a program where a session's changes are kept aside, with a bound on time and on what it prints: its status, and
what it printed. Raises TimeoutError, InterpreterError.
"""


class Interpreter(NamedTuple):
    """The Python that runs the programs."""

    path: str
    readable: tuple[str, ...] = ()


class OneShot:
    """`tools.context.Walled`. Each program is a process of its own, without a network, gone when the call ends."""

    def __init__(self, walls: Walls, python: Callable[[], Interpreter]) -> None:
        self._walls, self._python = walls, python
        self.stage: Stage | None = None
        """In a staged session only whoever holds its overlays can show them; set by who knows them."""

    async def __call__(self, program: str, request: Any, *, seconds: float, most: int = 1 << 20) -> bytes:
        text = to_json(request).decode()
        if len(text) > LARGEST:
            raise ToolError(f"The arguments are too large: at most {LARGEST} bytes.")
        python = self._python()
        try:
            argv = [python.path, "-I", "-S", "-c", program, text]
            launch = self._walls.launch(argv, readable=python.readable)
        except SandboxUnavailable as error:
            raise ToolError(f"Nothing was looked at: {error.message}") from error
        try:
            # A look at files needs no way out, whatever the session's code has.
            status, data = await self._run(msgspec.structs.replace(launch, proxy=None), seconds, most)
        except TimeoutError:
            raise ToolError(f"It took longer than {seconds:g} s and was stopped. Ask for less of it.") from None
        except OSError as error:
            raise ToolError(f"The walls could not be put up: {error}") from error
        if status == NOT_WALLED:
            raise ToolError(f"The walls could not be put up: {clean_text(data)[-500:]}")
        if status:
            raise ToolError(f"It failed with status {status}: {clean_text(data)[-500:].strip()}")
        return data

    async def _run(self, launch: Launch, seconds: float, most: int) -> tuple[int, bytes]:
        if not launch.stage:
            said = Said(most)
            return await run_launch(launch, said.add, timeout=seconds), bytes(said.data)
        if self.stage is None:
            raise ToolError("Nothing was looked at: what this session has changed is not to be seen from here.")
        try:
            return await self.stage(launch, seconds, most)
        except InterpreterError as error:
            raise ToolError(f"Nothing was looked at: {error}") from error


class Said:
    """What a program has printed, up to a bound."""

    def __init__(self, most: int) -> None:
        self.data, self._most = bytearray(), most

    def add(self, data: bytes) -> None:
        self.data += data[: max(0, self._most - len(self.data))]
