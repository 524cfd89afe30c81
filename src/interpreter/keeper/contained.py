"""Starts one program in a container of the Docker engine, and stands for it in the keeper's tree.

`python -I -S contained.py outside FD`, FD holding the request as JSON: becomes the stand-in. It asks the engine for a
container whose first process is `contained.py inside`, hands that process the program's descriptors over a Unix
socket, and ends as the program ends. The first process ends when the stand-in does, and all in the container with it.
Standard library only. Engine API: https://docs.docker.com/reference/api/engine/ (1.40 and later).
"""

from __future__ import annotations

import array
import base64
import contextlib
import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

if not __package__:
    # Like walled.py: the folder becomes a package and stays off the path.
    _folder = os.path.dirname(os.path.abspath(__file__))
    _package = type(sys)("keeper")
    _package.__path__ = [_folder]
    sys.modules["keeper"] = _package
    __package__ = "keeper"
    sys.path[:] = [p for p in sys.path if os.path.abspath(p) != _folder]

from . import cgroup, walls, wayout

API = "/v1.40"
MEETING = "/run/interpreter"
"""Where the folder with the socket appears inside."""
PROXY_PORT = wayout.INSIDE_PORT
NOT_STARTED = 125
PATIENCE = 60
"""Seconds for the engine to answer, and for the container to begin."""
ENOUGH = 1 << 20
LEFTOVER = "1h"
"""Age of an ended container that nobody is about to start or to remove any more."""
NAME = b"walls"
"""What our two processes are called, so that the keeper tells them from the program."""
PR_SET_NAME = 15


class Missing(OSError):
    """The engine does not know what was named."""


class Engine:
    """The few calls that are needed, each over a connection of its own."""

    def __init__(self, path: str) -> None:
        self._path = path

    def call(self, method: str, place: str, body: Any = None, kind: str = "application/json") -> Any:
        """Raises OSError with what the engine says when it refuses."""
        connection = HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(self._path)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
            connection.request(method, API + place, data, {"Content-Type": kind} if data is not None else {})
            response = connection.getresponse()
            said = response.read(ENOUGH)
        finally:
            connection.close()
        try:
            answer: Any = json.loads(said) if said.strip().startswith(b"{") else {}
        except ValueError:
            answer = {}
        if response.status == 404:
            raise Missing(str(answer.get("message", "")))
        if response.status >= 300:
            raise OSError(f"the Docker engine refused: {answer.get('message', response.reason)}"[:500])
        return answer


def outside(request: dict[str, Any]) -> int:
    """The stand-in: its exit status is the program's."""
    called()
    engine = Engine(request["engine"])
    folder = tempfile.mkdtemp(prefix="interpreter-")
    identity = ""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
            listening.bind(f"{folder}/socket")
            listening.listen(1)
            listening.settimeout(PATIENCE)
            body = request["create"]
            body["HostConfig"]["Mounts"].append(mount(folder, MEETING))
            request["expected"] = expected(body["HostConfig"]["Mounts"])
            identity = made(engine, body, request["image"])
            engine.call("POST", f"/containers/{identity}/start")
            inside, _ = listening.accept()
        shutil.rmtree(folder)
        with inside:
            return meet(inside, request)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if identity:
            clear(engine, identity)


def clear(engine: Engine, identity: str) -> None:
    """Remove the container, and what stand-ins that were killed have left."""
    left = quote(json.dumps({"label": ["reinterpreter=kernel"], "until": [LEFTOVER]}))
    for method, place in (
        ("DELETE", f"/containers/{identity}?force=true"),
        ("POST", f"/containers/prune?filters={left}"),
    ):
        with contextlib.suppress(OSError):
            engine.call(method, place)


def made(engine: Engine, body: dict[str, Any], image: str) -> str:
    """The new container's id. Its image holds nothing but some links; everything else is mounted."""
    try:
        return engine.call("POST", "/containers/create", body)["Id"]
    except Missing:
        name, _, tag = body["Image"].partition(":")
        place = f"/images/create?fromSrc=-&repo={name}&tag={tag}"
        engine.call("POST", place, base64.b64decode(image), "application/x-tar")
    return engine.call("POST", "/containers/create", body)["Id"]


def mount(source: str, target: str, *, write: bool = False) -> dict[str, Any]:
    return {"Type": "bind", "Source": source, "Target": target, "ReadOnly": not write}


def expected(mounts: list[dict[str, Any]]) -> dict[str, list[int]]:
    """What has to be mounted at names that programs of the session may swap for links while the engine looks."""
    found: dict[str, list[int]] = {}
    for entry in mounts:
        if entry.pop("Checked", False):
            fd = walls.open_without_links(entry["Source"])
            found[entry["Target"]] = identity_of(os.fstat(fd))
            os.close(fd)
    return found


def identity_of(found: os.stat_result) -> list[int]:
    return [found.st_dev, found.st_ino]


