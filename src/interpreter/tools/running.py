"""Calls of tools, carried out: with their time limit, their whole result in a file, and one completion each."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ..aio import Tasks
from ..aio.threads import in_thread
from ..errors import InterpreterError, ToolError
from ..policy.permits import Permits
from ..types.actions import Action, Completion, ErrorReport, OutputRef, Permit
from ..types.tooling import read_call
from ..types.walls import Limits
from .context import ToolContext, ToolResult
from .definition import Tool
from .registry import Registry
from .schema import fitted

LARGEST = 64 << 20
"""Bytes of a result that are kept, where no limit says less."""
Lend = Callable[[Tool, str], ToolContext]
"""What a tool gets for the call of an action, by its id."""


class Listener(Protocol):
    """As much of a kernel's sink as is needed here."""

    def output(self, stream: str, data: bytes, skipped: int) -> None: ...


class ToolRunner:
    """Runs permitted calls, as `kernels.Kernels` runs permitted code. What it began ends with it."""

    def __init__(self, registry: Registry, folder: Path, lend: Lend) -> None:
        """`folder`: where whole results lie until the log has them."""
        self.registry = registry
        self._folder, self._lend = folder, lend
        self._permits, self._tasks = Permits(), Tasks()
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._stopped: set[str] = set()
        self._values: dict[str, Any] = {}
        """What calls by code returned, by action, until they are taken."""

    async def execute(
        self, permit: Permit, action: Action, execution: str, sink: Listener, limits: Limits
    ) -> Completion:
        """Carry out one call.

        Raises PermitRefused: nothing was called. Whatever the tool raises becomes a completion.
        """
        self._permits.check(permit, action)
        began = time.monotonic()
        status, error, value, limit = "ok", None, None, ""
        try:
            one, arguments = self._called(action.code)
            bounds = (one.declaration.timeout, limits.timeout)
            seconds = min(bound for bound in bounds if bound is not None)
            value = await self._within(execution, one, arguments, action.id, seconds)
        except ToolError as failure:
            status, error = "error", ErrorReport(name="ToolError", message=str(failure))
        except InterpreterError as failure:
            status, error = "error", ErrorReport(name=type(failure).__name__, message=str(failure))
        except TimeoutError:
            status, limit = "timeout", f"{seconds:g} s"  # pyright: ignore[reportPossiblyUnboundVariable]  # set before the wait
        except Interrupted:
            status = "interrupted"
        except Exception as failure:
            told = f"The tool itself failed, which is not the fault of your call: {type(failure).__name__}: {failure}"
            status, error = "error", ErrorReport(name="ToolFailed", message=told[:2000])
        ref = OutputRef()
        if value is not None:
            if action.parent:
                self._values[action.id] = value.value if isinstance(value, ToolResult) else value
            data = text_of(value).encode("utf-8", "replace")
            ref = await asyncio.to_thread(self._write, execution, data, limits.output or LARGEST)
            sink.output("stdout", data[: 1 << 16], 0)
        duration = round(time.monotonic() - began, 6)
        return Completion(
            execution=execution, status=status, duration=duration, error=error, output=ref, limit=limit  # pyright: ignore[reportArgumentType]  # one of its states
        )  # fmt: skip

    def _called(self, code: str) -> tuple[Tool, dict[str, Any]]:
        """What is called; a person may have edited it. Raises ToolError."""
        try:
            called = read_call(code)
        except ValueError as error:
            raise ToolError(f"This is not a call of a tool: {error}") from None
        one = self.registry.find(called.tool)
        return one, fitted(one.declaration, called.arguments)[0]

    async def _within(self, execution: str, one: Tool, arguments: dict[str, Any], action: str, seconds: float) -> Any:
        """The tool's value. Raises what it raises, TimeoutError, Interrupted."""
        work = self._tasks.start(call(one, self._lend(one, action), arguments))
        self._running[execution] = work
        try:
            done, _waiting = await asyncio.wait({work}, timeout=seconds)
            if not done:
                raise TimeoutError
            if work.cancelled():
                raise Interrupted if execution in self._stopped else TimeoutError
            return work.result()
        finally:
            work.cancel()
            self._running.pop(execution, None)
            self._stopped.discard(execution)

    def _write(self, execution: str, data: bytes, most: int) -> OutputRef:
        kept = data[:most]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{execution}.out"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(kept)
        digest = hashlib.sha256(kept).hexdigest()
        return OutputRef(path=str(path), size=len(kept), sha256=digest, dropped=len(data) - len(kept))

    async def reattach(self, execution: str, sink: Listener) -> Completion:
        """A call does not outlive the process that made it."""
        return Completion(execution=execution, status="lost")

    def left_output(self, execution: str) -> OutputRef:
        return OutputRef()

    async def collect(self, execution: str) -> None:
        """The completion is in the log."""
        with suppress(OSError):
            (self._folder / f"{execution}.out").unlink()

    def take(self, action: str) -> Any:
        """What the call of this action returned; once."""
        return self._values.pop(action, None)

    async def interrupt(self) -> None:
        """Stop whatever runs now. What a tool does in a thread goes on unseen until it ends by itself."""
        self._stopped.update(self._running)
        for work in list(self._running.values()):
            work.cancel()

    async def close(self) -> None:
        await self._tasks.close()


class Interrupted(Exception):  # not an error of anybody's
    pass


async def call(one: Tool, context: ToolContext, arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(one.function):
        value = await one.function(context, **arguments)
    else:
        value = await in_thread(one.function, context, **arguments)
    return "" if value is None else value


def text_of(value: Any) -> str:
    """A result as people and models read it."""
    if isinstance(value, ToolResult):
        return value.text
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
