"""Profiles by name, and the grants of tools."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import ConfigError, UsageError
from interpreter.sandbox import open_grants, resolve, shape, workspace_profile
from interpreter.sandbox.bubblewrap import plan
from interpreter.sandbox.grants import TOOLS, Opened
from interpreter.sandbox.system import system
from interpreter.types.walls import MIB

DOCS = Path(__file__).parents[2] / "docs" / "profiles.md"


def test_an_own_profile_inherits() -> None:
    own: dict[str, Any] = {
        "data": {"readable": ["~/sets"], "limits": {"memory": "2G", "cpu": 60}, "environment": {"A": 1}},
        "narrow": {"inherit": "data", "hidden": "/srv/keys", "network": {"allow": ["pypi.org"]}, "pass": ["EDITOR"]},
        "look": {"inherit": "read-only", "devices": ["/dev/dri"]},
    }
    found = resolve("narrow", own)
    assert found.base == "workspace" and found.name == "narrow"
    assert found.readable == (os.path.expanduser("~/sets"),) and found.hidden == ("/srv/keys",)
    assert found.limits == {"memory": 2048 * MIB, "cpu": 60.0} and found.environment == {"A": "1"}
    assert found.network == "ask" and found.rules.allow == ("pypi.org",) and found.passed == ("EDITOR",)
    assert resolve("look", own).base == "read-only" and resolve("look", own).devices == ("/dev/dri",)
    assert resolve("off", {}).base == "host"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"a": {"readble": ["/x"]}}, "profiles.a.readble: .*Did you mean `readable`"),
        ({"a": {"limits": {"memry": 1}}}, "Did you mean `memory`"),
        ({"a": {"limits": {"memory": "8X"}}}, "profiles.a.limits.memory"),
        ({"a": {"limits": {"memory": True}}}, "profiles.a.limits.memory"),
        ({"a": {"network": {"alow": []}}}, "Did you mean `allow`"),
        ({"a": {"network": "perhaps"}}, "off, ask, open"),
        ({"a": {"inherit": "wrkspace"}}, "Did you mean `workspace`"),
        ({"a": {"inherit": "b"}, "b": {"inherit": "a"}}, "inherits from itself"),
        ({"a": {"readable": ["relative"]}}, "should begin with /"),
        ({"a": {"devices": ["/etc/passwd"]}}, "no device"),
        ({"a": {"environment": {"A=B": "x"}}}, "names, each with a text"),
        ({"a": 3}, "names, each with a value"),
        ({"workspace": {}}, "built-in"),
    ],
)
def test_what_is_wrong_is_named(own: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolve("a" if "a" in own else "workspace", own)


def shaped(tmp_path: Path, name: str = "workspace", opened: Opened | None = None, **own: Any) -> Any:
    (tmp_path / "ws").mkdir(exist_ok=True)
    profile = workspace_profile(tmp_path / "ws", tmp_path / "s", home=tmp_path / "home", final=False, environ={})
    chosen = resolve(name, {name: own} if own else {})
    return shape(profile, chosen, opened or Opened(), environ={"EDITOR": "vi", "SECRET": "x"})


def test_a_read_only_profile_writes_its_scratch_alone(tmp_path: Path) -> None:
    profile = shaped(tmp_path, "read-only")
    kinds = {mount.path: mount.kind for mount in plan(profile, system().hidden)}
    assert kinds[str(tmp_path / "ws")] == "read" and kinds[str(tmp_path / "s")] == "write"
    assert profile.access == "read" and profile.protected == ()


def test_a_read_only_profile_has_no_writable_path(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    profile = shaped(tmp_path, "mine", inherit="read-only", writable=[str(tmp_path / "out")])
    assert str(tmp_path / "out") in profile.readable and str(tmp_path / "out") not in profile.writable


def test_a_profile_sets_limits_and_environment(tmp_path: Path) -> None:
    passed: dict[str, Any] = {"pass": ["EDITOR"]}
    profile = shaped(tmp_path, "mine", limits={"memory": "1G"}, environment={"MODE": "x"}, opened=None, **passed)
    assert profile.limits.memory == 1024 * MIB
    assert profile.environment["MODE"] == "x" and profile.environment["EDITOR"] == "vi"
    assert "SECRET" not in profile.environment


def test_the_tools_home_is_opened_by_nothing(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    profile = shaped(tmp_path, "mine", readable=[str(tmp_path / "home")])
    assert str(tmp_path / "home") in profile.hidden and str(tmp_path / "home") not in profile.named


def test_grants_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    config = "clusters:\n- cluster:\n    server: https://10.0.0.1:6443\n- cluster:\n    server: 'https://k.example/p'\n"
    (tmp_path / ".kube" / "config").write_text(config, encoding="utf-8")
    found = open_grants(("kubectl", str(tmp_path)), {"KUBECONFIG": ""})
    assert found.hosts == ("10.0.0.1:6443", "k.example:443")
    assert found.readable == (str(tmp_path / ".kube" / "config"), str(tmp_path))
    assert found.paths == {"kubectl": (str(tmp_path / ".kube" / "config"),)} and not found.git


def test_a_socket_is_granted_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none here"):
        open_grants(("ssh",), {})
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "a"))
        found = open_grants(("ssh",), {"SSH_AUTH_SOCK": str(tmp_path / "a")})
    assert found.sockets == (str(tmp_path / "a"),) and found.variables == {"SSH_AUTH_SOCK": str(tmp_path / "a")}


@pytest.mark.parametrize("name", ["dokcer", "", "no"])
def test_no_such_grant(name: str) -> None:
    with pytest.raises(UsageError, match="no grant"):
        open_grants((name,), {})
    with pytest.raises(UsageError, match="There is no /no/such"):
        open_grants(("/no/such",), {})


def test_the_documents_name_every_grant() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) >= set(TOOLS)
