"""The line `grants:` of a policy file, and the rules about a grant that is missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from interpreter.errors import PolicyError
from interpreter.policy import Policy, load_policy
from interpreter.sandbox.grants import TOOLS
from interpreter.types.rules import Circumstances
from interpreter.types.walls import GRANTS

CLOSED = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto", grants=())
OPEN = msgspec.structs.replace(CLOSED, grants=("docker",))
BARE = msgspec.structs.replace(CLOSED, walled=False)
UNKNOWN = msgspec.structs.replace(CLOSED, grants=None)


def made(tmp_path: Path, text: str, name: str = "policy.yaml") -> Path:
    path = tmp_path / name
    path.write_text(f"version: 1\n{text}")
    return path


def test_the_names_are_those_that_the_sandbox_knows() -> None:
    assert tuple(TOOLS) == GRANTS


def test_grants_of_all_files_but_a_projects(tmp_path: Path) -> None:
    user = made(tmp_path, "grants: [docker, ~/data]\n", "user.yaml")
    line = made(tmp_path, "grants: docker\n", "line.yaml")
    project = made(tmp_path, "grants: [kubectl]\n", "project.yaml")
    policy = load_policy(user=user, project=project, command_line=(line,), trusted=True)
    assert policy.grants == (("docker", f"{user}:2"), ("~/data", f"{user}:2"))
    assert policy.notes == (f"{project}:2: a project's file cannot open `kubectl`.",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grants: [dokcer]\n", "Did you mean `docker`?"),
        ("grants: [data]\n", "there is no grant called `data`"),
        ("grants: [./data]\n", "there is no grant called `./data`"),
        ("grants: {docker: yes}\n", "a text is expected"),
        ("grants: [[docker]]\n", "a text is expected"),
        ("rules: [{name: a, decision: deny, command: x, without: dokcer}]\n", "Did you mean `docker`?"),
    ],
)
def test_what_is_no_grant_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = made(tmp_path, text)
    with pytest.raises(PolicyError) as caught:
        load_policy(user=path)
    assert f"{path}, line 2" in str(caught.value) and said in str(caught.value)


@pytest.mark.parametrize(
    "code",
    ["docker build .", "docker -H unix:///x ps", "cd a && docker push x | tee log", "sh -c 'docker run x'",
     "docker compose up", "env A=1 docker rm x", "docker-compose build"],
)  # fmt: skip
def test_docker_is_refused_only_where_its_engine_is_out_of_reach(code: str) -> None:
    policy = load_policy()
    verdict = policy.judge("shell", code, CLOSED)
    assert verdict.decision == "deny"
    assert {reason.grant for reason in verdict.reasons if reason.rule == "docker-without-its-grant"} == {"docker"}
    for where in (OPEN, BARE, UNKNOWN):
        assert "docker-without-its-grant" not in rules_of(policy, code, where), where


@pytest.mark.parametrize("code", ["docker --version", "docker compose config", "cat Dockerfile", "podman build ."])
def test_what_needs_no_engine_is_not_refused(code: str) -> None:
    assert load_policy().judge("shell", code, CLOSED).decision == "allow"


def test_an_allowance_does_not_open_the_engine_and_disable_lifts_the_rule(tmp_path: Path) -> None:
    allowed = made(tmp_path, "rules: [{name: builds, decision: allow, command: 'docker build **'}]\n")
    assert load_policy(user=allowed).judge("shell", "docker build .", CLOSED).decision == "deny"
    lifted = made(tmp_path, "disable: [docker-without-its-grant]\n")
    assert load_policy(user=lifted).judge("shell", "docker build .", CLOSED).decision == "allow"


def test_a_rule_of_ones_own_about_a_missing_grant(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        "rules:\n  - {name: clusters, decision: deny, reason: Say --grant kubectl., command: kubectl apply,"
        " without: [kubectl], match: [kubectl apply -f x], not_match: [kubectl get pods]}\n",
    )
    policy = load_policy(user=path)
    assert rules_of(policy, "kubectl apply -f x", CLOSED) == {"clusters"}
    granted = msgspec.structs.replace(CLOSED, grants=("kubectl",))
    assert rules_of(policy, "kubectl apply -f x", granted) == set()


def rules_of(policy: Policy, code: str, where: Circumstances) -> set[str]:
    return {reason.rule for reason in policy.judge("shell", code, where).reasons}
