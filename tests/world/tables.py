"""Rows as the server makes them for `kubectl get`."""

from __future__ import annotations

from datetime import UTC, datetime

from .store import Object

COLUMNS: dict[str, tuple[str, ...]] = {
    "pods": ("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node"),
    "deployments": ("Name", "Ready", "Up-to-date", "Available", "Age", "+Containers", "+Images", "+Selector"),
    "replicasets": ("Name", "Desired", "Current", "Ready", "Age", "+Containers", "+Images"),
    "services": ("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age"),
    "events": ("Last Seen", "Type", "Reason", "Object", "Message"),
    "namespaces": ("Name", "Status", "Age"),
    "nodes": ("Name", "Status", "Roles", "Age", "Version"),
}
"""Those with a plus are shown by `-o wide` alone."""


def table(resource: str, objects: list[Object], version: str) -> Object:
    names = COLUMNS.get(resource, ("Name", "Age"))
    columns = [
        {"name": name.lstrip("+"), "type": "string", "format": "name" if name == "Name" else "",
         "priority": int(name.startswith("+")), "description": ""}
        for name in names
    ]  # fmt: skip
    rows = [{"cells": cells(resource, one), "object": partial(one)} for one in objects]
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
            "columnDefinitions": columns, "rows": rows}  # fmt: skip


def partial(one: Object) -> Object:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": one["metadata"]}


def age(stamp: str) -> str:
    then = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (120, "m")):
        if seconds >= size:
            return f"{seconds // min(size, 60) if unit == 'm' else seconds // size}{unit}"
    return f"{seconds}s"


def word(pod: Object) -> str:
    """The state of a pod in one word."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    for one in pod["status"].get("containerStatuses", []):
        state: Object = one["state"]
        for kind in ("waiting", "terminated"):
            if reason := state.get(kind, {}).get("reason"):
                return str(reason)
    return str(pod["status"].get("phase", "Pending"))


def containers(held: Object) -> tuple[str, str]:
    found: list[Object] = held["spec"]["template"]["spec"]["containers"]
    return ",".join(one["name"] for one in found), ",".join(one["image"] for one in found)


def cells(resource: str, one: Object) -> list[object]:
    meta, spec, status = one["metadata"], one.get("spec", {}), one.get("status", {})
    since = age(meta["creationTimestamp"])
    match resource:
        case "pods":
            said: list[Object] = status.get("containerStatuses", [])
            up = sum(one["ready"] for one in said)
            restarts = sum(one["restartCount"] for one in said)
            return [meta["name"], f"{up}/{len(spec['containers'])}", word(one), restarts, since,
                    status.get("podIP", "<none>"), spec.get("nodeName", "<none>")]  # fmt: skip
        case "deployments":
            selector = ",".join(f"{name}={value}" for name, value in spec["selector"]["matchLabels"].items())
            return [meta["name"], f"{status.get('readyReplicas', 0)}/{spec['replicas']}",
                    status.get("updatedReplicas", 0), status.get("availableReplicas", 0), since,
                    *containers(one), selector]  # fmt: skip
        case "replicasets":
            return [meta["name"], spec["replicas"], status.get("replicas", 0), status.get("readyReplicas", 0), since,
                    *containers(one)]  # fmt: skip
        case "services":
            ports = ",".join(f"{port['port']}:{port['nodePort']}/TCP" if "nodePort" in port else f"{port['port']}/TCP"
                             for port in spec.get("ports", []))  # fmt: skip
            return [meta["name"], spec["type"], spec["clusterIP"], "<none>", ports, since]
        case "events":
            involved = one["involvedObject"]
            return [age(one["lastTimestamp"]), one["type"], one["reason"],
                    f"{involved['kind'].lower()}/{involved['name']}", one["message"]]  # fmt: skip
        case "namespaces":
            return [meta["name"], status["phase"], since]
        case "nodes":
            return [meta["name"], "Ready", "control-plane", since, "v1.32.4"]
        case _:
            return [meta["name"], since]
