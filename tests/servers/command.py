"""The real command against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from interpreter.store import Store
from interpreter.types.events import Event


def interpret(folder: Path, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a work folder of its own, with a home of its own."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    return subprocess.run(
        [sys.executable, "-m", "interpreter", *words],
        cwd=work, env=os.environ | {"INTERPRETER_HOME": str(folder / "home")}, capture_output=True, text=True,
        timeout=180, check=False, **given,
    )  # fmt: skip


def events_of(folder: Path) -> list[Event]:
    """The newest session's log, after its chain has been checked."""
    with Store.open(folder / "home") as store:
        log = store.visit(store.find("last").id)
        assert log.verify().whole
        return [stored.event for stored in log.events()]


def last_object(text: str) -> dict[str, Any]:
    return json.loads(text)
