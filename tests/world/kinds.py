"""The kinds of objects that the cluster knows, and what discovery says of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from .store import Object

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {
    "major": "1", "minor": "32", "gitVersion": "v1.32.4", "gitCommit": "0", "gitTreeState": "clean",
    "buildDate": "2025-04-22T00:00:00Z", "goVersion": "go1.23.6", "compiler": "gc", "platform": "linux/amd64",
}  # fmt: skip


class Kind(NamedTuple):
    plural: str
    name: str
    group: str = ""
    short: tuple[str, ...] = ()
    namespaced: bool = True
    parts: tuple[str, ...] = ()
    """Subresources."""
    everyday: bool = False
    """Part of `kubectl get all`."""

    @property
    def version(self) -> str:
        return f"{self.group}/v1" if self.group else "v1"

    @property
    def full(self) -> str:
        """As messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


KINDS = {
    kind.plural: kind
    for kind in (
        Kind("pods", "Pod", short=("po",), parts=("log", "status"), everyday=True),
        Kind("services", "Service", short=("svc",), everyday=True),
        Kind("events", "Event", short=("ev",)),
        Kind("configmaps", "ConfigMap", short=("cm",)),
        Kind("secrets", "Secret"),
        Kind("namespaces", "Namespace", short=("ns",), namespaced=False),
        Kind("nodes", "Node", short=("no",), namespaced=False),
        Kind("deployments", "Deployment", "apps", ("deploy",), parts=("scale", "status"), everyday=True),
        Kind("replicasets", "ReplicaSet", "apps", ("rs",), parts=("scale", "status"), everyday=True),
    )
}
SELF_REVIEW = "selfsubjectaccessreviews"
GROUPS = ("", "apps", "authorization.k8s.io")


def resources(group: str) -> list[Object]:
    found: list[Object] = []
    for kind in KINDS.values():
        if kind.group != group:
            continue
        found.append({
            "name": kind.plural, "singularName": kind.name.lower(), "namespaced": kind.namespaced, "kind": kind.name,
            "verbs": VERBS, "shortNames": list(kind.short), "categories": ["all"] if kind.everyday else [],
        })  # fmt: skip
        for part in kind.parts:
            scale = part == "scale"
            more = {"group": "autoscaling", "version": "v1"} if scale else {}
            found.append({
                "name": f"{kind.plural}/{part}", "singularName": "", "namespaced": True,
                "kind": "Scale" if scale else kind.name, "verbs": ["get", "patch", "update"], **more,
            })  # fmt: skip
    if group == GROUPS[2]:
        found.append({"name": SELF_REVIEW, "singularName": "", "namespaced": False,
                      "kind": "SelfSubjectAccessReview", "verbs": ["create"]})  # fmt: skip
    return found


def discovery(parts: list[str]) -> Any:
    """The answer to a path that names no object; None where there is none."""
    match parts:
        case ["version"]:
            return VERSION
        case ["livez" | "readyz" | "healthz"]:
            return "ok"
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            groups = [group_of(name) for name in GROUPS if name]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in GROUPS:
            return {"kind": "APIGroup", "apiVersion": "v1", **group_of(group)}
        case ["api", "v1"]:
            return {"kind": "APIResourceList", "groupVersion": "v1", "resources": resources("")}
        case ["apis", group, "v1"] if group in GROUPS:
            version = f"{group}/v1"
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version,
                    "resources": resources(group)}  # fmt: skip
        case ["openapi", "v3"]:
            paths = ["api/v1", *(f"apis/{name}/v1" for name in GROUPS if name)]
            return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=1"} for path in paths}}
        case ["openapi", "v3", "api", "v1"]:
            return schema("")
        case ["openapi", "v3", "apis", group, "v1"] if group in GROUPS:
            return schema(group)
        case _:
            return None


def group_of(name: str) -> Object:
    version = {"groupVersion": f"{name}/v1", "version": "v1"}
    return {"name": name, "versions": [version], "preferredVersion": version}


def schema(group: str) -> Object:
    """As much of the OpenAPI document as makes kubectl leave the validation of fields to the server."""
    paths: Object = {}
    for kind in KINDS.values():
        if kind.group == group:
            start = f"/apis/{group}/v1" if group else "/api/v1"
            space = "/namespaces/{namespace}" if kind.namespaced else ""
            whose = {"group": group, "kind": kind.name, "version": "v1"}
            parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            operation: Object = {"x-kubernetes-group-version-kind": whose, "parameters": [parameter], "responses": {}}
            paths[f"{start}{space}/{kind.plural}/{{name}}"] = {"patch": operation, "put": operation}
            paths[f"{start}{space}/{kind.plural}"] = {"post": operation}
    info = {"title": "Kubernetes", "version": "v1.32.4"}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
