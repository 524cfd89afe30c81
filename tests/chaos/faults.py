"""What can happen to a process, as the preloaded library takes it: who dies at which call, what fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Role = Literal["host", "keeper"]
Whom = Literal["host", "keeper", "kernel", "all"]
HOST, KEEPER, KERNEL = 1, 2, 4
WHOM = {"host": HOST, "keeper": KEEPER, "kernel": KERNEL, "all": HOST | KEEPER | KERNEL}
SOURCE = Path(__file__).with_name("faults.c")
_built: dict[str, Path] = {}


def why_not() -> str:
    """Why nothing can be injected on this machine; empty where it can."""
    if os.uname().sysname != "Linux":
        return "the library that injects faults is for Linux"
    return "" if shutil.which("gcc") or shutil.which("cc") else "no C compiler for the library that injects faults"


def library() -> Path:
    """The preloaded library, compiled once a run. Raises RuntimeError with the compiler's words."""
    if "library" not in _built:
        made = Path(tempfile.mkdtemp(prefix="chaos-")) / "faults.so"
        compiler = shutil.which("gcc") or shutil.which("cc") or "gcc"
        done = subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(made), str(SOURCE), "-ldl"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr)
        _built["library"] = made
    return _built["library"]


def forget() -> None:
    """Remove the compiled library."""
    if made := _built.pop("library", None):
        shutil.rmtree(made.parent, ignore_errors=True)


@dataclass(frozen=True)
class Fault:
    """What is to happen. The default: nothing but counting."""

    what: Literal["", "before", "after", "torn", "fail", "pause"] = ""
    """before, after, torn: a death before, after or in the middle of the call; fail: it fails; pause: the world stands
    still, so that the power can be cut."""
    role: Role = "host"
    """Whose calls are counted for `at`."""
    at: int = 0
    """The number of the call, 1-based."""
    whom: Whom = "host"
    errno: int = 0
    times: int = 1
    """How many calls fail from `at` on; -1: all."""
    every: int = 0
    """pause: at every so many calls."""
    nosync: bool = False
    """fsync says that it was done, and does nothing: the control."""
    trace: bool = False
    """Write down each call."""

    def environ(self, folder: Path, root: Path) -> dict[str, str]:
        """Variables for the process that `root`'s files belong to; `folder` takes what the library says."""
        told = {
            "DIR": folder, "ROOT": root, "PARENT": os.getpid(), "WHAT": self.what, "AT_ROLE": self.role, "AT": self.at,
            "WHOM": WHOM[self.whom], "ERRNO": self.errno, "TIMES": self.times, "EVERY": self.every,
            "NOSYNC": int(self.nosync), "TRACE": int(self.trace),
        }  # fmt: skip
        return {"LD_PRELOAD": str(library())} | {f"CHAOS_{name}": str(value) for name, value in told.items()}

    def __str__(self) -> str:
        if self.what == "fail":
            return f"{os.strerror(self.errno)} in the {self.role} at call {self.at}, {self.times} times"
        return f"{self.whom} killed {self.what} call {self.at} of the {self.role}" if self.what else "nothing"
