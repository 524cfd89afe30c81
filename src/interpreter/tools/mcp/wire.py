"""A server that is a program in walls: messages are lines of JSON over its pipes."""

from __future__ import annotations

from typing import Any

from ...aio import Tasks
from ...aio.programs import NOT_WALLED, Conversing, converse
from ...errors import ToolError
from ...text.clean import clean_text
from ...types.base import to_json
from ...types.walls import Launch
from .speaking import GARBAGE, LONGEST, Speaking


class Wire(Speaking):
    """One server that runs."""

    def __init__(self, name: str, tasks: Tasks) -> None:
        super().__init__(name, tasks)
        self._program: Conversing | None = None

    async def open(self, launch: Launch, seconds: float) -> list[Any]:
        """Start it and greet it; its tools, as it lists them."""
        try:
            self._program = await converse(launch, self._tasks, longest=LONGEST)
        except OSError as error:
            raise ToolError(f"The server {self._name} could not be started: {error}") from error
        self._tasks.start(self._read(self._program))
        return await self.greet(seconds)

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            if self._program is not None:
                await self._program.write(to_json(message) + b"\n")
        except OSError:
            await self.end("it reads no more")
            raise ToolError(f"The server {self._name} has ended: {self._over}.") from None

    async def _read(self, program: Conversing) -> None:
        garbage = 0
        why = ""
        while not why:
            try:
                line = await program.line()
            except ValueError:
                why = f"it sent a message of more than {LONGEST >> 20} MB"
                break
            if not line:
                break
            if line.strip() and not await self._take(line):
                garbage += 1
                why = "what it writes is no protocol" if garbage >= GARBAGE else ""
        await self.end(why)

    async def end(self, why: str = "") -> None:
        """End it with all that it started; what was asked gets an error."""
        program, self._program = self._program, None
        if program is None:
            return
        self._over = self._over or why or "it ended by itself"
        status = await program.end()
        said = clean_text(program.said).strip()[-500:]
        if not why and said:
            self._over += f"; it said: {said}"
        if status == NOT_WALLED and not why:
            self._over = f"the walls could not be put up: {said}"
        self._give_up()
