"""A Prometheus and an Alertmanager of the tests' own: Debian's, on loopback, on ports that are free."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 30.0
SOON = "--scrape.discovery-reload-interval=200ms"
"""A new target is scraped as soon as its discovery has told of it, and not up to five seconds later."""
LISTENS = re.compile(rb'"?Listening on"? address=127\.0\.0\.1:(\d+)')


def lacking() -> str:
    """Why there can be none here; empty: they are here."""
    missing = [name for name in ("prometheus", "prometheus-alertmanager") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


@contextmanager
def prometheus(folder: Path, config: dict[str, Any], *words: str) -> Generator[str]:
    """Its address. `config` is that of prometheus.yml; what it keeps lies in the folder."""
    file = put(folder, "prometheus.yml", config)
    argv = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", SOON, *words]
    with started([*argv, "--web.listen-address=127.0.0.1:0"], folder / "prometheus.log", b"Server is ready") as url:
        yield url


@contextmanager
def alertmanager(folder: Path, config: dict[str, Any]) -> Generator[str]:
    file = put(folder, "alertmanager.yml", config)
    argv = ["prometheus-alertmanager", f"--config.file={file}", f"--storage.path={folder / 'alerts'}"]
    argv += ["--cluster.listen-address=", "--web.listen-address=127.0.0.1:0"]
    with started(argv, folder / "alertmanager.log", b"Listening on") as url:
        yield url


def put(folder: Path, name: str, value: object) -> Path:
    """JSON is YAML."""
    path = folder / name
    path.write_text(json.dumps(value))
    return path


@contextmanager
def started(argv: list[str], log: Path, ready: bytes) -> Generator[str]:
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port_in(process, log, ready)}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def port_in(process: subprocess.Popen[bytes], log: Path, ready: bytes) -> int:
    """The port that the program says it has taken."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        said = log.read_bytes()
        if (found := LISTENS.search(said)) is not None and ready in said:
            return int(found[1])
        threading.Event().wait(0.02)
    raise AssertionError(f"{process.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}")
