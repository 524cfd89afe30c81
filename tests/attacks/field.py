"""The field of the attacks: the world of the conformance suite, with more in it that is worth having."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interpreter.types.walls import Launch
from tests.conformance.sandbox_world import PYTHON, World, run_as, world_of

from .inside import files, kernel, links, processes

INSIDE = Path(__file__).parent / "inside"
MODULES = tuple(module.__name__.rpartition(".")[2] for module in (files, processes, kernel, links))
RUN = """
import importlib, json, sys
sys.path.insert(0, {top!r})
for name in {modules!r}:
    importlib.import_module("inside." + name)
from inside.registry import try_all
sys.stdout.write(json.dumps(try_all(json.load(sys.stdin))))
"""
SERVICES = ("docker.sock", "agent.1", "X7", "bus", "keeper", "giver")
TELLING = {
    "SSH_AUTH_SOCK": "/tmp/agent.1",
    "DOCKER_HOST": "unix:///nowhere",
    "BASH_ENV": "/dev/null",
    "MY_OWN_WORD": "SECRET-VALUE",
    "HARMLESS": "SECRET-VALUE",
}
"""What the person's environment holds beside what programs need."""


def grouped(module: str, values: Iterable[Any]) -> list[Any]:
    """Parameters of a fixture of a module. The tests of one go to one worker: each worker would make its own."""
    return [pytest.param(one, marks=pytest.mark.xdist_group(f"{module} {one}")) for one in values]


@contextlib.contextmanager
def field_of(uid: int) -> Generator[World]:
    """Everything in it belongs to `uid`, and it is gone afterwards."""
    with world_of(uid) as world, contextlib.ExitStack() as stack:
        shutil.copytree(INSIDE, world.readable / "inside", ignore=shutil.ignore_patterns("__pycache__"))
        (world.workspace / "earlier").symlink_to(world.outside)
        tool = world.outside / "tool"
        tool.write_text("#!/bin/sh\necho ran\n", encoding="utf-8")
        tool.chmod(0o755)
        for path in (world.workspace / "earlier", tool):
            os.lchown(path, uid, uid)
        world.facts.update(person_at_work(stack, world))
        world.facts.update(services(stack, world))
        yield world


def person_at_work(stack: contextlib.ExitStack, world: World) -> dict[str, Any]:
    """The person's own program, a hand that moves folders, and a file that the tool forgot to close."""
    secret, signals = world.top / "secret", world.top / "signals"
    for path, content in ((secret, "SECRET\n"), (signals, "")):
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)
        os.chown(path, world.uid, world.uid)
    key, name = 0x5A000000 + int.from_bytes(os.urandom(3), "big"), f"attack-{os.urandom(6).hex()}"
    command = [PYTHON, "-I", str(world.readable / "inside" / "target.py"), str(key), name, str(secret), str(signals)]
    # Its memory must be its own's to read: what root starts for somebody else is closed by the kernel until an exec.
    target = subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=world.outside, process_group=0, **identity(world.uid)
    )
    assert target.stdout is not None
    stack.callback(target.stdout.close)
    stack.callback(target.wait)
    stack.callback(target.terminate)
    told = json.loads(target.stdout.readline())
    stop = threading.Event()
    mover = threading.Thread(target=move_away, args=(world, stop))
    mover.start()
    stack.callback(mover.join)
    stack.callback(stop.set)
    forgotten = os.open(world.outside / "file", os.O_RDWR)
    stack.callback(os.close, forgotten)
    os.set_inheritable(forgotten, True)
    found = {"key": key, "name": name, "signals": str(signals), "target": target.pid, "group": os.getpgid(0)}
    found |= {"secret": str(secret), "race": 0.4, "everybody": -1}
    return found | told


def move_away(world: World, stop: threading.Event) -> None:
    """A person who tidies up: what is called `moving` goes to another place."""
    number = 0
    while not stop.wait(0.02):
        for top in (world.workspace,):
            with contextlib.suppress(OSError):
                number += 1
                os.rename(top / "moving", world.outside / f"moved-{number}")


