"""Profiles by name: three built in, and those of the person's configuration, which inherit from them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from ..errors import ConfigError
from ..text.i18n import _
from ..types.base import Value
from ..types.rules import NetworkRules
from ..types.walls import Limits

BUILT_IN = ("host", "workspace", "read-only")
"""The loosest first."""
FIELDS = (
    "inherit",
    "readable",
    "writable",
    "hidden",
    "protected",
    "network",
    "limits",
    "environment",
    "pass",
    "devices",
)
RULES = ("allow", "deny", "otherwise", "read_only")
POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}
DEPTH = 16
"""Profiles that inherit from one another."""


class NamedProfile(Value):
    """What a profile adds to the settings; paths are absolute."""

    name: str = "workspace"
    base: Literal["host", "workspace", "read-only"] = "workspace"
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    network: Literal["", "off", "ask", "open"] = ""
    """Empty: as the settings say."""
    rules: NetworkRules = NetworkRules()
    limits: dict[str, Any] = {}
    """Fields of `types.walls.Limits` that are other than set elsewhere."""
    environment: dict[str, str] = {}
    passed: tuple[str, ...] = ()
    """Names of the person's environment variables that programs get."""
    devices: tuple[str, ...] = ()


def names_of(own: Mapping[str, Any]) -> tuple[str, ...]:
    return (*BUILT_IN, *own)


def resolve(name: str, own: Mapping[str, Any]) -> NamedProfile:
    """The profile of a name. `own`: the table `profiles` of the person's configuration.

    Raises ConfigError: there is none of that name, or it is not what a profile should be; names the nearest right word.
    """
    check(own)
    return _resolve(name or "workspace", own, ())


def check(own: Mapping[str, Any]) -> None:
    """Look at every profile of a configuration, used or not. Raises ConfigError."""
    for name in own:
        if name in BUILT_IN or name == "off":
            raise ConfigError(
                _("`{name}` is a built-in profile and cannot be changed.", name=name),
                _("Give yours another name, with `inherit: {name}`.", name=name),
            )
        _resolve(name, own, ())


def _resolve(name: str, own: Mapping[str, Any], seen: tuple[str, ...]) -> NamedProfile:
    name = "host" if name == "off" else name
    if name in BUILT_IN:
        return NamedProfile(name=name, base=cast(Any, name))
    if name not in own:
        raise ConfigError(
            _("There is no profile called `{name}`.", name=name) + close_to(name, names_of(own)),
            _("The profiles here: {names}", names=", ".join(names_of(own))),
        )
    if name in seen or len(seen) > DEPTH:
        raise ConfigError(_("The profile `{name}` inherits from itself.", name=name))
    table = own[name]
    if not isinstance(table, Mapping):
        raise ConfigError(_("The profile `{name}` should be names, each with a value.", name=name))
    fields = {str(key): value for key, value in cast("Mapping[object, Any]", table).items()}
    for key in fields:
        if key not in FIELDS:
            raise _wrong(name, key, _("there is no such word in a profile.") + close_to(key, FIELDS))
    parent = _resolve(_text(name, "inherit", fields.get("inherit", "workspace")), own, (*seen, name))
    return _over(parent, name, fields)


def _over(parent: NamedProfile, name: str, fields: Mapping[str, Any]) -> NamedProfile:
    values: dict[str, Any] = {"name": name}
    for key in ("readable", "writable", "hidden", "protected", "devices"):
        values[key] = (*getattr(parent, key), *(_path(name, key, item) for item in _list(name, key, fields.get(key))))
    if "network" in fields:
        values["network"], values["rules"] = _network(name, fields["network"])
    values["limits"] = parent.limits | _limits(name, fields.get("limits") or {})
    values["environment"] = parent.environment | _environment(name, fields.get("environment") or {})
    values["passed"] = (*parent.passed, *_list(name, "pass", fields.get("pass")))
    for device in values["devices"]:
        if not device.startswith("/dev/"):
            raise _wrong(name, "devices", _("{path} is no device.", path=device))
    return msgspec.structs.replace(parent, **values)


