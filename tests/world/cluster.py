"""A Kubernetes of the tests' own: the API as kubectl knows it, and one node that runs real containers.

What a person would see is there: roll-outs with revisions, probes, failed pulls, kills for want of memory, back-offs,
events, logs, users with tokens. What it has not: other nodes, volumes, more than one container in a pod, `exec`,
`port-forward`, logs that are followed, server-side apply, the check of unknown fields. Each pod has a port of its own
instead of an address of its own, told by the variable PORT. Spans that the cluster waits (back-offs, periods,
deadlines) are shorter than they are called.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from .controllers import Controllers, ready
from .docker import Docker, Failed
from .forward import Forwarder
from .kubelet import NODE, Pod
from .requests import Asked, Refused, label_holds
from .server import Line, Server
from .store import Events, Object, Store
from .tls import Certificates, made_certificates
from .users import ADMIN, User

HASTE = 20.0
"""How many seconds of the cluster pass in one of ours."""
PATIENCE = 60.0
IDLE = 0.3
"""Seconds after which the controllers look again although nothing has changed: a deadline may have passed."""


def why_no_cluster() -> str:
    """Empty where one can be started; a Docker engine is asked for besides."""
    return "" if shutil.which("kubectl") else "kubectl is not installed"


class Cluster:
    def __init__(self, folder: Path, socket: str, *, haste: float = HASTE, limits: bool | None = None) -> None:
        """`limits`: whether the engine bounds memory; None: it is asked. Without, the node kills by itself."""
        self._folder, self._haste = folder, haste
        self.store = Store()
        self.events = Events(self.store)
        self._docker = Docker(socket)
        self._limits = self._docker.limits_memory() if limits is None else limits
        self._users: dict[str, User] = {}
        self._certificates: Certificates = made_certificates(folder)
        self._server = Server(self.store, self._users, self._log, self._certificates.context)
        self._controllers = Controllers(self.store, self.events, haste)
        self._pods: dict[str, Pod] = {}
        self._services: dict[tuple[str, str], Forwarder] = {}
        self._closing = threading.Event()
        self.store.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "status": {}})
        self.namespace("default")
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=self._work, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self.admin = self.kubeconfig("admin", ADMIN)
        """The kubeconfig of somebody who may do everything."""

    # --- for tests

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def record(self) -> list[Line]:
        """Every request, in order."""
        return list(self._server.record)

    def writes(self) -> list[Line]:
        """The requests that changed something, or would have."""
        reading = ("get", "list", "watch")
        return [one for one in self.record if one.verb not in reading and "accessreviews" not in one.path]

    def namespace(self, name: str) -> None:
        self.store.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
                                         "status": {"phase": "Active"}})  # fmt: skip

    def kubeconfig(self, name: str, user: User, namespace: str = "default") -> Path:
        """A file with a new token for this user."""
        token = secrets.token_hex(16)
        self._users[token] = user
        authority = base64.b64encode(self._certificates.authority).decode()
        path = self._folder / f"{name}.kubeconfig"
        context = {"cluster": "tests", "user": user.name, "namespace": namespace}
        # The lines of `server` and of the rest stand as kubectl itself writes them: other readers go by lines.
        path.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: tests\nclusters:\n- cluster:\n"
            f"    certificate-authority-data: {authority}\n    server: https://{self.address}\n  name: tests\n"
            f"contexts:\n- context: {json.dumps(context)}\n  name: tests\n"
            f"users:\n- name: {json.dumps(user.name)}\n  user:\n    token: {token}\n"
        )
        path.chmod(0o600)
        return path

    def kubectl(self, *words: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The real one, from outside of any walls."""
        command = ["kubectl", f"--kubeconfig={kubeconfig or self.admin}", *words]
        env = {"HOME": str(self._folder), "PATH": os.environ.get("PATH", os.defpath)}
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=PATIENCE, check=False)

    def apply(self, *objects: Object) -> None:
        """By the real kubectl."""
        path = self._folder / "applied.yaml"
        path.write_text(yaml.safe_dump_all(objects))
        done = self.kubectl("apply", "--validate=false", "-f", str(path))
        assert done.returncode == 0, done.stderr

    def get(self, resource: str, space: str, name: str) -> Object:
        found = self.store.get(resource, space, name)
        assert found is not None, f"no {resource}/{name} in {space}"
        return found

    def pods(self, space: str, **labels: str) -> list[Object]:
        def holds(pod: Object) -> bool:
            given: dict[str, str] = pod["metadata"].get("labels", {})
            return all(label_holds(f"{name}={value}", given) for name, value in labels.items())

        return self.store.list("pods", space, holds)

    def image(self, space: str, deployment: str) -> str:
        """What the deployment is told to run."""
        found = self.get("deployments", space, deployment)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"])

    def settled(self, space: str, deployment: str) -> None:
        """Wait until it runs what it is told to run."""
        done = self.kubectl("-n", space, "rollout", "status", f"deployment/{deployment}", "--timeout=60s")
        assert done.returncode == 0, done.stdout + done.stderr

    def address_of(self, space: str, service: str) -> str:
        """`127.0.0.1:PORT` of a service, from outside of the cluster."""
        self.until(lambda: (space, service) in self._services, f"the service {service} is there")
        return f"127.0.0.1:{self._services[space, service].port}"

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something that a change of the cluster brings."""
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"it did not come to this: {what}"
            with self.store.changed:
                self.store.changed.wait(0.1)

    def close(self) -> None:
        self._closing.set()
        self._server.closing.set()
        for pod in self._pods.values():
            pod.ending.set()
        for pod in self._pods.values():
            pod.join(PATIENCE)
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(PATIENCE)
        for service in self._services.values():
            service.close()
        for left in self._docker.named(f"cluster={id(self.store)}"):
            with suppress(Failed):
                self._docker.remove(left)

    # --- its own work

    def _work(self) -> None:
        while not self._closing.is_set():
            number = self.store.number
            self._controllers.look()
            self._place_pods()
            self._serve()
            with self.store.changed:
                if self.store.number == number:
                    self.store.changed.wait(IDLE)

    def _place_pods(self) -> None:
        for pod in self.store.list("pods"):
            uid = str(pod["metadata"]["uid"])
            if uid not in self._pods:
                thread = Pod(self.store, self.events, self._docker, pod, self._haste, self._limits)
                self._pods[uid] = thread
                thread.start()
            elif "deletionTimestamp" in pod["metadata"]:
                self._pods[uid].ending.set()

    def _serve(self) -> None:
        there: set[tuple[str, str]] = set()
        for service in self.store.list("services"):
            meta = service["metadata"]
            key = (str(meta["namespace"]), str(meta["name"]))
            there.add(key)
            if key not in self._services:
                self._services[key] = made = Forwarder("/".join(key), lambda key=key: self._endpoints(key))
                made.start()
                self.store.edit("services", *key, lambda one, port=made.port: one["spec"]["ports"][0].update(
                    nodePort=port))  # fmt: skip
        for key in [key for key in self._services if key not in there]:
            self._services.pop(key).close()

    def _endpoints(self, key: tuple[str, str]) -> list[int]:
        service = self.store.get("services", *key)
        chosen: dict[str, str] = service["spec"].get("selector", {}) if service else {}
        pods = self.pods(key[0], **chosen) if chosen else []
        return [int(pod["metadata"]["annotations"]["tests/port"]) for pod in pods if ready(pod)]

    def _log(self, asked: Asked, pod: Object) -> bytes:
        name, spec = asked.name, pod["spec"]["containers"][0]
        wanted = asked.query.get("container") or spec["name"]
        if wanted != spec["name"]:
            raise Refused(400, "BadRequest", f"container {wanted} is not valid for pod {name}")
        thread = self._pods.get(str(pod["metadata"]["uid"]))
        earlier = asked.query.get("previous") in ("true", "1")
        container = "" if thread is None else thread.ended if earlier else thread.current
        if not container and earlier:
            message = f'previous terminated container "{wanted}" in pod "{name}" not found'
            raise Refused(400, "BadRequest", message)
        if not container:
            message = f'container "{wanted}" in pod "{name}" is waiting to start: ContainerCreating'
            raise Refused(400, "BadRequest", message)
        since = int(time.time()) - int(asked.query["sinceSeconds"]) if "sinceSeconds" in asked.query else 0
        times = asked.query.get("timestamps") == "true"
        try:
            return self._docker.logs(container, tail=asked.query.get("tailLines", "all"), times=times, since=since)
        except Failed as error:
            raise Refused(500, "InternalError", str(error)) from None


@contextmanager
def cluster(folder: Path, socket: str, **more: Any) -> Generator[Cluster]:
    made = Cluster(folder, socket, **more)
    try:
        yield made
    finally:
        made.close()
