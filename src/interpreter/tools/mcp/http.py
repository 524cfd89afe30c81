"""A server that is reached over HTTP: each message of ours is a request, and what comes back answers it.

Streamable HTTP as the protocol defines it. What a server may offer besides (a stream of its own, one that is taken up
again) is not asked for: tools need none of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ...aio import Tasks
from ...errors import ToolError
from ...text.clean import clean_text
from ...types.base import to_json
from ..context import Web, WebAnswer
from .speaking import GARBAGE, LONGEST, Speaking

SESSION = re.compile(r"[\x21-\x7e]{1,1024}")
DATED = re.compile(r"\d{4}-\d{2}-\d{2}")
STREAM = "text/event-stream"
GOODBYE = 2.0
"""Seconds for telling it that we go."""
SPARE = 5.0
"""Seconds more than a call may take: who called gives up first."""
NO_PROTOCOL = "what it sends is no protocol"


class HttpWire(Speaking):
    """One server at an address that the person named."""

    def __init__(self, name: str, url: str, headers: Mapping[str, str], web: Web, seconds: float, tasks: Tasks) -> None:
        super().__init__(name, tasks)
        self._url, self._headers, self._web, self._seconds = url, dict(headers), web, seconds
        self._session = self._version = ""
        self._garbage = self._wishes = 0

    async def open(self) -> list[Any]:
        """Greet it; its tools, as it lists them."""
        return await self.greet(self._seconds)

    def _agreed(self, version: Any) -> None:
        if not isinstance(version, str) or not DATED.fullmatch(version):
            raise self._useless("it does not say which version of the protocol it speaks")
        self._version = version

    async def _send(self, message: dict[str, Any]) -> None:
        """Ask, and take what comes until the answer is there."""
        future = self._answers.get(message["id"]) if "method" in message and "id" in message else None
        events = Events()

        async def listen(head: WebAnswer, piece: bytes) -> bool:
            if future is None or head.status != 200 or not kind_of(head).startswith(STREAM):
                return False
            for data in events.feed(piece):
                await self._hear(data)
            return future.done()

        answer = await self._request("POST", to_json(message), self._seconds + SPARE, listen)
        if message.get("method") == "initialize":
            self._begin(answer)
        if future is None or future.done():
            return
        if answer.cut:
            raise self._useless(f"it sent a message of more than {LONGEST >> 20} MB")
        if not kind_of(answer).startswith(STREAM):
            await self._hear(answer.body)
        if not future.done():
            raise self._useless(NO_PROTOCOL)

    async def _request(self, method: str, body: bytes, seconds: float, listen: Any = None) -> WebAnswer:
        """Raises ToolError where it cannot be asked, or says no."""
        ours = {"Accept": f"application/json, {STREAM}", "Content-Type": "application/json"}
        ours |= {"Mcp-Session-Id": self._session} if self._session else {}
        ours |= {"MCP-Protocol-Version": self._version} if self._version else {}
        try:
            answer = await self._web.request(
                method, self._url, headers={**self._headers, **ours}, body=body, seconds=seconds, most=LONGEST,
                redirects=0, listen=listen,
            )  # fmt: skip
        except ToolError as error:
            raise self._useless(str(error).rstrip(".")) from None
        if why := self._said_no(answer):
            raise self._useless(why)
        return answer

    def _said_no(self, answer: WebAnswer) -> str:
        status = answer.status
        if 200 <= status < 300:
            return ""
        if 300 <= status < 400:
            place = clean_text(header(answer, "location"))[:200] or "nowhere"
            return f"it sends us on to {place}, which is not followed; if that is right, it belongs into `url`"
        if status in (401, 403):
            return f"it does not accept who we are (HTTP {status}); see `headers` of its entry in mcp_servers"
        if status == 404 and self._session:
            return "it has forgotten this session"
        if status in (404, 405):
            return f"nothing speaks the protocol at this address (HTTP {status})"
        said = " ".join(clean_text(answer.body[:2_000]).split())[:300]
        return f"it answered HTTP {status}" + (f": {said}" if said else "")

    def _begin(self, answer: WebAnswer) -> None:
        if (found := header(answer, "mcp-session-id")) and not SESSION.fullmatch(found):
            raise self._useless(NO_PROTOCOL)
        self._session = found

    async def _hear(self, data: bytes) -> None:
        if not await self._take(data):
            self._garbage += 1
            if self._garbage >= GARBAGE:
                raise self._useless(NO_PROTOCOL)

    async def _refuse(self, number: int | str, method: str) -> None:
        # Each costs a request of ours.
        self._wishes += 1
        if self._wishes <= GARBAGE:
            await super()._refuse(number, method)

    def _useless(self, why: str) -> ToolError:
        self._over = self._over or why
        self._give_up()
        return ToolError(f"The server {self._name} is of no use: {self._over}.")

    async def end(self, why: str = "") -> None:
        """Tell it that we go; what was asked gets an error."""
        self._over = self._over or why or "it is not needed any more"
        if self._session:
            with suppress(ToolError):
                await self._request("DELETE", b"", GOODBYE)
            self._session = ""
        self._give_up()


class Events:
    """The data of server-sent events, from pieces of any size."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        self._rest += piece
        if b"\n" not in piece:  # most pieces of a long line: they are not looked at again with each that follows
            return []
        lines = bytes(self._rest).split(b"\n")
        self._rest = bytearray(lines.pop())
        found: list[bytes] = []
        for line in (one.removesuffix(b"\r") for one in lines):
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                found.append(b"\n".join(self._data))
                self._data = []
        return found


def header(answer: WebAnswer, name: str) -> str:
    return next((value for key, value in answer.headers if key.lower() == name), "")


def kind_of(answer: WebAnswer) -> str:
    return header(answer, "content-type").strip().lower()