def _network(name: str, raw: Any) -> tuple[str, NetworkRules]:
    if isinstance(raw, bool):
        return ("open" if raw else "off"), NetworkRules()
    if isinstance(raw, str):
        if raw not in ("off", "ask", "open"):
            raise _wrong(name, "network", _("it should be off, ask, open, or rules."))
        return raw, NetworkRules()
    if not isinstance(raw, Mapping):
        raise _wrong(name, "network", _("it should be off, ask, open, or rules."))
    table = {str(key): value for key, value in cast("Mapping[object, Any]", raw).items()}
    for key in table:
        if key not in RULES:
            raise _wrong(name, f"network.{key}", _("there is no such word in a profile.") + close_to(key, RULES))
    otherwise = table.get("otherwise", "deny")
    if otherwise not in ("allow", "ask", "deny"):
        raise _wrong(name, "network.otherwise", _("it should be allow, ask or deny."))
    rules = NetworkRules(
        allow=tuple(_list(name, "network.allow", table.get("allow"))),
        deny=tuple(_list(name, "network.deny", table.get("deny"))),
        otherwise=otherwise,
        read_only=table.get("read_only") is True,
    )
    return "ask", rules


def _limits(name: str, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise _wrong(name, "limits", _("it should be names, each with a number."))
    known = Limits.__struct_fields__
    found: dict[str, Any] = {}
    for key, value in cast("Mapping[object, Any]", raw).items():
        if key not in known:
            word = f"limits.{key}"
            raise _wrong(name, word, _("there is no such word in a profile.") + close_to(str(key), known))
        found[str(key)] = _amount(name, f"limits.{key}", value, whole=key not in ("timeout", "cpu"))
    return found


def _amount(name: str, key: str, value: Any, *, whole: bool) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, str):
        number, unit = value.strip().upper().removesuffix("B").removesuffix("I"), 0
        if number[-1:] in POWERS:
            number, unit = number[:-1], POWERS[number[-1]]
        value = int(number) * 1024**unit if number.isascii() and number.isdigit() else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0 or value == float("inf"):
        raise _wrong(name, key, _("it should be a number above 0, or a size such as 8G."))
    return int(value) if whole else float(value)


def _environment(name: str, raw: Any) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        raise _wrong(name, "environment", _("it should be names, each with a text."))
    found: dict[str, str] = {}
    for key, value in cast("Mapping[object, Any]", raw).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(key, str) or not key or "=" in key or "\0" in key + text or isinstance(value, (list, dict)):
            raise _wrong(name, f"environment.{key}", _("it should be names, each with a text."))
        found[key] = text
    return found


def _list(name: str, key: str, raw: Any) -> list[str]:
    if raw is None:
        return []
    items = cast("list[Any]", raw) if isinstance(raw, list) else [raw]
    if not all(isinstance(item, str) and item and "\0" not in item for item in items):
        raise _wrong(name, key, _("it should be a list of texts."))
    return [str(item) for item in items]


def _path(name: str, key: str, item: str) -> str:
    path = os.path.expanduser(item)
    if not path.startswith("/"):
        raise _wrong(name, key, _("{path} should begin with / or ~.", path=item))
    return os.path.normpath(path)


def _text(name: str, key: str, raw: Any) -> str:
    if not isinstance(raw, str):
        raise _wrong(name, key, _("it should be the name of a profile."))
    return raw


def _wrong(name: str, key: str, problem: str) -> ConfigError:
    return ConfigError(
        _("profiles.{name}.{key}: {problem}", name=name, key=key, problem=problem), _("Nothing was run. Mend the file.")
    )


def close_to(word: str, words: tuple[str, ...]) -> str:
    """The nearest right word, as a sentence; empty where none is near."""
    close = difflib.get_close_matches(word, words, 1, 0.5)
    return " " + _("Did you mean `{close}`?", close=close[0]) if close else ""
