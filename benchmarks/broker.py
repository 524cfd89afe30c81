"""One gigabyte through the broker of the network and past it, both ways, on loopback."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "src" / "interpreter" / "keeper" / "proxy.py"
SIZE = 1 << 30
CHUNK = 1 << 18
SERVER = f"""
import socket
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
data, room = bytes({CHUNK}), bytearray({CHUNK})
while True:
    peer, _ = listening.accept()
    with peer:
        if peer.recv(1) == b"g":
            for _ in range({SIZE // CHUNK}):
                peer.sendall(data)
        else:
            rest = {SIZE}
            while rest:
                rest -= peer.recv_into(room)
            peer.sendall(b"k")
"""


@contextmanager
def broker() -> Generator[tuple[int, int]]:
    """Its port and its process."""
    life = subprocess.Popen(["/bin/sleep", "600"])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held, told = os.pidfd_open(life.pid), os.memfd_create("settings", 0)
        os.write(told, json.dumps({"allow_private": True}).encode())
        os.lseek(told, 0, os.SEEK_SET)
        fds = (listening.fileno(), held, told)
        process = subprocess.Popen([sys.executable, "-I", "-S", str(PROGRAM), *map(str, fds)], pass_fds=fds)
        os.close(held)
        os.close(told)
        port = int(listening.getsockname()[1])
    try:
        yield port, process.pid
    finally:
        life.kill()
        life.wait()
        process.wait()


def megabytes(word: bytes, server: int, proxy: int | None) -> float:
    """Per second. `word` g: from the server; p: to it."""
    with socket.create_connection(("127.0.0.1", proxy or server)) as client:
        if proxy:
            client.sendall(f"CONNECT 127.0.0.1:{server} HTTP/1.1\r\n\r\n".encode())
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        begun = time.perf_counter()
        client.sendall(word)
        if word == b"g":
            room, rest = bytearray(CHUNK), SIZE
            while rest:
                rest -= client.recv_into(room)
        else:
            data = bytes(CHUNK)
            for _ in range(SIZE // CHUNK):
                client.sendall(data)
            assert client.recv(1) == b"k"
        return SIZE / (time.perf_counter() - begun) / 1e6


def memory(pid: int) -> float:
    """The most that a process has had, in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) / 1e3


def measured(runs: int = 3) -> list[tuple[str, float, float]]:
    """Each way with megabytes per second through the broker and directly; last the broker's memory, twice."""
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert server.stdout is not None
    port = int(server.stdout.readline())
    found: list[tuple[str, float, float]] = []
    try:
        with broker() as (proxy, pid):
            for what, word in (("download", b"g"), ("upload", b"p")):
                pairs = [(megabytes(word, port, proxy), megabytes(word, port, None)) for _ in range(runs)]
                found.append((what, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)))
            found.append(("memory", memory(pid), memory(pid)))
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    return found


def rows() -> list[tuple[str, str, str, str, str, bool]]:
    """The cells of the table's rows."""
    *ways, (_what, most, _same) = measured()
    found = [
        (
            f"1 GB {what} through the broker",
            f"{a:.0f} MB/s",
            f"direct {b:.0f} MB/s",
            f"{a / b:.2f} x",
            "300 MB/s",
            a >= 300,
        )
        for what, a, b in ways
    ]
    return [*found, ("  memory of the broker", f"{most:.0f} MB", "", "", "40 MB", most <= 40)]
