"""What turns a deployment into replica sets, and a replica set into pods."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import secrets
import time
from contextlib import suppress

from .store import Events, Object, Store, Taken, now

REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
HASH = "pod-template-hash"
STUCK = ("ImagePullBackOff", "CreateContainerError", "CreateContainerConfigError")
PROBES = 50
"""Failed probes after which nobody would wait any longer."""


def owned(store: Store, resource: str, by: Object) -> list[Object]:
    uid, space = by["metadata"]["uid"], by["metadata"]["namespace"]

    def ours(one: Object) -> bool:
        return any(owner["uid"] == uid for owner in one["metadata"].get("ownerReferences", []))

    return store.list(resource, space, ours)


def owner(of: Object) -> Object:
    meta = of["metadata"]
    return {"apiVersion": "apps/v1", "kind": of["kind"], "name": meta["name"], "uid": meta["uid"], "controller": True,
            "blockOwnerDeletion": True}  # fmt: skip


def template_of(held: Object) -> Object:
    """Without the label that the controller puts on it."""
    found = copy.deepcopy(held["spec"]["template"])
    found.get("metadata", {}).get("labels", {}).pop(HASH, None)
    return found


def digest(template: Object) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def revision(of: Object) -> int:
    return int(of["metadata"].get("annotations", {}).get(REVISION, 0))


def ready(pod: Object) -> bool:
    conditions: list[Object] = pod.get("status", {}).get("conditions", [])
    alive = "deletionTimestamp" not in pod["metadata"]
    return alive and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def share(value: object, of: int, *, up: bool) -> int:
    """`25%` of so many, or a number."""
    if isinstance(value, str) and value.endswith("%"):
        exact = of * int(value[:-1]) / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(str(value))


class Controllers:
    def __init__(self, store: Store, events: Events, haste: float) -> None:
        self._store, self._events, self._haste = store, events, haste
        self._progress: dict[str, tuple[str, float]] = {}
        """What of a deployment was reached last, and since when."""

    def look(self) -> None:
        """Take every deployment and every replica set one step on."""
        for deployment in self._store.list("deployments"):
            if "deletionTimestamp" not in deployment["metadata"]:
                self._deploy(deployment)
        for held in self._store.list("replicasets"):
            self._fill(held)

    # --- deployments

    def _deploy(self, deployment: Object) -> None:
        sets = sorted(owned(self._store, "replicasets", deployment), key=revision)
        mine = digest(template_of(deployment))
        new = next((one for one in sets if digest(template_of(one)) == mine), None)
        newest = max((revision(one) for one in sets), default=0)
        if not deployment["spec"].get("paused"):
            if new is None:
                new = self._new_set(deployment, mine, newest + 1)
                sets.append(new)
            elif revision(new) < newest:
                self._renumber(new, newest + 1, deployment)
            self._roll(deployment, new, [one for one in sets if one is not new])
            self._prune(deployment, [one for one in sets if one is not new])
        self._say_status(deployment, mine)

    def _new_set(self, deployment: Object, mine: str, number: int) -> Object:
        meta, spec = deployment["metadata"], deployment["spec"]
        template = copy.deepcopy(spec["template"])
        template.setdefault("metadata", {}).setdefault("labels", {})[HASH] = mine
        labels = dict(template["metadata"]["labels"])
        made: Object = {
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{mine}", "namespace": meta["namespace"], "labels": labels,
                "annotations": self._annotations(deployment, number), "ownerReferences": [owner(deployment)],
            },
            "spec": {"replicas": 0, "template": template,
                     "selector": {"matchLabels": {**spec["selector"]["matchLabels"], HASH: mine}}},
            "status": {"replicas": 0},
        }  # fmt: skip
        return self._store.create("replicasets", made)

    def _annotations(self, deployment: Object, number: int) -> dict[str, str]:
        given = deployment["metadata"].get("annotations", {})
        kept = {CAUSE: given[CAUSE]} if CAUSE in given else {}
        return {REVISION: str(number), "deployment.kubernetes.io/desired-replicas":
                str(deployment["spec"]["replicas"]), **kept}  # fmt: skip

    def _renumber(self, held: Object, number: int, deployment: Object) -> None:
        def change(one: Object) -> None:
            annotations = one["metadata"].setdefault("annotations", {})
            annotations |= self._annotations(deployment, number)

        meta = held["metadata"]
        self._store.edit("replicasets", meta["namespace"], meta["name"], change)
        held["metadata"].setdefault("annotations", {})[REVISION] = str(number)

    def _roll(self, deployment: Object, new: Object, old: list[Object]) -> None:
        """As far as the strategy lets it go now."""
        wanted = int(deployment["spec"]["replicas"])
        running = [one for one in old if one["spec"]["replicas"]]
        strategy = deployment["spec"]["strategy"]
        if strategy["type"] == "Recreate":
            for one in running:
                self._scale(deployment, one, 0)
            if not any(owned(self._store, "pods", one) for one in old):
                self._scale(deployment, new, wanted)
            return
        rolling = strategy["rollingUpdate"]
        surge = share(rolling["maxSurge"], wanted, up=True)
        missing = share(rolling["maxUnavailable"], wanted, up=False)
        missing = max(missing, 1) if not surge else missing
        others = sum(one["spec"]["replicas"] for one in running)
        self._scale(deployment, new, max(min(wanted, wanted + surge - others), min(wanted, new["spec"]["replicas"])))
        spare = self._available(new) + sum(self._available(one) for one in running) - (wanted - missing)
        for one in running:
            # Those that are not ready go first: they serve nobody.
            dead = one["spec"]["replicas"] - self._available(one)
            fewer = min(one["spec"]["replicas"], dead + max(0, spare))
            spare -= fewer - dead
            self._scale(deployment, one, one["spec"]["replicas"] - fewer)

    def _available(self, held: Object) -> int:
        pods = [one for one in owned(self._store, "pods", held) if ready(one)]
        return min(len(pods), held["spec"]["replicas"])

    def _scale(self, deployment: Object, held: Object, to: int) -> None:
        was = held["spec"]["replicas"]
        if was == to:
            return
        meta = held["metadata"]
        self._store.edit("replicasets", meta["namespace"], meta["name"], lambda one: one["spec"].update(replicas=to))
        held["spec"]["replicas"] = to
        words = f"Scaled {'up' if to > was else 'down'} replica set {meta['name']} from {was} to {to}"
        self._events.say(deployment, "Deployment", "ScalingReplicaSet", words)

    def _prune(self, deployment: Object, old: list[Object]) -> None:
        empty = [one for one in sorted(old, key=revision) if not one["spec"]["replicas"]]
        for one in empty[: max(0, len(empty) - int(deployment["spec"]["revisionHistoryLimit"]))]:
            self._store.delete("replicasets", one["metadata"]["namespace"], one["metadata"]["name"])

    def _say_status(self, deployment: Object, mine: str) -> None:
        meta, wanted = deployment["metadata"], int(deployment["spec"]["replicas"])
        sets = owned(self._store, "replicasets", deployment)
        counts = {"total": 0, "updated": 0, "ready": 0}
        for one in sets:
            pods = [pod for pod in owned(self._store, "pods", one) if "deletionTimestamp" not in pod["metadata"]]
            counts["total"] += len(pods)
            counts["updated"] += len(pods) if digest(template_of(one)) == mine else 0
            counts["ready"] += sum(ready(pod) for pod in pods)
        number = max((revision(one) for one in sets), default=0)
        complete = counts["updated"] == counts["total"] == counts["ready"] == wanted
        late = self._late(deployment, f"{mine} {counts}", complete)
        least = wanted - share(deployment["spec"]["strategy"].get("rollingUpdate", {}).get("maxUnavailable", 0),
                               wanted, up=False)  # fmt: skip
        name = f"{meta['name']}-{mine}"
        available = counts["ready"] >= least
        conditions = [
            condition("Available", available, f"MinimumReplicas{'A' if available else 'Una'}vailable",
                      f"Deployment {'has' if available else 'does not have'} minimum availability."),
            condition("Progressing", not late, "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out '
                      "progressing.") if late else
            condition("Progressing", True, "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated",
                      f'ReplicaSet "{name}" {"has successfully progressed" if complete else "is progressing"}.'),
        ]  # fmt: skip

        def change(one: Object) -> None:
            one["metadata"].setdefault("annotations", {})[REVISION] = str(number)
            known = {(had["type"], had["reason"]): had for had in one["status"].get("conditions", [])}
            kept = [known.get((new["type"], new["reason"]), new) for new in conditions]
            one["status"] = {
                "observedGeneration": meta["generation"], "replicas": counts["total"],
                "updatedReplicas": counts["updated"], "readyReplicas": counts["ready"],
                "availableReplicas": counts["ready"], "conditions": kept,
            }  # fmt: skip
            if missing := max(0, max(wanted, counts["total"]) - counts["ready"]):
                one["status"]["unavailableReplicas"] = missing

        self._store.edit("deployments", meta["namespace"], meta["name"], change)

    def _late(self, deployment: Object, reached: str, complete: bool) -> bool:
        uid = deployment["metadata"]["uid"]
        if complete or self._progress.get(uid, ("", 0.0))[0] != reached:
            self._progress[uid] = (reached, time.monotonic())
        most = deployment["spec"]["progressDeadlineSeconds"] / self._haste
        if complete or time.monotonic() - self._progress[uid][1] <= most:
            return False
        # A machine that is slow is no broken release: the deadline counts once the node has really tried.
        pods = [
            pod for held in owned(self._store, "replicasets", deployment) for pod in owned(self._store, "pods", held)
        ]
        return all(ready(pod) or "deletionTimestamp" in pod["metadata"] or self._tried(pod) for pod in pods)

    def _tried(self, pod: Object) -> bool:
        """Whether the node has done for a pod all that it can."""
        for one in pod["status"].get("containerStatuses", []):
            if one["restartCount"] >= 2 or one["state"].get("waiting", {}).get("reason") in STUCK:
                return True
        uid = pod["metadata"]["uid"]
        unhealthy = self._store.list(
            "events", pod["metadata"]["namespace"],
            lambda event: event["reason"] == "Unhealthy" and event["involvedObject"]["uid"] == uid,
        )  # fmt: skip
        return sum(event["count"] for event in unhealthy) >= PROBES

    # --- replica sets

    def _fill(self, held: Object) -> None:
        meta, wanted = held["metadata"], int(held["spec"]["replicas"])
        pods = owned(self._store, "pods", held)
        alive = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        for _each in range(wanted - len(alive)):
            with suppress(Taken):
                self._pod(held)
        for one in sorted(alive, key=ready)[: max(0, len(alive) - wanted)]:
            end(self._store, one)
            words = f"Deleted pod: {one['metadata']['name']}"
            self._events.say(held, "ReplicaSet", "SuccessfulDelete", words)
        count, up = min(wanted, len(alive)), sum(ready(one) for one in alive)
        status = {"replicas": count, "fullyLabeledReplicas": count, "readyReplicas": up, "availableReplicas": up,
                  "observedGeneration": meta["generation"]}  # fmt: skip
        self._store.edit("replicasets", meta["namespace"], meta["name"], lambda one: one.update(status=status))

    def _pod(self, held: Object) -> None:
        meta, template = held["metadata"], copy.deepcopy(held["spec"]["template"])
        name = f"{meta['name']}-{secrets.token_hex(3)[:5]}"
        made = self._store.create("pods", {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {**template.get("metadata", {}), "name": name, "namespace": meta["namespace"],
                         "ownerReferences": [owner(held)]},
            "spec": {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, **template["spec"]},
            "status": {},
        })  # fmt: skip
        words = f"Created pod: {made['metadata']['name']}"
        self._events.say(held, "ReplicaSet", "SuccessfulCreate", words)


def condition(kind: str, holds: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": str(holds), "reason": reason, "message": message, "lastUpdateTime": now(),
            "lastTransitionTime": now()}  # fmt: skip


def end(store: Store, pod: Object) -> None:
    """Ask the node to stop it; the node removes it then."""
    meta = pod["metadata"]
    store.edit("pods", meta["namespace"], meta["name"], lambda one: one["metadata"].setdefault(
        "deletionTimestamp", now()))  # fmt: skip
