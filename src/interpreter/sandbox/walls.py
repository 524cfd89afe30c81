"""The walls of one session: a profile, the backend that holds it, and what was granted since."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import SandboxUnavailable, UsageError
from ..text.i18n import _
from ..types.walls import Launch, Profile
from .backend import Backend, written
from .choice import choose
from .closed import always_hidden, is_secret
from .stage import check_backend, upper_of
from .system import system, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .wayout import WayOut


class Walls:
    """Makes the launches of a session's kernels.

    Args:
        profile: what kernels may reach; grows by `grant` alone.
        backend: None chooses by the profile.
        network_log: the file, outside the walls, to which the proxy writes each attempt; needed with network "proxy".
        way: a folder, made where needed, for what programs with a way out need to read; empty: nothing is put there,
            and rules that end TLS or bring credentials are refused.
        allow_private: let the proxy reach private and loopback addresses; for tests.
        names: addresses of names, which then are not looked up; for tests.

    Raises:
        SandboxUnavailable: no backend holds the profile.
        UsageError: a credential cannot be read, or what its rule needs is not installed.
    """

    def __init__(
        self,
        profile: Profile,
        backend: Backend | None = None,
        *,
        network_log: Path | str = "",
        way: Path | str = "",
        allow_private: bool = False,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.profile = profile
        self.backend = backend if backend is not None else choose(profile)
        check_backend(profile, self.backend.name)
        self._lock = threading.Lock()
        self._closed: tuple[str, str] | tuple[()] = ()
        self._proxy: dict[str, Any] = {"log": str(network_log), "allow_private": allow_private, "names": names or {}}
        self._way: WayOut | None = None
        if way and profile.network == "proxy":
            # Only a session with a network pays for it.
            module = importlib.import_module(".wayout", __package__)
            self._way = module.WayOut(profile.rules, way, os.environ)
        if self._way is None and (profile.rules.read_only or profile.rules.credentials):
            raise ValueError("these rules need a folder for the way out")
        for path in (*profile.readable, *profile.writable):
            self._link(os.path.abspath(path))

    def describe(self) -> str:
        """The backend's name, as it is stored with every action."""
        return self.backend.name

    def launch(
        self,
        argv: Sequence[str],
        *,
        readable: Iterable[str] = (),
        writable: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> Launch:
        """How to start a program inside; the further paths and variables are for it alone.

        Raises:
            SandboxUnavailable: the working folder is gone, or the backend cannot hold what is asked.
        """
        with self._lock:
            profile = self.profile
        if self._closed:
            raise SandboxUnavailable(*self._closed)
        if not os.path.isdir(profile.workspace):
            raise SandboxUnavailable(
                _("The working folder {path} is gone.", path=profile.workspace),
                _("Nothing was run; the session is kept. Make the folder again, or start in another one."),
            )
        profile = msgspec.structs.replace(
            profile,
            readable=(*profile.readable, *readable),
            writable=(*profile.writable, *writable),
            environment=profile.environment | dict(env or {}),
        )
        brought: dict[str, Any] = {}
        if self._way is not None:
            values, paths = self._way.inside(profile)
            profile = msgspec.structs.replace(
                profile, readable=(*profile.readable, *paths), environment=profile.environment | values
            )
            brought = self._way.broker()
        launch = self.backend.launch(profile, argv)
        launch = msgspec.structs.replace(launch, writable=filled(profile))
        return (
            launch
            if launch.proxy is None
            else msgspec.structs.replace(launch, proxy=launch.proxy | self._proxy | brought)
        )

    def grant(self, path: str, access: Literal["read", "write"] = "read") -> str:
        """Open a path of the host to the kernels: those to come, and the living where the backend can.

        The caller has asked the person. Returns the name under which living kernels see it after the keeper's `grant`
        (source: its real path), or an empty string where they must be started anew. A path of the person's home is
        also found through `~`, which inside is another folder.

        Raises:
            UsageError: there is no such path, or it holds what is never opened.
        """
        named = os.path.abspath(os.path.expanduser(path))
        real = os.path.realpath(named)
        if not os.path.exists(real):
            raise UsageError(_("There is no {path}.", path=path), _("Nothing was opened."))
        closed = (*self.profile.hidden, *system().hidden)
        if within(real, closed) or any(within(name, (real,)) for name in closed):
            raise UsageError(_("{path} is never opened to programs.", path=path), _("Nothing was opened."))
        with self._lock:
            kind = "writable" if access == "write" else "readable"
            paths: tuple[str, ...] = getattr(self.profile, kind)
            if named not in paths:
                self.profile = msgspec.structs.replace(self.profile, **{kind: (*paths, named)})
            if is_secret(real):
                self.profile = msgspec.structs.replace(self.profile, named=(*self.profile.named, named))
            keys = [path for path in always_hidden(self.profile) if path not in self.profile.hidden]
            self.profile = msgspec.structs.replace(self.profile, hidden=(*self.profile.hidden, *keys))
        self._link(named)
        # What is shown to the living cannot be masked there.
        return named if self.backend.living_grants and not keys else ""

    def stage(self, folder: str) -> None:
        """Kernels to come write to layers in `folder`; the caller has ended those that live."""
        with self._lock:
            self.profile = msgspec.structs.replace(self.profile, stage=folder)
            self._closed = ()

    def close_stage(self, why: str, remedy: str) -> None:
        """No kernel may be born until `stage` is called again: what lies in the stage is being committed."""
        with self._lock:
            self._closed = (why, remedy)

    def _link(self, named: str) -> None:
        """Let a path of the person's home be found through `~` as well, which inside is another folder."""
        person = os.path.abspath(os.path.expanduser("~"))
        inside = self.profile.environment.get("HOME", "")
        if within(named, (person,)) and named != person and not within(inside, (named,)):
            with contextlib.suppress(OSError):
                link_below(inside, os.path.relpath(named, person), named)


def filled(profile: Profile) -> tuple[str, ...]:
    """The folders in which a program can use up disk space."""
    return tuple(dict.fromkeys(upper_of(profile, os.path.realpath(path)) for path in written(profile)))


def link_below(top: str, name: str, target: str) -> None:
    """Make the symbolic link `top/name`. Programs inside own that folder: no link of theirs is followed.

    Raises OSError, also when the name is taken.
    """
    flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    *folders, last = name.split("/")
    fd = os.open(top, flags)
    try:
        for folder in folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(folder, 0o700, dir_fd=fd)
            below = os.open(folder, flags, dir_fd=fd)
            os.close(fd)
            fd = below
        os.symlink(target, last, dir_fd=fd)
    finally:
        os.close(fd)
