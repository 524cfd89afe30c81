"""Checkpoints through a real keeper: behind each kind of walls, from guests that lie, with parts that are damaged."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interpreter.kernels.runtimes import PYTHON_PARTS
from interpreter.types.walls import MIB, Limits
from tests.guest.keeper_client import Frame, Guest, KeeperClient, driver

from .walled import GUESTS, PARTS, Subject, World, subjects, world_of

SOURCE = driver("python_driver.py")
HERE_PARTS = {name: driver(f"python_{name}.py") for name in PYTHON_PARTS}
# A guest that answers each save as the code of its last execution says: `record` writes one record of it.
LIAR = """
import json, os, time
def raw(fd, body):
    os.write(fd, body)
def need(n):
    data = b""
    while len(data) < n:
        data += os.read(3, n - len(data)) or os._exit(0)
    return data
def say(**frame):
    body = json.dumps(frame).encode()
    raw(3, len(body).to_bytes(4, "big") + body)
def record(kind, payload=b"", token=None):
    raw(4, (token or frame["id"]).encode() + kind + payload)
def contents(groups, unsaved=()):
    record(b"m", json.dumps({"groups": groups, "unsaved": list(unsaved)}).encode())
    record(b"z")
lie = ""
say(op="ready", version="0")
while True:
    frame = json.loads(need(int.from_bytes(need(4), "big")))
    if frame["op"] == "execute":
        lie = frame["code"]
        say(op="done", id=frame["id"], status="ok", exit_status=0)
    elif frame["op"] == "save":
        exec(lie)
