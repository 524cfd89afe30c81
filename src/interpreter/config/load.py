"""Five layers, each above the one before: built-in, the person's file, the project's file, environment, flags."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ConfigError
from ..sandbox.profiles import BUILT_IN, resolve
from ..text.i18n import _
from .entries import Entry
from .keys import KEYS, SPELLINGS, Key
from .paths import project_file, user_file
from .settings import Settings, value_of, with_read_only, with_values
from .values import expected, from_file, from_text

Read = Callable[[Path], list[Entry]]


def load_settings(
    workspace: Path,
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    read: Read,
    origin: str = "",
) -> Settings:
    """The settings in force for work in `workspace`.

    `flags` holds setting names with texts (from a command line) or typed values (from a program); `read` is
    `config.files.read_entries`, given by the caller so that YAML is loaded only where a file exists; `origin` names
    the last layer where it is not a command line.
    Raises ConfigError, naming file and line, for what cannot be understood.
    """
    layers = _Layers(os.environ if environ is None else environ, workspace)
    layers.file(user_file(layers.environ), read, guarded=False)
    layers.file(project_file(workspace), read, guarded=True)
    layers.environment()
    layers.flags(flags or {}, origin)
    return layers.settled()


def nearest(name: str) -> str:
    """The setting that was probably meant, or nothing."""
    last = {spelling.rsplit(".", 1)[-1]: spelling for spelling in SPELLINGS}
    close = difflib.get_close_matches(name, SPELLINGS, 1, 0.6)
    close = close or [last[found] for found in difflib.get_close_matches(name.rsplit(".", 1)[-1], last, 1, 0.7)]
    return close[0] if close else ""


def find_key(name: str) -> Key:
    """The setting of that name. Raises ConfigError with the nearest valid name."""
    if key := SPELLINGS.get(name):
        return key
    if any(spelling.startswith(name + ".") for spelling in SPELLINGS):
        raise ConfigError(_("`{name}` is a group of settings: its members are written below it.", name=name))
    close = nearest(name)
    problem = _("there is no setting called `{name}`.", name=name)
    if close:
        problem += " " + _("Did you mean `{close}`?", close=close)
    raise ConfigError(problem, _("All settings with their values: interpreter config show"))


class _Layers:
    def __init__(self, environ: Mapping[str, str], workspace: Path) -> None:
        self.environ = environ
        self.workspace = workspace
        self.settings = Settings()
        self.origins: dict[str, str] = {}
        self.notes: list[str] = []
        self.last: set[str] = set()
        """Origins that are the last layer."""

    def file(self, path: Path, read: Read, *, guarded: bool) -> None:
        if not os.path.lexists(path):
            return
        if guarded and not (real := Path(os.path.realpath(path))).is_relative_to(os.path.realpath(self.workspace)):
            raise ConfigError(
                _("{file} leads out of the project, to {target}, and is not read.", file=str(path), target=str(real)),
                _("Move the link away, or put a file in its place."),
            )
        lines: dict[str, int] = {}
        for entry in read(path):
            place = f"{path}:{entry.line}"
            try:
                key = find_key(entry.name)
            except ConfigError as error:
                raise ConfigError(_place(path, entry.line, error.message), error.hint) from None
            try:
                value = from_file(key, entry.value)
            except (ValueError, OverflowError):
                problem = _("`{name}` should be {expected}.", name=entry.name, expected=expected(key))
                raise ConfigError(_place(path, entry.line, problem)) from None
            if key.name in lines:
                problem = _("`{name}` stands here a second time.", name=entry.name)
                raise ConfigError(_place(path, entry.line, problem))
            lines[key.name] = entry.line
            if guarded and key.name == "profile" and value == "read-only":
                # Over the person's own profile, which stays in force with all that it hides.
                self.settings = with_read_only(self.settings)
                self.origins[key.name] = place
                continue
            if guarded and self.loosens(key, value):
                self.notes.append(
                    _(
                        "{place}: `{name}` was ignored, because a project's file may not loosen what protects you.",
                        place=place,
                        name=entry.name,
                    )
                )
                continue
            kept = self.settings.walls.hidden if guarded and key.name == "hidden" else ()
            self.set(key, value, place, path.parent.parent if guarded else path.parent, kept)

    def environment(self) -> None:
        for key in KEYS.values():
            text = self.environ.get(key.variable, "")
            if not text:
                continue
            try:
                value = from_text(key, text)
            except (ValueError, OverflowError):
                raise ConfigError(
                    _("The variable {name} should be {expected}.", name=key.variable, expected=expected(key))
                ) from None
            self.set(key, value, key.variable, self.workspace)

    def flags(self, flags: Mapping[str, object], origin: str) -> None:
        for name, raw in flags.items():
            key = find_key(name)
            self.last.add(origin or (key.flags[0] if key.flags else name))
            called = origin or (key.flags[0] if key.flags else name)
            try:
                value = from_text(key, raw) if isinstance(raw, str) else from_file(key, raw)
            except (ValueError, OverflowError):
                raise ConfigError(_("{name} should be {expected}.", name=called, expected=expected(key))) from None
            self.set(key, value, called, self.workspace)

    def loosens(self, key: Key, value: Any) -> bool:
        """Whether a project's file would weaken a protection that is in force."""
        if not key.guard:
            return False
        if key.guard == "never" or value is None:
            return True
        old = value_of(self.settings, key)
        if key.kind == "bool":
            return bool(old) and not value if key.name in ("plan", "stage", "tools_only") else bool(value) and not old
        if key.name == "profile":
            return value != old and not (old == "host" and value == "workspace")
        if key.kind == "choice":
            return _rank(key, value) < _rank(key, old)
        bound = key.implied if old is None else old
        return bound is not None and value > bound

    def set(self, key: Key, value: Any, origin: str, base: Path, kept: tuple[str, ...] = ()) -> None:
        if key.kind == "paths" and value is not None:
            value = kept + tuple(str((base / Path(item).expanduser()).resolve()) for item in value)
        elif (key.name == "sandbox" and value == "off") or (key.name == "profile" and value == "off"):
            value = "host"
        elif key.name in ("output_schema", "record") and value:
            # Settled before any code runs: a link that appears later is not followed.
            value = str((base / Path(value).expanduser()).resolve())
        elif key.name in ("python", "policy") and value:
            # Not resolved: a virtual environment is known by the link, not by what it points to.
            value = str((base / Path(value).expanduser()).absolute())
        self.settings = with_values(self.settings, {key.name: value})
        if key.name == "profile":
            self.settings = with_read_only(self.settings, wanted=False)
        self.origins[key.name] = origin

    def settled(self) -> Settings:
        settings = self.settings
        if settings.safe_mode != "off" and settings.agent.auto_run:
            settings = with_values(settings, {"auto_run": False})
            self.origins["auto_run"] = self.origins.get("safe_mode", "")
            self.notes.append(_("safe_mode is on: every piece of code is asked for, also with -y."))
        settings = self.walled(settings)
        if settings.walls.profiles or settings.walls.profile not in BUILT_IN:
            resolve(settings.walls.profile, settings.walls.profiles)
        if settings.walls.backend == "host" and settings.agent.auto_run and not self.chosen_now("sandbox"):
            settings = with_values(settings, {"auto_run": False})
            self.origins["auto_run"] = self.origins["sandbox"]
            self.notes.append(
                _("Without a sandbox -y counts only beside --sandbox host: every piece of code is asked for.")
            )
        return msgspec.structs.replace(settings, origins=self.origins, notes=tuple(self.notes))

    def walled(self, settings: Settings) -> Settings:
        """Settle what `profile` and `sandbox` say about walls: where they disagree, there are walls, unless the last
        layer says `host`."""
        walls = settings.walls
        if walls.profile == "host" and walls.backend != "host":
            if "sandbox" not in self.origins or (self.chosen_now("profile") and not self.chosen_now("sandbox")):
                self.origins["sandbox"] = self.origins.get("profile", "")
                return with_values(settings, {"sandbox": "host"})
            self.notes.append(_("The profile host was ignored, because a sandbox is named beside it."))
            return with_values(settings, {"profile": "workspace"})
        newer = self.chosen_now("profile") and not self.chosen_now("sandbox")
        if walls.backend == "host" and walls.profile != "host" and newer:
            self.origins["sandbox"] = self.origins["profile"]
            return with_values(settings, {"sandbox": "auto"})
        return settings

    def chosen_now(self, name: str) -> bool:
        """Whether the last layer (the command line, or the program) says it, and not a file or a variable."""
        return self.origins.get(name, "") in self.last


def _place(path: Path, line: int, problem: str) -> str:
    return _("{file}, line {line}: {problem}", file=str(path), line=line, problem=problem)


def _rank(key: Key, value: str) -> int:
    """Strictness of a choice. The walls count alike, whichever they are; none at all is looser."""
    if key.name == "sandbox":
        return 0 if value in ("off", "host") else 1
    if key.name == "safe_mode":
        return 0 if value == "off" else 1
    if key.name == "network" and not value:
        return key.choices.index("off")
    return key.choices.index(value)
