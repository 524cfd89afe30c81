"""A small world around a sandbox, with everything in it that must not be reached, and a way to run programs inside.

Runs as root and as an ordinary user: a fork takes the other user's identity before it makes the launch.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from interpreter.keeper import walls as keeper_walls
from interpreter.sandbox import Walls, seen, system, workspace_profile
from interpreter.types.walls import MIB, Launch, Limits, Profile

PYTHON = "/usr/bin/python3"
LIMITS = Limits(memory=2048 * MIB, processes=40, file_size=64 * MIB, open_files=256)
ORDINARY = 1000
PR_SET_DUMPABLE = 4


class Done(NamedTuple):
    status: int
    stdout: str
    stderr: str


class World(NamedTuple):
    uid: int
    top: Path
    workspace: Path
    outside: Path
    home: Path
    """The tool's."""
    scratch: Path
    readable: Path
    facts: dict[str, Any]

    def profile(self, backend: Any, **changes: Any) -> Profile:
        environ = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_SECRET_KEY": "SECRET-VALUE"}
        environ |= {"OPENAI_API_KEY": "SECRET-VALUE", "AWS_SESSION_TOKEN": "SECRET-VALUE"}
        environ |= changes.pop("environ", {})
        given: dict[str, Any] = {"readable": [str(self.readable)], "limits": LIMITS} | changes
        return workspace_profile(
            self.workspace, self.scratch, home=self.home, environ=environ, backend=backend, **given
        )


def users() -> list[int]:
    """As whom the suite can run here."""
    return [0, ORDINARY] if os.geteuid() == 0 else [os.geteuid()]


@contextlib.contextmanager
def world_of(uid: int) -> Generator[World]:
    """Everything in it belongs to `uid`, and it is gone afterwards."""
    top = Path(os.path.realpath(tempfile.mkdtemp(prefix="sandbox world ")))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, top, ignore_errors=True)
        top.chmod(0o755)
        world = make_folders(uid, top)
        world.facts.update(reachable(stack, world))
        yield world


def make_folders(uid: int, top: Path) -> World:
    person = top / "person"
    workspace = person / "工作 folder"
    outside, home, readable = top / "outside", person / ".tool", top / "opened"
    for folder in (workspace / ".git", workspace / ".interpreter", outside, home / "s", person / ".ssh", readable):
        folder.mkdir(parents=True)
    for path, text in {
        workspace / ".git" / "config": "[core]\n",
        workspace / ".interpreter" / "config.yaml": "timeout: 30\n",
        outside / "file": "content\n",
        outside / "rename-me": "content\n",
        outside / "remove-me": "content\n",
        person / ".bashrc": "# mine\n",
        person / ".ssh" / "id_rsa": "SECRET\n",
        home / "log.db": "SECRET\n",
        readable / "data": "open\n",
    }.items():
        path.write_text(text, encoding="utf-8")
    for folder, _, names in os.walk(top):
        for name in [".", *names]:
            os.lchown(os.path.join(folder, name), uid, uid)
    setuid = top / "setuid-id"
    shutil.copy("/usr/bin/id", setuid)
    setuid.chmod(0o4755)
    fd, temporary = tempfile.mkstemp(prefix="shared-")
    os.close(fd)
    Path(temporary).chmod(0o666)
    facts: dict[str, Any] = {
        "workspace": str(workspace),
        "outside": str(outside),
        "person": str(person),
        "home": str(home),
        "readable": str(readable),
        "temporary": temporary,
        "setuid": str(setuid),
        "closed": next((path for path in ("/etc/gshadow", "/etc/shadow") if os.path.exists(path)), ""),
        "processes": LIMITS.processes,
        "file_size": LIMITS.file_size,
        "open_files": LIMITS.open_files,
        "harness": os.getpid(),
    }
    return World(uid, top, workspace, outside, home, home / "s" / "scratch", readable, facts)


