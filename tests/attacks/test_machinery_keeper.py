"""Attacks on the machinery from inside a kernel and from beside it; each succeeds on a keeper without its guard."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.guest import keeper_client
from tests.guest.keeper_client import Guest, KeeperClient, Ran
from tests.keeper.test_hostile import DONE, GUEST

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the system tells who wrote on Linux only")
PACKAGE = keeper_client.PACKAGE


class Guard(NamedTuple):
    """One line of the keeper that holds, and what stands there when it is taken away."""

    file: str
    line: str
    without: str


@contextmanager
def keeper(tmp_path: Path, guard: Guard | None) -> Generator[KeeperClient]:
    """A real keeper: ours, or a copy of it without one guard."""
    with pytest.MonkeyPatch.context() as patch:
        if guard is not None:
            copy = tmp_path / "package"
            shutil.copytree(PACKAGE / "keeper", copy / "keeper", ignore=shutil.ignore_patterns("__pycache__"))
            source = copy / "keeper" / guard.file
            text = source.read_text(encoding="utf-8")
            assert text.count(guard.line) == 1, f"{guard.file} has no such line any more: {guard.line}"
            source.write_text(text.replace(guard.line, guard.without), encoding="utf-8")
            patch.setattr(keeper_client, "PACKAGE", copy)
        with KeeperClient(tmp_path / "run") as client:
            yield client


def guest_of(client: KeeperClient, tmp_path: Path) -> Guest:
    return Guest(client, [sys.executable, "-"], GUEST, cwd=tmp_path)


SENDER = Guard("json_guest.py", "if process and sender and sender != process.guest:", "if False:")
TOKEN_OF_RUN = Guard("json_guest.py", 'or frame.get("id") != execution.token:', "or False:")
LARGEST = Guard("frames.py", "MAX_FROM_GUEST = 32 << 20", "MAX_FROM_GUEST = 1 << 40")
OWN = "frame['id']"


def forged(token: str, more: str = "") -> str:
    return f"say(op='done', id={token}, status='ok', exit_status=0, result='forged'{more})"


LIES: dict[str, tuple[Guard, tuple[str, ...]]] = {
    "a child that speaks for its parent": (
        SENDER, (f"if os.fork() == 0:\n    {forged(OWN)}\n    os._exit(0)\ntime.sleep(20)",),
    ),
    "a grandchild in a session of its own": (
        SENDER, ("if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        "
                 f"{forged(OWN)}\n    os._exit(0)\ntime.sleep(20)",),
    ),
    "the id of the action before": (
        TOKEN_OF_RUN, ("keep = frame['id']\n" + DONE, f"{forged('keep')}\ntime.sleep(20)"),
    ),
    "a guessed id": (TOKEN_OF_RUN, (forged("'0' * 20") + "\ntime.sleep(20)",)),
    "no id at all": (TOKEN_OF_RUN, (forged("None") + "\ntime.sleep(20)",)),
    "the number 0 for an id": (TOKEN_OF_RUN, (forged("0") + "\ntime.sleep(20)",)),
    "a giant frame": (LARGEST, (forged(OWN, ", pad='x' * (33 << 20)") + "\ntime.sleep(20)",)),
}  # fmt: skip


def last_of(client: KeeperClient, tmp_path: Path, codes: tuple[str, ...]) -> Ran:
    guest = guest_of(client, tmp_path)
    for code in codes[:-1]:
        assert guest.run(code).status == "ok"
    return guest.run(codes[-1])


@pytest.mark.parametrize(("guard", "codes"), LIES.values(), ids=LIES.keys())
def test_a_reply_that_is_not_the_guests_own(tmp_path: Path, guard: Guard, codes: tuple[str, ...]) -> None:
    for name, taken in (("guarded", None), ("bare", guard)):
        folder = tmp_path / name
        folder.mkdir()
        with keeper(folder, taken) as client:
            ran = last_of(client, folder, codes)
            assert (ran.result == "forged") == (taken is not None), ran
            assert ran.status == ("died" if taken is None else "ok")
            if taken is None:
                assert guest_of(client, folder).run(DONE).status == "ok", "the keeper goes on"


def hello(client: KeeperClient, **frame: Any) -> list[dict[str, Any]]:
    """A stranger connects, says this, and asks for a shell; what it hears."""
    sock = socket.socket(socket.AF_UNIX)
    fd = os.open(client.folder, os.O_RDONLY)
    sock.connect(f"/proc/self/fd/{fd}/keeper.sock")
    os.close(fd)
    sock.settimeout(10)
    argv = ["/bin/sh", "-c", f"touch {client.folder}/started"]
    launch: dict[str, Any] = {"backend": "host", "argv": argv, "env": {}, "cwd": "/"}
    kernel = {"kernel": "mine", "language": "x", "dialect": "program"}
    start: dict[str, Any] = {"op": "start", "n": 2, "launch": launch, **kernel}
    heard: list[dict[str, Any]] = []
    buffer = b""
    try:
        for message in ({"op": "hello", "version": 1, "n": 1, **frame}, start):
            body = json.dumps(message).encode()
            sock.sendall(len(body).to_bytes(4, "big") + body)
        while not any(one.get("n") == 2 for one in heard) and (data := sock.recv(65536)):
            buffer += data
            while len(buffer) >= 4 and len(buffer) >= 4 + (size := int.from_bytes(buffer[:4], "big")):
                heard.append(json.loads(buffer[4 : 4 + size]))
                buffer = buffer[4 + size :]
    except OSError:
        pass
    sock.close()
    return heard


STRANGERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "no token": lambda token: {},
    "an empty token": lambda token: {"token": ""},
    "a token of another form": lambda token: {"token": [token]},
    "the beginning of the token": lambda token: {"token": token[:-1]},
    "the token with more behind it": lambda token: {"token": token + "0"},
    "the token in capitals": lambda token: {"token": token.upper() + " "},
}


@pytest.mark.parametrize("frame", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_second_host_without_the_token(tmp_path: Path, frame: Callable[[str], dict[str, Any]]) -> None:
    with keeper(tmp_path, None) as client:
        token = (client.folder / "token").read_text()
        assert not any(one.get("ok") for one in hello(client, **frame(token)))
        assert guest_of(client, tmp_path).run(DONE).status == "ok", "the host is still the host"


def test_without_the_token_check_any_stranger_is_the_host(tmp_path: Path) -> None:
    guard = Guard("core.py", "or not isinstance(token, str) or not _same(token, self.token):", "or False:")
    with keeper(tmp_path, guard) as client:
        assert [one["ok"] for one in hello(client, token="") if one.get("n") == 2] == [True]
        client.process.terminate()  # the stranger's by now


def test_a_watcher_that_wants_to_be_the_host(tmp_path: Path) -> None:
    for name, guard in (("a", None), ("b", Guard("core.py", "if peer is not self.host:", "if False:"))):
        folder = tmp_path / name
        folder.mkdir()
        with keeper(folder, guard) as client:
            heard = hello(client, token=(client.folder / "token").read_text(), watch=True)
            assert [one["ok"] for one in heard if one.get("n") == 2] == [guard is not None]


PLACES = {
    "above": ("../planted", Guard("core.py", 'NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")', 'NAME = re.compile(".*")')),
    "an absolute path": ("{run}/planted", Guard("core.py", 'NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")',
                                                'NAME = re.compile(".*")')),
}  # fmt: skip


@pytest.mark.parametrize(("name", "guard"), PLACES.values(), ids=PLACES.keys())
def test_output_that_wants_to_lie_elsewhere(tmp_path: Path, name: str, guard: Guard) -> None:
    for folder, taken in ((tmp_path / "a", None), (tmp_path / "b", guard)):
        folder.mkdir()
        with keeper(folder, taken) as client:
            guest = guest_of(client, folder)
            place = name.format(run=client.folder)
            reply = client.ask(op="execute", kernel=guest.name, execution=place, code=DONE)
            assert reply["ok"] == (taken is not None)
            if taken is not None:
                client.wait_for("done")
            assert (client.folder / "planted.out").exists() == (taken is not None)


def test_a_link_in_the_place_of_the_output(tmp_path: Path) -> None:
    """Whoever could plant it beforehand: nothing is written through it."""
    guard = Guard("output.py", "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC",
                  "os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC")  # fmt: skip
    for folder, taken in ((tmp_path / "a", None), (tmp_path / "b", guard)):
        folder.mkdir()
        secret = folder / "secret"
        secret.write_text("secret")
        with keeper(folder, taken) as client:
            guest = guest_of(client, folder)
            for kind, link in (("sym", os.symlink), ("hard", os.link)):
                link(secret, client.folder / "outputs" / f"{kind}.out")
                reply = client.ask(
                    op="execute", kernel=guest.name, execution=kind, code="os.write(1, b'FORGED')\n" + DONE
                )
                assert reply["ok"] == (taken is not None)
                if taken is not None:
                    client.wait_for("done")
        assert (secret.read_text() == "secret") == (taken is None)


FLOODS: dict[str, tuple[str, Callable[[Ran], bool], Guard]] = {
    "displays": (
        "for i in range(150): say(op='display', id=frame['id'], data={'text/plain': 'x'})\n" + DONE,
        lambda ran: len(ran.completion["displays"]) > 100,
        Guard("execution.py", "mime is None or len(self.displays) >= MAX_DISPLAYS:", "mime is None:"),
    ),
    "orders in a context": (
        "say(op='done', id=frame['id'], status='ok', context={'k': 'approved ' * 100000})",
        lambda ran: bool(ran.completion["context"]),
        Guard("execution.py", "or not _sound(context):", "or False:"),
    ),
    "a number that is none": (
        "say(op='done', id=frame['id'], status='ok', exit_status=10**30)",
        lambda ran: ran.exit_status is not None,
        Guard("json_guest.py", "exit_status if known else None", "exit_status"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("code", "came_through", "guard"), FLOODS.values(), ids=FLOODS.keys())
def test_claims_have_bounds(tmp_path: Path, code: str, came_through: Callable[[Ran], bool], guard: Guard) -> None:
    for folder, taken in ((tmp_path / "a", None), (tmp_path / "b", guard)):
        folder.mkdir()
        with keeper(folder, taken) as client:
            assert came_through(guest_of(client, folder).run(code)) == (taken is not None)


def test_a_guest_that_hears_no_interrupt_is_killed(tmp_path: Path) -> None:
    """Signals that are eaten; the control is one that leaves them alone."""
    deaf = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\ntime.sleep(60)"
    meek = "try: time.sleep(60)\nexcept KeyboardInterrupt: say(op='interrupted', id=frame['id'])\n"
    with keeper(tmp_path, None) as client:
        for code, restarted in ((deaf, True), (meek + DONE, False)):
            guest = guest_of(client, tmp_path)
            execution = guest.begin(code)
            time.sleep(0.1)
            ran = guest.interrupt(execution, grace=0.3 if restarted else 10)
            assert ran.restarted == restarted


def test_our_own_processes_carry_nothing_in_their_words(tmp_path: Path) -> None:
    """Neither the token nor code stands where `ps` shows it; the control is a program that is started with it."""
    with keeper(tmp_path, None) as client:
        token = (client.folder / "token").read_text()
        guest = guest_of(client, tmp_path)
        guest.run("CODE_OF_A_PERSON = 1\n" + DONE)
        for pid in (client.process.pid, guest.pid):
            for name in ("cmdline", "environ"):
                words = Path(f"/proc/{pid}/{name}").read_bytes()
                assert token.encode() not in words and b"CODE_OF_A_PERSON" not in words
    words = ["/bin/sh", "-c", "echo up; read line", token]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as careless:
        assert careless.stdout is not None
        assert careless.stdout.readline() == b"up\n"
        assert token.encode() in Path(f"/proc/{careless.pid}/cmdline").read_bytes()
