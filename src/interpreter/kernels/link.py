"""The host's end of the keeper's socket: requests with replies, and events."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..aio.processes import Started, start_keeper
from ..errors import KeeperLost, KernelError, SandboxUnavailable
from ..text.i18n import _
from ..types.walls import Launch

VERSION = 2
LONGEST_SOCKET = 100


class Refusal(KernelError):
    """The keeper did not take a request. `kind` is its word for the reason."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(_("The session's keeper refused: {reason}", reason=message))
        self.kind = kind
        self.reason = message


class Link(asyncio.Protocol):
    """One connection. `on_event` gets every event; `on_lost` is called once when the connection ends."""

    def __init__(self, on_event: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 0
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= 4:
            size = int.from_bytes(self._buffer[start : start + 4], "big")
            if len(self._buffer) - start - 4 < size:
                break
            frame = read_frame(memoryview(self._buffer)[start + 4 : start + 4 + size].tobytes())
            start += 4 + size
            if frame is not None:
                self._take(frame)
        del self._buffer[:start]

    def _take(self, frame: dict[str, Any]) -> None:
        if "event" in frame:
            self._on_event(frame)
        elif (waiting := self._replies.pop(frame.get("n", 0), None)) and not waiting.done():
            if frame.get("ok"):
                waiting.set_result(frame)
            else:
                waiting.set_exception(Refusal(str(frame.get("error")), str(frame.get("message"))))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(lost())
        self._replies.clear()
        if not self.ended.done():
            self.ended.set_result(None)
        self._on_lost()

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Raises Refusal, and KeeperLost when the keeper is gone."""
        return await self.post(op, **fields)

    def post(self, op: str, **fields: Any) -> asyncio.Future[dict[str, Any]]:
        """The request on its way; the reply comes as `ask` tells it. Raises KeeperLost."""
        if self._transport is None:
            raise lost()
        self._next += 1
        waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[self._next] = waiting
        self._send(self._transport, self._next, op, fields)
        return waiting

    def tell(self, op: str, **fields: Any) -> None:
        """A request whose reply nobody waits for; a keeper that is gone need not be told."""
        if self._transport is not None:
            self._send(self._transport, 0, op, fields)

    def _send(self, transport: asyncio.Transport, number: int, op: str, fields: dict[str, Any]) -> None:
        body = msgspec.json.encode({"op": op, "n": number, **fields})
        transport.write(len(body).to_bytes(4, "big") + body)

    async def end(self, seconds: float) -> bool:
        """Returns when the keeper has closed the connection, at the latest after so long; whether it has."""
        await asyncio.wait((self.ended,), timeout=seconds)
        return self.ended.done()

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def read_frame(body: bytes) -> dict[str, Any] | None:
    """What the keeper says; None where nothing can be made of it.

    Guests claim part of it. What is no JSON to the letter must not cost the link: the keeper would say it again to
    whoever comes next, and all its kernels would be out of reach.
    """
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        pass
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def lost() -> KeeperLost:
    return KeeperLost(
        _("The session's keeper is gone."),
        _("The log and the output so far are kept; resume the session to go on with new kernels."),
    )


def not_started(language: str, error: Refusal) -> KernelError | SandboxUnavailable:
    """What to say where a kernel could not be born."""
    if error.kind == "stage":
        return SandboxUnavailable(
            _("Staged mode is not possible here: {reason}", reason=error.reason),
            _("Nothing was run and nothing was changed. The session's files can lie on another file system "
              "(INTERPRETER_HOME); without --stage, programs write to the folder itself."),
        )  # fmt: skip
    return KernelError(
        _("The {language} kernel could not be started: {reason}", language=language, reason=error.reason),
        _("`interpreter doctor` shows what is missing."),
    )


async def on_stage(link: Link, launch: Launch, seconds: float, most: int) -> tuple[int, bytes]:
    """Run a program of ours on the session's stage; its status, and what it printed, at most so much of it.

    Raises TimeoutError, KernelError, SandboxUnavailable.
    """
    try:
        said = await link.ask("on_stage", launch=launch, seconds=seconds, most=most)
    except Refusal as error:
        if error.kind == "stage":
            raise not_started("", error) from error
        raise KernelError(_("Nothing can be looked at on the stage: {reason}", reason=error.reason)) from error
    if said["late"]:
        raise TimeoutError
    return int(said["status"]), base64.b64decode(said["output"])


ENDING = 90.0
"""Seconds that a keeper which is ending may take: more than the deadline of a last checkpoint."""
AGAIN = 0.25
"""Seconds after which another one is started where the folder was owned and nobody listens."""


async def connect(
    run_dir: Path,
    on_event: Callable[[dict[str, Any]], None],
    on_lost: Callable[[], None],
    *,
    seconds: float,
) -> tuple[Link, dict[str, Any], bool]:
    """A greeted connection, the keeper's answer, and whether the keeper was started for it.

    Raises KeeperLost when none answers in time, KernelError when it speaks another version of the protocol.
    """
    fresh = owned = False
    started: Started | None = None
    loop, again = asyncio.get_running_loop(), 0.0
    try:
        async with asyncio.timeout(seconds) as limit:
            for patience in (0.05, 0.2, None):
                link = await _try(run_dir, on_event, on_lost)
                while link is None:
                    if started is None or loop.time() >= again:
                        started, again = start_keeper(run_dir), loop.time() + AGAIN
                    fresh = await _listening(started)
                    if not fresh and not owned:
                        # Another owns the folder: it is on its way, or it saves variables for the last time and ends.
                        owned = True
                        limit.reschedule(loop.time() + ENDING)
                    link = await _try(run_dir, on_event, on_lost)
                token = (run_dir / "token").read_text(encoding="ascii").strip()
                try:
                    greeting = await link.ask("hello", token=token, version=VERSION)
                    if greeting["version"] != VERSION:
                        link.close()
                        raise another_version(greeting["pid"])
                    return link, greeting, fresh
                except KeeperLost:
                    # One that was just ending may still have taken the connection.
                    if patience is None:
                        raise
                    await asyncio.sleep(patience)
            raise lost()
    except (TimeoutError, OSError, Refusal) as error:
        reason = str(error) or _("no answer within {seconds} seconds", seconds=f"{seconds:g}")
        raise KeeperLost(
            _("The session's keeper could not be reached: {reason}", reason=reason),
            _("See {path}.", path=run_dir / "keeper.log"),
        ) from error
    finally:
        if started:
            started.forget()


def another_version(pid: int) -> KernelError:
    return KernelError(
        _("Another version of this program started this session's kernels, and they still run."),
        _("They hold all their variables. Go on with that version, or end them with `kill {pid}` and come back with "
          "--resume: the variables are then as they were saved last.", pid=pid),
    )  # fmt: skip


async def _try(run_dir: Path, on_event: Callable[[dict[str, Any]], None], on_lost: Callable[[], None]) -> Link | None:
    """A connection, or None when nothing listens."""
    path, folder = str(run_dir / "keeper.sock"), -1
    try:
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
            path = f"/proc/self/fd/{folder}/keeper.sock"
        _transport, link = await asyncio.get_running_loop().create_unix_connection(
            lambda: Link(on_event, on_lost), path
        )
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            return None
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    return link


async def _listening(started: Started) -> bool:
    """Wait until the keeper listens; False when another keeper owns the folder (it may still be on its way)."""
    loop = asyncio.get_running_loop()
    if started.ready < 0:
        await asyncio.sleep(0.01)
        return False
    ready = loop.create_future()
    loop.add_reader(started.ready, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(started.ready)
    said = os.read(started.ready, 64)
    if not said:
        with contextlib.suppress(ChildProcessError):
            status = started.exit_status()
            if status not in (None, 0, 3):
                raise OSError(f"it ended with status {status}")
        started.forget()
    return bool(said)
