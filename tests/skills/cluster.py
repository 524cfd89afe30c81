"""A `kubectl` that answers as a real one does, from objects in the shape of the Kubernetes API.

The shapes were read off `kubectl get -o json` of Kubernetes 1.29; only the fields that do not matter here are left out.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SCRIPT = """
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
data = json.load(open(os.path.join(here, "cluster.json")))
words = sys.argv[1:]
with open(os.environ.get("KUBECTL_LOG", os.devnull), "a") as log:
    log.write(" ".join(words) + "\\n")
def option(*names):
    for n, word in enumerate(words):
        if word in names:
            return words[n + 1]
        for name in names:
            if word.startswith(name + "="):
                return word.partition("=")[2]
    return ""
space = option("-n", "--namespace")
if words[0] == "-n":
    words = words[2:]
if data.get("down"):
    sys.exit("The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?")
if words[0] == "logs":
    text = data["logs"].get(f"{space}/{words[1]}/{option('-c')}" + ("/previous" if "--previous" in words else ""))
    if text is None:
        said = f'previous terminated container "{option("-c")}" in pod "{words[1]}" not found'
        sys.exit("Error from server (BadRequest): " + said)
    print(text)
elif words[:2] == ["get", "pods"] and "-A" in words and data.get("narrow"):
    said = 'pods is forbidden: User "ci" cannot list resource "pods" at the cluster scope'
    sys.exit("Error from server (Forbidden): " + said)
elif words[0] == "get":
    items = data.get(words[1], [])
    if space:
        items = [one for one in items if one["metadata"]["namespace"] == space]
    field = option("--field-selector")
    if field:
        items = [one for one in items if one["involvedObject"]["name"] == field.partition("=")[2]]
    print(json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}))
elif words[:2] == ["config", "current-context"]:
    print("test")
elif words[:2] == ["set", "image"]:
    container, image = words[-1].split("=")
    data["deployments"][0]["spec"]["template"]["spec"]["containers"][0]["image"] = image
    json.dump(data, open(os.path.join(here, "cluster.json"), "w"))
    print(f"{words[2]} image updated")
elif words[:2] == ["rollout", "status"]:
    print(f'{words[2].replace("/", " ")!r} successfully rolled out'.replace("deployment web", 'deployment "web"'))
else:
    sys.exit(f"error: unknown command {words[0]!r}")
"""


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def container(name: str = "app", image: str = "registry.local/web:2.0", memory: str = "64Mi") -> dict[str, Any]:
    resources = (
        {"limits": {"memory": memory, "cpu": "250m"}, "requests": {"memory": "32Mi", "cpu": "50m"}} if memory else {}
    )
    return {"name": name, "image": image, "imagePullPolicy": "IfNotPresent", "resources": resources}


def pod(name: str = "web-5d8f7c9b6d-x2x4q", namespace: str = "shop", **more: Any) -> dict[str, Any]:
    """A healthy pod of the deployment `web`; `status` is one container's status, `phase` the pod's."""
    status = {
        "name": "app",
        "image": "registry.local/web:2.0",
        "imageID": "sha256:1",
        "containerID": "containerd://1",
        "ready": True,
        "restartCount": 0,
        "started": True,
        "state": {"running": {"startedAt": ago(600)}},
        "lastState": {},
    } | more.get("status", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": {"app": more.get("app", "web"), "pod-template-hash": "5d8f7c9b6d"},
            "creationTimestamp": ago(720),
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f7c9b6d", "controller": True}
            ],
        },
        "spec": {"containers": [container(memory=more.get("memory", "64Mi"))], "nodeName": "node-1"},
        "status": {
            "phase": more.get("phase", "Running"),
            "qosClass": "Burstable",
            "startTime": ago(720),
            "containerStatuses": [status] if more.get("begun", True) else [],
        }
        | more.get("pod_status", {}),
    }


def killed(**more: Any) -> dict[str, Any]:
    """A pod that is killed again and again for want of memory."""
    last = {
        "terminated": {
            "containerID": "containerd://0",
            "exitCode": 137,
            "reason": "OOMKilled",
            "startedAt": ago(40),
            "finishedAt": ago(31),
        }
    }
    waiting = {
        "waiting": {
            "reason": "CrashLoopBackOff",
            "message": "back-off 2m40s restarting failed container=app pod=web-5d8f7c9b6d-x2x4q_shop(uid)",
        }
    }
    return pod(
        status={"ready": False, "started": False, "restartCount": 7, "state": waiting, "lastState": last}, **more
    )


def event(
    reason: str,
    message: str,
    name: str = "web-5d8f7c9b6d-x2x4q",
    kind: str = "Warning",
    count: int = 1,
    namespace: str = "shop",
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "type": kind,
        "reason": reason,
        "message": message,
        "count": count,
        "metadata": {"name": f"{name}.17a", "namespace": namespace},
        "firstTimestamp": ago(600),
        "lastTimestamp": ago(30),
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": name},
        "source": {"component": "kubelet", "host": "node-1"},
    }


def replica_set(name: str, revision: int, image: str, seconds: float, namespace: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": ago(seconds),
            "annotations": {
                "deployment.kubernetes.io/revision": str(revision),
                "deployment.kubernetes.io/desired-replicas": "1",
            },
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True}],
        },
        "spec": {
            "replicas": 1,
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container(image=image)]}},
        },
        "status": {"replicas": 1},
    }


def crash_loop() -> dict[str, Any]:
    """The case: a release two minutes ago, and its pod dies of its memory limit."""
    return {
        "pods": [killed(), pod("db-0", app="db")],
        "events": [
            event(
                "BackOff", "Back-off restarting failed container app in pod web-5d8f7c9b6d-x2x4q_shop(uid)", count=21
            ),
            event(
                "Pulled", 'Container image "registry.local/web:2.0" already present on machine', kind="Normal", count=7
            ),
        ],
        "logs": {
            "shop/web-5d8f7c9b6d-x2x4q/app/previous": "listening on :8080\nloading cache: 120 MB\ncache 80 %",
        },
        "replicasets": [
            replica_set("web-7b6c5d4f3c", 2, "registry.local/web:1.9", 86400),
            replica_set("web-5d8f7c9b6d", 3, "registry.local/web:2.0", 720),
        ],
    }


def deployed() -> dict[str, Any]:
    """A deployment that runs well."""
    return {
        "metadata": {"name": "web", "namespace": "shop", "annotations": {"deployment.kubernetes.io/revision": "3"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [container()]}}},
        "status": {"readyReplicas": 2},
    }


def put_kubectl(folder: Path, cluster: dict[str, Any]) -> Path:
    """The program `kubectl` in a folder, which has to come first on the path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.json").write_text(json.dumps(cluster))
    (folder / "kubectl.py").write_text(SCRIPT)
    program = folder / "kubectl"
    # Each look asks it some times, and the `python3` of a path may first have to look for one; walls may hide ours.
    python, script = shlex.quote(sys.executable), shlex.quote(str(folder / "kubectl.py"))
    program.write_text(
        f'#!/bin/sh\npython={python}\n[ -x "$python" ] || python=python3\nexec "$python" -I -S {script} "$@"\n'
    )
    program.chmod(0o755)
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "KUBECTL_LOG": str(folder / "asked"),
    }