def meet(inside: socket.socket, request: dict[str, Any]) -> int:
    """Hand over the descriptors, take the way out's socket, and wait for the end."""
    pid = peer(inside)
    fds: list[int] = request["fds"]
    told = {name: request[name] for name in ("argv", "env", "cwd", "rlimits", "seccomp", "fds", "expected")}
    told["proxy"] = request.get("proxy") is not None
    told["doors"] = request["proxy"].get("doors") or [] if told["proxy"] else []
    inside.settimeout(PATIENCE)
    # It may be larger than a packet: it goes by descriptor as well.
    place = memory(json.dumps(told).encode())
    socket.send_fds(inside, [b"request"], [place, *fds])
    os.close(place)
    if told["proxy"]:
        said, given, _, _ = socket.recv_fds(inside, 1 << 16, wayout.DOORS + 1)
        if not given:
            raise OSError("the container opened no way out")
        with wayout.start_proxy(request["proxy"]) as proxy:
            socket.send_fds(proxy, [said], given)
        for fd in given:
            os.close(fd)
        inside.send(b"served")
    said = inside.recv(4096)
    if said != b"started":
        raise OSError(said.decode("utf-8", "replace") or "the program did not start in its container")
    tell(request, f"{walls.BORN}{pid}".encode(), last=False)
    for fd in fds:
        os.close(fd)
    inside.settimeout(None)
    status, _, kills = inside.recv(64).partition(b" ")
    if kills not in (b"", b"0"):
        tell(request, walls.OUT_OF_MEMORY)
    return int(status) if status.isdigit() else 137


def peer(connection: socket.socket) -> int:
    """The number of the first process inside, as this machine counts."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, _ = array.array("i", raw)
    if pid == 0:
        raise OSError("the engine's containers are not on this machine")
    if uid != os.geteuid():
        raise OSError("somebody else answered in place of the container")
    return pid


def tell(request: dict[str, Any], text: bytes, *, last: bool = True) -> None:
    """To the keeper, which waits for a word about the birth; nobody does where there is no keeper."""
    if request["born"] is None:
        return
    with contextlib.suppress(OSError):
        os.write(request["born"], text)
    if last:
        os.close(request["born"])
        request["born"] = None


def memory(data: bytes) -> int:
    fd = os.memfd_create("request", os.MFD_CLOEXEC)
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def called() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(ctypes.c_int(PR_SET_NAME), ctypes.c_char_p(NAME))


def inside() -> int:
    """The first process of the container: starts the program, collects orphans, reports the end."""
    called()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(ctypes.c_int(wayout.PR_SET_DUMPABLE), ctypes.c_ulong(0))
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(f"{MEETING}/socket")
    _, given, _, _ = socket.recv_fds(link, 64, 250)
    with open(given[0], encoding="utf-8") as file:
        request = json.load(file)
    if request["proxy"]:
        with socket.create_server(("127.0.0.1", PROXY_PORT), backlog=128) as listening:
            wayout.send_doors(link, listening, wayout.open_doors(request["doors"]))
        link.recv(64)
    failed, failing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        become(request, given[1:], failing)
    os.close(failing)
    for fd in given[1:]:
        os.close(fd)
    text = os.read(failed, 4096)
    link.send(text or b"started")
    return wait(link, child)


def become(request: dict[str, Any], given: list[int], failing: int) -> None:
    try:
        points = mount_points() if request["expected"] else set[str]()
        for path, identity in request["expected"].items():
            # Its own place is looked at as well: the engine may have met a link there, and mounted elsewhere.
            if path not in points or identity_of(os.stat(path, follow_symlinks=False)) != identity:
                raise OSError(f"{path} was changed while the container was made")
        os.setsid()
        high = [os.dup2(fd, 100 + number, inheritable=False) for number, fd in enumerate(given)]
        failing = os.dup2(failing, 99, inheritable=False)
        for target, fd in zip(request["fds"], high, strict=True):
            os.dup2(fd, target, inheritable=True)
        walls.close_others({*request["fds"], 0, 1, 2, failing})
        os.chdir(request["cwd"])
        walls.limit(request["rlimits"], "bubblewrap")
        walls.no_new_privileges()
        walls.install_filter(base64.b64decode(request["seccomp"]))
        os.execvpe(request["argv"][0], request["argv"], request["env"])
    except BaseException as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        where = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        os.write(failing, f"{type(error).__name__}: {what}{where}".encode()[:4000])
    finally:
        os._exit(127)


def mount_points() -> set[str]:
    """Where something is mounted in this container."""
    with open("/proc/self/mountinfo", "rb") as file:
        fields = [line.split(b" ")[4] for line in file]
    return {os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), field)) for field in fields}


def wait(link: socket.socket, child: int) -> int:
    """Until the program has ended; at once when the stand-in is gone, which ends everything here."""

    def look(_number: int, _frame: object) -> None:
        try:
            gone = not link.recv(64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            gone = False
        except OSError:
            gone = True
        if gone:
            os._exit(137)

    # The wait for children cannot be told of the link: its hang-up comes as a signal. A program inside may send the
    # same signal, or end us and so itself; no more.
    signal.signal(signal.SIGIO, look)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    fcntl.fcntl(link, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(link, fcntl.F_SETFL, fcntl.fcntl(link, fcntl.F_GETFL) | os.O_ASYNC)
    look(0, None)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            link.send(b"%d %d" % (code if code >= 0 else 128 - code, oom_kills()))
            return 0


def oom_kills() -> int:
    """How often the kernel ended a process of this container for want of memory."""
    for name in ("memory.events", "memory/memory.oom_control"):
        kills = cgroup.field(cgroup.read(f"/sys/fs/cgroup/{name}"), "oom_kill")
        if kills:
            return kills
    return 0


def main(argv: list[str]) -> int:
    if argv[1] == "inside":
        return inside()
    with open(int(argv[2]), encoding="utf-8") as file:
        request = json.load(file)
    try:
        return outside(request)
    except (OSError, KeyError, ValueError) as error:
        text = f"the sandbox could not be put up: {error}"
        tell(request, text.encode()[:4000])
        print(text, file=sys.stderr)
        return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv))
