"""Servers of others as tools: real programs in real walls, good ones and bad ones."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interpreter.app import servers as servers_module
from interpreter.app.servers import Place, Servers, look
from interpreter.cli.mcp_servers import servers as servers_command
from interpreter.config.settings import Settings
from interpreter.errors import ConfigError, ToolError, UsageError
from interpreter.kernels.environments import base_python
from interpreter.llm.script import ScriptCall
from interpreter.llm.scripted import Reply
from interpreter.tools.context import ToolContext, ToolResult
from interpreter.tools.mcp.pins import Pins
from interpreter.tools.mcp.server import read_servers
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ActionFinished, ActionProposed, ApprovalRequested, NetworkAttempt, NoteAdded
from tests.session.helpers import Talk, run

SMALL = Path(__file__).with_name("small.py")
PREFIX = (str(Path(base_python()).resolve().parents[1]), sys.base_prefix)


class World:
    def __init__(self, root: Path) -> None:
        self.here, self.home = root / "work", root / "home"
        self.here.mkdir()
        self.home.mkdir(mode=0o700)
        shutil.copy(SMALL, self.here / "small.py")

    def entry(self, how: str, **more: Any) -> dict[str, Any]:
        return {"command": [base_python(), "-I", "small.py", how], "readable": list(PREFIX), "timeout": 10, **more}

    @property
    def place(self) -> Place:
        return Place(Settings(), self.here, self.home)

    async def trust(self, how: str, **more: Any) -> dict[str, Any]:
        """A table of one server, `s`, as it was looked at."""
        table = {"s": self.entry(how, **more)}
        server = read_servers(table)["s"]
        Pins(self.home).keep("s", server, await look("s", server, self.place))
        return table

    def servers(self, table: dict[str, Any]) -> Servers:
        return Servers(table, lambda: self.place, self.home, lambda *_values: None)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setenv("INTERPRETER_HOME", str(world.home))
    return world


def go(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 50))  # pyright: ignore[reportArgumentType]


async def call(servers: Servers, name: str, **arguments: Any) -> ToolResult:
    (one,) = [one for one in servers.tools if one.name == name]
    return await one(ToolContext(), **arguments)


def test_tools_are_called_in_a_server_that_lives_as_long_as_the_session(world: World) -> None:
    async def story() -> None:
        servers = world.servers(await world.trust("good", reads=["look"]))
        assert servers.notes == []
        echo, seen = servers.tools
        assert (echo.name, echo.declaration.access, echo.declaration.origin) == ("s__echo", "write", "mcp:s")
        assert (seen.name, seen.declaration.access) == ("s__look", "read")
        assert echo.declaration.parameters["required"] == ["text"]
        # The first call starts the server, once, also where two come together.
        both = await asyncio.gather(call(servers, "s__echo", text="hi", n=2), call(servers, "s__echo", text="ho"))
        assert sorted(one.text for one in both) == ["hi hi (1)\n[image: not shown]", "ho (2)\n[image: not shown]"]
        await servers.close()
        with pytest.raises(ToolError, match="has ended"):
            await servers._wires["s"].ask("ping", {})  # pyright: ignore[reportPrivateUsage]

    go(story)


def test_a_server_has_walls_of_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAL_TOKEN", "s3cret-value-of-mine")
    monkeypatch.setenv("OTHER_TOKEN", "not for it")

    async def story() -> None:
        known: list[str] = []
        table = await world.trust("good", env={"TOKEN": "${REAL_TOKEN}"})
        servers = Servers(table, lambda: world.place, world.home, lambda *values: known.extend(values))
        seen = (await call(servers, "s__look")).value
        assert seen["token"] == "s3cret-value-of-mine" and known == ["s3cret-value-of-mine"]
        assert not {"REAL_TOKEN", "OTHER_TOKEN"} & set(seen["env"])
        assert (seen["wrote"], seen["home"]) == (False, False) and not (world.here / "written").exists()
        await servers.close()
        writing = world.servers(await world.trust("good", workspace="write"))
        lacking = await call(writing, "s__look")
        assert lacking.value["wrote"] and (world.here / "written").exists()
        await writing.close()
        monkeypatch.delenv("REAL_TOKEN")
        with pytest.raises(ToolError, match="REAL_TOKEN"):
            await call(world.servers(table), "s__echo", text="hi")

    go(story)


def test_what_changed_is_not_called_until_it_is_trusted_again(world: World) -> None:
    async def story() -> None:
        table = await world.trust("file")
        (world.here / "changed").touch()
        servers = world.servers(table)
        with pytest.raises(ToolError, match="interpreter mcp trust s"):
            await call(servers, "s__echo", text="hi")
        await servers.close()
        again = world.servers(await world.trust("file"))
        assert "First send" in again.tools[0].declaration.description
        assert (await call(again, "s__echo", text="hi")).text.startswith("hi (1)")
        await again.close()
        # Another command is another server, and a pin that was changed is none.
        other = {"s": {**table["s"], "command": [*table["s"]["command"], "--more"]}}
        assert world.servers(other).tools == [] and "interpreter mcp trust s" in world.servers(other).notes[0]
        pin = world.home / "mcp" / "s.json"
        pin.write_text(pin.read_text().replace("Say it again.", "Say it twice."))
        assert world.servers(table).tools == []

    go(story)


def test_descriptions_cannot_reach_the_screen_or_fill_the_window(world: World) -> None:
    async def story() -> None:
        (echo, _look) = world.servers(await world.trust("evil")).tools
        assert "\x1b" not in echo.declaration.description and "\x07" not in echo.declaration.description
        assert len(echo.declaration.description) < 1100 and echo.name == "s__echo__31m_tool"
        with pytest.raises(ToolError, match="more than 200 tools"):
            await world.trust("many")

    go(story)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("dying", "has ended.*out of cheese"),
        ("huge", "more than 4 MB"),
        ("garbage", "is no protocol"),
        ("failing", "^no way$"),
    ],
)
def test_a_server_that_fails_is_a_clear_error_and_the_next_call_starts_it_anew(
    world: World, how: str, said: str
) -> None:
    async def story() -> None:
        servers = world.servers(await world.trust(how))
        for _again in range(2):
            with pytest.raises(ToolError, match=said) as failure:
                await call(servers, "s__echo", text="hi")
            assert "\x1b" not in str(failure.value)
        await servers.close()

    go(story)


def test_a_server_that_says_nothing_or_is_not_there(world: World) -> None:
    async def story() -> None:
        began = time.monotonic()
        with pytest.raises(ToolError, match=r"nothing of use in 0\.5 s"):
            await world.trust("mute", timeout=0.5)
        assert time.monotonic() - began < 8
        with pytest.raises(ToolError, match="No such file"):
            await world.trust("good", command=["/no/such/program"])

    go(story)


def test_a_server_that_hangs_is_ended_and_the_next_call_gets_a_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers_module, "ALIVE", 0.2)

    async def story() -> None:
        servers = world.servers(await world.trust("hanging"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call(servers, "s__echo", text="hang"), 1.0)
        old = servers._wires["s"]  # pyright: ignore[reportPrivateUsage]
        while not old.over:
            await asyncio.sleep(0.02)
        assert (await call(servers, "s__echo", text="on")).text.startswith("on (1)")
        await servers.close()

    go(story)


@pytest.mark.parametrize(
    "entry",
    [{}, {"command": []}, {"command": ["x"], "network": True}, {"command": ["x"], "timeout": 0}, {"command": "x"}],
)
def test_an_entry_that_is_wrong_is_told(entry: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="mcp_servers"):
        read_servers({"s": entry})
    with pytest.raises(ConfigError, match="mcp_servers"):
        read_servers({"No Name": {"command": ["x"]}})


def test_in_a_session_a_call_is_an_action_like_any_other(world: World) -> None:
    table: dict[str, Any] = {}

    async def trusted() -> None:
        table.update(await world.trust("slow", timeout=1.5) | {"good": world.entry("good", allow_host=["api.example"])})

    go(trusted)
    server = read_servers(table)["good"]
    go(lambda: keep(world, server))
    replies = [
        Reply(calls=(ScriptCall(name="good__echo", arguments={"text": "hi", "n": "2"}, id="c1"),)),
        Reply(code="from interpreter_tools import good__echo\nprint(good__echo('from code'))"),
        Reply(calls=(ScriptCall(name="s__echo", arguments={"text": "hi"}, id="c2"),)),
        Reply(calls=(ScriptCall(name="good__echo", arguments={"text": "net"}, id="c3"),)),
        "Done.",
    ]

    async def story(talk: Talk) -> None:
        await talk.turn("go")
        proposed = [
            json.loads(one.action.code)["tool"] for one in talk.of(ActionProposed) if one.action.language == "tool"
        ]
        assert proposed == ["good__echo", "good__echo", "s__echo", "good__echo"]
        ends = talk.of(ActionFinished)
        assert [one.status for one in ends] == ["ok", "ok", "ok", "timeout", "ok"]
        assert "hi hi (1)" in ends[0].observation.text and "from code (2)" in ends[2].observation.text
        assert not any("trust" in one.text for one in talk.of(NoteAdded))
        # What a server tries on the network is in the session's log, and the model knows why it did not get there.
        (tried,) = talk.of(NetworkAttempt)
        assert (tried.host, tried.port, tried.decision) == ("denied.example", 80, "denied")
        assert "denied.example:80 was not let through" in ends[4].observation.text

    run(story, replies, world.here, tools=ToolOptions(servers=table))

    async def asked(talk: Talk) -> None:
        await talk.turn("go")
        assert len(talk.of(ApprovalRequested)) == 1  # parked: mode ask, and nobody is there

    run(asked, replies[:1], world.here, tools=ToolOptions(servers=table), auto_run=False)


async def keep(world: World, server: Any) -> None:
    Pins(world.home).keep("good", server, await look("good", server, world.place))


def test_a_pin_is_the_owners_alone(world: World) -> None:
    go(lambda: _pinned(world))
    path = world.home / "mcp" / "s.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(msgspec.json.decode(path.read_bytes())) == {"sha256", "command", "offers"}


async def _pinned(world: World) -> None:
    await world.trust("good")


def test_what_a_person_is_shown_before_they_trust(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    table = {"s": world.entry("file")}
    options = Settings(tools=ToolOptions(servers=table))

    def said(*words: str, sha256: str = "") -> tuple[int, str]:
        code = servers_command(options, world.here, words, sha256=sha256, as_json=words[0] == "show")
        return code, capsys.readouterr().out

    assert "not trusted" in said("list")[1]
    shown = json.loads(said("show", "s")[1])
    assert [(row["name"], row["state"]) for row in shown["tools"]] == [("echo", "new"), ("look", "new")]
    with pytest.raises(UsageError, match="another hash"):
        said("trust", "s", sha256="0" * 64)
    assert said("trust", "s", sha256=shown["sha256"])[0] == 0
    assert "2 tools" in said("list")[1]
    (world.here / "changed").touch()
    again = json.loads(said("show", "s")[1])
    assert [row["state"] for row in again["tools"]] == ["changed", ""] and not again["trusted"]
    assert said("forget", "s")[0] == 0 and "not trusted" in said("list")[1]
    with pytest.raises(UsageError, match="No server"):
        said("show", "other")
    with pytest.raises(UsageError):
        said("forget", "../../config")
