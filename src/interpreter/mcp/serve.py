"""The MCP server itself, with the protocol's official SDK: loaded only where it is started."""

from __future__ import annotations

import logging
from typing import Any

from mcp import types
from mcp.server.lowlevel import NotificationOptions, Server

from .. import __version__
from ..types.tooling import Declaration
from .calls import Calls
from .pipes import transport

INSTRUCTIONS = (
    "Each call is judged by the rules of the person whose machine this is, and written to their log. "
    "A call that was refused stays refused: do not repeat it."
)


def made(calls: Calls) -> Server[Any, Any]:
    """The server of a session's calls, for any transport."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    server: Server[Any, Any] = Server("interpreter", version=__version__, instructions=INSTRUCTIONS)

    async def list_tools() -> list[types.Tool]:
        return [described(one) for one in calls.offered()]

    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        outcome = await calls.call(name, arguments)
        text = types.TextContent(type="text", text=outcome.text)
        return types.CallToolResult(content=[text], isError=outcome.failed)

    server.list_tools()(list_tools)
    # Arguments are checked, and mended where they can be, where those of models are.
    server.call_tool(validate_input=False)(call_tool)
    return server


async def serve(calls: Calls, read: int, write: int) -> None:
    """Answer until the other end closes. Raises ValueError: `read` is a plain file."""
    server = made(calls)
    async with transport(read, write) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options(NotificationOptions()))


def described(one: Declaration) -> types.Tool:
    hints = types.ToolAnnotations(readOnlyHint=one.access == "read")
    return types.Tool(name=one.name, description=one.description, inputSchema=one.parameters, annotations=hints)
