"""A recorded model on a server of its own, for the demonstration."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..llm.script import load_script
from ..llm.scripted_server import ScriptedServer


@contextmanager
def recorded_server(script: Path) -> Generator[str]:
    """Plays `script` over HTTP on this machine; gives the address to be used as `--api_base`."""
    with ScriptedServer(load_script(script)) as server:
        yield server.url