def services(stack: contextlib.ExitStack, world: World) -> dict[str, Any]:
    """They answer everybody: the sockets of an engine, a key agent, a screen, a bus, the keeper; ports."""
    folder = Path(tempfile.mkdtemp(prefix="srv-", dir="/var/tmp"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    stop = threading.Event()
    for name in SERVICES:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(folder / name))
        (folder / name).chmod(0o777)
        server.listen(5)
        server.settimeout(0.05)
        gift = os.open(world.outside, os.O_RDONLY | os.O_DIRECTORY) if name == "giver" else None
        if gift is not None:
            stack.callback(os.close, gift)
        thread = threading.Thread(target=serve, args=(server, gift, stop))
        thread.start()
        stack.callback(thread.join)
    stack.callback(stop.set)
    six = stack.enter_context(socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=50))
    everywhere = stack.enter_context(socket.create_server(("", 0), backlog=50))
    return {
        "services": {name: str(folder / name) for name in SERVICES},
        "tcp6": six.getsockname()[1],
        "everywhere": everywhere.getsockname()[1],
        "address_here": address_here(),
    }


def serve(server: socket.socket, gift: int | None, stop: threading.Event) -> None:
    while not stop.is_set():
        with contextlib.suppress(OSError):
            client, _ = server.accept()
            with client:
                client.settimeout(1)
                client.recv(100)
                if gift is None:
                    client.sendall(b"OK")
                else:
                    socket.send_fds(client, [b"here"], [gift])


def address_here() -> str:
    """An address of this machine that is not the loopback's, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        with contextlib.suppress(OSError):
            asker.connect(("192.0.2.1", 9))
            return str(asker.getsockname()[0])
    return "127.0.0.1"


def identity(uid: int) -> dict[str, Any]:
    return {"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}


def command_of(world: World) -> list[str]:
    return [PYTHON, "-I", "-c", RUN.format(top=str(world.readable), modules=MODULES)]


def attack_all(world: World, launch: Callable[[list[str]], Launch], only: Iterable[str] = ()) -> dict[str, str]:
    """Every attack, or those named, behind walls: its name to `through`, or what stopped it."""
    # The library of this Python may be closed to that user: what is needed there is loaded here.
    codecs.lookup("ascii")
    facts = world.facts | ({"only": sorted(only), "race": 8} if only else {})
    stdin = json.dumps(facts).encode()
    done = run_as(world.uid, lambda: launch(command_of(world)), stdin=stdin, timeout=90)
    if done.status:
        raise AssertionError(f"the attacks did not run: {done}")
    return json.loads(done.stdout)


def attack_bare(world: World) -> dict[str, str]:
    """The same as an ordinary program of that user: no walls, no limits, its whole environment.

    A signal to everybody goes to the one target only: the machine is shared.
    """
    places = {"HOME": world.scratch / "home", "TMPDIR": Path(f"{world.scratch}.tmp")}
    for path in places.values():
        path.mkdir(parents=True, exist_ok=True)
    for path in (world.scratch, *places.values()):
        os.chown(path, world.uid, world.uid)
    environment = {"PATH": "/usr/bin:/bin", **TELLING, **{name: str(path) for name, path in places.items()}}
    done = subprocess.run(
        command_of(world),
        input=json.dumps(world.facts | {"race": 8, "everybody": world.facts["target"]}),
        env=environment,
        cwd=world.workspace,
        close_fds=False,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
        **identity(world.uid),
    )
    return json.loads(done.stdout)


def until(true: Callable[[], bool], patience: float = 5) -> bool:
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def snapshot(folder: Path) -> Iterator[tuple[str, int, int, bytes]]:
    """Names, modes, sizes and contents of a folder: what an attack may not change."""
    for path in sorted(folder.rglob("*")):
        found = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        yield str(path.relative_to(folder)), found.st_mode, found.st_size, content
