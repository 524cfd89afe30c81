"""One node: a thread for each pod, which pulls, starts, probes, restarts and stops real containers."""

from __future__ import annotations

import random
import re
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from socket import create_connection, create_server
from typing import Any

from .docker import Docker, Failed
from .store import Events, Object, Store, now

NODE = "node-1"
SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
PORTS = (20_000, 32_000)
"""Below those that the system hands out by itself."""
LOOKS = 0.05
"""Seconds between two looks at a container."""
CALM = 0.4
"""Seconds between two probes that find all well: the machine has other work."""
TELLS_OF_MEMORY = 1.0
"""Seconds after a container's end in which the engine says that memory was the reason."""
LONGEST_WAIT = 300
"""Seconds of the cluster between two attempts, at most."""


class Unmade(Exception):
    """The container cannot be made as its specification says."""


def size(text: str) -> int:
    """Bytes of `64Mi`."""
    found = re.fullmatch(r"(\d+)([A-Za-z]*)", text)
    assert found and found[2] in SIZES, f"not a size: {text!r}"
    return int(found[1]) * SIZES[found[2]]


def free_port() -> int:
    """One that only whoever asks for it by number gets: the container listens there later."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), create_server(("127.0.0.1", port)):
            return port


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def memory(pid: int) -> int:
    """Resident bytes of a process and all below it."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return pages * 4096 + sum(memory(int(one)) for one in below)
    return 0


