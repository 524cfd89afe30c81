"""Put packages into the person's environment: pip, in a process of its own, inside walls of its own.

The installer may write the environment and its own cache and reach package indexes through the proxy; the kernels never
gain any of that. Only wheels are installed, because building from source runs the package's code.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import structs

from interpreter.aio.programs import NOT_WALLED, run_launch
from interpreter.errors import InterpreterError, KernelError, SandboxUnavailable
from interpreter.sandbox import Walls
from interpreter.sandbox.profile import proxy_variables
from interpreter.text.i18n import _
from interpreter.types.base import Value
from interpreter.types.events import Progress
from interpreter.types.rules import NetworkRules
from interpreter.types.walls import MIB, BackendName, Launch, Limits, Profile

from ..text.expression import expression
from .environments import PythonEnvironment
from .indexes import IndexSettings, index_settings

TIMEOUT = 1800.0
"""Seconds for one install; large wheels over slow lines take minutes."""
_KEPT_LINES = 200
_CONTROL = expression(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_RAW_PROGRESS = expression(r"Progress (\d{1,18}) of (\d{1,18})")
_TOLD = expression(
    r"ERROR|WARNING|Collecting |Downloading |Using cached |Installing |Successfully |Looking in |Could not "
    r"|Found existing |Requirement already "
)
_REQUIRES = expression(r"PYTHON_REQUIRES = \((\d+), (\d+)\)")
Reason = Literal[
    "", "unknown", "version", "conflict", "network", "refused", "space", "denied", "timeout", "walls", "failed"
]


class Installed(Value):
    """How an install ended."""

    ok: bool
    reason: Reason = ""
    """Empty for a good end. unknown: no such package, or no wheel of it for this Python."""
    packages: tuple[str, ...] = ()
    """What was newly installed, as `pandas 2.2.3`; empty where everything was there already."""
    replaced: tuple[str, ...] = ()
    """Packages that were there in another version: a kernel that has imported one needs a restart."""
    message: str = ""
    """For the person; `hint` says what was kept and what to do."""
    hint: str = ""
    for_model: str = ""
    output: str = ""
    """The end of what pip said."""


async def install(
    environment: PythonEnvironment,
    requirements: Sequence[str],
    *,
    home: Path,
    environ: Mapping[str, str],
    progress: Callable[[Progress], None],
    backend: BackendName = "auto",
    timeout: float = TIMEOUT,
) -> Installed:
    """Install `requirements` (of `packages.plan`) into `environment`; a bad end is a value, not an exception.

    `home` is the tool's own, for the cache. Two installs into one environment take turns. Cancelling ends pip at once.
    """
    reading = _Reading(progress)
    try:
        async with _turn(environment, home, progress), _folder(home) as folder:
            settings = index_settings(environ)
            profile = installer_profile(environment, settings, folder, home, backend)
            walls = Walls(profile, network_log=home / "cache" / "installs.jsonl")
            launch = _only_to(settings.hosts, walls.launch(_command(environment, requirements)))
            status = await run_launch(launch, reading.feed, timeout=timeout)
    except TimeoutError:
        return _failed("timeout", requirements, reading.text())
    except InterpreterError as error:
        return _failed("walls", requirements, reading.text(), error)
    except OSError as error:
        return _failed("failed", requirements, f"{reading.text()}\n{error}")
    reading.finish()
    if status == NOT_WALLED:
        return _failed("walls", requirements, reading.text(), _no_walls(reading.text()))
    if status:
        return _failed(reading.why(), requirements, reading.text())
    return _good(reading)


def installer_profile(
    environment: PythonEnvironment, settings: IndexSettings, folder: Path, home: Path, backend: BackendName = "auto"
) -> Profile:
    """What the installer may reach: it writes the environment, its cache and `folder`, and reads pip and settings."""
    cache = _private(home / "cache" / "pip")
    env = {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "PIP_CACHE_DIR": str(cache),
        "PIP_RETRIES": "2",
        "PIP_TIMEOUT": "20",
        "TMPDIR": str(folder),
        **settings.env,
    }
    if backend != "host":
        # An index on this machine is behind the proxy like any other: inside, localhost is somewhere else.
        env |= {**proxy_variables(), "no_proxy": "", "NO_PROXY": ""}
    return Profile(
        name="installer",
        backend=backend,
        workspace=str(folder),
        writable=(*environment.writable_by_installer, str(cache)),
        readable=(*environment.readable, *settings.readable, str(_pip_folder().parent)),
        network="host" if backend == "host" else "proxy",
        rules=NetworkRules(otherwise="allow"),
        environment=env,
        limits=Limits(memory=4096 * MIB, processes=128),
    )


def _only_to(hosts: Sequence[str], launch: Launch) -> Launch:
    """The way out, narrowed to the indexes. One of a company may lie in its private network: the person named it."""
    if launch.proxy is None or not hosts:
        return launch
    return structs.replace(launch, proxy={**launch.proxy, "hosts": list(hosts)})


def _command(environment: PythonEnvironment, requirements: Sequence[str]) -> list[str]:
    runner = _pip_folder() / "__pip-runner__.py"
    program = [environment.python, "-I", str(runner)]
    version = re.search(r"3\.(\d+)", Path(environment.site).parent.name)
    needed = _REQUIRES.search(runner.read_text(encoding="utf-8"))
    if version and needed and int(version[1]) < int(needed[2]):
        if not (Path(environment.site) / "pip" / "__main__.py").exists():
            raise KernelError(
                _("Python 3.{minor} is too old for this program's pip.", minor=version[1]),
                _("Nothing was changed. Install pip into {path}, or use a newer Python.", path=environment.prefix),
            )
        program = [environment.python, "-I", "-m", "pip"]
    options = ["--only-binary=:all:", "--no-input", "--no-color", "--no-warn-script-location", "--progress-bar=raw"]
    # Only at this level does pip say that an index cannot be reached; `_Reading` leaves the rest out.
    options.append("-vv")
    return [*program, "install", *options, "--root-user-action=ignore", "--", *requirements]


def _pip_folder() -> Path:
    spec = find_spec("pip")
    if spec is None or spec.origin is None:
        raise KernelError(
            _("This program's own pip is missing."),
            _("Nothing was changed. Install this program again, or put the package into your environment by hand."),
        )
    return Path(spec.origin).parent


def _private(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.asynccontextmanager
async def _folder(home: Path) -> AsyncGenerator[Path]:
    """A folder for one install, on the disk of the environments made here: large wheels do not fit everywhere."""
    parent = _private(home / "cache" / "installs")
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as name:
        yield Path(os.path.realpath(name))


@contextlib.asynccontextmanager
async def _turn(
    environment: PythonEnvironment, home: Path, progress: Callable[[Progress], None]
) -> AsyncGenerator[None]:
    """Hold the environment's lock. It lies in the tool's home: nothing inside walls can hold or replace it."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", environment.prefix).strip("-")[-100:]
    with (_private(home / "cache" / "locks") / name).open("a") as lock:
        said = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    progress(Progress(what="install", text=_("Waiting for another install to end")))
                said = True
                await asyncio.sleep(0.1)
        yield


