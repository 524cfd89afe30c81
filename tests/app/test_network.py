"""Which network a session gets from its settings, profile, policy and grants; and the line that `always` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from interpreter.app.network import network_of, not_by_proxy
from interpreter.app.policyfile import add_host, with_host
from interpreter.config.settings import Settings, WallOptions
from interpreter.errors import ConfigError
from interpreter.sandbox.profiles import NamedProfile
from interpreter.types.rules import Credential, NetworkRules

SILENT = NetworkRules(otherwise="ask")
PYPI = NetworkRules(allow=("pypi.org",), otherwise="ask")


@pytest.mark.parametrize(
    ("said", "from_flag", "hosts", "profile", "policy", "grants", "expected"),
    [
        ("", False, (), NamedProfile(), SILENT, (), ("closed", "deny")),
        ("off", False, ("a.example",), NamedProfile(), PYPI, (), ("closed", "deny")),
        ("", False, ("a.example",), NamedProfile(), SILENT, (), ("proxy", "ask")),
        ("", False, (), NamedProfile(), PYPI, (), ("proxy", "ask")),
        ("", False, (), NamedProfile(), SILENT, ("*:22",), ("proxy", "ask")),
        ("open", False, (), NamedProfile(), SILENT, (), ("proxy", "allow")),
        ("ask", False, (), NamedProfile(), SILENT, (), ("proxy", "ask")),
        ("open", False, (), NamedProfile(), NetworkRules(otherwise="deny"), (), ("proxy", "deny")),
        ("ask", False, (), NamedProfile(), NetworkRules(otherwise="deny"), (), ("proxy", "deny")),
        ("open", False, (), NamedProfile(network="off"), SILENT, (), ("closed", "deny")),
        ("open", True, (), NamedProfile(network="off"), SILENT, (), ("proxy", "allow")),
        ("", False, (), NamedProfile(network="open"), SILENT, (), ("proxy", "allow")),
        ("", False, (), NamedProfile(network="ask", rules=NetworkRules(allow=("b",))), SILENT, (), ("proxy", "deny")),
    ],
)
def test_what_counts(
    said: str,
    from_flag: bool,
    hosts: tuple[str, ...],
    profile: NamedProfile,
    policy: NetworkRules,
    grants: tuple[str, ...],
    expected: tuple[str, str],
) -> None:
    walls = msgspec.convert({"network": said, "allow_hosts": hosts}, WallOptions)
    settings = Settings(walls=walls, origins={"network": "--network"} if from_flag else {})
    network, rules = network_of(settings, profile, policy, grants)
    assert (network, rules.otherwise) == expected
    if network == "proxy":
        assert set(rules.allow) == {*hosts, *policy.allow, *profile.rules.allow, *grants}


def test_everything_that_is_stricter_counts() -> None:
    token = Credential(variable="T", host="h", source="env:T")
    policy = NetworkRules(deny=("x",), read_only=True, credentials=(token,), otherwise="ask")
    profile = NamedProfile(rules=NetworkRules(deny=("y",), allow=("z",), otherwise="allow"))
    network, rules = network_of(Settings(), profile, policy, ())
    assert network == "proxy" and set(rules.deny) == {"x", "y"} and rules.read_only and rules.credentials == (token,)
    walls = WallOptions(backend="host", network="open")
    assert network_of(Settings(walls=walls), profile, policy, ())[0] == "host", "without walls there is no broker"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only words\n",
        "version: 1\nrules: []\n",
        "version: 1\nnetwork:\n",
        "version: 1\nnetwork:\n  deny: [a.example]  # kept\nrules: []\n",
        "version: 1\nnetwork:\n  allow: []\n",
        "version: 1\nnetwork:\n  allow: [one.example]  # kept\nrules: []\n",
        "version: 1\nnetwork:\n  allow: [one.example,\n    two.example,]\nrules: []\n",
        "version: 1\nnetwork:\n  allow:\n  - one.example # kept\n  otherwise: deny\n",
        "version: 1\nnetwork:\n    deny: [b]\n    allow:\n        - one.example\n# the end\n",
        "version: 1\nnetwork:\n  allow:\n  otherwise: deny\nrules: []",
    ],
)
def test_a_host_is_added_and_the_rest_stays(text: str) -> None:
    old: dict[str, Any] = yaml.safe_load(text) or {}
    new = with_host(text, "new.example", Path("policy.yaml"))
    found: dict[str, Any] = yaml.safe_load(new)
    before: dict[str, Any] = old.get("network") or {}
    hosts: list[str] = before.get("allow") or []
    assert sorted(found["network"]["allow"]) == sorted([*hosts, "new.example"])
    found["network"].pop("allow")
    rest = {key: value for key, value in before.items() if key != "allow"}
    assert found["network"] == rest and {**old, "network": 0, "version": 1} == {**found, "network": 0}
    assert new.count("#") == text.count("#"), "comments stay"


@pytest.mark.parametrize("text", ["[1]\n", "network: {allow: [a]}\n", "network: [\n", "just words\n", "{network: 1}\n"])
def test_what_cannot_be_added_to_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        add_host(path, "new.example", lambda: None)
    assert path.read_text() == text


def test_a_rule_about_loopback_means_the_hosts_own() -> None:
    names = "localhost,127.0.0.1,::1"
    assert not_by_proxy(names, NetworkRules(allow=("pypi.org",))) == names
    assert not_by_proxy(names, NetworkRules(allow=("127.0.0.1:8080",))) == "localhost,::1"
    assert not_by_proxy(names, NetworkRules(allow=("localhost", "[::1]:80"))) == "127.0.0.1"
