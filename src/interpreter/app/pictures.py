"""Pictures for terminals that need a program to draw them: a picture that code made may lead the program astray, so it
runs in walls of its own."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from ..errors import InterpreterError
from ..sandbox import Walls, run, workspace_profile
from ..store import default_home
from ..types.walls import MIB, Limits

SECONDS = 10
LIMITS = Limits(memory=1024 * MIB, processes=8)
LARGEST = 8 << 20
"""Characters for the terminal; a picture of a few bytes may say that it is as large as a wall."""
BOUNDED = '"$1" -- picture 2>/dev/null | head -c "$2"'


def sixel(program: str, picture: bytes) -> str:
    """What `img2sixel` makes of a picture; empty where it or the walls fail."""
    with tempfile.TemporaryDirectory(prefix="interpreter-", ignore_cleanup_errors=True) as folder:
        work = Path(folder) / "work"
        work.mkdir()
        (work / "picture").write_bytes(picture)
        try:
            profile = workspace_profile(work, Path(folder) / "scratch", home=default_home(), environ={}, limits=LIMITS)
            command = ["/bin/sh", "-c", BOUNDED, "sh", program, str(LARGEST + 1)]
            done = run(Walls(profile).launch(command), timeout=SECONDS)
        except (InterpreterError, OSError, subprocess.SubprocessError):
            return ""
    return done.stdout.decode("ascii", "replace") + "\n" if 0 < len(done.stdout) <= LARGEST else ""
