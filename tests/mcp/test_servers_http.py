"""Servers of others over HTTP: the SDK's own, and bad ones that speak bytes of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp.server.fastmcp import Context, FastMCP

from interpreter.app.servers import Place, Servers, look
from interpreter.config.settings import Settings
from interpreter.errors import ConfigError, ToolError
from interpreter.llm.script import ScriptCall
from interpreter.llm.scripted import Reply
from interpreter.mcp.http import Quiet, listen
from interpreter.tools.context import ToolContext
from interpreter.tools.mcp.http import Events
from interpreter.tools.mcp.pins import Pins
from interpreter.tools.mcp.server import read_servers
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ActionFinished, NetworkAttempt
from interpreter.types.rules import Credential
from tests.session.helpers import Talk, run

NAME = "s"
OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def go(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 50))  # pyright: ignore[reportArgumentType]


def servers_of(table: dict[str, Any], home: Path, **place: Any) -> Servers:
    where = Place(Settings(), home, home, **place)
    return Servers(table, lambda: where, home, lambda *_values: None)


async def trust(table: dict[str, Any], home: Path, **place: Any) -> None:
    server = read_servers(table)[NAME]
    Pins(home).keep(NAME, server, await look(NAME, server, Place(Settings(), home, home, **place)))


async def call(servers: Servers, name: str, **arguments: Any) -> str:
    (one,) = [one for one in servers.tools if one.name == name]
    return (await one(ToolContext(), **arguments)).text


@asynccontextmanager
async def sdk() -> AsyncGenerator[tuple[str, FastMCP, list[dict[str, str]]]]:
    """The official server under uvicorn: its address, itself, and the headers that it was shown."""
    made, shown = FastMCP("theirs"), list[dict[str, str]]()

    @made.tool()
    async def add(a: int, b: int, ctx: Context[Any, Any, Any]) -> int:  # pyright: ignore[reportUnusedFunction]
        """Add two numbers."""
        await ctx.info("adding")  # a notification in the stream, before the answer
        return a + b

    inner = made.streamable_http_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            shown.append({name.decode(): value.decode() for name, value in scope["headers"]})
        await inner(scope, receive, send)

    listening = listen(0)
    serving = Quiet(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    task = asyncio.create_task(serving.serve([listening]))
    try:
        while not serving.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", made, shown
    finally:
        serving.should_exit = True
        await task
        listening.close()


def test_the_sdks_own_server_is_trusted_called_and_shown_what_the_person_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_TOKEN", "t0ken-of-mine")
    (tmp_path / "key").write_text("k3y-of-the-policy\n")

    async def story() -> None:
        async with sdk() as (url, made, shown):
            headers = {"Authorization": "Bearer ${THEIR_TOKEN}", "X-Key": "${SHOP_KEY}"}
            table = {NAME: {"url": url, "headers": headers, "reads": ["add"], "timeout": 10}}
            host = url.split("/")[2]
            known = {"credentials": (Credential(variable="SHOP_KEY", host=host, source=f"file:{tmp_path / 'key'}"),)}
            assert "interpreter mcp trust s" in servers_of(table, tmp_path, **known).notes[0]
            await trust(table, tmp_path, **known)
            servers, told = servers_of(table, tmp_path, **known), list[NetworkAttempt]()
            servers.join(told.append)
            (add,) = servers.tools
            assert (add.declaration.access, add.declaration.origin) == ("read", "mcp:s")
            assert await asyncio.gather(*(call(servers, "s__add", a=n, b=2) for n in (1, 2))) == ["3", "4"]
            assert shown[0]["authorization"] == "Bearer t0ken-of-mine" and shown[0]["x-key"] == "k3y-of-the-policy"
            assert {one.decision for one in told} == {"allowed"} and told[0].method == "POST"
            # What it says of itself changes: nothing is called until a person looked at it.
            made.add_tool(lambda: "more", name="more")
            await servers.close()
            again = servers_of(table, tmp_path, **known)
            with pytest.raises(ToolError, match="interpreter mcp trust s"):
                await call(again, "s__add", a=1, b=2)
            await again.close()
            # Another address is another server, and what the policy denies stays denied.
            assert servers_of({NAME: {"url": url + "/"}}, tmp_path).tools == []
            with pytest.raises(ToolError, match="may not be reached"):
                await trust(table, tmp_path, **known, deny=("127.0.0.0/8",))

    go(story)


@asynccontextmanager
async def bad(answer: str | bytes | None) -> AsyncGenerator[str]:
    """A server that takes a request and says this and no more; None: it says nothing."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0)
            await reader.readexactly(size)
            if answer is None:
                await reader.read()
            writer.write(answer.encode() if isinstance(answer, str) else answer or b"")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()
        await server.wait_closed()


STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
GREETING = {"capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}


def event(message: dict[str, Any]) -> str:
    return f"event: message\r\ndata: {json.dumps({'jsonrpc': '2.0', **message})}\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", r"does not accept who we are \(HTTP 401\).*headers"),
        ("HTTP/1.1 307 Elsewhere\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
         r"sends us on to http://169\.254\.169\.254/, which is not followed"),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "nothing speaks the protocol"),
        ("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\n\x1b[2Jbroke", "HTTP 500: .*broke"),
        (f"{OK}Content-Length: 5\r\n\r\nhello", "no protocol"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", "no protocol"),
        (f"{OK}Content-Length: {5 << 20}\r\n\r\n" + "x" * (5 << 20), "more than 4 MB"),
        (STREAM + "data: nothing\n\n" * 100, "no protocol"),
        (STREAM + "data: " + "x" * (5 << 20), "more than 4 MB"),
        (STREAM + event({"id": 1, "result": GREETING}), "which version"),
        (STREAM + event({"id": 7, "result": GREETING}), "no protocol"),
        (STREAM + event({"id": 1, "error": {"code": 1, "message": "no \x1b[1mway"}}), "refused: no .*way"),
        ("SSH-2.0-OpenSSH_9\r\n", "could not be asked"),
        (None, r"did not answer|nothing of use in 1 s"),
    ],
)  # fmt: skip
def test_a_server_that_fails_is_a_clear_error(tmp_path: Path, answer: str | None, said: str) -> None:
    async def story() -> None:
        async with bad(answer) as url:
            with pytest.raises(ToolError, match=said) as failure:
                await trust({NAME: {"url": url, "timeout": 1}}, tmp_path)
            assert "\x1b" not in str(failure.value) and len(str(failure.value)) < 600

    go(story)


