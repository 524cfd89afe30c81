"""Two terminals on one session, and none: the real command."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from interpreter.session.wire import SOCKET, TOKEN
from interpreter.store import Store
from interpreter.types.events import ActionFinished, ApprovalResolved, SessionClosed, TurnFinished, TurnStarted

from .test_coming_back import GATE, ended, one_turn
from .world import World, read_until, reply, until


def folder(world: World) -> Path:
    with Store.open(world.data) as store:
        return store.folder(store.find("last").id)


def may_join(world: World) -> None:
    until(lambda: (folder(world) / SOCKET).exists(), "others can join")


def test_a_second_terminal_sees_answers_and_says(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"), "Made.", "Hello to both.")
    with world.talk() as first:
        first.send("make it\r")
        first.wait_for("y yes")
        may_join(world)
        with world.terminal("attach") as second:
            second.wait_for("You have joined session")
            second.wait_for("> make it")
            second.wait_for("y yes")
            second.send("y\n")
            second.wait_for("Made.")
            first.wait_for("Answered from elsewhere: yes, by person.")
            first.wait_for("Made.")
            second.wait_for("\n>", times=2)
            second.send("say hello\r")
            second.wait_for("Hello to both.")
            first.wait_for("> say hello")  # the one at its prompt sees it as it happens
            first.wait_for("Hello to both.")
            second.wait_for("\n>", times=3)
            second.send("%detach\r")
            assert second.finish() == 0
        assert "You have left session" in second.text
        assert first.leave() == 0
    assert [event.channel for event in world.of(ApprovalResolved)] == ["terminal"]
    assert [event.text for event in world.of(TurnStarted)] == ["make it", "say hello"]


def test_who_has_joined_says_something_while_it_works(world: World) -> None:
    code = f"print('on', flush=True)\n{GATE}print('end')"
    world.serve(reply(code=code), "I used the other one.")
    with world.talk("-y") as first:
        first.send("wait\r")
        first.wait_for("\non\n")
        may_join(world)
        with world.terminal("attach") as second:
            second.wait_for("a line that you type is told to the model")
            second.wait_for("> wait")
            second.send("use the other file\n")
            for terminal in (first, second):
                terminal.wait_for("Said from another terminal (process ")
                terminal.wait_for("use the other file")
            (row, *_others) = json.loads(world.run("sessions", "list", "--json").out)
            (one,) = row["attached"]
            assert "watch" not in one and one["pid"] and one["pid"] != row["pid"]
            table = world.run("sessions", "list").out.splitlines()
            assert "joined" in table[0] and " 1 " in table[1]
            (world.here / "go").touch()
            second.wait_for("I used the other one.")
            assert second.leave() == 0
        assert first.leave() == 0
    assert "use the other file" in str(world.requests()[-1]["messages"])
    assert "joined" not in world.run("sessions", "list").out


def test_the_one_who_joined_interrupts_and_ends_the_session(world: World) -> None:
    world.serve(reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)"), "Never.")
    with world.talk("-y") as first:
        first.send("wait\r")
        first.wait_for("\non\n")
        may_join(world)
        with world.terminal("attach", world.session()) as second:
            second.wait_for("You have joined session")
            second.send("\x03")
            second.wait_for("Interrupted.")
            first.wait_for("Stopped from another terminal (process ")
            first.wait_for("Interrupted.")
            second.wait_for("\n>", times=1)
            second.send("%exit\r")
            assert second.finish() == 0
        assert first.finish() == 0
    assert [event.reason for event in world.of(TurnFinished)] == ["interrupted"] and ended(world)


def test_detached_from_another_terminal_it_goes_on_and_is_joined_again(world: World) -> None:
    code = f"print('on', flush=True)\nx = 7\n{GATE}print('end')"
    world.serve(reply(code=code), reply(code="print(x)"), "Done.")
    with world.terminal("-y", "wait") as first:
        first.wait_for("\non\n")
        may_join(world)
        done = world.run("detach")
        assert done.code == 0 and "goes on" in done.err
        first.wait_for("It goes on without this terminal: interpreter attach s_")
        assert first.finish() == 0
    assert not world.of(TurnFinished)

    def runs() -> bool:
        (row, *_others) = json.loads(world.run("sessions", "list", "--json").out)
        return row["state"] == "running" and bool(row.get("pid"))

    until(runs, "the process without a terminal has the session")
    second = world.start("attach", "--watch")
    read_until(second, "You only look on", error=True)
    (world.here / "go").touch()
    done = world.finish(second)
    assert done.code == 0 and "Done." in done.out
    until(lambda: len(world.of(SessionClosed)) == 2, "the process without a terminal ends")
    one_turn(world)
    assert [event.observation.text for event in world.of(ActionFinished)] == ["on\nend", "7"]
    assert "Done." in (folder(world) / "background.log").read_text()


def test_detached_at_a_question_it_waits_and_attach_takes_it_up(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"), "Never.")
    with world.talk() as first:
        first.send("make it\r")
        first.wait_for("y yes")
        first.send("%detach\n")
        assert first.finish() == 0
        assert "The session is kept" in first.text
    (end,) = world.of(TurnFinished)
    assert end.reason == "waiting" and world.keepers()
    world.serve("Made.")
    with world.terminal("attach", "--api_base", world.url) as second:
        second.wait_for("Nobody holds session")
        second.wait_for("y yes")
        second.send("y\n")
        second.wait_for("Made.")
        assert second.leave() == 0
    assert (world.here / "made").exists()


def test_a_second_resume_is_told_who_holds_it_and_how_to_join(world: World) -> None:
    world.serve(reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)"), "Never.")
    first = world.start("-y", "--output", "jsonl", "wait")
    read_until(first, '"on\\n"')
    second = world.run("--resume", "last", "me too")
    assert second.code == 2 and str(first.pid) in second.err and f"interpreter attach {world.session()}" in second.err
    may_join(world)
    refused = world.run("detach")
    assert refused.code == 2 and "no terminal to let go of" in refused.err


class Peer:
    """A client that says what it likes."""

    def __init__(self, world: World) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        here = os.open(folder(world), os.O_RDONLY)
        self._socket.connect(f"/proc/self/fd/{here}/{SOCKET}")
        os.close(here)
        self._socket.settimeout(20)
        self._file = self._socket.makefile("rb")

    def say(self, line: bytes | dict[str, Any]) -> None:
        self._socket.sendall((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")

    def hear(self) -> dict[str, Any] | None:
        line = self._file.readline()
        return json.loads(line) if line else None

    def until(self, kind: str) -> dict[str, Any]:
        while (said := self.hear()) is not None:
            if said["type"] == kind:
                return said
        raise AssertionError(f"no {kind}")

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def test_hostile_clients_harm_nothing(world: World) -> None:
    code = f"print('on', flush=True)\n{GATE}for n in range(2000): print('x' * 5000)"
    world.serve(reply(code=code), "Done.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"on\\n"')
    may_join(world)
    place = folder(world)
    assert place.stat().st_mode & 0o777 == 0o700
    assert {(place / name).stat().st_mode & 0o777 for name in (SOCKET, TOKEN)} == {0o600}
    token = (place / TOKEN).read_text()
    for first in (
        b"GET / HTTP/1.1",
        b'{"token": "no"}',
        b"x" * (2 << 20),
        b'{"token": "%s", "more": 1}' % token.encode(),
    ):
        peer = Peer(world)
        try:
            peer.say(first)
            assert peer.hear() is None  # not a word to one without the token
        except (BrokenPipeError, ConnectionResetError):
            pass
        peer.close()
    looks = Peer(world)
    looks.say({"token": token, "watch": True})
    assert looks.until("hello")["busy"] is True
    looks.say({"n": 1, "op": {"type": "interrupt"}})
    assert "looks on" in looks.until("reply")["message"]
    garbage = Peer(world)
    garbage.say({"token": token})
    garbage.say({"n": 1, "op": {"type": "interrupt", "and": "more"}})
    assert garbage.until("reply")["error"] == "UsageError" and garbage.hear() is None
    slow = Peer(world)  # never reads
    slow.say({"token": token})
    (world.here / "go").touch()
    done = world.finish(process)
    assert done.code == 0 and "Done." in done.out
    assert [event.status for event in world.of(ActionFinished)] == ["ok"]
    for peer in (looks, garbage, slow):
        peer.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_is_refused_even_with_the_token(world: World) -> None:
    """The folder is closed to them; here it is opened, so that only the check of who they are is left."""
    world.serve(reply(code=f"print('on', flush=True)\n{GATE}"), "Done.")
    process = world.start("-y", "--output", "jsonl", "wait")
    read_until(process, '"on\\n"')
    may_join(world)
    place = folder(world)
    token = (place / TOKEN).read_text()
    (place / SOCKET).chmod(0o666)
    here = os.open(place, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        status = 3
        try:
            with socket.socket(socket.AF_UNIX) as other:
                os.fchdir(here)
                other.connect(SOCKET)
                other.sendall(json.dumps({"token": token}).encode() + b"\n")
                status = 4 if other.recv(100) else 0
        except OSError:
            status = 0
        finally:
            os._exit(status)
    os.close(here)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    process.send_signal(signal.SIGINT)
    world.finish(process)
