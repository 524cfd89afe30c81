"""Guests that lie: what comes from inside the walls misreports its own kernel at most."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from interpreter.keeper.execution import Execution
from interpreter.keeper.loop import Loop
from tests.guest.keeper_client import Guest, KeeperClient, Ran, alive

# A guest in the clear: `say` sends any frame, and `attack(frame)` is called with each request.
GUEST = """
import json, os, sys, time
def say(**frame):
    raw(json.dumps(frame).encode())
def raw(body):
    data = memoryview(len(body).to_bytes(4, "big") + body)
    while data:
        data = data[os.write(3, data):]
def need(n):
    data = b""
    while len(data) < n:
        piece = os.read(3, n - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data
def listen():
    return json.loads(need(int.from_bytes(need(4), "big")))
say(op="ready", version="0")
while True:
    frame = listen()
    if frame["op"] == "execute":
        try:
            exec(frame["code"])
        except OSError:
            os._exit(1)
"""
DONE = "say(op='done', id=frame['id'], status='ok', exit_status=0)\n"


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Generator[KeeperClient]:
    """One for all: none of these guests may harm it."""
    with KeeperClient(tmp_path_factory.mktemp("keeper") / "run") as client:
        yield client


@pytest.fixture
def client(keeper: KeeperClient) -> Generator[KeeperClient]:
    yield keeper
    keeper.clear(0)


@pytest.fixture
def guest(client: KeeperClient, tmp_path: Path) -> Guest:
    return start(client, tmp_path)


def start(client: KeeperClient, cwd: Path, source: str = GUEST) -> Guest:
    return Guest(client, [sys.executable, "-"], source, cwd=cwd)


def test_an_honest_guest_is_believed(guest: Guest) -> None:
    ran = guest.run("os.write(1, b'hi')\n" + DONE)
    assert (ran.status, ran.bytes) == ("ok", b"hi")


def ended_for_protocol(guest: Guest, ran: Ran) -> None:
    assert ran.status == "died"
    assert "protocol" in ran.error["message"]
    assert ran.restarted
    assert "protocol" in guest.client.wait_for("died", kernel=guest.name)["reason"]
    reply = guest.client.ask(op="execute", kernel=guest.name, execution="next", code=DONE)
    assert (reply["ok"], reply["error"]) == (False, "gone")


@pytest.mark.parametrize(
    "attack",
    [
        "say(op='done', id='0' * 20, status='ok')",
        "say(op='done', status='ok')",
        "say(op='done', id=frame['id'], status='lost')",
        "say(op='done', id=frame['id'], status=['ok'])",
        "say(op='display', id='guess', data={'text/plain': 'x'})",
        "say(op='display', id=frame['id'], data='text')",
        "say(op='input', id='guess', prompt='x')",
        "say(op='input', id=frame['id'], prompt='x'); say(op='input', id=frame['id'], prompt='y')",
        "say(op='ready', version='again')",
        "say(op='close')",
        "say(op='start', id=frame['id'], launch={})",
        "raw(b'not json')",
        "raw(b'[1, 2]')",
        "raw(b'[' * 100000)",
        "os.write(3, b'\\xff\\xff\\xff\\xff')",
        "if os.fork() == 0:\n    say(op='done', id=frame['id'], status='ok'); os._exit(0)",
    ],
)
def test_a_broken_frame_ends_the_kernel(guest: Guest, attack: str) -> None:
    ended_for_protocol(guest, guest.run(attack + "\ntime.sleep(60)", interactive=True))


def test_a_second_done_ends_the_kernel_and_changes_nothing(guest: Guest) -> None:
    ran = guest.run(DONE + "say(op='done', id=frame['id'], status='error', result='forged')")
    assert (ran.status, ran.result) == ("ok", "")
    assert "protocol" in guest.client.wait_for("died", kernel=guest.name)["reason"]
    assert not [e for e in guest.client.events if e["event"] == "done"]


def test_a_reply_for_the_next_action_cannot_be_prepared(guest: Guest) -> None:
    first = guest.run("keep = frame['id']\n" + DONE)
    assert first.status == "ok"
    ran = guest.run("say(op='done', id=keep, status='ok', result='forged')\ntime.sleep(60)")
    assert (ran.status, ran.result) == ("died", "")


def test_the_executions_name_is_not_told(guest: Guest) -> None:
    ran = guest.run("os.write(1, repr(frame).encode() + repr(dict(os.environ)).encode())\n" + DONE)
    assert ran.completion["execution"] not in ran.text


def test_a_flood_on_the_control_channel_is_bounded(guest: Guest) -> None:
    flood = "for i in range(3000): say(op='display', id=frame['id'], data={'text/plain': 'x' * 1000})\n"
    ran = guest.run(flood + DONE)
    assert ran.status == "ok"
    assert len(ran.completion["displays"]) == 100
    big = "big = json.dumps(dict(op='display', id=frame['id'], data={'text/plain': 'x' * (20 << 20)})).encode()\n"
    ran = guest.run(big + "for i in range(14): raw(big)\n" + DONE)
    assert sum(d["size"] for d in ran.completion["displays"]) <= 256 << 20
    assert all(len(d["text"]) < 70000 for d in ran.completion["displays"])


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_descriptors_that_a_guest_sends_along_are_not_taken(guest: Guest) -> None:
    folder = f"/proc/{guest.client.process.pid}/fd"
    code = """
import array, socket
channel = socket.socket(fileno=os.dup(3))
body = json.dumps({"op": "interrupted", "id": frame["id"]}).encode()
for n in (1, 2, 3, 50):
    given = array.array("i", [0] * n)
    for _ in range(20):
        channel.sendmsg([len(body).to_bytes(4, "big") + body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
        time.sleep(0.002)
"""
    guest.run(DONE)
    before = len(os.listdir(folder))
    assert guest.run(code + DONE).status == "ok"
    assert len(os.listdir(folder)) <= before + 1
    assert guest.run("if os.fork() == 0:\n    " + DONE + "os._exit(0)\ntime.sleep(60)").status == "died"


def test_an_endless_flood_of_the_control_channel_can_be_stopped(guest: Guest) -> None:
    execution = guest.begin(
        "import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: say(op='interrupted', id=frame['id'])"
    )
    time.sleep(0.2)
    ran = guest.interrupt(execution, grace=0.3)
    assert (ran.status, ran.restarted) == ("interrupted", True)


def test_claims_are_cut(guest: Guest) -> None:
    code = """
say(op='done', id=frame['id'], status='error', exit_status=10**30, result='r' * 10**6,
    error={'name': 'n' * 5000, 'message': ['not text'], 'traceback': 't' * 10**6, 'line': -4},
    context={'k': 'c' * 10**6})
"""
    done = guest.run(code).completion
    assert done["exit_status"] is None
    assert len(done["result"]) < 70_000
    assert done["error"]["message"] == ""
    assert done["error"]["line"] is None
    assert len(done["error"]["traceback"]) < 70_000
    assert done["context"] == {}


@pytest.mark.parametrize(
    "context",
    [
        '{"a": "\\\\udce9"}',
        '{"a": NaN}',
        '{"a": [1e999]}',
        '{"a": ' + "[" * 980 + "]" * 980 + "}",
        '{"a": ' + "[" * 16 + "]" * 16 + "}",
    ],
)
def test_a_context_is_json_for_every_reader(guest: Guest, context: str) -> None:
    done = f"""raw(('{{"op": "done", "id": "' + frame['id'] + '", "status": "ok", "exit_status": true,'
     '"error": {{"name": "E", "line": true}}, "context": {context}}}').encode())"""
    completion = guest.run(done).completion
    json.dumps(completion, allow_nan=False, ensure_ascii=False).encode()
    assert completion["context"] == ({"a": "?"} if "udce9" in context else {})
    assert completion["exit_status"] is None  # true is no number
    assert completion["error"]["line"] is None
    assert guest.run("say(op='done', id=frame['id'], status='ok', context={'a': [[{'b': 1}]]})").completion[
        "context"
    ] == {"a": [[{"b": 1}]]}


def test_displays_never_leave_their_folder(guest: Guest, client: KeeperClient) -> None:
    code = """
for mime, data in (("image/png", "bm90IGEgcG5n"), ("../../etc/x", "x"), ("image/png", "%%%"), ("text/html", 5),
                   ("text/plain", "\\ud800")):
    say(op="display", id=frame["id"], data={mime: data, "path": "/etc/passwd"})
"""
    displays = guest.run(code + DONE).completion["displays"]
    assert [d["mime"] for d in displays] == ["image/png", "text/plain"]
    assert {str(Path(d["path"]).parent) for d in displays} == {str(client.folder / "outputs")}
    assert Path(displays[0]["path"]).read_bytes() == b"not a png"


def test_a_display_that_is_nested_too_deeply_is_none(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(100_000):  # Python 3.13 reads and writes 5,000
        deep = [deep]
    execution = Execution(Loop(print), str(tmp_path), {"execution": "x"}, lambda stream, data, skipped: True)
    assert execution.show({"application/json": deep}) is None
    assert execution.show({"application/json": [[]]}) is not None


def test_output_files_cannot_be_taken_before_their_time(client: KeeperClient, guest: Guest, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    os.symlink(secret, client.folder / "outputs" / "taken.out")
    reply = client.ask(op="execute", kernel=guest.name, execution="taken", code=DONE)
    assert (reply["ok"], reply["error"]) == (False, "used")
    assert secret.read_text() == "secret"
    for name in ("../x", "a/b", "", "x" * 100, "a.b"):
        assert client.ask(op="execute", kernel=guest.name, execution=name, code=DONE)["error"] == "name"
    assert guest.run(DONE).status == "ok"


def test_a_reopened_stdout_loses_nothing(guest: Guest) -> None:
    ran = guest.run("os.write(1, b'one ')\nopen('/dev/stdout', 'w').write('two ')\nos.write(1, b'three')\n" + DONE)
    assert ran.bytes == b"one two three"


def test_closing_its_own_channel_or_outputs(client: KeeperClient, tmp_path: Path) -> None:
    guest = start(client, tmp_path)
    assert guest.run("os.close(1); os.close(2)\n" + DONE).status == "ok"
    assert guest.run(DONE).status == "ok"
    ran = guest.run("os.close(3)\ntime.sleep(60)")
    assert ran.status == "died"
    assert "control channel" in ran.error["message"]


def test_killing_its_parent_changes_nothing_for_the_keeper(client: KeeperClient, tmp_path: Path) -> None:
    guest = start(client, tmp_path)
    # Without walls this would be the keeper itself, so the parent here is a shell.
    nested = Guest(client, ["/bin/sh", "-c", f"'{sys.executable}' -; exit 9"], GUEST, cwd=tmp_path)
    ran = nested.run("os.kill(os.getppid(), 9)\ntime.sleep(60)")
    assert (ran.status, ran.completion["exit_status"]) == ("died", 137)
    assert guest.run(DONE).status == "ok"


def test_death_is_noticed_at_once_with_its_status(client: KeeperClient, tmp_path: Path) -> None:
    for code, status in (("os._exit(7)", 7), ("os.kill(os.getpid(), 11)", 139), ("os.abort()", 134)):
        ran = start(client, tmp_path).run("os.write(1, b'last words')\n" + code)
        assert (ran.status, ran.completion["exit_status"], ran.bytes) == ("died", status, b"last words")


def test_children_that_hold_the_pipes_do_not_hold_the_end(guest: Guest) -> None:
    daemon = "if os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\n    os._exit(0)\n"
    began = time.monotonic()
    assert guest.run(daemon + "os.write(1, b'out')\n" + DONE).bytes == b"out"
    ran = guest.run(daemon + "os._exit(0)")
    assert ran.status == "died"
    assert time.monotonic() - began < 30


def test_a_child_that_prints_for_ever_does_not_hold_the_end(guest: Guest) -> None:
    noisy = "if os.fork() == 0:\n    while True: os.write(1, b'x' * 4096)\n"
    ran = guest.run(noisy + "time.sleep(0.1)\n" + DONE)
    assert ran.status == "ok"
    assert guest.client.wait_for("stray", kernel=guest.name)["data"].startswith("x")
    assert (guest.client.folder / "outputs" / "stray.out").stat().st_size <= 8 << 20


def test_the_whole_tree_ends_daemons_included(client: KeeperClient, tmp_path: Path) -> None:
    guest = start(client, tmp_path)
    code = """
for detach in (False, True):
    if os.fork() == 0:
        if detach:
            os.setsid()
            if os.fork():
                os._exit(0)
        with open(f"pid{detach}", "w") as file: file.write(str(os.getpid()))
        time.sleep(600)
while not (os.path.exists("pidTrue") and os.path.getsize("pidTrue") and os.path.getsize("pidFalse")): time.sleep(0.01)
time.sleep(0.6)
"""
    guest.run(code + DONE)
    pids = [int((tmp_path / name).read_text()) for name in ("pidTrue", "pidFalse")]
    assert all(map(alive, pids))
    client.ask(op="stop", kernel=guest.name)
    client.wait_for("died", kernel=guest.name)
    assert not any(map(alive, pids))


def test_a_bounded_fork_bomb_ends(client: KeeperClient, tmp_path: Path) -> None:
    guest = start(client, tmp_path)
    bomb = "for _ in range(6): os.fork()\ntime.sleep(600)"
    ran = guest.run(bomb, processes=32)
    assert (ran.status, ran.restarted) == ("limit", True)
    assert "processes" in ran.completion["limit"]
    client.wait_for("died", kernel=guest.name)
    assert not any("pid" in line for line in children_of(guest.pid))


def children_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def test_memory_and_cpu_have_limits(client: KeeperClient, tmp_path: Path) -> None:
    ran = start(client, tmp_path).run("x = b'x' * (200 << 20)\ntime.sleep(60)", memory=100 << 20)
    assert (ran.status, ran.restarted) == ("limit", True)
    assert "memory" in ran.completion["limit"]
    ran = start(client, tmp_path).run("while True: pass", cpu=0.2, grace=0.2)
    assert ran.status == "limit"
    assert "cpu" in ran.completion["limit"]


def test_a_launch_that_fails_says_why(client: KeeperClient, tmp_path: Path) -> None:
    for argv, cwd in ((["/no/such/program"], str(tmp_path)), (["/bin/true"], str(tmp_path / "gone"))):
        launch: dict[str, object] = {"backend": "host", "argv": argv, "env": {}, "cwd": cwd}
        reply = client.ask(op="start", kernel=f"k{len(cwd)}", language="x", dialect="json", launch=launch, driver="")
        assert (reply["ok"], reply["error"]) == (False, "launch")
        assert "No such file" in reply["message"]


def test_a_guest_that_never_gets_ready_says_what_it_printed(client: KeeperClient, tmp_path: Path) -> None:
    launch: dict[str, object] = {
        "backend": "host",
        "argv": ["/bin/sh", "-c", "echo no library >&2; exit 4"],
        "env": {},
        "cwd": "/",
    }
    assert client.ask(op="start", kernel="k", language="x", dialect="json", launch=launch, driver="x" * 500_000)["ok"]
    assert "no library" in client.wait_for("died", kernel="k")["reason"]
