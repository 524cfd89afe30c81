"""What the API does with a request that names objects."""

from __future__ import annotations

import copy
import secrets
from typing import Any

from .controllers import end, owned
from .kinds import SELF_REVIEW, Kind
from .patches import patched
from .requests import Asked, Refused, forbidden, missing, wanted
from .store import Object, Store, Taken
from .tables import table

ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}


class Api:
    """Reads, writes and refuses as the real one does; it does not look for unknown fields, and knows no quotas."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def answer(self, asked: Asked) -> Any:
        """An object, a list or a table. Raises Refused."""
        if asked.path.endswith(f"/{SELF_REVIEW}") and asked.method == "POST":
            return self._review(asked)
        if asked.kind is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        space = asked.name if asked.kind.plural == "namespaces" else asked.space
        if not asked.user.may(asked.verb, space):
            raise forbidden(asked)
        match asked.verb:
            case "list":
                return self._listed(asked)
            case "get":
                return self._shown(asked, self._found(asked))
            case "create":
                return self._created(asked)
            case "update" | "patch":
                return self._changed(asked)
            case _:
                return self._deleted(asked)

    # --- reading

    def _found(self, asked: Asked) -> Object:
        found = self._store.get(asked.of.plural, asked.space, asked.name)
        if found is None:
            raise missing(asked.of, asked.name)
        return found

    def _listed(self, asked: Asked) -> Object:
        with self._store.changed:
            items = self._store.list(asked.of.plural, asked.space, wanted(asked.query))
            version = str(self._store.number)
        if asked.as_table:
            return table(asked.of.plural, items, version)
        return {"kind": f"{asked.of.name}List", "apiVersion": asked.of.version,
                "metadata": {"resourceVersion": version}, "items": items}  # fmt: skip

    def _shown(self, asked: Asked, found: Object) -> Object:
        if asked.part == "scale":
            return scale_of(asked.of, found)
        if asked.as_table:
            return table(asked.of.plural, [found], found["metadata"]["resourceVersion"])
        return found

    # --- writing

    def _created(self, asked: Asked) -> Object:
        made: Object = copy.deepcopy(asked.body)
        kind, meta = asked.of, made.setdefault("metadata", {})
        if meta.get("generateName") and not meta.get("name"):
            meta["name"] = meta["generateName"] + secrets.token_hex(3)[:5]
        if not meta.get("name"):
            raise invalid(kind, "", "metadata.name: Required value: name or generateName is required")
        if kind.namespaced:
            meta["namespace"] = asked.space
            if self._store.get("namespaces", "", asked.space) is None:
                raise Refused(404, "NotFound", f'namespaces "{asked.space}" not found')
        made |= {"kind": kind.name, "apiVersion": kind.version}
        completed(kind, made)
        if "dryRun" in asked.query:
            return made
        try:
            return self._store.create(kind.plural, made)
        except Taken:
            message = f'{kind.full} "{meta["name"]}" already exists'
            raise Refused(409, "AlreadyExists", message, {"name": meta["name"], "kind": kind.plural}) from None

    def _changed(self, asked: Asked) -> Object:
        """A patch or a whole new object, in one step with what it is made from."""
        with self._store.changed:
            old = self._found(asked)
            if asked.part == "scale":
                return self._scaled(asked, old)
            new = asked.body if asked.method == "PUT" else self._patch(asked, old)
            version = new.get("metadata", {}).get("resourceVersion")
            if version and version != old["metadata"]["resourceVersion"]:
                message = (f'Operation cannot be fulfilled on {asked.of.full} "{asked.name}": the object has been '
                           "modified; please apply your changes to the latest version and try again")  # fmt: skip
                raise Refused(409, "Conflict", message)
            for field in ("uid", "creationTimestamp", "generation", "resourceVersion", "name", "namespace"):
                if field in old["metadata"]:
                    new["metadata"][field] = old["metadata"][field]
            if asked.part != "status" and "status" in old:
                new["status"] = old["status"]
            completed(asked.of, new)
            if "dryRun" in asked.query:
                return new

            def change(one: Object) -> None:
                one.clear()
                one.update(copy.deepcopy(new))

            changed = self._store.edit(asked.of.plural, asked.space, asked.name, change)
            assert changed is not None
            return self._shown(asked, changed)

    def _patch(self, asked: Asked, old: Object) -> Object:
        try:
            new = patched(asked.content, old, asked.body)
        except (ValueError, KeyError, IndexError) as error:
            raise Refused(422, "Invalid", f"the patch cannot be applied: {error}") from None
        if new is None:
            message = f"the body of the request was in an unknown format - {asked.content}"
            raise Refused(415, "UnsupportedMediaType", message)
        return new

    def _scaled(self, asked: Asked, old: Object) -> Object:
        scale = asked.body
        if asked.method == "PATCH":
            scale = self._patch(asked, scale_of(asked.of, old))
        number = scale["spec"].get("replicas", 0)
        if not isinstance(number, int) or number < 0:
            raise invalid(asked.of, asked.name, "spec.replicas: must be greater than or equal to 0")
        changed = self._store.edit(
            asked.of.plural, asked.space, asked.name, lambda one: one["spec"].update(replicas=number)
        )
        assert changed is not None
        return scale_of(asked.of, changed)

    # --- deleting

    def _deleted(self, asked: Asked) -> Object:
        if not asked.name:
            items = self._store.list(asked.of.plural, asked.space, wanted(asked.query))
            for one in items:
                self.remove(asked.of.plural, one)
            return {"kind": f"{asked.of.name}List", "apiVersion": asked.of.version, "metadata": {}, "items": items}
        found = self._found(asked)
        self.remove(asked.of.plural, found)
        return found

    def remove(self, plural: str, one: Object) -> None:
        """With all that belongs to it; pods go when the node has stopped them."""
        meta = one["metadata"]
        space, name = meta.get("namespace", ""), meta["name"]
        if plural == "pods":
            end(self._store, one)
            return
        if plural == "namespaces":
            for held in ("deployments", "replicasets", "pods", "services", "configmaps", "secrets"):
                for each in self._store.list(held, name):
                    self.remove(held, each)
        with self._store.changed:
            below = {"deployments": "replicasets", "replicasets": "pods"}.get(plural)
            mine = owned(self._store, below, one) if below else []
            self._store.delete(plural, space, name)
            for each in mine:
                self.remove(str(below), each)

    def _review(self, asked: Asked) -> Object:
        """`kubectl auth can-i`."""
        about: Object = asked.body["spec"].get("resourceAttributes", {})
        allowed = asked.user.may(about.get("verb", ""), about.get("namespace", ""))
        return {**asked.body, "status": {"allowed": allowed}}


def scale_of(kind: Kind, found: Object) -> Object:
    meta = {name: found["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    chosen = ",".join(f"{name}={value}" for name, value in found["spec"]["selector"]["matchLabels"].items())
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
            "spec": {"replicas": found["spec"]["replicas"]},
            "status": {"replicas": found.get("status", {}).get("replicas", 0), "selector": chosen}}  # fmt: skip


def invalid(kind: Kind, name: str, why: str) -> Refused:
    return Refused(422, "Invalid", f'{kind.name}{f".{kind.group}" if kind.group else ""} "{name}" is invalid: {why}')


def completed(kind: Kind, made: Object) -> None:
    """Defaults, and the few things that are looked at."""
    name, spec = str(made["metadata"]["name"]), made.setdefault("spec", {})
    if kind.plural == "deployments":
        for field, value in (("replicas", 1), ("strategy", ROLLING), ("revisionHistoryLimit", 10),
                             ("progressDeadlineSeconds", 600)):  # fmt: skip
            spec.setdefault(field, copy.deepcopy(value))
        if spec["strategy"]["type"] == "RollingUpdate":
            for field, value in (("maxSurge", "25%"), ("maxUnavailable", "25%")):
                spec["strategy"].setdefault("rollingUpdate", {}).setdefault(field, value)
        labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
        chosen = spec.get("selector", {}).get("matchLabels", {})
        if not chosen or any(labels.get(key) != value for key, value in chosen.items()):
            raise invalid(kind, name, "spec.template.metadata.labels: `selector` does not match template `labels`")
        containers(kind, name, spec["template"].get("spec", {}))
        made.setdefault("status", {})
    elif kind.plural == "pods":
        for field, value in (("restartPolicy", "Always"), ("terminationGracePeriodSeconds", 30)):
            spec.setdefault(field, value)
        containers(kind, name, spec)
        made.setdefault("status", {"phase": "Pending"})
    elif kind.plural == "services":
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("clusterIP", "127.0.0.1")
    elif kind.plural == "namespaces":
        made["status"] = {"phase": "Active"}
    elif not spec:
        del made["spec"]


def containers(kind: Kind, name: str, spec: Object) -> None:
    found: list[Object] = spec.get("containers", [])
    if not found:
        raise invalid(kind, name, "spec.template.spec.containers: Required value")
    for one in found:
        if not one.get("image"):
            raise invalid(kind, name, "spec.template.spec.containers[0].image: Required value")
        newest = one["image"].endswith(":latest") or ":" not in one["image"].rpartition("/")[2]
        one.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")
        one.setdefault("resources", {})
