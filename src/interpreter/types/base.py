"""The one base of every value, and the ids."""

from __future__ import annotations

import hashlib
import os
from typing import Any, dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class ValueMeta(msgspec.StructMeta):
    """Tells type checkers that every value is frozen and takes keywords only."""


class Value(msgspec.Struct, metaclass=ValueMeta, frozen=True, kw_only=True, omit_defaults=True):
    """A value without identity: compared by content, never changed."""


def new_id(prefix: str) -> str:
    """A name that cannot be guessed: `prefix` and 20 hexadecimal digits of randomness."""
    return f"{prefix}_{os.urandom(10).hex()}"


def code_sha256(code: str) -> str:
    """The SHA-256 of the code's UTF-8 bytes, in hexadecimal: what a permit is bound to."""
    return hashlib.sha256(code.encode("utf-8")).hexdigest()


def to_json(value: object) -> bytes:
    return msgspec.json.encode(value)


def from_json(data: bytes | str, kind: Any) -> Any:
    """Decode; raises msgspec.ValidationError (a ValueError) for what does not fit."""
    return msgspec.json.decode(data, type=kind)


def whole(value: Any) -> Any:
    """As plain dicts and lists, with every field, those that have their default as well: for programs of others."""
    if isinstance(value, msgspec.Struct):
        return {name: whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple | list):
        return [whole(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
