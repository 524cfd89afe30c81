"""What a terminal that has joined asks for is done to its end, also when it leaves at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from interpreter.llm.scripted import Reply
from interpreter.session.reception import Reception
from interpreter.session.wire import SOCKET, TOKEN
from interpreter.types.base import to_json
from interpreter.types.events import ActionStarted, ConversationUndone, SessionClosed
from interpreter.types.ops import Close, Op, SubmitInput, Undo
from interpreter.types.rewinding import RewindStarted, Rewound

from .helpers import Talk, run

SLOW = "import time\nfor n in range(400): print(n, flush=True); time.sleep(0.1)"


@contextlib.asynccontextmanager
async def asked_and_left(talk: Talk, op: Op) -> AsyncGenerator[None]:
    """By one that greets, asks, and is gone before it could have read an answer."""
    reception = Reception(talk.session, lambda: False)
    await reception.open()
    folder = talk.session.log.folder
    _reader, writer = await asyncio.open_unix_connection(str(folder / SOCKET))
    greeting: dict[str, Any] = {"token": (folder / TOKEN).read_text(), "version": 1}
    writer.write(to_json(greeting) + b"\n" + to_json({"n": 1, "op": op}) + b"\n")
    await writer.drain()
    writer.transport.abort()
    try:
        yield
    finally:
        await reception.close()


async def until(talk: Talk, kind: type[Any]) -> None:
    async with asyncio.timeout(20):
        while not any(isinstance(one.event, kind) for one in talk.session.log.events()):
            await asyncio.sleep(0.05)


def test_a_session_that_a_guest_closes_is_closed_whole(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.session.send(SubmitInput(text="go"))
        await until(talk, ActionStarted)
        async with asyncio.timeout(20), asked_and_left(talk, Close()):
            seen = [event async for event in talk.watch]
        assert isinstance(seen[-1], SessionClosed)
        assert not talk.session.log.held

    run(story, [Reply(code=SLOW), "done"], tmp_path)


def test_an_undo_that_a_guest_asks_for_is_whole(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await talk.turn("one")
        await talk.turn("two")
        async with asked_and_left(talk, Undo(turns=1, files=True, variables=True)):
            await until(talk, RewindStarted)
        assert [type(one.event) for one in talk.session.log.events()][-2:] == [ConversationUndone, Rewound]
        assert len(talk.session.turns) == 1

    write = "print(open('x', 'w').write('{}'))"
    run(story, [Reply(code=write.format(1)), "done", Reply(code=write.format(2)), "done"], tmp_path)
    assert (tmp_path / "x").read_text() == "1"
