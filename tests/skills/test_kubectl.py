"""The first look with the real `kubectl`, against a small server that answers reads as the Kubernetes API does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from interpreter.skills.find import BUILT_IN

from . import cluster

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
VERBS = ["get", "list", "watch"]
GROUPS: dict[str, dict[str, str]] = {
    "v1": {"pods": "Pod", "events": "Event", "pods/log": "Pod"},
    "apps/v1": {"replicasets": "ReplicaSet", "deployments": "Deployment"},
}
CONFIG: dict[str, Any] = {
    "apiVersion": "v1", "kind": "Config", "current-context": "test",
    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
    "users": [{"name": "test", "user": {}}],
}  # fmt: skip


class Api(BaseHTTPRequestHandler):
    found: dict[str, Any]

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        value = self.answer([part for part in path.split("/") if part], query)
        status = 200 if value is not None else 404
        body = value.encode() if isinstance(value, str) else json.dumps(value or not_found(path)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(value, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, parts: list[str], query: dict[str, list[str]]) -> Any:
        match parts:
            case ["version"]:
                return {"major": "1", "minor": "29", "gitVersion": "v1.29.0", "platform": "linux/amd64"}
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"]}
            case ["apis"]:
                version = {"groupVersion": "apps/v1", "version": "v1"}
                group = {"name": "apps", "versions": [version], "preferredVersion": version}
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}
            case ["api", "v1"] | ["apis", "apps", "v1"]:
                return resources("v1" if parts[0] == "api" else "apps/v1")
            case ["api", "v1", "namespaces", space, "pods", name, "log"]:
                said = "/previous" if query.get("previous") == ["true"] else ""
                return self.found["logs"].get(f"{space}/{name}/{query['container'][0]}{said}")
            case ["api", "v1", "namespaces", space, "pods", name]:
                return next((one for one in self.of("pods", space) if one["metadata"]["name"] == name), None)
            case ["api", "v1", *rest] | ["apis", "apps", "v1", *rest]:
                return self.listed(rest, query)
            case _:
                return None

    def of(self, kind: str, space: str) -> list[dict[str, Any]]:
        return [one for one in self.found.get(kind, []) if space in ("", one["metadata"]["namespace"])]

    def listed(self, rest: list[str], query: dict[str, list[str]]) -> Any:
        space = rest[1] if rest[0] == "namespaces" else ""
        items = self.of(rest[-1], space)
        for selector in query.get("fieldSelector", []):
            name = selector.partition("involvedObject.name=")[2]
            items = [one for one in items if not name or one["involvedObject"]["name"] == name]
        return {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}

    def log_message(self, *args: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - not looked at
        pass


def not_found(path: str) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "NotFound",
        "code": 404,
        "message": path,
    }


def resources(version: str) -> dict[str, Any]:
    rows = [
        {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": VERBS}
        for name, kind in GROUPS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": rows}


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Generator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    Api.found = cluster.crash_loop()
    address = {"server": f"http://127.0.0.1:{server.server_address[1]}"}
    config = CONFIG | {"clusters": [{"name": "test", "cluster": address}]}
    (tmp_path / "config").write_text(json.dumps(config))
    yield {**os.environ, "KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}
    server.shutdown()
    server.server_close()


def test_the_crash_loop_as_the_real_kubectl_tells_it(kubeconfig: dict[str, str], tmp_path: Path) -> None:
    script = BUILT_IN / "troubleshooting" / "scripts" / "first_look.py"
    words = [sys.executable, str(script), "--task", "web in shop keeps restarting"]
    done = subprocess.run(words, env=kubeconfig, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0 and len(done.stdout.encode()) < 2000, done.stderr
    for wanted in (
        "BackOff x21",
        "| loading cache: 120 MB",
        "cause: killed for want of memory (OOMKilled, exit 137) after running 9 s; its memory limit is 64Mi",
        "deployment/web revision 3, 12 min ago, image registry.local/web:2.0 (before: registry.local/web:1.9)",
        "kubectl -n shop set resources deployment/web -c app --limits=memory=128Mi",
    ):
        assert wanted in done.stdout
