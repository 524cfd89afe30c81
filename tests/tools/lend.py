"""What tools are lent in tests: the real walls of this machine, and the real web over loopback."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from interpreter.kernels.environments import base_python
from interpreter.sandbox import Walls, workspace_profile
from interpreter.tools.context import ToolContext, Web
from interpreter.tools.walled import Interpreter, OneShot

T = TypeVar("T")


def go(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


def context(workspace: Path, *, http: Web | None = None, settings: dict[str, Any] | None = None) -> ToolContext:
    """A context over `workspace`, with the scratch folder and the home beside it."""
    beside = workspace.parent / f"{workspace.name}-beside"
    (beside / "scratch").mkdir(parents=True, exist_ok=True)
    walls = Walls(workspace_profile(workspace, beside / "scratch", home=beside / "home"))
    python = base_python()
    prefix = str(Path(python).resolve().parents[1])
    readable = () if prefix in ("/usr", "/usr/local") else (prefix, sys.base_prefix)
    walled = OneShot(walls, lambda: Interpreter(python, readable))
    return ToolContext(workspace=str(workspace), walled=walled, http=http, settings=settings or {})
