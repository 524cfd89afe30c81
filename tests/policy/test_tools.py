"""What rules say about calls of tools: by name, by arguments, and by what they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interpreter.policy import Policy, load_policy
from interpreter.policy.policy import host_in
from interpreter.types.rules import Circumstances, Decision, Mode, Verdict
from interpreter.types.tooling import Declaration, Target, call_code

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}, "url": {"type": "string"}}}
LOOK = Declaration(
    name="look", description="", parameters=SCHEMA, access="read", targets=(Target(parameter="path", kind="path"),)
)
PUT = Declaration(
    name="put", description="", parameters=SCHEMA, access="write",
    targets=(Target(parameter="path", kind="path"), Target(parameter="url", kind="host")),
)  # fmt: skip
RECALL = Declaration(name="recall", description="", parameters=SCHEMA, access="read")
DECLARED = {one.name: one for one in (LOOK, PUT, RECALL)}
RULES = """version: 1
rules:
- {name: no-secrets, decision: deny, reason: Secret., reads: ~/secrets/**}
- {name: no-etc, decision: deny, reason: Not there., writes: /etc/**}
- {name: no-evil, decision: deny, reason: Evil., host: "*.evil.example"}
- {name: look-here, decision: allow, tool: look, argument: {path: "logs/*"}}
- {name: python-only, decision: deny, reason: No., language: python, reads: "**"}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "policy.yaml").write_text(RULES)
    return load_policy(user=tmp_path / "policy.yaml")


def judged(policy: Policy, tool: str, mode: Mode = "auto", **arguments: Any) -> Verdict:
    where = Circumstances(workspace="/home/me/work", home="/home/me", mode=mode)
    return policy.judge_call(call_code(tool, arguments), where, DECLARED)


@pytest.mark.parametrize(
    ("tool", "arguments", "decision"),
    [
        ("look", {"path": "a.txt"}, "allow"),
        ("look", {"path": "~/secrets/key"}, "deny"),
        ("look", {"path": "/home/me/work/../secrets/key"}, "deny"),
        ("put", {"path": "~/secrets/key"}, "allow"),
        ("put", {"path": "/etc/passwd"}, "deny"),
        ("look", {"path": "/etc/passwd"}, "allow"),
        ("put", {"url": "https://x.evil.example:8443/a?b=good.example"}, "deny"),
        ("put", {"url": "https://good.example/x.evil.example"}, "allow"),
        ("put", {"url": "https://good.example@x.evil.example/"}, "deny"),
        ("recall", {"path": "~/secrets/key"}, "allow"),
    ],
)
def test_rules_hold_for_what_a_call_is_about(
    policy: Policy, tool: str, arguments: dict[str, Any], decision: Decision
) -> None:
    assert judged(policy, tool, **arguments).decision == decision


def test_what_needs_no_question(policy: Policy) -> None:
    assert judged(policy, "look", path="logs/a").covered
    assert not judged(policy, "look", path="other/a").covered
    assert not judged(policy, "look").covered
    assert judged(policy, "recall").covered
    assert not judged(policy, "put").covered


def test_plan_admits_what_reads(policy: Policy) -> None:
    assert judged(policy, "look", "plan", path="a").decision == "allow"
    assert judged(policy, "put", "plan", path="a").decision == "deny"
    assert judged(policy, "unknown", "plan").decision == "deny"
    assert judged(policy, "look", "plan", path="~/secrets/a").decision == "deny"


def test_what_is_no_call_is_denied(policy: Policy) -> None:
    where = Circumstances(mode="auto")
    for code in ("", "{}", "[1]", '{"tool": 3}', "print(1)"):
        assert policy.judge_call(code, where, DECLARED).decision == "deny"
        assert policy.judge("tool", code, where).decision == "deny"


def test_always_is_a_narrow_rule_that_holds(policy: Policy, tmp_path: Path) -> None:
    code = call_code("put", {"path": "a b/[x].txt", "url": "https://h/p"})
    rule, covers = policy.narrow_call(code, judged(policy, "put", path="a b/[x].txt", url="https://h/p"), DECLARED)
    assert "tool: put" in rule and covers
    (tmp_path / "more.yaml").write_text("version: 1\nrules:\n" + rule)
    grown = load_policy(user=tmp_path / "more.yaml")
    assert judged(grown, "put", path="a b/[x].txt", url="https://h/p").covered
    assert not judged(grown, "put", path="a b/x.txt", url="https://h/p").covered
    assert not judged(grown, "put", path="a b/[x].txt", url="https://h/other").covered
    assert policy.narrow_call(call_code("put", {}), judged(policy, "put", path="/etc/x"), DECLARED) == ("", ())


def test_hosts_of_addresses() -> None:
    assert host_in("HTTPS://User:pw@Host.example:81/a@b") == "host.example:81"
    assert host_in("host.example") == "host.example"
    assert host_in("http://[::1]:80/x") == "[::1]:80"