def reachable(stack: contextlib.ExitStack, world: World) -> dict[str, Any]:
    """Servers and a process that code inside must not get at; each really answers."""
    stack.callback(lambda: Path(world.facts["temporary"]).unlink(missing_ok=True))
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=50))
    free = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    udp.bind(("127.0.0.1", 0))
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    name = f"interpreter-probe-{os.getpid()}-{world.uid}-{time.monotonic_ns()}"
    abstract.bind("\0" + name)
    abstract.listen(5)
    # Short names: a socket's may have 107 bytes.
    sockets = Path(tempfile.mkdtemp(prefix="svc-", dir="/var/tmp"))
    stack.callback(shutil.rmtree, sockets, ignore_errors=True)
    sockets.chmod(0o755)
    service = stack.enter_context(socket.socket(socket.AF_UNIX))
    service.bind(str(sockets / "s"))
    service.listen(5)
    log = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    log.bind(str(sockets / "log"))
    for path in ("s", "log"):
        (sockets / path).chmod(0o777)
    stop = threading.Event()
    answering = threading.Thread(target=answer, args=(udp, stop))
    answering.start()
    stack.callback(answering.join)
    stack.callback(stop.set)
    code = "import time; time.sleep(600)  # interpreter-victim"
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = {"user": world.uid, "group": world.uid, "extra_groups": []}
    victim = subprocess.Popen([PYTHON, "-c", code], env={"KEPT": "SECRET"}, **identity)
    stack.callback(victim.wait)
    stack.callback(victim.kill)
    free_port = free.getsockname()[1]
    free.close()
    return {
        "tcp": tcp.getsockname()[1],
        "udp": udp.getsockname()[1],
        "free": free_port,
        "abstract": name,
        "service": str(sockets / "s"),
        "log": str(sockets / "log"),
        "victim": victim.pid,
    }


def answer(udp: socket.socket, stop: threading.Event) -> None:
    udp.settimeout(0.05)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            _, sender = udp.recvfrom(100)
            udp.sendto(b"answer", sender)


def run_as(uid: int, make: Callable[[], Launch], *, stdin: bytes = b"", timeout: float = 60) -> Done:
    """Make a launch and become it in a fork that is `uid`; what the keeper does, without the keeper."""
    pipes = [os.pipe() for _ in range(3)]
    with warnings.catch_warnings():
        # Other threads of the tests hold no lock that the child needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        become(uid, make, [pipes[0][0], pipes[1][1], pipes[2][1]])
    for fd in (pipes[0][0], pipes[1][1], pipes[2][1]):
        os.close(fd)
    os.write(pipes[0][1], stdin)
    os.close(pipes[0][1])
    try:
        output = collect({pipes[1][0]: 1, pipes[2][0]: 2}, timeout)
        await_end(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return Done(status, output[1].decode("utf-8", "replace"), output[2].decode("utf-8", "replace"))


def await_end(pid: int) -> None:
    """What stands for a program in a container ends a moment after the program's outputs."""
    end = time.monotonic() + 5
    while time.monotonic() < end and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        time.sleep(0.005)


def collect(streams: dict[int, int], timeout: float) -> dict[int, bytearray]:
    """Read until everything is closed; TimeoutError when that takes too long."""
    found = {number: bytearray() for number in streams.values()}
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for fd in streams:
            selector.register(fd, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no end after {timeout} s; so far: {found}")
            for key, _ in ready:
                data = os.read(key.fd, 65_536)
                found[streams[key.fd]] += data
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return found


def become(uid: int, make: Callable[[], Launch], fds: list[int]) -> None:
    """In the child: never returns."""
    try:
        os.setsid()
        for target, fd in enumerate(fds):
            os.dup2(fd, target)
        if os.geteuid() != uid:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            # As after an exec: its own entries in /proc are its own.
            keeper_walls.prctl(PR_SET_DUMPABLE, 1)
            system.system.cache_clear()
            seen.machine.cache_clear()
            if not os.access(sys.executable, os.X_OK):
                sys.executable = PYTHON
        launch = msgspec.to_builtins(make(), builtin_types=(bytes,))
        os.chdir(launch["cwd"])
        # The keeper is not our parent's thread; the program ends with this process group instead.
        keeper_walls.apply(launch, {0, 1, 2})
        os.execvpe(launch["argv"][0], list(launch["argv"]), launch["env"])
    except BaseException as error:
        os.write(2, f"NOT STARTED {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(125)


def probe_all(world: World, walls: Callable[[], Walls]) -> dict[str, str]:
    source = (Path(__file__).parent / "sandbox_probes.py").read_text(encoding="utf-8")
    arguments = [PYTHON, "-I", "-c", source, json.dumps(world.facts)]
    done = run_as(world.uid, lambda: walls().launch(arguments))
    if done.status:
        raise AssertionError(f"the probes did not run: {done}")
    return json.loads(done.stdout)
