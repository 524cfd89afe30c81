"""What the cluster holds: objects as JSON, each change with a number, so that watches can begin anywhere."""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

Object = dict[str, Any]
Wanted = Callable[[Object], bool]


class Change(NamedTuple):
    number: int
    what: str
    """ADDED, MODIFIED or DELETED."""
    resource: str
    object: Object


class Taken(Exception):
    """There is an object of this name already."""


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def everything(_object: Object) -> bool:
    return True


class Store:
    """Every object that is given out is a copy; every change wakes whoever waits on `changed`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.number = 0
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._changes: list[Change] = []

    def get(self, resource: str, space: str, name: str) -> Object | None:
        with self.changed:
            return copy.deepcopy(self._objects.get((resource, space, name)))

    def list(self, resource: str, space: str = "", wanted: Wanted = everything) -> list[Object]:
        """Those of one namespace, or of all; by name."""
        with self.changed:
            keys = sorted(key for key in self._objects if key[0] == resource and space in ("", key[1]))
            return [copy.deepcopy(self._objects[key]) for key in keys if wanted(self._objects[key])]

    def create(self, resource: str, made: Object) -> Object:
        """Raises Taken."""
        meta = made.setdefault("metadata", {})
        key = (resource, str(meta.get("namespace", "")), str(meta["name"]))
        with self.changed:
            if key in self._objects:
                raise Taken(key[2])
            meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
            return self._put(key, copy.deepcopy(made), "ADDED")

    def edit(self, resource: str, space: str, name: str, change: Callable[[Object], object]) -> Object | None:
        """Let `change` work on the object; what it leaves is the new one. None: there is no such object."""
        key = (resource, space, name)
        with self.changed:
            old = self._objects.get(key)
            if old is None:
                return None
            new = copy.deepcopy(old)
            change(new)
            if new == old:
                return copy.deepcopy(old)
            if new.get("spec") != old.get("spec"):
                new["metadata"]["generation"] = old["metadata"].get("generation", 1) + 1
            return self._put(key, new, "MODIFIED")

    def delete(self, resource: str, space: str, name: str) -> Object | None:
        key = (resource, space, name)
        with self.changed:
            if key not in self._objects:
                return None
            gone = self._put(key, self._objects[key], "DELETED")
            del self._objects[key]
            return gone

    def since(self, resource: str, number: int) -> list[Change]:
        with self.changed:
            return [one for one in self._changes if one.number > number and one.resource == resource]

    def _put(self, key: tuple[str, str, str], value: Object, what: str) -> Object:
        self.number += 1
        value["metadata"]["resourceVersion"] = str(self.number)
        self._objects[key] = value
        self._changes.append(Change(self.number, what, key[0], copy.deepcopy(value)))
        self.changed.notify_all()
        return copy.deepcopy(value)


class Events:
    """What `kubectl describe` and `get events` show; the same thing again is counted."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def say(self, about: Object, kind: str, reason: str, message: str, *, warning: bool = False) -> None:
        meta = about["metadata"]
        space = str(meta.get("namespace", "default"))

        def same(event: Object) -> bool:
            involved = event["involvedObject"]
            return (involved["uid"], event["reason"], event["message"]) == (meta["uid"], reason, message)

        def again(event: Object) -> None:
            event |= {"count": event["count"] + 1, "lastTimestamp": now()}

        with self._store.changed:
            if found := self._store.list("events", space, same):
                self._store.edit("events", space, found[0]["metadata"]["name"], again)
                return
            self._store.create("events", {
                "apiVersion": "v1", "kind": "Event",
                "metadata": {"name": f"{meta['name']}.{uuid.uuid4().hex[:16]}", "namespace": space},
                "type": "Warning" if warning else "Normal", "reason": reason, "message": message, "count": 1,
                "firstTimestamp": now(), "lastTimestamp": now(), "eventTime": None,
                "source": {"component": "kubelet" if kind == "Pod" else "deployment-controller"},
                "reportingComponent": "", "reportingInstance": "",
                "involvedObject": {
                    "kind": kind, "namespace": space, "name": meta["name"], "uid": meta["uid"],
                    "apiVersion": about.get("apiVersion", "v1"), "resourceVersion": meta.get("resourceVersion", ""),
                },
            })  # fmt: skip
