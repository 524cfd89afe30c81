"""A document of others is read by a program apart from everything: in walls that show it nothing but the document."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..aio.programs import NOT_WALLED, run_launch
from ..errors import InterpreterError, ToolError
from ..sandbox import Walls, workspace_profile
from ..store.home import remove_tree
from ..text.clean import clean_text
from ..types.base import to_json
from ..types.walls import BackendName
from .walled import Said


class Reader:
    """`tools.context.Apart`: the tool's own Python, with no network, no files of the person's and none of its own."""

    def __init__(self, home: Path, backend: BackendName) -> None:
        self._home = home
        self._backend: BackendName = backend

    async def __call__(
        self, program: str, data: bytes, request: dict[str, Any], *, path: Sequence[str], seconds: float, most: int
    ) -> bytes:
        said = Said(most)
        try:
            place = Path(tempfile.mkdtemp(prefix="interpreter-"))
            try:
                launch = await asyncio.to_thread(self._launch, place, program, data, request, path)
                status = await run_launch(launch, said.add, timeout=seconds)
            finally:
                remove_tree(place)
        except TimeoutError:
            raise ToolError(f"it takes longer than {seconds:g} s") from None
        except OSError as error:
            raise ToolError(f"it cannot be read apart: {error}") from error
        text = bytes(said.data)
        if status == NOT_WALLED:
            raise ToolError(f"the walls could not be put up: {clean_text(text)[-300:].strip()}")
        if status and not text:
            raise ToolError(f"the program that reads it ended with status {status}")
        return text

    def _launch(self, place: Path, program: str, data: bytes, request: dict[str, Any], path: Sequence[str]) -> Any:
        work = place / "work"
        work.mkdir(mode=0o700)
        file = work / "document"
        file.write_bytes(data)
        readable = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent), *path}
        try:
            profile = workspace_profile(
                work, place / "scratch", home=self._home, readable=readable, environ={}, backend=self._backend
            )
            asked = to_json({**request, "file": str(file), "path": list(path)}).decode()
            return Walls(profile).launch([sys.executable, "-I", "-S", "-c", program, asked])
        except InterpreterError as error:
            raise ToolError(f"there are no walls to read it in: {error.message}") from error
