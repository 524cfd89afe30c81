"""Calls of tools between guest, keeper and host: answered once, one at a time, waiting for whoever comes."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.guest.keeper_client import Guest, KeeperClient

from .test_hostile import DONE, GUEST
from .test_keeper import Connection

ASK = "say(op='tool', id=frame['id'], number={n}, name={name!r}, arguments='{{}}')\n"
HEAR = "answer = listen()\nos.write(1, (answer['op'] + str(answer['number']) + answer['text']).encode())\n"


@pytest.fixture
def client(tmp_path: Path) -> Generator[KeeperClient]:
    with KeeperClient(tmp_path / "run") as client:
        yield client


@pytest.fixture
def guest(client: KeeperClient, tmp_path: Path) -> Guest:
    return Guest(client, [sys.executable, "-"], GUEST, cwd=tmp_path)


def ask(n: int = 1, name: str = "look") -> str:
    return ASK.format(n=n, name=name)


def answer(client: KeeperClient, event: dict[str, Any], text: str = '{"ok":true}', **wrong: Any) -> bool:
    """Whether the keeper took it."""
    fields = {"execution": event["execution"], "call": event["call"], "text": text, **wrong}
    return bool(client.ask(op="tool", **fields)["ok"])


def test_a_call_reaches_the_host_and_its_answer_the_code(client: KeeperClient, guest: Guest) -> None:
    execution = guest.begin(ask() + HEAR + ask(2) + HEAR + DONE, interactive=True)
    for number in (1, 2):
        event = client.wait_for("tool", call=number)
        assert (event["name"], event["arguments"]) == ("look", "{}")
        assert answer(client, event, f'"{number}"')
    assert guest.end(execution).bytes == b'tool1"1"tool2"2"'


def test_a_second_call_before_the_first_is_answered_is_refused(client: KeeperClient, guest: Guest) -> None:
    execution = guest.begin(ask() + ask(2) + HEAR + HEAR + DONE, interactive=True)
    guest.wait_output(execution, b"not been answered")
    assert answer(client, client.wait_for("tool"))
    assert b"tool2" in (said := guest.end(execution).bytes) and b"not been answered" in said and b"tool1" in said


def test_what_is_too_large_or_no_call_is_refused(client: KeeperClient, guest: Guest) -> None:
    large = "say(op='tool', id=frame['id'], number=1, name='x', arguments='y' * 600_000)\n" + HEAR
    odd = "say(op='tool', id=frame['id'], number=2, name=5, arguments=None)\n" + HEAR
    none = "say(op='tool', id=frame['id'], number='z', name='x', arguments='')\n"
    ran = guest.run(large + odd + none + DONE, interactive=True)
    assert ran.bytes.count(b"too large") == 2 and ran.status == "ok"


def test_an_answer_counts_once_and_only_for_its_call(client: KeeperClient, guest: Guest) -> None:
    execution = guest.begin(ask() + HEAR + "time.sleep(0.3)\n" + DONE, interactive=True)
    event = client.wait_for("tool")
    assert not answer(client, event, call=7)
    assert not answer(client, event, execution="x_other")
    assert not answer(client, event, call="seven")
    assert not client.ask(op="input", execution=event["execution"], text="a line")["ok"]
    assert answer(client, event)
    assert not answer(client, event)
    assert guest.end(execution).status == "ok"


def test_where_nobody_can_answer_the_code_is_told(guest: Guest) -> None:
    assert b"Nobody answers" in guest.run(ask() + HEAR + DONE, interactive=False).bytes


def test_a_call_waits_for_the_host_that_comes_back(client: KeeperClient, guest: Guest) -> None:
    execution = guest.begin(ask() + HEAR + DONE, interactive=True)
    client.wait_for("tool")
    new = Connection(client.folder)
    new.send(op="hello", n=1, token=(client.folder / "token").read_text())
    asked = new.frame()["running"][0]["asked"]
    assert (asked["event"], asked["name"], asked["call"]) == ("tool", "look", 1)
    new.send(op="tool", n=2, execution=execution, call=1, text="late")
    frames = [new.frame() for _n in range(3)]
    done = next(frame["completion"] for frame in frames if frame.get("event") == "done")
    assert done["status"] == "ok" and b"late" in Path(done["output"]["path"]).read_bytes()
    new.send(op="close", n=3)
    assert new.closed()
    new.socket.close()


def test_another_process_cannot_call(client: KeeperClient, guest: Guest) -> None:
    code = "if not os.fork():\n    " + ask().strip() + "\n    os._exit(0)\ntime.sleep(0.5)\n"
    assert guest.run(code + DONE, interactive=True).status == "died"
