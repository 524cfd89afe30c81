"""The protocol as a client, whatever carries it: questions, their answers, and what a server asks of us.

A server is code of others: what is no answer to a question of ours is passed over or refused, never obeyed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

import msgspec

from ... import __version__
from ...aio import Tasks
from ...errors import ToolError
from ...text.clean import clean_text
from ...text.values import within
from ...types.base import from_json
from .server import MOST_TOOLS

VERSION = "2025-06-18"
LONGEST = 4 << 20
"""Bytes of one message of a server."""
GARBAGE = 50
"""Messages that are none, after which a server is ended."""
PAGES = 20
LAID_OUT = 1 << 20
"""Bytes times levels of the JSON that is laid out in lines: below, each value brings a space for every level."""


class Speaking:
    """One server. Raises ToolError for whatever goes wrong with it; once it is `over` it is of no use."""

    def __init__(self, name: str, tasks: Tasks) -> None:
        self._name, self._tasks = name, tasks
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._heard = 0
        """Bytes of its messages, in all."""
        self._over = ""
        """Why it is of no use any more."""

    @property
    def over(self) -> bool:
        return self._over != ""

    async def greet(self, seconds: float) -> list[Any]:
        """Its tools, as it lists them."""
        try:
            async with asyncio.timeout(seconds):
                us = {"name": "interpreter", "version": __version__}
                hello = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": us}
                self._agreed((await self.ask("initialize", hello)).get("protocolVersion"))
                await self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
                return await self._list()
        except TimeoutError:
            await self.end(f"it said nothing of use in {seconds:g} s")
            raise ToolError(f"The server {self._name} was ended: {self._over}.") from None

    def _agreed(self, version: Any) -> None:
        """The version of the protocol that the server speaks; one that asks nothing of us needs no more."""

    async def _list(self) -> list[Any]:
        found: list[Any] = []
        cursor: Any = None
        before = self._heard
        for _page in range(PAGES):
            answer = await self.ask("tools/list", {"cursor": cursor} if cursor is not None else {})
            if self._heard - before > LONGEST:
                raise ToolError(f"The server {self._name} lists more than {LONGEST >> 20} MB of tools.")
            page = answer.get("tools")
            found += cast("list[Any]", page) if isinstance(page, list) else []
            cursor = answer.get("nextCursor")
            if not cursor or len(found) > MOST_TOOLS:
                break
        return found

    async def ask(self, method: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The result. When the caller gives up, the server is told so."""
        if self._over:
            raise ToolError(f"The server {self._name} has ended: {self._over}.")
        self._number += 1
        number, future = self._number, asyncio.get_running_loop().create_future()
        self._answers[number] = future
        try:
            await self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": dict(parameters)})
            return await future
        except asyncio.CancelledError:
            if method != "initialize":
                gone = {"requestId": number, "reason": "the caller gave up"}
                self._tasks.start(self._tell({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": gone}))
            raise
        finally:
            self._answers.pop(number, None)
            if future.done() and not future.cancelled():
                future.exception()  # what could not even be sent says its own

    async def check(self, seconds: float) -> None:
        """End it where it answers nothing any more. Never raises."""
        try:
            async with asyncio.timeout(seconds):
                await self.ask("ping", {})
        except TimeoutError:
            await self.end("it did not answer any more")
        except ToolError:
            return  # an error is an answer, and one that has ended is known

    async def _tell(self, message: dict[str, Any]) -> None:
        with suppress(ToolError):
            await self._send(message)

    async def _send(self, message: dict[str, Any]) -> None:
        """Raises ToolError: it cannot be reached."""
        raise NotImplementedError

    async def end(self, why: str = "") -> None:
        """It is of no use any more; what was asked gets an error."""
        raise NotImplementedError

    def _give_up(self) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ToolError(f"The server {self._name} has ended: {self._over}."))

    async def _take(self, line: bytes) -> bool:
        """One message. Whether it is one."""
        self._heard += len(line)
        try:
            message: dict[str, Any] = from_json(line, dict[str, Any])
        except (ValueError, RecursionError):
            return False
        if message.get("jsonrpc") != "2.0":
            return False
        number, method = message.get("id"), message.get("method")
        if isinstance(method, str):
            if isinstance(number, int | str):
                await self._refuse(number, method)
            return True  # a notification changes nothing here: definitions are pinned
        future = self._answers.get(number) if isinstance(number, int) else None
        if future is None or future.done():
            return False
        result, error = message.get("result"), message.get("error")
        if isinstance(result, dict):
            future.set_result(cast("dict[str, Any]", result))
        else:
            about = cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else "no result"
            future.set_exception(ToolError(f"The server {self._name} refused: {clean_text(str(about)[:2_000])[:500]}"))
        return True

    async def _refuse(self, number: int | str, method: str) -> None:
        """A server may ask whether we live; nothing of ours is offered to it."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": number}
        answer |= {"result": {}} if method == "ping" else {"error": {"code": -32601, "message": "not offered"}}
        await self._tell(answer)


def readable(result: Mapping[str, Any]) -> str:
    """The result of a call as text; what is no text is named. Raises ToolError: the server says that it failed."""
    content: Any = result.get("content")
    parts: list[str] = []
    for raw in cast("list[Any]", content) if isinstance(content, list) else []:
        one = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
        kind, text, inner = one.get("type"), one.get("text"), one.get("resource")
        if kind == "resource" and isinstance(inner, dict):
            text = cast("dict[str, Any]", inner).get("text")
        parts.append(text if isinstance(text, str) else f"[{clean_text(str(kind))[:40]}: not shown]")
    if not parts and (given := result.get("structuredContent")) is not None:
        parts.append(structured(given))
    told = "\n".join(parts)
    if result.get("isError"):
        raise ToolError(clean_text(told[:16_000])[:4000] or "The server says that it failed, not why.")
    return told


def structured(given: Any) -> str:
    """JSON as lines, where that does not make much more of it."""
    try:
        data = msgspec.json.encode(given)
    except RecursionError:  # it could be read with more of the stack left than there is here
        return "[structured content that is nested too deep: not shown]"
    if len(data) <= LAID_OUT and len(data) * levels(given) <= LAID_OUT:
        data = msgspec.json.format(data, indent=1)
    return data.decode()


def levels(value: Any) -> int:
    """How deep lists and objects lie within each other."""
    count, level = 0, [value]
    while level := [below for one in level for below in within(one)]:
        count += 1
    return count
