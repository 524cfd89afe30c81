"""Which Python runs the person's code: the active environment, the project's own, or one made for the project.

Nothing here is executed. Whatever lies in the workspace, or in an environment that an installer may write, could have
been written by walled code. So its files are read as claims: a path that they name is only opened to the sandbox if it
is the inside of a real Python installation, never because a file says so.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from interpreter.aio.search import within
from interpreter.errors import KernelError, UsageError
from interpreter.text.i18n import _
from interpreter.types.base import Value

PROJECT_FOLDERS = (".venv", "venv")
PARTS = ("bin", "lib", "lib64", "ssl", "share/terminfo")
"""The inside of an installation that running it needs. Never its root: that may be `~/.local` or a home folder."""
SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
"""Readable inside every sandbox anyway."""
_LIBRARY = re.compile(r"(?:python|pypy)3\.\d{1,2}t?")
_MAX_LINKS = 16


class PythonEnvironment(Value):
    """A Python for the person's code. Every path is absolute and on the host."""

    python: str
    """What to start inside the walls."""
    prefix: str
    site: str
    """Where packages are installed."""
    kind: Literal["active", "project", "made"]
    """active: the person activated or named it. project: the workspace's `.venv` or `venv`. made: this tool made it."""
    readable: tuple[str, ...] = ()
    """What a sandbox must make readable so that it starts; the system's own folders are left out."""
    writable_by_installer: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """Variables that say which environment is in force; PATH is complete."""
    note: str = ""
    """A sentence for the person when an environment that they might expect was passed over; else empty."""


def find_environment(workspace: Path, home: Path, environ: Mapping[str, str], *, base: str = "") -> PythonEnvironment:
    """The environment for a workspace; makes one in `home` (the tool's) where there is none.

    `base` is the Python that the person named: a path, a command, or an environment's folder. It goes before all
    others, as it is where it belongs to an environment, else with an environment made on it. Never the environment of
    this tool itself. An environment of the project goes before conda's `base`, which is often active unasked.
    Raises UsageError for a named one that cannot be used, KernelError when an environment cannot be made.
    """
    workspace = Path(os.path.realpath(workspace))
    if base:
        return _named(base, workspace, home, environ)
    active, project = _active(environ, workspace), _project(workspace)
    if active and project and environ.get("CONDA_DEFAULT_ENV") == "base" and active == environ.get("CONDA_PREFIX"):
        active = ""
    note = ""
    candidates: list[tuple[str, Literal["active", "project"]]] = [(active, "active"), (project, "project")]
    for prefix, kind in candidates:
        if not prefix:
            continue
        if found := _existing(prefix, kind, environ):
            return found
        note = note or _(
            "{path} is not a usable Python environment (its Python is missing); another one is used.", path=prefix
        )
    return _made(workspace, home, environ, base_python(), note)


def _named(name: str, workspace: Path, home: Path, environ: Mapping[str, str]) -> PythonEnvironment:
    path = Path(os.path.normpath(Path.cwd() / Path(name).expanduser()))
    if "/" not in name:
        folders = [Path(folder) for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder]
        path = next((folder / name for folder in folders if os.access(folder / name, os.X_OK)), path)
    if path.is_dir():
        path = path / "bin" / "python"
    prefix = path.parent.parent
    own = os.path.realpath(prefix) == os.path.realpath(sys.prefix) != os.path.realpath(sys.base_prefix)
    if os.access(path, os.X_OK) and path.name.startswith(("python", "pypy")) and not own:
        if (prefix / "pyvenv.cfg").is_file() or (prefix / "conda-meta").is_dir():
            if found := _existing(str(prefix), "active", environ):
                return found
        elif _library(prefix, str(path)):
            return _made(workspace, home, environ, str(Path(os.path.realpath(path.parent), path.name)), "")
    reason = _("it is this program's own") if own else _("it does not belong to a Python installation or environment")
    raise UsageError(
        _("{path} cannot run your code: {reason}.", path=str(path), reason=reason),
        _("Nothing was run. Name a Python, or the folder of an environment, with --python."),
    )