class Pod(threading.Thread):
    """From its making to its removal. The first container of the pod is the one that runs; there are no others here."""

    def __init__(self, store: Store, events: Events, docker: Docker, pod: Object, haste: float, limits: bool) -> None:
        super().__init__(name=pod["metadata"]["name"], daemon=True)
        self._store, self._events, self._docker, self._haste, self._limits = store, events, docker, haste, limits
        self.pod = pod
        self.space, self.pod_name = str(pod["metadata"]["namespace"]), str(pod["metadata"]["name"])
        self.spec: Object = pod["spec"]["containers"][0]
        self.ending = threading.Event()
        self.current = ""
        self.ended = ""
        """The container that ended last."""
        self._restarts = 0
        self._last: Object = {}
        self._killed_for_memory = False
        self.port = free_port()

    # --- its life

    def run(self) -> None:
        message = f"Successfully assigned {self.space}/{self.pod_name} to {NODE}"
        self._events.say(self.pod, "Pod", "Scheduled", message)
        self._store.edit("pods", self.space, self.pod_name, self._placed)
        self._tell({"waiting": {"reason": "ContainerCreating"}})
        try:
            while not self.ending.is_set():
                if self._pulled():
                    self._lived()
                if not self.ending.is_set():
                    self._back_off()
        finally:
            for one in {self.current, self.ended} - {""}:
                with suppress(Failed, OSError):
                    self._docker.remove(one)
            self._store.delete("pods", self.space, self.pod_name)

    def _placed(self, pod: Object) -> None:
        quality = "Burstable" if self.spec.get("resources") else "BestEffort"
        pod["spec"]["nodeName"] = NODE
        pod["status"] = {"phase": "Pending", "qosClass": quality, "startTime": now(), "hostIP": "127.0.0.1",
                         "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}  # fmt: skip
        pod["metadata"].setdefault("annotations", {})["tests/port"] = str(self.port)

    def _wait(self, seconds: float) -> bool:
        """Wait for so many seconds of the cluster, which are shorter than ours. Whether the pod is to end."""
        return self.ending.wait(max(seconds / self._haste, LOOKS))

    def _pulled(self) -> bool:
        image, attempt = str(self.spec["image"]), 0
        # The engine of this node is also the one that builds; a name with a registry is always asked for there.
        host, slash, _name = image.partition("/")
        remote = bool(slash) and ("." in host or ":" in host)
        if self.spec.get("imagePullPolicy") == "Never" or not (remote or not self._docker.has(image)):
            self._events.say(self.pod, "Pod", "Pulled", f'Container image "{image}" already present on machine')
            return True
        while not self.ending.is_set():
            try:
                self._events.say(self.pod, "Pod", "Pulling", f'Pulling image "{image}"')
                self._docker.pull(image)
                self._events.say(self.pod, "Pod", "Pulled", f'Successfully pulled image "{image}"')
                return True
            except Failed as error:
                said = f'Failed to pull image "{image}": {error}'
                self._events.say(self.pod, "Pod", "Failed", said, warning=True)
                self._events.say(self.pod, "Pod", "Failed", "Error: ErrImagePull", warning=True)
                self._tell({"waiting": {"reason": "ErrImagePull", "message": str(error)}})
            if self._wait(2):
                return False
            said = f'Back-off pulling image "{image}"'
            self._tell({"waiting": {"reason": "ImagePullBackOff", "message": said}})
            self._events.say(self.pod, "Pod", "BackOff", said)
            self._events.say(self.pod, "Pod", "Failed", "Error: ImagePullBackOff", warning=True)
            self._wait(min(10 * 2**attempt, LONGEST_WAIT))
            attempt += 1
        return False

    def _lived(self) -> None:
        """One container, from its making to its end."""
        name = self.spec["name"]
        try:
            made = self._docker.create(f"k8s_{name}_{self.pod_name}_{self.space}_{self._restarts}", self._settings())
        except (Failed, Unmade) as error:
            reason = "CreateContainerConfigError" if isinstance(error, Unmade) else "CreateContainerError"
            self._events.say(self.pod, "Pod", "Failed", f"Error: {error}", warning=True)
            self._tell({"waiting": {"reason": reason, "message": str(error)}})
            return
        self.current = made
        self._killed_for_memory = False
        self._events.say(self.pod, "Pod", "Created", f"Created container: {name}")
        begun = now()
        try:
            self._docker.start(made)
        except Failed as error:
            self._events.say(self.pod, "Pod", "Failed", f"Error: {error}", warning=True)
            self._ended({"exitCode": 128, "reason": "StartError", "message": str(error)}, begun)
            return
        self._events.say(self.pod, "Pod", "Started", f"Started container {name}")
        self._tell({"running": {"startedAt": begun}}, ready="readinessProbe" not in self.spec)
        self._watched(made, begun)
        state = self._last_state(made)
        if self.ending.is_set():
            return
        killed = bool(state["OOMKilled"]) or self._killed_for_memory
        reason = "OOMKilled" if killed else "Error" if state["ExitCode"] else "Completed"
        self._ended({"exitCode": state["ExitCode"], "reason": reason}, begun)

    def _last_state(self, made: str) -> Object:
        """The engine hears of a kill for want of memory apart from the end, and sometimes after it."""
        state, end = self._docker.state(made), time.monotonic() + TELLS_OF_MEMORY
        limited = self._limits and self._most_memory()
        while limited and state["ExitCode"] == 137 and not state["OOMKilled"] and time.monotonic() < end:
            if self.ending.wait(LOOKS):
                break
            state = self._docker.state(made)
        return state

    def _watched(self, made: str, begun: str) -> None:
        """Until the container has ended, or the pod is to end."""
        probes = {kind: Probe(self.spec[kind], self._haste) for kind in ("readinessProbe", "livenessProbe")
                  if kind in self.spec}  # fmt: skip
        ready = "readinessProbe" not in self.spec
        state = self._docker.state(made)
        # The engine is asked when the process is gone: each question costs it and us some milliseconds.
        while exists(state["Pid"]) or (state := self._docker.state(made))["Running"]:
            if self.ending.wait(LOOKS):
                grace = self.pod["spec"].get("terminationGracePeriodSeconds", 30)
                self._events.say(self.pod, "Pod", "Killing", f"Stopping container {self.spec['name']}")
                self._docker.stop(made, grace / self._haste)
                return
            if not self._limits and (most := self._most_memory()) and memory(state["Pid"]) > most:
                self._killed_for_memory = True
                self._docker.kill(made)
                continue
            for kind, probe in probes.items():
                said = probe.look(self._asked(made))
                if said:
                    words = f"{kind.removesuffix('Probe').capitalize()} probe failed: {said}"
                    self._events.say(self.pod, "Pod", "Unhealthy", words, warning=True)
                if kind == "readinessProbe" and probe.holds != ready:
                    ready = probe.holds
                    self._tell({"running": {"startedAt": begun}}, ready=ready)
                elif kind == "livenessProbe" and probe.failed:
                    said = f"Container {self.spec['name']} failed liveness probe, will be restarted"
                    self._events.say(self.pod, "Pod", "Killing", said)
                    self._docker.stop(made, 1)

    def _ended(self, how: Object, begun: str) -> None:
        before, self.ended = self.ended, self.current
        if before:
            self._docker.remove(before)
        self._last = {**how, "startedAt": begun, "finishedAt": now(), "containerID": f"docker://{self.current}"}
        self._tell({"terminated": self._last}, last={})

    def _back_off(self) -> None:
        """Wait before the next attempt; the first restart comes at once."""
        if not self._last:
            self._wait(5)
            return
        self._restarts += 1
        if self._restarts > 1:
            seconds = min(10 * 2 ** (self._restarts - 2), LONGEST_WAIT)
            where = f"{self.spec['name']} in pod {self.pod_name}_{self.space}({self.pod['metadata']['uid']})"
            said = f"Back-off restarting failed container {where}"
            self._events.say(self.pod, "Pod", "BackOff", said, warning=True)
            whole = f"back-off {seconds}s restarting failed container={where}"
            self._tell({"waiting": {"reason": "CrashLoopBackOff", "message": whole}})
            self._wait(seconds)

    # --- what it is made of

    def _most_memory(self) -> int:
        text = self.spec.get("resources", {}).get("limits", {}).get("memory", "")
        return size(text) if text else 0

    def _settings(self) -> dict[str, Any]:
        """For the engine. Every pod has a port of its own, told by PORT: the node is one machine with one loopback."""
        host: dict[str, Any] = {"NetworkMode": "host"}
        if self._limits and (most := self._most_memory()):
            host |= {"Memory": most, "MemorySwap": most}
        labels = {"cluster": str(id(self._store)), "pod": self.pod_name}
        made = {"Image": self.spec["image"], "Env": self._environment(), "HostConfig": host, "Labels": labels}
        if "command" in self.spec:
            made["Entrypoint"] = self.spec["command"]
        if "args" in self.spec:
            made["Cmd"] = self.spec["args"]
        return made

    def _environment(self) -> list[str]:
        fields = {"metadata.name": self.pod_name, "metadata.namespace": self.space, "status.podIP": "127.0.0.1"}
        found = {"PORT": str(self.port), "HOSTNAME": self.pod_name}
        for one in self.spec.get("env", []):
            source: Object = one.get("valueFrom", {})
            if "fieldRef" in source:
                found[one["name"]] = fields.get(source["fieldRef"]["fieldPath"], "")
            elif key := source.get("configMapKeyRef") or source.get("secretKeyRef"):
                kind = "configmap" if "configMapKeyRef" in source else "secret"
                held = self._store.get(f"{kind}s", self.space, key["name"])
                if held is None:
                    raise Unmade(f'{kind} "{key["name"]}" not found')
                if key["key"] not in held.get("data", {}):
                    raise Unmade(f"couldn't find key {key['key']} in {kind} {self.space}/{key['name']}")
                found[one["name"]] = held["data"][key["key"]]
            else:
                found[one["name"]] = str(one.get("value", ""))
        return [f"{name}={value}" for name, value in found.items()]

    def _asked(self, made: str) -> Asker:
        return Asker(self._docker, made, self.port)

    # --- what it tells

    def _tell(self, state: Object, *, ready: bool = False, last: Object | None = None) -> None:
        held = self._last if last is None else last
        status: Object = {
            "name": self.spec["name"], "image": self.spec["image"], "imageID": "", "ready": ready,
            "restartCount": self._restarts, "started": "running" in state, "state": state,
            "lastState": {"terminated": held} if held and "terminated" not in state else {},
        }  # fmt: skip
        if self.current:
            status["containerID"] = f"docker://{self.current}"
        phase = "Running" if self.current else "Pending"

        def change(pod: Object) -> None:
            known = {one["type"]: one for one in pod["status"].get("conditions", [])}
            said = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
            conditions: list[Object] = []
            for kind, holds in said.items():
                word = str(holds)
                kept = known.get(kind, {})
                since = kept["lastTransitionTime"] if kept.get("status") == word else now()
                message = f"containers with unready status: [{self.spec['name']}]"
                why = {} if holds else {"reason": "ContainersNotReady", "message": message}
                conditions.append({"type": kind, "status": word, "lastTransitionTime": since, **why})
            pod["status"] |= {"phase": phase, "conditions": conditions, "containerStatuses": [status]}

        self._store.edit("pods", self.space, self.pod_name, change)


class Asker:
    """How a probe asks the container."""

    def __init__(self, docker: Docker, container: str, port: int) -> None:
        self._docker, self._container, self._port = docker, container, port

    def fault(self, probe: Object, seconds: float) -> str:
        """Empty where it answers as it should."""
        if "exec" in probe:
            status = self._docker.run(self._container, probe["exec"]["command"])
            return f"command failed with exit status {status}" if status else ""
        if "httpGet" not in probe:
            try:
                create_connection(("127.0.0.1", self._port), seconds).close()
            except OSError as error:
                return str(error)
            return ""
        url = f"http://127.0.0.1:{self._port}{probe['httpGet'].get('path', '/')}"
        try:
            with urllib.request.urlopen(url, timeout=seconds):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            return f"HTTP probe failed with statuscode: {error.code}"
        except OSError as error:
            return f'Get "{url}": {getattr(error, "reason", error)}'


class Probe:
    def __init__(self, probe: Object, haste: float) -> None:
        self._probe = probe
        self._every = max(probe.get("periodSeconds", 10) / haste, LOOKS)
        self._next = time.monotonic() + probe.get("initialDelaySeconds", 0) / haste
        self._misses = 0
        self.holds = False
        self.failed = False
        """As often running as the probe allows."""

    def look(self, asker: Asker) -> str:
        """The fault, where it is time to look and there is one."""
        if time.monotonic() < self._next:
            return ""
        said = asker.fault(self._probe, float(self._probe.get("timeoutSeconds", 1)))
        self._misses = self._misses + 1 if said else 0
        self.failed = self._misses >= self._probe.get("failureThreshold", 3)
        self.holds = not said or (self.holds and not self.failed)
        self._next = time.monotonic() + (self._every if said else max(self._every, CALM))
        return said
