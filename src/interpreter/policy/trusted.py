"""Which projects' policy files the person trusts: by path and content, so that a changed file is a stranger again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..errors import PolicyError
from ..text.i18n import _

NAME = "trusted.json"


def trusts(home: Path) -> Callable[[Path, bytes], bool]:
    """For `load_policy`: whether a project's file, with this content, is trusted. `home` is the tool's."""
    return lambda path, data: _read(home).get(str(path.resolve())) == hashlib.sha256(data).hexdigest()


def trust(home: Path, path: Path, data: bytes) -> None:
    """Remember that the person trusts this file with this content. Raises PolicyError where it cannot be kept."""
    known = _read(home)
    known[str(path.resolve())] = hashlib.sha256(data).hexdigest()
    _write(home, known)


def revoke(home: Path, path: Path) -> bool:
    """Forget it; whether it was trusted (with any content)."""
    known = _read(home)
    if known.pop(str(path.resolve()), None) is None:
        return False
    _write(home, known)
    return True


def _read(home: Path) -> dict[str, str]:
    """What is remembered; nothing where the file is absent or damaged: then nobody is trusted."""
    try:
        return msgspec.json.decode((home / NAME).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(home: Path, known: dict[str, str]) -> None:
    target = home / NAME
    new = target.with_suffix(".new")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(known)))
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except OSError as error:
        raise PolicyError(
            _("Trust cannot be kept in {file}: {reason}.", file=str(target), reason=error.strerror or "?"),
            _("Nothing was changed."),
        ) from None
