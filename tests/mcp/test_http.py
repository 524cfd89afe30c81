"""The same server over HTTP: on loopback, for whoever holds the token."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client

from interpreter.app import open_session
from interpreter.mcp import http
from interpreter.mcp.calls import Calls
from interpreter.mcp.relay import Relay
from interpreter.types.tooling import Declaration
from tests.session.helpers import settings

HELLO = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
JSON = {"accept": "application/json, text/event-stream"}


def test_two_clients_share_a_session_and_strangers_get_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    (here := tmp_path / "work").mkdir()
    place = tmp_path / "home" / "mcp" / "http.token"

    async def story() -> None:
        secret = http.token(place)
        assert http.token(place) == secret and len(secret) == 64 and place.stat().st_mode & 0o777 == 0o600
        listening = http.listen(0)
        name, port = listening.getsockname()
        assert name == "127.0.0.1"
        url = f"http://127.0.0.1:{port}/mcp"
        relay = Relay()
        session = await open_session(settings(), workspace=here, client=relay)
        calls = Calls(session, relay)
        serving = asyncio.create_task(http.serve_http(calls, listening, secret))
        try:
            while not serving.done():
                try:
                    async with httpx.AsyncClient() as stranger:
                        assert (await stranger.post(url, json=HELLO, headers=JSON)).status_code == 401
                        wrong = {**JSON, "authorization": "Bearer " + "0" * 64}
                        assert (await stranger.post(url, json=HELLO, headers=wrong)).status_code == 401
                        right = {**JSON, "authorization": f"Bearer {secret}"}
                        page = {**right, "origin": "https://evil.example"}
                        assert (await stranger.post(url, json=HELLO, headers=page)).status_code == 403
                        rebound = {**right, "host": "evil.example"}
                        assert (await stranger.post(url, json=HELLO, headers=rebound)).status_code == 421
                        assert (await stranger.get(url[:-3] + "other", headers=right)).status_code == 404
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.02)
            assert [await ran(url, secret, code) for code in ("n = 41", "print(n + 1)")] == ["(no output)", "42"]
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            await calls.close()
            await session.close()

    asyncio.run(asyncio.wait_for(story(), 60))
    gc.collect()  # a socket that was left open fails this test, not the next one


def test_silent_strangers_lock_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SECONDS", 0.5)
    listening = http.listen(0)
    port = listening.getsockname()[1]
    whole = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode()
    calls: Any = NoCalls()

    async def story() -> None:
        serving = asyncio.create_task(http.serve_http(calls, listening, "s3cret"))
        strangers = [await connected(port) for _n in range(4 * http.MOST_CLIENTS)]
        for number, (_reader, writer) in enumerate(strangers):
            writer.write((b"", whole, whole + b"\r\n" + whole, whole + b"Content-Length: 9\r\n\r\nxx")[number % 4])
        for reader, writer in strangers:
            with suppress(ConnectionError):
                await reader.read()  # until it is closed from there
            writer.close()
        reader, writer = await connected(port)
        writer.write(whole + b"\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(asyncio.wait_for(story(), 40))


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _again in range(500):
        try:
            return await asyncio.open_connection(http.HOST, port)
        except OSError:
            await asyncio.sleep(0.02)
    raise AssertionError


class NoCalls:
    def offered(self) -> tuple[Declaration, ...]:
        return ()


async def ran(url: str, secret: str, code: str) -> str:
    """What code printed, by a client of its own."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {secret}"}, timeout=30) as web:
        async with streamable_http_client(url, http_client=web) as (incoming, outgoing, _id):
            async with ClientSession(incoming, outgoing) as client:
                await client.initialize()
                result = await client.call_tool("execute", {"language": "python", "code": code})
                return "".join(one.text for one in result.content if isinstance(one, types.TextContent)).strip()
