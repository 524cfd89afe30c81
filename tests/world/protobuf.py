"""The few objects that kubectl writes as protobuf: a namespace (`create namespace`), a question (`auth can-i`)."""

from __future__ import annotations

from typing import Any

from .store import Object

MAGIC = b"k8s\0"
Shape = dict[int, tuple[str, Any]]
"""Fields by their numbers: a name, and the shape of a message within; None for text."""
META: Shape = {1: ("name", None), 2: ("generateName", None), 3: ("namespace", None)}
ATTRIBUTES: Shape = {1: ("namespace", None), 2: ("verb", None), 3: ("group", None), 4: ("version", None),
                     5: ("resource", None), 6: ("subresource", None), 7: ("name", None)}  # fmt: skip
SHAPES: dict[str, Shape] = {
    "Namespace": {1: ("metadata", META)},
    "SelfSubjectAccessReview": {1: ("metadata", META), 2: ("spec", {1: ("resourceAttributes", ATTRIBUTES)})},
}


def number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data: bytes) -> dict[int, bytes]:
    """Those with a length; the last of each number."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        key, at = number(data, at)
        if key & 7 == 0:
            _value, at = number(data, at)
        elif key & 7 == 2:
            size, at = number(data, at)
            found[key >> 3] = data[at : at + size]
            at += size
        else:
            raise ValueError("a kind of field that is not known here")
    return found


def shaped(data: bytes, shape: Shape) -> Object:
    found: Object = {}
    for place, value in fields(data).items():
        if place in shape:
            name, inner = shape[place]
            given = shaped(value, inner) if inner else value.decode()
            if given:
                found[name] = given
    return found


def decoded(data: bytes) -> Object:
    """Raises ValueError: it is none, or of a kind that is not known here."""
    if not data.startswith(MAGIC):
        raise ValueError("no object")
    whole = fields(data[len(MAGIC) :])
    kind = fields(whole[1])
    name = kind[2].decode()
    if name not in SHAPES:
        raise ValueError(f"a {name} as protobuf")
    return {"apiVersion": kind[1].decode(), "kind": name, **shaped(whole[2], SHAPES[name])}
