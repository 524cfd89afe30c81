"""The three kinds of patches that kubectl sends."""

from __future__ import annotations

import copy
from typing import Any

from .store import Object

KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "imagePullSecrets": "name",
    "volumeMounts": "mountPath", "conditions": "type", "ownerReferences": "uid", "ports": "containerPort",
}  # fmt: skip
"""Lists that a strategic patch merges, by what names their members; every other list is replaced."""


def merged(old: Any, new: Any) -> Any:
    """RFC 7386."""
    if not isinstance(new, dict):
        return new
    found: Object = dict(old) if isinstance(old, dict) else {}  # pyright: ignore[reportUnknownArgumentType]
    for name, value in new.items():  # pyright: ignore[reportUnknownVariableType]
        if value is None:
            found.pop(str(name), None)  # pyright: ignore[reportUnknownArgumentType]
        else:
            found[str(name)] = merged(found.get(str(name)), value)  # pyright: ignore[reportUnknownArgumentType]
    return found


def strategic(old: Object, new: Object) -> Object:
    """A strategic merge patch, with the directives `$patch` and `$deleteFromPrimitiveList`; the order is not kept."""
    if new.get("$patch") == "replace":
        return {name: value for name, value in new.items() if name != "$patch"}
    found = copy.deepcopy(old)
    for name, value in new.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            found[field] = [one for one in found.get(field, []) if one not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            inner: Any = found.get(name)
            found[name] = strategic(inner if isinstance(inner, dict) else {}, value)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, list) and name in KEYS:
            found[name] = members(found.get(name) or [], value, key_of(name, value))  # pyright: ignore[reportUnknownArgumentType]
        else:
            found[name] = value
    return found


def key_of(name: str, values: list[Object]) -> str:
    """Ports of a service have another key than those of a container."""
    return "port" if name == "ports" and any("port" in one for one in values) else KEYS[name]


def members(old: list[Object], new: list[Object], key: str) -> list[Object]:
    if any(one.get("$patch") == "replace" and len(one) == 1 for one in new):
        return [one for one in new if "$patch" not in one]
    found = [copy.deepcopy(one) for one in old]
    for one in new:
        at = next((n for n, had in enumerate(found) if had.get(key) == one.get(key)), None)
        if one.get("$patch") == "delete":
            found = [had for n, had in enumerate(found) if n != at]
        elif at is None:
            found.append(strategic({}, one))
        else:
            found[at] = strategic(found[at], one)
    return found


def operated(old: Object, operations: list[Object]) -> Object:
    """RFC 6902: add, replace, remove and test. Raises ValueError where a path is not there."""
    found = copy.deepcopy(old)
    for one in operations:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        place: Any = found
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place.get(part)  # pyright: ignore
            if place is None:
                raise ValueError(f"the path {one['path']} is not there")
        if isinstance(place, list):
            index = len(place) if last == "-" else int(last)  # pyright: ignore[reportUnknownArgumentType]
            if one["op"] == "add":
                place.insert(index, one["value"])  # pyright: ignore[reportUnknownMemberType]
                continue
            last = index
        if one["op"] == "remove":
            del place[last]
        elif one["op"] == "test":
            if place[last] != one["value"]:
                raise ValueError(f"the test of {one['path']} failed")
        else:
            place[last] = one["value"]
    return found


def patched(kind: str, old: Object, patch: Any) -> Object | None:
    """None: a kind that is not understood here."""
    if kind == "application/strategic-merge-patch+json":
        return strategic(old, patch)
    if kind == "application/merge-patch+json":
        return merged(old, patch)
    if kind == "application/json-patch+json":
        return operated(old, patch)
    return None
