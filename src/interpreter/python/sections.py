"""Settings as attributes: `interpreter.llm.model = ...`. Only names of the table of settings are taken."""

from __future__ import annotations

from typing import Any

from ..config.keys import KEYS, SPELLINGS, Key
from ..config.load import find_key
from ..config.settings import Settings, value_of
from ..config.values import expected, from_file
from ..errors import ConfigError
from ..text.i18n import _


class Chosen:
    """What a program has set so far; each value is checked when it is set."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.version = 0
        """Counts changes, so that a session knows when it must be opened anew."""

    def set(self, name: str, value: Any) -> None:
        """Raises ConfigError, which is an AttributeError's place here: unknown name or unfit value."""
        key = find_key(name)
        try:
            typed = from_file(key, value)
        except (ValueError, OverflowError):
            raise ConfigError(_("{name} should be {expected}.", name=name, expected=expected(key))) from None
        if self.values.get(key.name, _MISSING) != typed:
            self.values[key.name] = typed
            self.version += 1

    def get(self, key: Key, settings: Settings) -> Any:
        return self.values[key.name] if key.name in self.values else value_of(settings, key)


_MISSING = object()


class Section:
    """A group of settings of an `Interpreter`: `llm`, `os`."""

    __slots__ = ("_chosen", "_name", "_settings")

    def __init__(self, name: str, chosen: Chosen, settings: Any) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_chosen", chosen)
        object.__setattr__(self, "_settings", settings)

    def __setattr__(self, name: str, value: Any) -> None:
        chosen: Chosen = object.__getattribute__(self, "_chosen")
        chosen.set(f"{object.__getattribute__(self, '_name')}.{name}", value)

    def __getattr__(self, name: str) -> Any:
        key = SPELLINGS.get(f"{object.__getattribute__(self, '_name')}.{name}")
        if key is None or name.startswith("__"):
            raise AttributeError(f"{object.__getattribute__(self, '_name')} has no setting {name!r}")
        return object.__getattribute__(self, "_chosen").get(key, object.__getattribute__(self, "_settings")())

    def __dir__(self) -> list[str]:
        prefix = f"{object.__getattribute__(self, '_name')}."
        return sorted(name.removeprefix(prefix) for name in SPELLINGS if name.startswith(prefix))


TOP = frozenset(name for name in SPELLINGS if "." not in name) | frozenset(n for n in KEYS if "." not in n)
"""Settings that are attributes of the interpreter itself: `auto_run`, `system_message`, `max_retries` ..."""