class _Reading:
    """What pip says, line by line: progress now, the outcome at the end."""

    def __init__(self, progress: Callable[[Progress], None]) -> None:
        self._progress = progress
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._last: deque[str] = deque(maxlen=20)
        self._shown = ""
        self.installed: tuple[str, ...] = ()
        self.replaced: list[str] = []

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-65536:]
        for line in lines:
            self._line(_CONTROL.sub("", line.decode("utf-8", "replace")).strip())

    def finish(self) -> None:
        self.feed(b"\n")

    def _line(self, line: str) -> None:
        if match := _RAW_PROGRESS.fullmatch(line):
            size, whole = int(match[1]), int(match[2])
            self._progress(Progress(what="install", done=min(1.0, size / whole) if whole else None, text=self._shown))
            return
        if not line:
            return
        self._last.append(line[:2000])
        if not _TOLD.match(line):
            return
        self._lines.append(line[:2000])
        word, _space, rest = line.partition(" ")
        if line.startswith("Successfully installed "):
            self.installed = tuple(" ".join(name.rsplit("-", 1)) for name in rest.split()[1:])
        elif line.startswith("Found existing installation: "):
            self.replaced.append(rest.split()[2] if len(rest.split()) > 2 else rest)
        elif word in ("Collecting", "Downloading", "Installing", "Using"):
            self._shown = _CONTROL.sub("", line)[:120]
            self._progress(Progress(what="install", text=self._shown))

    def text(self) -> str:
        """What counts of what was said, or, where that tells nothing, the last lines."""
        told = any(line.startswith(("ERROR", "Successfully", "Requirement")) for line in self._lines)
        return "\n".join(self._lines if told else [*self._lines, *self._last])[-8000:]

    def why(self) -> Reason:
        text = "\n".join([*self._lines, *self._last])
        for reason, pattern in _REASONS:
            if re.search(pattern, text, re.MULTILINE):
                return reason
        return "failed"


