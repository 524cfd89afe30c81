"""The keeper's own life: its folder, its hosts, its end."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from interpreter.kernels.runtimes import PYTHON_PARTS
from tests.guest.keeper_client import PACKAGE, Frame, Guest, KeeperClient, alive, driver

PARTS = {name: driver(f"python_{name}.py") for name in PYTHON_PARTS}


class Connection:
    """A second host; all are closed by the fixture `ended`."""

    made: list[socket.socket] = []

    def __init__(self, folder: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.made.append(self.socket)
        self.socket.settimeout(20)
        fd = os.open(folder, os.O_RDONLY)
        self.socket.connect(f"/proc/self/fd/{fd}/keeper.sock")
        os.close(fd)
        self.buffer = b""

    def send(self, **frame: object) -> None:
        body = json.dumps(frame).encode()
        self.socket.sendall(len(body).to_bytes(4, "big") + body)

    def frame(self) -> Frame:
        while len(self.buffer) < 4 or len(self.buffer) < 4 + int.from_bytes(self.buffer[:4], "big"):
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError
            self.buffer += data
        size = int.from_bytes(self.buffer[:4], "big")
        body, self.buffer = self.buffer[4 : 4 + size], self.buffer[4 + size :]
        return json.loads(body)

    def closed(self) -> bool:
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


@pytest.fixture(autouse=True)
def ended() -> Generator[None]:
    yield
    while Connection.made:
        Connection.made.pop().close()


def python(client: KeeperClient, cwd: Path) -> Guest:
    return Guest(client, [sys.executable, "-"], driver("python_driver.py"), cwd=cwd, parts=PARTS)


def test_its_folder_belongs_to_its_owner(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        modes = {p.name: p.stat().st_mode & 0o777 for p in client.folder.iterdir()}
        assert modes == {
            "keeper.sock": 0o600,
            "token": 0o600,
            "keeper.log": 0o600,
            "keeper.lock": 0o600,
            "outputs": 0o700,
        }
        assert len((client.folder / "token").read_text()) == 64


def test_there_is_one_keeper_for_a_folder(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        second = [sys.executable, "-I", "-S", str(PACKAGE / "keeper"), str(client.folder)]
        done = subprocess.run(second, capture_output=True, timeout=20, check=False)
        assert (done.returncode, done.stdout) == (3, b"")
        assert client.ask(op="collect", execution="none")["ok"]


def test_only_who_knows_the_token_is_heard(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        token = (client.folder / "token").read_text()
        for first in (
            {"op": "close"},
            {"op": "hello", "token": "0" * 64},
            {"op": "hello"},
            {"op": "close", "token": token},
        ):
            stranger = Connection(client.folder)
            stranger.send(**first)
            assert stranger.closed()
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\4nope", b"\xff" * 64, b"\0\0\0\2[]"):
            stranger = Connection(client.folder)
            stranger.socket.sendall(garbage)
            assert stranger.closed()
        assert client.ask(op="collect", execution="none")["ok"]


@pytest.mark.skipif(sys.platform != "linux", reason="sets the limits of another process")
def test_a_keeper_without_descriptors_refuses_and_recovers(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        pid = client.process.pid
        launch: Frame = {"backend": "host", "argv": [sys.executable, "-"], "env": {}, "cwd": str(tmp_path)}
        request: Frame = {"op": "start", "kernel": "k", "language": "python", "launch": launch}
        request |= {"driver": driver("python_driver.py"), "parts": PARTS}
        usual = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        for left in range(6):  # wherever it runs out
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free(pid) + left, usual[1]))
            refused = client.ask(**request)
            assert (refused["ok"], refused["error"]) == (False, "launch"), refused
            assert "Too many open files" in refused["message"]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free(pid), usual[1]))
        later = Connection(client.folder)
        later.send(n=1, op="hello", token=(client.folder / "token").read_text(), watch=True)
        before = cpu(pid)
        time.sleep(1)
        assert cpu(pid) - before < 0.4, "it does not ask again and again"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, usual)
        assert later.frame()["ok"]
        assert client.ask(**request)["ok"]
        client.wait_for("ready", kernel="k")


def first_free(pid: int) -> int:
    """The number that its next descriptor has."""
    return min(set(range(1000)) - {int(name) for name in os.listdir(f"/proc/{pid}/fd")})


def cpu(pid: int) -> float:
    """Seconds of a processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_bad_requests_are_refused_and_nothing_else_happens(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        guest = python(client, tmp_path)
        requests: list[Frame] = [
            {"op": "fly"}, {"op": "execute"}, {"op": "execute", "kernel": guest.name}, {"op": "start", "kernel": "x"},
            {"op": "start", "kernel": guest.name, "language": "x", "launch": {}}, {"op": "stop", "kernel": "none"},
            {"op": "start", "kernel": "../x", "language": "x", "launch": {}}, {"op": "input", "execution": "none"},
            {"op": "start", "kernel": "y", "language": "x", "launch": {"argv": ["x"]}, "dialect": "none"},
            {"op": "park", "seconds": "long"}, {"op": ["close"]},
            {"op": "start", "kernel": "z", "language": 1, "launch": 3},
        ]  # fmt: skip
        for request in requests:
            assert client.ask(**request)["ok"] is False, request
        assert guest.run("1 + 1").result == "2"


def test_an_execution_id_is_used_once(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        guest = python(client, tmp_path)
        name = guest.begin("1")
        guest.end(name)
        assert client.ask(op="execute", kernel=guest.name, execution=name, code="2")["error"] == "used"


def test_a_busy_kernel_refuses(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        guest = python(client, tmp_path)
        name = guest.begin("import time; time.sleep(60)")
        assert client.ask(op="execute", kernel=guest.name, execution="other", code="2")["error"] == "busy"
        assert guest.interrupt(name).status == "interrupted"


def test_a_new_host_replaces_the_old_one_and_finds_everything(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        guest = python(client, tmp_path)
        ended = guest.begin("'ended'")
        while not any(e["event"] == "done" for e in client.events):
            client.events.append(client.frame())
        running = guest.begin("x = input('who?')", interactive=True)
        client.wait_for("input", execution=running)
        new = Connection(client.folder)
        new.send(op="hello", n=1, token=(client.folder / "token").read_text())
        hello = new.frame()
        assert [c["result"] for c in hello["completions"]] == ["'ended'"]
        assert hello["completions"][0]["execution"] == ended
        assert [k["state"] for k in hello["kernels"]] == ["running"]
        assert hello["running"][0]["asked"]["prompt"] == "who?"
        assert client.frame() == {"event": "replaced"}
        with pytest.raises(ConnectionError):
            client.frame()
        new.send(op="input", n=2, execution=running, text="me")
        frames = [new.frame(), new.frame()]
        assert {"n": 2, "ok": True} in frames
        assert next(f for f in frames if "event" in f)["completion"]["status"] == "ok"
        new.send(op="close", n=3)
        assert new.closed()


def test_a_watcher_sees_and_may_do_nothing(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        guest = python(client, tmp_path)
        watcher = Connection(client.folder)
        watcher.send(op="hello", n=1, token=(client.folder / "token").read_text(), watch=True)
        assert watcher.frame()["ok"]
        guest.run("print('seen')")
        assert watcher.frame()["event"] == "output"
        assert watcher.frame()["event"] == "done"
        watcher.send(op="close", n=2)
        assert watcher.frame()["error"] == "watching"


def test_a_host_that_vanishes_or_never_reads_stops_nothing(tmp_path: Path) -> None:
    with KeeperClient(tmp_path / "run") as client:
        guest = python(client, tmp_path)
        token = (client.folder / "token").read_text()
        deaf = Connection(client.folder)
        deaf.send(op="hello", n=1, token=token)
        deaf.frame()
        deaf.send(
            op="execute", n=2, kernel=guest.name, execution="much", code="for i in range(40): print('x' * 1_000_000)"
        )
        half = Connection(client.folder)
        half.socket.sendall(b"\0\0\1\0{")
        half.socket.close()
        data = client.folder / "outputs" / "much.out"
        end = time.monotonic() + 30
        while not (data.exists() and data.stat().st_size == 40_000_040) and time.monotonic() < end:
            time.sleep(0.01)
        deaf.socket.close()
        new = Connection(client.folder)
        new.send(op="hello", n=1, token=token)
        hello = new.frame()
        while not hello["completions"]:
            hello["completions"] = [f["completion"] for f in [new.frame()] if f["event"] == "done"]
        (completion,) = hello["completions"]
        assert (completion["status"], completion["output"]["size"]) == ("ok", 40_000_040)
        new.send(op="close", n=2)
        assert new.closed()


def test_it_ends_when_nobody_comes_back_and_its_kernels_with_it(tmp_path: Path) -> None:
    client = KeeperClient(tmp_path / "run")
    guest = python(client, tmp_path)
    pid = guest.pid
    assert client.ask(op="park", seconds=0.2)["ok"]
    client._socket.close()  # pyright: ignore[reportPrivateUsage]  # a host that dies says nothing
    assert client.process.wait(20) == 0
    end = time.monotonic() + 20
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(pid)


IMPATIENT = (
    "import sys; from interpreter.keeper import core; core.FIRST = 0.3;"
    "from interpreter.keeper.__main__ import main; main(['', sys.argv[-1]])"
)


@pytest.mark.parametrize("worked", [False, True])
def test_it_waits_for_another_host_only_once_something_was_run(tmp_path: Path, worked: bool) -> None:
    """Before that the session may not be in the log, so nobody could come back."""
    client = KeeperClient(tmp_path / "run", (sys.executable, "-c", IMPATIENT))
    guest = python(client, tmp_path)
    if worked:
        guest.run("x = 1")
    client._socket.close()  # pyright: ignore[reportPrivateUsage]  # a host that dies says nothing
    if not worked:
        assert client.process.wait(20) == 0
        return
    with pytest.raises(subprocess.TimeoutExpired):
        client.process.wait(1)
    client.process.kill()
    client.process.wait()


def test_its_kernels_end_with_it_when_it_is_killed(tmp_path: Path) -> None:
    client = KeeperClient(tmp_path / "run")
    pid = python(client, tmp_path).pid
    client.process.kill()
    client.process.wait()
    end = time.monotonic() + 20
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not alive(pid)
    client._socket.close()  # pyright: ignore[reportPrivateUsage]  # nothing is left to say goodbye to


def test_nothing_of_the_session_is_in_its_arguments_or_environment(tmp_path: Path) -> None:
    os.environ["SOME_API_KEY"] = "secret"
    try:
        with KeeperClient(tmp_path / "run") as client:
            guest = python(client, tmp_path)
            for pid in (client.process.pid, guest.pid):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                assert (client.folder / "token").read_bytes() not in words
            assert b"secret" not in Path(f"/proc/{guest.pid}/environ").read_bytes()
    finally:
        del os.environ["SOME_API_KEY"]
