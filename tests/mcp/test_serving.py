"""Our MCP server, spoken to by the protocol's official client over real pipes: every call is an action of a session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mcp import ClientSession, types

from interpreter.app import open_session
from interpreter.app.answering import Answering
from interpreter.cli.mcp import attended_elsewhere
from interpreter.config.settings import Settings
from interpreter.mcp.calls import Calls
from interpreter.mcp.pipes import transport
from interpreter.mcp.relay import Relay
from interpreter.mcp.serve import serve
from interpreter.session.service import Session
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ActionFinished, ActionJudged, ActionProposed, ApprovalRequested, TurnFinished
from tests.session.helpers import settings

Story = Callable[[ClientSession, Session], Awaitable[None]]


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(tmp_path_factory.mktemp("home")))


def told(story: Story, workspace: Path, options: Settings) -> None:
    """A story of one client and the session that serves it."""

    async def whole() -> None:
        relay = Relay()
        session = await open_session(options, workspace=workspace, client=relay)
        calls = Calls(session, relay)
        (theirs, to_us), (ours, to_them) = os.pipe(), os.pipe()
        serving = asyncio.create_task(serve(calls, theirs, to_them))
        try:
            async with transport(ours, to_us) as (incoming, outgoing):
                async with ClientSession(incoming, outgoing, timedelta(seconds=30)) as client:
                    await client.initialize()
                    await story(client, session)
            await asyncio.wait_for(serving, 10)  # the end of input is the end
        finally:
            serving.cancel()
            await calls.close()
            await session.close()

    asyncio.run(asyncio.wait_for(whole(), 60))


def text(result: types.CallToolResult) -> str:
    return "\n".join(one.text for one in result.content if isinstance(one, types.TextContent))


def events(session: Session, kind: type[Any]) -> list[Any]:
    return [stored.event for stored in session.log.events() if isinstance(stored.event, kind)]


def test_tools_and_code_are_called_and_logged(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")

    async def story(client: ClientSession, session: Session) -> None:
        listed = {one.name: one for one in (await client.list_tools()).tools}
        assert list(listed) == ["execute", "read_output", "read_file"]
        hints = {name: one.annotations.readOnlyHint for name, one in listed.items() if one.annotations is not None}
        assert hints == {"execute": False, "read_output": True, "read_file": True}
        assert "path" in listed["read_file"].inputSchema["properties"]
        read = await client.call_tool("read_file", {"path": "a.txt", "lines": "1"})
        assert not read.isError and "     1  one" in text(read)
        await client.call_tool("execute", {"language": "python", "code": "x = 6"})
        ran, missing = await asyncio.gather(
            client.call_tool("execute", {"language": "python", "code": "print(x * 7)"}),
            client.call_tool("read_file", {"path": "none.txt"}),
        )
        assert text(ran) == "42" and missing.isError
        wrong = await client.call_tool("read_file", {"file": 3})
        assert wrong.isError and "'path' is missing" in text(wrong)
        unknown = await client.call_tool("rm", {})
        assert unknown.isError and "no tool 'rm'" in text(unknown)
        proposed = [one.action for one in events(session, ActionProposed)]
        assert [one.language for one in proposed] == ["tool", "python", "python", "tool"]
        assert len(events(session, ActionJudged)) == len(events(session, ActionFinished)) == 4
        assert [one.exit_code for one in events(session, TurnFinished)] == [0] * 5

    told(story, tmp_path, settings(tools=ToolOptions(offered=("read_file",))))


def test_rules_refuse_and_tools_only_has_no_code(tmp_path: Path) -> None:
    policy = tmp_path.parent / "policy.yaml"
    policy.write_text(
        "version: 1\nrules:\n- {name: no-secrets, decision: deny, reason: Not for programs., reads: '**/secret.txt'}\n"
    )
    (tmp_path / "secret.txt").write_text("hunter2\n")

    async def story(client: ClientSession, session: Session) -> None:
        assert [one.name for one in (await client.list_tools()).tools] == ["read_output", "read_file"]
        refused = await client.call_tool("read_file", {"path": "secret.txt"})
        assert refused.isError and "Not for programs." in text(refused) and "hunter2" not in text(refused)
        code = await client.call_tool("execute", {"language": "python", "code": "open('x', 'w')"})
        assert code.isError and not (tmp_path / "x").exists()
        assert [one.status for one in events(session, ActionFinished)] == ["denied"]

    options = settings(tools=ToolOptions(offered=("read_file",)), policy=str(policy), tools_only=True)
    told(story, tmp_path, options)


def test_a_question_is_answered_from_another_terminal_and_silence_is_a_no(tmp_path: Path) -> None:
    options = settings(auto_run=False, can_ask=True, approval_timeout=20.0)

    async def story(client: ClientSession, session: Session) -> None:
        call = asyncio.create_task(client.call_tool("execute", {"language": "python", "code": "print('yes')"}))
        while not events(session, ApprovalRequested):
            await asyncio.sleep(0.02)
        with_person = Answering(options)
        (one,) = with_person.waiting()
        assert one.asked.request.kind == "run"
        await asyncio.to_thread(with_person.answer, one.asked.request.approval, "yes")
        assert text(await call) == "yes"

    told(story, tmp_path, options)

    async def silence(client: ClientSession, session: Session) -> None:
        refused = await client.call_tool("execute", {"language": "python", "code": "print('no')"})
        assert refused.isError and "nobody answered in time" in text(refused)

    told(silence, tmp_path, settings(auto_run=False, can_ask=True, approval_timeout=0.2))


def test_a_caller_that_gives_up_stops_its_call_and_the_next_one_works(tmp_path: Path) -> None:
    async def story(client: ClientSession, session: Session) -> None:
        with pytest.raises(Exception, match="Timed out"):
            await client.call_tool(
                "execute",
                {"language": "python", "code": "import time\ntime.sleep(50)"},
                read_timeout_seconds=timedelta(seconds=1.5),
            )
        await client.send_notification(
            types.ClientNotification(types.CancelledNotification(params=types.CancelledNotificationParams(requestId=1)))
        )
        assert text(await client.call_tool("execute", {"language": "python", "code": "print('on')"})) == "on"
        assert events(session, ActionFinished)[0].status == "interrupted"

    told(story, tmp_path, settings())


def test_what_is_meant_for_a_model_is_off(tmp_path: Path) -> None:
    wanted = msgspec.structs.replace(settings(output_schema="/x.json", summary="model"), cache=True, record="/r.json")
    options = attended_elsewhere(wanted)
    assert (options.cache, options.record, options.agent.output_schema, options.agent.summary) == (
        False, "", "", "account"
    )  # fmt: skip
    assert (options.agent.can_ask, options.agent.timeout, options.agent.approval_timeout) == (False, 600.0, 300.0)
    assert attended_elsewhere(settings(auto_run=False)).agent.can_ask

    async def story(client: ClientSession, session: Session) -> None:
        code = {"language": "python", "code": "n = globals().get('n', 0) + 1\nprint(n)"}
        assert [text(await client.call_tool("execute", code)) for _again in range(2)] == ["1", "2"]

    told(story, tmp_path, options)