def base_python() -> str:
    """The interpreter below this tool's own environment, else the system's; its folder holds no package of ours."""
    own = str(getattr(sys, "_base_executable", "") or "")
    for candidate in (own, f"{sys.base_prefix}/bin/python3", "/usr/bin/python3", "/usr/local/bin/python3"):
        if candidate and os.access(candidate, os.X_OK) and _library(Path(candidate).parent.parent, candidate):
            return candidate
    raise KernelError(
        _("No Python was found for your code."),
        _("Nothing was changed. Install python3, or activate a virtual environment and start again."),
    )


def _active(environ: Mapping[str, str], workspace: Path) -> str:
    own = {os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = os.path.normpath(environ.get(variable, ""))
        if not prefix.startswith("/") or not Path(prefix).is_dir() or os.path.realpath(prefix) in own:
            continue
        if not within(prefix, (str(workspace),)) or os.path.realpath(prefix) == prefix:
            return prefix
    return ""


def _project(workspace: Path) -> str:
    """Only a real folder: a link could lead anywhere, and walled code may have put it there."""
    for name in PROJECT_FOLDERS:
        prefix = workspace / name
        real = os.path.realpath(prefix)
        if real == str(prefix) and (prefix / "pyvenv.cfg").is_file() and real != os.path.realpath(sys.prefix):
            return real
    return ""


def _existing(prefix: str, kind: Literal["active", "project"], environ: Mapping[str, str]) -> PythonEnvironment | None:
    """The environment at `prefix`, or None where it cannot run."""
    root = Path(prefix)
    python = next((p for p in (root / "bin/python", root / "bin/python3") if os.path.lexists(p)), None)
    if python is None or not python.is_file():
        return None
    library = _library(root, str(python), landmark="site-packages")
    if not library:
        return None
    homes = [Path(home).parent] if (home := _home_of(root / "pyvenv.cfg")) else []
    whole = _whole(prefix, environ)
    return PythonEnvironment(
        python=str(python),
        prefix=prefix,
        site=str(root / "lib" / library / "site-packages"),
        kind=kind,
        readable=(*whole, *_inside([*homes, *_roots_of(python)], prefix)),
        writable_by_installer=whole,
        env=_variables(prefix, environ, conda=(root / "conda-meta").is_dir()),
    )


def _whole(prefix: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """An environment's folder, under its name and its real one; of one made in a home folder itself only its parts."""
    real = os.path.realpath(prefix)
    if within(os.path.realpath(environ.get("HOME") or Path("~").expanduser()), (real,)):
        parts = [Path(prefix, part) for part in (*PARTS, "pyvenv.cfg")]
        return tuple(str(part) for part in parts if part.exists())
    return (prefix,) if real == prefix else (prefix, real)


def _home_of(config: Path) -> str:
    """`home` of a pyvenv.cfg: a claim. Empty where there is none."""
    try:
        with config.open("rb") as file:
            text = file.read(16384).decode("utf-8", "replace")
    except OSError:
        return ""
    for line in text.splitlines():
        key, _sign, value = line.partition("=")
        if key.strip().lower() == "home" and value.strip().startswith("/"):
            return os.path.normpath(value.strip())
    return ""


def _roots_of(python: Path) -> list[Path]:
    """The installation roots that the links of an executable pass through, as the links name them."""
    roots: list[Path] = []
    hop = python
    for _turn in range(_MAX_LINKS):
        if not hop.is_symlink():
            break
        # A relative link starts where its folder really is; `..` may only be taken out of a path without links.
        target = Path(os.path.realpath(hop.parent)) / hop.readlink()
        hop = Path(os.path.normpath(target.parent)) / target.name
        roots.append(hop.parent.parent)
    return roots


def _inside(roots: list[Path], prefix: str) -> tuple[str, ...]:
    """What may be read of installations that files of an environment name: their parts, and only real ones."""
    found: dict[str, None] = {}
    for root in [way for named in roots for way in (named, Path(os.path.realpath(named)))]:
        if within(str(root), (*SYSTEM, prefix)) or not _library(root):
            continue
        found.update((str(root / part), None) for part in PARTS if (root / part).is_dir())
    return tuple(found)


def _library(root: Path, python: str = "", landmark: str = "os.py") -> str:
    """The name of the folder of the standard library, such as `python3.12`; empty where this is no installation.

    Where there are several, the one that the executable `python` is named after, else the newest.
    """
    try:
        names = [entry.name for entry in (root / "lib").iterdir() if _LIBRARY.fullmatch(entry.name)]
    except OSError:
        return ""
    wanted = Path(os.path.realpath(python)).name if python and len(names) > 1 else ""
    names.sort(key=lambda name: (name == wanted, int(name.rpartition(".")[2].rstrip("t"))), reverse=True)
    return next((name for name in names if (root / "lib" / name / landmark).exists()), "")


def _variables(prefix: str, environ: Mapping[str, str], *, conda: bool = False) -> dict[str, str]:
    own = f"{sys.prefix}/bin"
    rest = [p for p in environ.get("PATH", os.defpath).split(os.pathsep) if p and p not in (own, f"{prefix}/bin")]
    path = os.pathsep.join([f"{prefix}/bin", *rest])
    return {"CONDA_PREFIX" if conda else "VIRTUAL_ENV": prefix, "PATH": path}


def made_prefix(workspace: Path, home: Path, library: str) -> Path:
    """Where the environment made for a workspace lies: one for each project and minor version of Python."""
    digest = hashlib.sha256(str(workspace).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", workspace.name).strip("-")[:32] or "project"
    return home / "environments" / f"{name}-{digest}" / library


def _made(workspace: Path, home: Path, environ: Mapping[str, str], base: str, note: str) -> PythonEnvironment:
    root = Path(base).parent.parent
    library = _library(root, base)
    prefix = made_prefix(workspace, Path(os.path.realpath(home)), library)
    if not _stands(prefix, library, base):
        try:
            _build(prefix, library, base, workspace)
        except OSError as error:
            raise KernelError(
                _(
                    "No environment could be made in {path}: {reason}.",
                    path=str(prefix),
                    reason=error.strerror or error,
                ),
                _("Nothing else was changed. Free the folder, or set INTERPRETER_HOME to one that you can write."),
            ) from error
    return PythonEnvironment(
        python=str(prefix / "bin/python"),
        prefix=str(prefix),
        site=str(_site(prefix, library)),
        kind="made",
        readable=(str(prefix), *_inside([root, *_roots_of(Path(base))], str(prefix))),
        writable_by_installer=(str(prefix),),
        env=_variables(str(prefix), environ),
        note=note,
    )


def _site(prefix: Path, library: str) -> Path:
    return prefix / "lib" / library / "site-packages"


def _stands(prefix: Path, library: str, base: str) -> bool:
    """Whether a made environment is whole and on `base`. An installer may have changed it, so links count as broken."""
    try:
        return str((prefix / "bin/python").readlink()) == base and _is_plain_folder(_site(prefix, library))
    except OSError:
        return False


def _is_plain_folder(path: Path) -> bool:
    return os.path.realpath(path) == str(path) and path.is_dir()


def _build(prefix: Path, library: str, base: str, workspace: Path) -> None:
    """Make it beside its place and rename it there: two starts at once both end with a whole one."""
    prefix.parents[2].mkdir(parents=True, exist_ok=True, mode=0o700)
    for folder in (prefix.parents[1], prefix.parent):
        folder.mkdir(exist_ok=True, mode=0o700)
    new, old = (prefix.parent / f".{word}-{secrets.token_hex(6)}" for word in ("new", "old"))
    site = _site(new, library)
    site.mkdir(parents=True)
    (new / "bin").mkdir()
    for name in ("python", "python3", library):
        (new / "bin" / name).symlink_to(base)
    # The base's packages may be used, but not where this tool itself lives among them.
    own = os.path.realpath(Path(base).parent.parent) == os.path.realpath(sys.prefix)
    shared = "false" if own else "true"
    lines = (
        f"home = {Path(base).parent}",
        f"include-system-site-packages = {shared}",
        f"version = {library.removeprefix('python').removesuffix('t')}",
        f"made-for = {str(workspace)!a}",
    )
    (new / "pyvenv.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if os.path.lexists(prefix) and not _stands(prefix, library, base):
        prefix.rename(old)
        if _is_plain_folder(_site(old, library)):
            site.rmdir()
            _site(old, library).rename(site)
    try:
        new.rename(prefix)
    except OSError:
        if not _stands(prefix, library, base):
            raise
