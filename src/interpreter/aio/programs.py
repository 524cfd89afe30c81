"""Run one program inside its walls to its end, its output handed over as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from interpreter.types.base import to_json
from interpreter.types.walls import Launch

from .tasks import Tasks

_STAGE = Path(__file__).resolve().parents[1] / "keeper" / "walled.py"
NOT_WALLED = 125
"""The status where the walls could not be put up: nothing ran, and the output says why."""
_CHUNK = 1 << 16


async def run_launch(launch: Launch, output: Callable[[bytes], None], *, timeout: float | None = None) -> int:
    """The program's exit status (128 + n for a signal); stdout and stderr go to `output` in one stream.

    Its standard input is at its end. When it is cancelled or `timeout` seconds are over, everything that the program
    started is killed. Raises TimeoutError.
    """
    letter = _sealed(to_json(launch))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_STAGE), str(letter),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={"LANG": "C.UTF-8"}, pass_fds=(letter,), start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(letter)
    try:
        async with asyncio.timeout(timeout):
            status = await _read(process, output)
    finally:
        # Also after a good end: a program may leave others behind.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return status if status >= 0 else 128 - status


def _sealed(text: bytes) -> int:
    """A descriptor from which `text` can be read, once."""
    fd = os.memfd_create("launch", 0)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(text)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


async def _read(process: asyncio.subprocess.Process, output: Callable[[bytes], None]) -> int:
    if process.stdout is None:
        raise RuntimeError("a process without pipes")
    while data := await process.stdout.read(_CHUNK):
        output(data)
    return await process.wait()


class Conversing:
    """A program inside its walls that is talked to over its standard input and output, line by line.

    What it says on standard error is kept up to a bound; all that it says is a claim of walled code.
    """

    MOST_SAID = 4000
    """Bytes of standard error that are kept: the last ones."""

    def __init__(self, process: asyncio.subprocess.Process, reading: asyncio.Task[None], said: bytearray) -> None:
        self._process, self._reading, self._said = process, reading, said

    @property
    def said(self) -> bytes:
        """The end of what it wrote to standard error."""
        return bytes(self._said)

    async def line(self) -> bytes:
        """The next line with its end; empty: there is no more. Raises ValueError: it is longer than the bound."""
        if self._process.stdout is None:
            raise RuntimeError("a process without pipes")
        return await self._process.stdout.readline()

    async def write(self, data: bytes) -> None:
        """Raises OSError where it reads no more."""
        if self._process.stdin is None:
            raise RuntimeError("a process without pipes")
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    async def end(self) -> int:
        """Kill it with all that it started; its status."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        status = await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._reading
        return status


async def converse(launch: Launch, tasks: Tasks, *, longest: int) -> Conversing:
    """Start a program inside its walls. `longest`: bytes of one line of its output. Raises OSError."""
    letter = _sealed(to_json(launch))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_STAGE), str(letter),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"LANG": "C.UTF-8"}, pass_fds=(letter,), start_new_session=True, limit=longest,
        )  # fmt: skip
    finally:
        os.close(letter)
    said = bytearray()

    async def read() -> None:
        while process.stderr is not None and (data := await process.stderr.read(_CHUNK)):
            said.extend(data)
            del said[: -Conversing.MOST_SAID]

    return Conversing(process, tasks.start(read()), said)