_REASONS: tuple[tuple[Reason, str], ...] = (
    ("space", r"No space left on device|Disk quota exceeded|Errno 122"),
    (
        "network",
        r"connection broken by|: (proxy )?connection error|Max retries|50\d Server Error|timed out|CERTIFICATE",
    ),
    ("refused", r"40[137] Client Error|HTTP error 40[137]|Tunnel connection failed"),
    ("conflict", r"conflicting dependencies|^ERROR: ResolutionImpossible"),
    ("unknown", r"from versions: none\)"),
    ("version", r"Could not find a version that satisfies"),
    ("denied", r"Permission denied|Read-only file system|EnvironmentError|externally-managed"),
)
"""In the order in which they count: a network that fails also ends in `No matching distribution`."""


def _no_walls(reason: str) -> SandboxUnavailable:
    return SandboxUnavailable(
        _("The walls could not be put up: {reason}", reason=reason),
        _("Nothing was installed. `interpreter doctor` says what this machine can do."),
    )


def _good(reading: _Reading) -> Installed:
    if not reading.installed:
        message = _("Everything was installed already.")
        return Installed(ok=True, message=message, for_model="Already installed.", output=reading.text())
    packages = ", ".join(reading.installed)
    hint, tail = "", " Import it now; variables are kept."
    if replaced := [name for name in reading.replaced if any(p.startswith(f"{name} ") for p in reading.installed)]:
        names = ", ".join(replaced)
        hint = _(
            "{names}: another version was there; what has it loaded keeps the old one until a restart.", names=names
        )
        tail += f" Replaced: {names}; restart the kernel if it was imported before."
    return Installed(
        ok=True,
        packages=reading.installed,
        replaced=tuple(replaced),
        message=_("Installed: {packages}.", packages=packages),
        hint=hint,
        for_model=f"Installed {_some(reading.installed)}.{tail}",
        output=reading.text(),
    )


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _failed(
    reason: Reason, requirements: Sequence[str], output: str, error: InterpreterError | None = None
) -> Installed:
    message, hint = _sentences(reason, ", ".join(requirements))
    if error is not None:
        message, hint = error.message, error.hint
    plain = {
        "unknown": "there is no such package for this Python",
        "version": "that version does not exist for this Python",
        "conflict": "its versions conflict with what is installed",
        "network": "the package index cannot be reached",
        "refused": "the package index refused",
        "space": "the disk is full",
        "denied": "the environment cannot be written",
        "timeout": "it took too long",
    }.get(reason, "the installer failed")
    said = f"Not installed: {_some(requirements)}: {plain}. Solve the task with what is there, or say what is missing."
    return Installed(ok=False, reason=reason, message=message, hint=hint, for_model=said, output=output[-8000:])


_BEFORE_ANY_CHANGE = ("unknown", "version", "conflict", "network", "refused", "denied")


def _sentences(reason: Reason, names: str) -> tuple[str, str]:
    kept = _("Your environment is as it was.") if reason in _BEFORE_ANY_CHANGE else ""
    last = _("What pip said is in the session's log.")
    table: dict[Reason, tuple[str, str]] = {
        "unknown": (
            _("{names}: there is no package of that name, or none that is ready for this Python.", names=names),
            _("Check the name. What must be built from source is not installed here; use pip by hand for that."),
        ),
        "version": (
            _("{names}: that version does not exist for this Python.", names=names),
            _("Ask for another version."),
        ),
        "conflict": (
            _("{names}: the versions that are needed do not fit together.", names=names),
            _("Ask for another version, or work in a new virtual environment."),
        ),
        "network": (
            _("{names} could not be fetched: the package index cannot be reached.", names=names),
            _("Check the network and your settings for pip (index-url, proxy, cert); then ask again."),
        ),
        "refused": (
            _("{names} could not be fetched: the package index refused the request.", names=names),
            _("Check the credentials in your settings for pip; then ask again."),
        ),
        "space": (
            _("{names} could not be installed: the disk is full.", names=names),
            _("Free some space; then ask again."),
        ),
        "denied": (
            _("{names} could not be installed: you may not write the environment.", names=names),
            _("Use an environment of your own: python3 -m venv .venv"),
        ),
        "timeout": (
            _("{names} was not installed within the time limit.", names=names),
            _("What was downloaded is kept; ask again to go on."),
        ),
    }
    message, hint = table.get(reason, (_("{names} could not be installed.", names=names), last))
    return message, f"{kept} {hint}".strip()
