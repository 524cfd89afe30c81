"""A Docker engine of the tests' own: started when a test asks for it, stopped with the tests of this process."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE = 30
SETTINGS = ("--iptables=false", "--bridge=none", "--ip-forward=false", "--log-level=warn")


@functools.cache
def engine() -> tuple[str, str]:
    """Its socket, which every user here may use while the tests run; or an empty text and why there is none."""
    if os.geteuid() != 0:
        return "", "a Docker engine is started by root only"
    if shutil.which("dockerd") is None:
        return "", "dockerd is not installed"
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    folder.chmod(0o755)
    socket = folder / "socket"
    command = ["dockerd", "-H", f"unix://{socket}", "--data-root", str(folder / "root"), "--exec-root"]
    command += [str(folder / "exec"), "--pidfile", str(folder / "pid"), *SETTINGS]
    with open(folder / "log", "wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    atexit.register(stop, daemon, folder)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and daemon.poll() is None:
        if socket.exists() and answers(socket):
            socket.chmod(0o666)
            return str(socket), ""
        time.sleep(0.05)
    lines = (folder / "log").read_text(errors="replace").strip().splitlines()
    return "", f"the Docker engine did not start: {lines[-1] if lines else 'it said nothing'}"


def answers(socket: Path) -> bool:
    command = ["docker", "-H", f"unix://{socket}", "version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def stop(daemon: subprocess.Popen[bytes], folder: Path) -> None:
    daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
    # It leaves the namespace of containers on the host's network mounted, and a folder with a mount in it stays.
    subprocess.run(["umount", str(folder / "exec" / "netns" / "default")], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
