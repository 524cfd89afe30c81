"""The default profile: the working folder, the session's scratch, the system, and an environment by allow-list."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from ..errors import UsageError
from ..text.i18n import _
from ..types.walls import BackendName, Limits, Profile
from .closed import always_hidden, protected
from .system import FOLDERS, within

PASSED = (
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "USER",
    "LOGNAME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "JAVA_HOME",
    "GOROOT",
    "R_HOME",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
)
"""Variables that a program inside gets from the person's environment; and every LC_*."""
NEVER = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH")
NOT_A_WORKSPACE = (*FOLDERS, "/boot", "/dev", "/proc", "/run", "/sys", "/lost+found")
SHARED = ("/tmp", "/var/tmp", "/var", "/home", "/mnt", "/media", "/srv")
PROXY_HERE = "@proxy@"
"""Stands for the proxy's port, which is known only when the program starts."""


def workspace_profile(
    workspace: Path | str,
    scratch: Path | str,
    *,
    home: Path | str,
    readable: Iterable[str] = (),
    env: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    network: Literal["closed", "proxy", "host"] = "closed",
    limits: Limits | None = None,
    backend: BackendName = "auto",
    final: bool = True,
) -> Profile:
    """The profile of a kernel.

    Args:
        workspace: the working folder.
        scratch: the session's folder for what programs leave behind; it and `SCRATCH.tmp` beside it are made.
        home: the tool's own folder, never visible inside but for the scratch.
        env: further variables, such as those of the language's environment; they are not filtered.
        environ: the person's environment, of which only an allow-list passes; None: that of this process.
        final: False where `shape` follows, which finds out what is closed.

    Raises:
        UsageError: the working folder is not there, or is none that could be opened to a program.
    """
    folder = checked_workspace(workspace, home)
    scratch = os.path.realpath(scratch)
    temporary = scratch + ".tmp"
    for path in (scratch, temporary):
        os.makedirs(path, mode=0o700, exist_ok=True)
    # Programs inside own this name: it may be anything by now, and nothing is followed.
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.join(scratch, "home"), 0o700)
    values = allowed(os.environ if environ is None else environ)
    values |= {"HOME": os.path.join(scratch, "home"), "TERM": "dumb", "TMPDIR": temporary}
    if os.geteuid() == 0:
        # Root inside has no right to give files away, which tar tries for root unless told.
        values["TAR_OPTIONS"] = "--no-same-owner"
    if network == "proxy":
        values |= proxy_variables()
    profile = Profile(
        backend=backend,
        workspace=folder,
        writable=(scratch, temporary),
        readable=tuple(dict.fromkeys(os.path.abspath(path) for path in readable)),
        hidden=(os.path.realpath(home),),
        network=network,
        environment=values | dict(env or {}),
        limits=limits or Limits(),
    )
    if not final:
        return profile
    profile = msgspec.structs.replace(profile, hidden=(*profile.hidden, *always_hidden(profile)))
    return msgspec.structs.replace(profile, protected=tuple(protected(profile)))


def checked_workspace(workspace: Path | str, home: Path | str) -> str:
    folder = os.path.realpath(workspace)
    if not os.path.isdir(folder):
        raise UsageError(
            _("The working folder {path} is not there.", path=workspace),
            _("Nothing was run. Go to a folder that exists, or make it again."),
        )
    if folder in ("/", *SHARED) or within(folder, NOT_A_WORKSPACE):
        raise UsageError(
            _("{path} belongs to the system and cannot be a working folder.", path=folder),
            _("Nothing was run. Start in a folder of your own."),
        )
    if within(folder, (os.path.realpath(home),)):
        raise UsageError(
            _("{path} holds this program's own files and cannot be a working folder.", path=folder),
            _("Nothing was run. Start in a folder of your own."),
        )
    return folder


def allowed(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the person that a program inside may know."""
    values = {
        name: value
        for name, value in environ.items()
        if (name in PASSED or name.startswith("LC_")) and not any(word in name.upper() for word in NEVER)
    }
    values.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    return values


def proxy_variables() -> dict[str, str]:
    """What tells programs the way out, in the spellings that they know."""
    url = f"http://127.0.0.1:{PROXY_HERE}"
    direct = "localhost,127.0.0.1,::1"
    values = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), url) | {"no_proxy": direct}
    return values | {name.upper(): value for name, value in values.items()} | {"NODE_USE_ENV_PROXY": "1"}


def safe_workspace(cwd: Path | str, home: Path | str | None = None) -> Path:
    """The folder to work in: `cwd`, or a new folder where `cwd` is the person's home, one above it, or the system's.

    The new one is `~/interpreter/DATE-N`. `home` is the person's home, for tests.

    Raises:
        UsageError: no folder could be made.
    """
    folder = os.path.realpath(cwd)
    person = os.path.realpath(home if home is not None else Path.home())
    if not within(person, (folder,)) and folder not in SHARED and not within(folder, NOT_A_WORKSPACE):
        return Path(folder)
    top = Path(person) / "interpreter"
    day = time.strftime("%Y-%m-%d")
    try:
        top.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            try:
                (new := top / f"{day}-{number}").mkdir()
            except FileExistsError:
                continue
            return new
    except OSError as error:
        raise UsageError(
            _("No working folder could be made in {path}: {reason}.", path=top, reason=error.strerror or error),
            _("Nothing was run. Start in a folder of your own."),
        ) from error
    raise UsageError(_("{path} is full of working folders.", path=top), _("Start in a folder of your own."))
