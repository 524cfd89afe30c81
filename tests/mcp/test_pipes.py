"""The transport over descriptors, as programs hand them to us."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage, JSONRPCResponse

from interpreter.mcp.pipes import transport


def message(size: int, number: int) -> SessionMessage:
    return SessionMessage(JSONRPCMessage(JSONRPCResponse(jsonrpc="2.0", id=number, result={"t": "x" * size})))


def test_one_socket_may_be_both_input_and_output() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        with theirs:
            reader, writer = await asyncio.open_connection(sock=theirs, limit=4 << 20)
            async with transport(os.dup(ours.fileno()), ours.detach()) as (_incoming, outgoing):
                for number in (1, 2):
                    await outgoing.send(message(3_000_000, number))
                    line = await reader.readline()
                    assert len(line) > 3_000_000 and JSONRPCMessage.model_validate_json(line)
            writer.close()

    asyncio.run(asyncio.wait_for(story(), 30))


@pytest.mark.timeout(30)
def test_who_reads_nothing_keeps_nothing_here() -> None:
    (read, theirs), (unread, write) = os.pipe(), os.pipe()

    async def story() -> None:
        async with transport(read, write) as (_incoming, outgoing):
            await outgoing.send(message(1_000_000, 1))
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(write)

    asyncio.run(story())  # waits for threads as well
    os.close(theirs)
    os.close(unread)
