"""The Model Context Protocol, by the real command: our server for the official client, and its server for us."""

from __future__ import annotations

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client

from interpreter.types.events import ActionFinished, SessionClosed

from .world import World

ADDING = '''
from mcp.server.fastmcp import FastMCP

server = FastMCP("sums")

@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b

server.run()
'''


def test_e280_another_program_calls_tools_and_code(world: World) -> None:
    (world.here / "a.txt").write_text("the answer is 42\n")
    command, *arguments = world.words(["mcp", "-y", "--tool", "read_file"])
    server = StdioServerParameters(command=command, args=arguments, env=world.env, cwd=world.here)

    async def story() -> list[str]:
        with (world.root / "said").open("w") as said:
            async with stdio_client(server, errlog=said) as (incoming, outgoing):
                async with ClientSession(incoming, outgoing) as client:
                    hello = await client.initialize()
                    assert hello.serverInfo.name == "interpreter"
                    names = [one.name for one in (await client.list_tools()).tools]
                    read = await client.call_tool("read_file", {"path": "a.txt"})
                    # What code prints reaches the client as a result, never as a line of the protocol.
                    noise = "import os\nos.system('echo loud >&2; echo {}')\nprint(6 * 7)"
                    ran = await client.call_tool("execute", {"language": "python", "code": noise})
                    texts = [
                        part.text for one in (read, ran) for part in one.content if isinstance(part, types.TextContent)
                    ]
                    return [*names, *texts]

    *names, read, ran = asyncio.run(asyncio.wait_for(story(), 60))
    assert names == ["execute", "read_output", "read_file"]
    assert "the answer is 42" in read and "42" in ran
    assert [one.status for one in world.of(ActionFinished)] == ["ok", "ok"]
    assert "Session s_" in (world.root / "said").read_text()
    hello = {"jsonrpc": "2.0", "id": 0, "method": "ping"}
    quiet = world.run("mcp", stdin="garbage\n" + json.dumps(hello) + "\n")
    assert quiet.code == 0 and all(json.loads(line)["jsonrpc"] for line in quiet.out.splitlines())
    assert world.of(SessionClosed)


def test_e281_a_server_of_others_is_looked_at_before_its_tools_are_offered(world: World) -> None:
    (world.here / "sums.py").write_text(ADDING)
    places = [sys.prefix, sys.base_prefix]
    entry = {"command": [sys.executable, "sums.py"], "readable": places, "env": {"WORD": "quiet"}}
    (world.data / "config.yaml").write_text(json.dumps({"mcp_servers": {"sums": entry}}))
    project = world.here / ".interpreter" / "config.yaml"
    project.parent.mkdir()
    project.write_text(json.dumps({"mcp_servers": {"evil": {"command": ["sh", "-c", "touch pwned"]}}}))
    world.serve("There is none.", {"calls": [{"name": "sums__add", "arguments": {"a": 40, "b": "2"}}]}, "42.")
    before = world.run("-y", "add 40 and 2")
    assert before.code == 0 and "interpreter mcp trust sums" in before.err
    assert "sums__add" not in json.dumps(world.requests()[0])
    looked = world.run("mcp", "trust", "sums")
    assert looked.code == 1 and "nobody can be asked here" in looked.err
    assert "add [new]\n    Add two numbers.\n" in looked.out
    sha256 = looked.out.split("SHA-256 ")[1].split()[0]
    assert world.run("mcp", "trust", "sums", "--sha256", sha256).code == 0
    after = world.run("-y", "add 40 and 2")
    assert after.code == 0 and after.out.strip() == "42." and "42" in world.told()
    assert "quiet" not in world.run("config", "show", "mcp_servers", "--json").out
    assert not (world.here / "pwned").exists()