@asynccontextmanager
async def streaming() -> AsyncGenerator[str]:
    """A server whose answers to calls come in streams that it leaves open: it first asks whether we live, waits for
    that, and then says what we have shown it.
    """
    alive = asyncio.Event()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
            given = json.loads(await reader.readexactly(int(fields["content-length"])))
            if given.get("id") == "are you there" and "result" in given:
                alive.set()
            if "id" not in given or "method" not in given:
                writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                return
            writer.write(STREAM.encode())
            found: dict[str, Any] = {"tools": [{"name": "told", "inputSchema": {"type": "object"}}]}
            if given["method"] == "initialize":
                found = {**GREETING, "protocolVersion": "2025-06-18"}
            elif given["method"] == "tools/call":
                writer.write(event({"id": "are you there", "method": "ping"}).encode())
                await alive.wait()
                found = {"content": [{"type": "text", "text": f"shown: {fields.get('x-key')}"}]}
            last = event({"id": given["id"], "result": found}).encode()
            half = last.find(b"k3y") + 5  # a secret comes in two pieces
            for piece in (last[:half], last[half:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.05)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()
        await server.wait_closed()


def test_what_comes_in_a_stream_is_heard_before_the_stream_ends(tmp_path: Path) -> None:
    async def story() -> None:
        async with streaming() as url:
            table = {NAME: {"url": url, "headers": {"X-Key": "nothing"}, "timeout": 20}}
            await trust(table, tmp_path)
            servers = servers_of(table, tmp_path)
            assert await call(servers, "s__told") == "shown: nothing"
            await servers.close()

    go(story)


def test_a_credential_that_a_server_repeats_in_a_stream_is_taken_out(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k3y-of-the-policy\n")
    (tmp_path / "more").write_text("k3y-of\n")

    async def story() -> None:
        async with streaming() as url:
            table = {NAME: {"url": url, "headers": {"X-Key": "${SHOP_KEY}"}, "timeout": 20}}
            files = {"MORE_KEY": "more", "SHOP_KEY": "key"}
            host = url.split("/")[2]
            known = tuple(
                Credential(variable=name, host=host, source=f"file:{tmp_path / file}") for name, file in files.items()
            )
            await trust(table, tmp_path, credentials=known)
            servers = servers_of(table, tmp_path, credentials=known)
            assert await call(servers, "s__told") == "shown: ${SHOP_KEY}"
            await servers.close()

    go(story)


@pytest.mark.timeout(30)
def test_a_long_message_in_small_pieces_is_read_in_a_time_that_grows_with_its_length() -> None:
    events, piece = Events(), b"x" * 32
    assert not any(events.feed(piece) for _n in range(1 << 18))  # 8 MB: minutes where each piece copies what was there
    assert events.feed(b"\ndata: y\n\n") == [b"y"]


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with listen(0) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"

    async def story() -> None:
        with pytest.raises(ToolError, match="could not be asked"):
            await trust({NAME: {"url": url}}, tmp_path)

    go(story)


@pytest.mark.parametrize(
    "entry",
    [
        {"url": "http://a/", "command": ["x"]},
        {"url": "ftp://a/"},
        {"url": "http://user:word@a/"},
        {"url": "http://a/", "allow_host": ["b"]},
        {"command": ["x"], "headers": {"A": "b"}},
    ],
)
def test_an_entry_that_is_wrong_is_told(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="mcp_servers: s is wrong"):
        read_servers({NAME: entry})


def test_in_a_session_its_secret_is_nowhere_and_what_it_was_asked_is_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("THEIR_TOKEN", "t0ken-of-mine")
    (here := tmp_path / "work").mkdir()
    (home := tmp_path / "home").mkdir(mode=0o700)
    replies = [Reply(calls=(ScriptCall(name="s__add", arguments={"a": "1", "b": 2}, id="c1"),)), "Done."]

    async def served(told: Callable[[str], Awaitable[None]]) -> None:
        async with sdk() as (url, _made, _shown):
            await told(url)

    async def whole(url: str) -> None:
        table = {NAME: {"url": url, "headers": {"Authorization": "Bearer ${THEIR_TOKEN}"}}}
        await trust(table, home)

        async def story(talk: Talk) -> None:
            await talk.turn("go")
            (end,) = talk.of(ActionFinished)
            assert (end.status, end.observation.text) == ("ok", "3")
            host = url.split("/")[2].partition(":")[0]
            assert {(one.host, one.decision) for one in talk.of(NetworkAttempt)} == {(host, "allowed")}
            assert not any("t0ken-of-mine" in repr(one) for one in talk.events)

        # The session has an event loop of its own, as it has in the program.
        await asyncio.to_thread(run, story, replies, here, tools=ToolOptions(servers=table))

    go(lambda: served(whole))
