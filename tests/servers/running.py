"""Real model servers, started for a test module and stopped by their process ids."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[2] / ".cache" / "servers"
"""What tools/test_servers.py has prepared."""
MODEL = CACHE / "tiny"
VLLM = CACHE / "vllm" / "bin" / "python"
WINDOW = 8192
"""Tokens; the servers are started with it."""
LONGEST_START = 240.0
"""Seconds."""
VLLM_ENVIRON = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "2",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


class Server:
    """A server of another project that runs in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The api_base."""
        return f"{self.root}/v1"

    def metric(self, name: str) -> float:
        """The sum over the labels of a figure in /metrics."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        found = [line.rpartition(" ")[2] for line in text.splitlines() if re.match(rf"{re.escape(name)}(\{{| )", line)]
        assert found, f"/metrics has no {name}"
        return sum(map(float, found))

    def workers(self) -> list[int]:
        """The process ids of what the server has started itself."""
        table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in table.splitlines()]
        mine = str(self.process.pid)
        return [int(pid) for pid, parent, name in rows if parent == mine and "resource_tracker" not in name]

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def running(
    command: Sequence[str], port: int, log: Path, environ: Mapping[str, str], health: str = "/health"
) -> Generator[Server]:
    """The server, once it answers; stopped at the end, whatever happened."""
    # Byte code has to be written: a server of this size needs minutes to start without it.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env.update(environ, HF_HUB_OFFLINE="1")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=log.parent, start_new_session=True
        )
    server = Server(process, port, log)
    try:
        wait_for(server, health)
        yield server
    finally:
        server.stop()


def wait_for(server: Server, health: str) -> None:
    deadline = time.monotonic() + LONGEST_START
    while True:
        if server.process.poll() is not None:
            pytest.fail(f"the server ended while it started:\n{server.tail()}")
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            with urllib.request.urlopen(server.root + health, timeout=10) as answer:
                if answer.status == 200:
                    return
        if time.monotonic() > deadline:
            pytest.fail(f"the server did not start within {LONGEST_START:g} s:\n{server.tail()}")
        time.sleep(0.2)


def vllm(log: Path, port: int, *flags: str) -> contextlib.AbstractContextManager[Server]:
    """vLLM on the CPU with the tiny model; skips where tools/test_servers.py has not prepared it."""
    if not (CACHE / "vllm" / ".ready").exists() or not (MODEL / "config.json").exists():
        pytest.skip("vLLM is not prepared; `make test-servers` installs it")
    command = [
        str(VLLM), "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL), "--served-model-name", "tiny",
        "--host", "127.0.0.1", "--port", str(port), "--max-model-len", str(WINDOW), "--dtype", "bfloat16",
        "--enforce-eager", "--enable-prompt-tokens-details", "--block-size", "32", *flags,
    ]  # fmt: skip
    return running(command, port, log, VLLM_ENVIRON)


def block_size(server: Server) -> int:
    """Tokens of one block of the prefix cache, as the server tells it."""
    with urllib.request.urlopen(f"{server.root}/metrics", timeout=20) as answer:
        found = re.search(r'vllm:cache_config_info\{[^}]*\bblock_size="(\d+)"', answer.read().decode())
    assert found, "/metrics does not tell the block size"
    return int(found.group(1))


def program(name: str) -> str:
    """A program of this machine, or of what was prepared; skips where it is absent."""
    found = shutil.which(name) or shutil.which(name, path=str(CACHE / "bin"))
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def has_tiny_model() -> bool:
    try:
        return json.loads((MODEL / "config.json").read_text())["model_type"] == "qwen3"
    except (OSError, ValueError, KeyError):
        return False
