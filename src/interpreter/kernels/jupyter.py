"""Installed Jupyter kernels: which there are, and what one is started with.

Only their descriptions are read here; the kernel, and all that speaks with it, runs inside the walls (see
`guest/jupyter_driver.py`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import msgspec

from ..aio.search import find as program_of
from ..aio.search import passes
from ..types.base import Value
from ..types.languages import canonical

LARGEST = 64 << 10
"""Bytes of a description; larger files are none."""


class KernelSpec(Value):
    """An installed kernelspec."""

    argv: tuple[str, ...]
    name: str = ""
    """Of its folder."""
    folder: str = ""
    display_name: str = ""
    language: str = ""
    """As the kernel's author spells it."""
    interrupt_mode: str = "signal"
    env: dict[str, str] = {}


def installed(environ: Mapping[str, str] | None = None) -> dict[str, KernelSpec]:
    """Every kernelspec by its name, the person's own before the system's. Broken ones are left out."""
    found: dict[str, KernelSpec] = {}
    for folder in _folders(os.environ if environ is None else environ):
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            spec = _read(entry)
            if spec is not None:
                found.setdefault(spec.name, spec)
    return found


def find(language: str, environ: Mapping[str, str] | None = None, written: tuple[str, ...] = ()) -> KernelSpec | None:
    """The kernelspec for a language, by its language first and by its own name then. None without jupyter_client."""
    if not available():
        return None
    specs = installed(environ)
    for spec in specs.values():
        if language == (canonical(spec.language) or spec.language.lower()) and program_of(spec.argv[0], written):
            return spec
    named = specs.get(language)
    return named if named and program_of(named.argv[0], written) else None


@cache
def available() -> bool:
    """Whether the extra `[jupyter]` is installed."""
    return importlib.util.find_spec("jupyter_client") is not None


def readable(spec: KernelSpec, written: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What the walls must let through for it: its folder, its program, and this tool's own Python; of what is reached
    through a folder of `written` nothing, because code may change what it leads to."""
    program = program_of(spec.argv[0], written) or spec.argv[0]
    theirs = (spec.folder, program, *(() if passes(program, written) else (os.path.realpath(program),)))
    own = (sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent))
    return tuple(dict.fromkeys((*(path for path in theirs if not passes(path, written)), *own)))


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    yield from (Path(entry) / "kernels" for entry in environ.get("JUPYTER_PATH", "").split(os.pathsep) if entry)
    home = environ.get("HOME", "")
    if data := environ.get("JUPYTER_DATA_DIR"):
        yield Path(data) / "kernels"
    elif home:
        share = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
        yield Path(share) / "jupyter" / "kernels"
        yield Path(home) / "Library" / "Jupyter" / "kernels"
    for prefix in dict.fromkeys((sys.prefix, "/usr/local", "/usr")):
        yield Path(prefix) / "share" / "jupyter" / "kernels"


def _read(folder: Path) -> KernelSpec | None:
    try:
        with (folder / "kernel.json").open("rb") as file:
            spec = msgspec.json.decode(file.read(LARGEST), type=KernelSpec)
    except (OSError, ValueError):
        return None
    if not spec.argv:
        return None
    return msgspec.structs.replace(spec, name=folder.name.lower(), folder=str(folder))
