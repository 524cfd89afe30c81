"""The cluster of the tests does with the real kubectl what a real one does."""

from __future__ import annotations

import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest

from . import images
from .cluster import cluster
from .parts import BASE, Real, real_parts
from .users import READING, User

pytestmark = pytest.mark.xdist_group("cluster")  # one world for all of them

HOG = "FROM {base}\nCMD echo loading the cache; exec tail /dev/zero\n"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Generator[Real]:
    with real_parts(tmp_path_factory.mktemp("cluster")) as found:
        yield found


def answer(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/version", timeout=30) as response:
        return response.read().decode()


def test_a_release_is_rolled_out_looked_at_and_undone(real: Real) -> None:
    first, second = real.built("web", "1.0"), real.built("web", "2.0")
    run = real.cluster.kubectl
    assert run("create", "namespace", "shop").returncode == 0
    real.cluster.apply(images.deployment("shop", "web", first), images.service("shop", "web"))
    real.cluster.settled("shop", "web")
    address = real.cluster.address_of("shop", "web")
    assert answer(address) == "1.0"
    done = run("-n", "shop", "set", "image", "deployment/web", f"app={second}")
    assert done.returncode == 0 and "image updated" in done.stdout, done.stderr
    done = run("-n", "shop", "rollout", "status", "deployment/web", "--timeout=60s")
    assert "successfully rolled out" in done.stdout, done
    assert answer(address) == "2.0"
    history = run("-n", "shop", "rollout", "history", "deployment/web").stdout
    assert history.split()[-4:] == ["1", "<none>", "2", "<none>"], history
    assert run("-n", "shop", "rollout", "undo", "deployment/web").returncode == 0
    real.cluster.settled("shop", "web")
    assert answer(address) == "1.0" and real.cluster.image("shop", "web") == first
    rows = run("-n", "shop", "get", "deployments,pods,rs,svc").stdout
    assert "1/1" in rows and "Running" in rows and "NodePort" in rows, rows
    assert run("-n", "shop", "scale", "deployment/web", "--replicas=2").returncode == 0
    real.cluster.settled("shop", "web")
    assert run("-n", "shop", "get", "deployment", "web").stdout.split("web")[1].split()[:3] == ["2/2", "2", "2"]
    told = run("-n", "shop", "describe", "deployment", "web").stdout
    assert "ScalingReplicaSet" in told and "MinimumReplicasAvailable" in told, told
    assert run("delete", "namespace", "shop").returncode == 0
    real.cluster.until(lambda: not real.cluster.pods("shop"), "its containers have stopped")


def test_an_image_that_is_not_there_is_backed_off_from(real: Real) -> None:
    run = real.cluster.kubectl
    run("create", "namespace", "absent")
    real.cluster.apply(images.deployment("absent", "web", f"{real.registry.name}/never:1"))
    real.cluster.until(lambda: "ImagePullBackOff" in run("-n", "absent", "get", "pods").stdout, "it backs off")
    (pod,) = real.cluster.pods("absent")
    told = run("-n", "absent", "describe", "pod", pod["metadata"]["name"]).stdout
    assert "Failed to pull image" in told and "manifest unknown" in told and "Back-off pulling image" in told
    late = run("-n", "absent", "rollout", "status", "deployment/web", "--timeout=60s")
    assert late.returncode == 1 and "exceeded its progress deadline" in late.stderr, late
    run("delete", "namespace", "absent")


@pytest.mark.parametrize("limits", [True, False])
def test_a_pod_is_killed_for_want_of_memory(real: Real, tmp_path: Path, limits: bool) -> None:
    hog = real.built(f"hog-{limits}".lower(), "1", HOG)
    with cluster(tmp_path, real.socket, limits=None if limits else False) as made:
        resources = {"limits": {"memory": "24Mi"}, "requests": {"memory": "8Mi"}}
        made.apply(images.deployment("default", "hog", hog, resources=resources))
        made.until(lambda: "CrashLoopBackOff" in made.kubectl("get", "pods").stdout, "it crashes again and again")
        (pod,) = made.pods("default")
        last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (137, "OOMKilled")
        name = pod["metadata"]["name"]
        assert made.kubectl("logs", name, "--previous").stdout == "loading the cache\n"
        told = made.kubectl("describe", "pod", name).stdout
        assert "OOMKilled" in told and "Back-off restarting failed container app" in told, told
        assert pod["status"]["containerStatuses"][0]["restartCount"] >= 1


def test_who_may_do_what(real: Real) -> None:
    run = real.cluster.kubectl
    run("create", "namespace", "staging")
    real.cluster.apply(images.deployment("default", "idle", BASE, command=["sleep", "1000"]))
    narrow = real.cluster.kubeconfig("ci", User("system:serviceaccount:ci:deployer", ("staging",)))
    reader = real.cluster.kubeconfig("reader", User("reader", verbs=READING))
    assert run("-n", "staging", "get", "pods", kubeconfig=narrow).returncode == 0
    refused = run("-n", "default", "scale", "deployment/idle", "--replicas=0", kubeconfig=narrow).stderr
    assert 'User "system:serviceaccount:ci:deployer" cannot get resource "deployments" in API group "apps"' in refused
    assert "cannot list" in run("get", "pods", "-A", kubeconfig=narrow).stderr
    assert run("auth", "can-i", "create", "deployments", "-n", "staging", kubeconfig=narrow).stdout == "yes\n"
    before = real.cluster.writes()
    assert "cannot delete" in run("delete", "deployment", "idle", kubeconfig=reader).stderr
    assert [(one.verb, one.code) for one in real.cluster.writes()[len(before) :]] == [("delete", 403)]
    config = narrow.read_text()
    narrow.write_text(config[: config.index("token:")] + "token: wrong\n")
    assert "Unauthorized" in run("get", "pods", kubeconfig=narrow).stderr
    assert run("delete", "deployment", "idle").returncode == 0
