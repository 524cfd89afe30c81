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
