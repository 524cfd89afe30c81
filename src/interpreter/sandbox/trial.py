"""What a backend really holds on this machine: each wall is tried, from inside, against things that are there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ..errors import SandboxUnavailable
from ..types.base import Value
from ..types.walls import BackendName
from .choice import choose, run
from .profile import workspace_profile
from .walls import Walls

PROBES = Path(__file__).with_name("wall_probes.py")
SYSTEM_PYTHON = "/usr/bin/python3"


class Trial(Value):
    """How the trial of one backend ended."""

    held: tuple[str, ...] = ()
    open: dict[str, tuple[str, ...]] = {}
    """Walls that are not held, with the probes that came through."""
    problem: str = ""
    """Why nothing could be tried; empty when it was."""


def try_walls(name: BackendName) -> Trial:
    """Try a backend that is known to start programs. Takes some tenths of a second."""
    with _world() as world:
        top = Path(world["top"])
        profile = workspace_profile(
            top / "work",
            top / "scratch",
            home=top / "home",
            readable=() if os.path.exists(SYSTEM_PYTHON) else (sys.base_prefix,),
            backend=name,
        )
        try:
            walls = Walls(profile, choose(profile))
            launch = walls.launch([_python(), "-I", "-c", PROBES.read_text(encoding="utf-8"), json.dumps(world)])
            done = run(launch, timeout=60)
            found: dict[str, list[str]] = json.loads(done.stdout)
        except (SandboxUnavailable, subprocess.TimeoutExpired, OSError, ValueError) as error:
            return Trial(problem=str(error))
    through = {wall: tuple(probes) for wall, probes in found.items() if probes}
    if not walls.backend.living_grants:
        through["grants"] = ("the kernel is started anew",)
    return Trial(held=tuple(wall for wall in (*found, "grants") if wall not in through), open=through)


def _python() -> str:
    return SYSTEM_PYTHON if os.path.exists(SYSTEM_PYTHON) else os.path.realpath(sys.executable)


@contextlib.contextmanager
def _world() -> Generator[dict[str, Any]]:
    """Things that must not be reached, and that really answer: a file, two sockets, two ports, and this process."""
    with contextlib.ExitStack() as stack:
        top = os.path.realpath(tempfile.mkdtemp(prefix="interpreter-walls-"))
        stack.callback(shutil.rmtree, top, ignore_errors=True)
        for folder in ("work/.git", "outside", "home"):
            os.makedirs(os.path.join(top, folder))
        for path in ("work/.git/config", "outside/file"):
            Path(top, path).write_text("content\n", encoding="utf-8")
        shared = stack.enter_context(tempfile.NamedTemporaryFile(prefix="interpreter-shared-"))
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        named = stack.enter_context(socket.socket(socket.AF_UNIX))
        named.bind(os.path.join(top, "s"))
        named.listen(2)
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"interpreter-{os.urandom(8).hex()}"
        abstract.bind("\0" + name)
        abstract.listen(2)
        answering = threading.Thread(target=_answer, args=(datagrams,))
        answering.start()
        stack.callback(answering.join)
        stack.callback(_stop, datagrams)
        with open("/proc/self/cmdline", "rb") as file:
            mark = file.read(200).split(b"\0")[0].decode("utf-8", "replace")
        yield {
            "top": top,
            "outside": os.path.join(top, "outside"),
            "temporary": shared.name,
            "port": tcp.getsockname()[1],
            "datagrams": datagrams.getsockname()[1],
            "socket": os.path.join(top, "s"),
            "abstract": name,
            "process": os.getpid(),
            "mark": mark,
        }


def _answer(datagrams: socket.socket) -> None:
    """Answer each datagram until one comes that says stop."""
    while True:
        said, sender = datagrams.recvfrom(10)
        if said == b"stop":
            return
        datagrams.sendto(said, sender)


def _stop(datagrams: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"stop", datagrams.getsockname())