"""
SHA = hashlib.sha256(b"hello").hexdigest()
GROUP = f"dict(names=['a'], format='raw', blob={SHA!r}, at=0, size=5, buffers=[])"
BLOB = f"record(b'd', b'hello'); record(b'e', b'{SHA}')\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


@pytest.fixture
def start(client: KeeperClient, folder: Path, place: Path) -> Callable[..., Guest]:
    def start(source: str = SOURCE, restore: str = "", **settings: Any) -> Guest:
        wanted = {"folder": str(place), "deadline": 20, **settings}
        more: Frame = {"restore": restore} if restore else {}
        return Guest(client, [sys.executable, "-"], source, cwd=folder, parts=HERE_PARTS, checkpoints=wanted, **more)

    return start


@pytest.fixture
def client(tmp_path: Path) -> Any:
    with KeeperClient(tmp_path / "run") as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def saved(guest: Guest, execution: str) -> Frame:
    """What is said of the checkpoint after an execution."""
    while True:
        for event in guest.client.events:
            if event.get("execution") == execution and str(event.get("event")).startswith("checkpoint"):
                guest.client.events.remove(event)
                return event
        guest.client.events.append(guest.client.frame())


def run(guest: Guest, code: str) -> Frame:
    ran = guest.run(code)
    assert ran.status == "ok", ran
    return saved(guest, ran.completion["execution"])


@pytest.mark.parametrize("subject", [one for one in subjects() if not one.grouped], ids=str)
def test_behind_walls_the_state_comes_back(subject: Subject) -> None:
    with world_of(subject) as world:
        first = walled(world)
        event = run(first, "a = [1]\nb = a\ndef f(): return len(b)\ngone = (i for i in a)")
        assert event["event"] == "checkpoint", event
        assert [one["name"] for one in event["unsaved"]] == ["gone"]
        second = walled(world, event["manifest"])
        restored = world.client.wait_for("restored", kernel=second.name)
        assert (restored["error"], restored["names"]) == ("", 3)
        assert second.run("b.append(2)\n(f(), a is b)").result == "(2, True)"


def walled(world: World, restore: str = "") -> Guest:
    argv, source, dialect = GUESTS["python"]
    launch = world.launch(argv, Limits(memory=2048 * MIB, processes=64, free=0)) | {"cgroup": None}
    settings = {"folder": str(world.home / "checkpoints")}
    more: Frame = {"restore": restore} if restore else {}
    cwd = world.workspace
    return Guest(
        world.client, argv, driver(source), dialect, cwd=cwd, launch=launch, parts=PARTS, checkpoints=settings, **more
    )


LIES = (
    ("record(b'z')", "contents"),
    ("record(b'f', b'no \\xff')", "could not save"),
    ("record(b'?')", "unknown"),
    (f"contents([{GROUP}])", "never sent"),
    (BLOB + f"contents([dict({GROUP}, size=6)])", "contents"),
    (BLOB + f"contents([dict({GROUP}, at=-1)])", "contents"),
    (BLOB + f"contents([dict({GROUP}, blob='../../../etc/passwd')])", "never sent"),
    (BLOB + f"contents([dict({GROUP}, names=3)])", "contents"),
    (BLOB + f"contents([dict({GROUP}, format='../x')])", "contents"),
    (BLOB + "contents({}, [5])", "contents"),
    ("record(b'm', b'[' * 60000); record(b'z')", "contents"),
    ("record(b'd', b'hello'); record(b'e', b'" + "0" * 64 + "')", "not what it was said"),
    ("for _ in range(100): record(b'd', bytes(60000))\nrecord(b'f')", "larger"),
    ("for _ in range(300): record(b'm', b' ' * 60000)\nrecord(b'z')", "too long"),
    ("raw(4, bytes(100000))", "too large"),
    ("raw(4, b'')", "ended"),
    ("record(b'z', token='0' * 20); raw(4, b'short')", "in time"),
)
"""What a guest may do instead of a save, and a word of what is said of it."""


def test_a_lie_makes_one_checkpoint_void_and_nothing_else(start: Callable[..., Guest], place: Path) -> None:
    guest = start(LIAR, total=5 * MIB, deadline=1)
    for lie, why in LIES:
        event = run(guest, lie)
        assert event["event"] == "checkpoint_missed", (lie, event)
        assert why in event["reason"], (lie, event)
    assert not [name for name in os.listdir(place) if not name.startswith(".") and name != "blobs"]
    assert not [name for name in os.listdir(place / "blobs") if name.startswith(".")]
    assert run(guest, BLOB + f"contents([{GROUP}])")["event"] == "checkpoint"


def test_words_of_a_guest_are_bounded_and_ids_are_the_keepers(start: Callable[..., Guest], place: Path) -> None:
    guest = start(LIAR)
    lie = BLOB + (
        f"contents([dict({GROUP}, more='x', names=['\\ud800' + 'n' * 9999])],"
        " [dict(name='u' * 9999, execution='made up', rebuild='yes')])"
    )
    event = run(guest, lie)
    assert event["event"] == "checkpoint", event
    manifest = json.loads((place / f"{event['manifest']}.json").read_text())
    assert [(len(name) <= 500, set(group)) for group in manifest["groups"] for name in group["names"]] == [
        (True, {"names", "format", "blob", "at", "size", "buffers"})
    ]
    assert event["unsaved"] == [{"name": "u" * 200, "type": "", "reason": "", "execution": "", "rebuild": False}]


def test_a_child_that_hangs_costs_one_checkpoint(start: Callable[..., Guest]) -> None:
    guest = start(deadline=2)
    hang = (
        "import threading\nlock = threading.Lock()\nlock.acquire()\nclass Stuck:\n"
        "    def __reduce__(self): lock.acquire()\ns = Stuck()\nx = 5"
    )
    event = run(guest, hang)
    # A lock that Python itself waits for is given up before the deadline, and costs what needed it.
    assert event["event"] == "checkpoint", event
    assert {"s", "lock"} <= {one["name"] for one in event["unsaved"]}
    worse = (
        "del s\nimport _signal\nclass Worse:\n    def __reduce__(self):\n"
        "        _signal.pthread_sigmask(0, {14}); lock.acquire()\nw = Worse()"
    )
    event = run(guest, worse)
    assert (event["event"], event["reason"]) == ("checkpoint_missed", "it was not there in time")
    assert guest.run("x").result == "5"


def test_the_next_execution_does_not_wait_and_what_did_not_change_is_not_written_again(
    start: Callable[..., Guest], place: Path
) -> None:
    guest = start()
    slow = (
        "import time\nbig = bytearray(range(256)) * 8192\nclass Slow:\n"
        "    def __reduce__(self): time.sleep(0.5); return (int, ())\ns = Slow()"
    )
    first = guest.run(slow)
    while not (place / "blobs").is_dir():
        guest.client.events.append(guest.client.frame())
        guest.run("pass")
    during = guest.run("done_meanwhile = 1")
    event = saved(guest, first.completion["execution"])
    assert event["event"] == "checkpoint"
    assert event["written"] > 1 << 20
    last = saved(guest, during.completion["execution"])
    assert last["size"] > 1 << 20
    assert last["written"] < 1 << 16
    assert last["names"] == event["names"] + 1


def test_a_writer_that_is_killed_costs_one_checkpoint(start: Callable[..., Guest], place: Path) -> None:
    guest = start()
    slow = "import time\nclass Slow:\n    def __reduce__(self): time.sleep(30); return (int, ())\nx = 1"
    assert run(guest, slow)["event"] == "checkpoint"
    ran = guest.run("s = Slow()")
    writers: list[int] = []
    while not writers:
        children = Path(f"/proc/{guest.client.process.pid}/task/{guest.client.process.pid}/children").read_text()
        writers = [int(pid) for pid in children.split() if int(pid) != guest.pid and holds(int(pid), place)]
    os.kill(writers[0], 9)
    event = saved(guest, ran.completion["execution"])
    assert (event["event"], event["reason"]) == ("checkpoint_missed", "what writes it was ended")
    assert run(guest, "del s\ny = 2")["event"] == "checkpoint"


def holds(pid: int, place: Path) -> bool:
    """Whether a process has the folder open."""
    try:
        fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return str(place / "blobs") in fds


def test_a_damaged_part_is_not_loaded(client: KeeperClient, start: Callable[..., Guest], place: Path) -> None:
    event = run(start(), "data = 'x' * 100000")
    (blob,) = [path for path in (place / "blobs").iterdir() if path.stat().st_size > 90_000]
    changed, cut = b"y" + blob.read_bytes()[1:], blob.read_bytes()[:10]
    for n, damage in enumerate((lambda: blob.write_bytes(changed), lambda: blob.write_bytes(cut), blob.unlink)):
        damage()
        request = {"kernel": f"damaged{n}", "language": "json", "dialect": "json"}
        launch = {"backend": "host", "argv": [sys.executable, "-"], "env": dict(os.environ), "cwd": str(place)}
        settings = {"folder": str(place)}
        reply = client.ask(
            op="start", launch=launch, driver=SOURCE, parts=HERE_PARTS, checkpoints=settings,
            restore=event["manifest"], **request,
        )  # fmt: skip
        assert reply["ok"]
        assert "did not come back" in client.wait_for("died", kernel=request["kernel"])["reason"]


def test_the_oldest_give_way_where_the_disk_is_full(start: Callable[..., Guest], place: Path) -> None:
    guest = start(disk=3 * MIB)
    last: Frame = {}
    for n in range(4):
        last = run(guest, f"import os\nbig = os.urandom({1 << 20})\nn = {n}")
    kept = [name for name in os.listdir(place) if name.endswith(".json")]
    assert f"{last['manifest']}.json" in kept
    assert len(kept) < 4
    assert sum(path.stat().st_size for path in (place / "blobs").iterdir()) <= 3 * MIB
