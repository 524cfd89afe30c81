"""Adding rules to a policy file that a person wrote."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from interpreter.app.policyfile import add_rule
from interpreter.errors import ConfigError, StoreError

RULE = "- name: pushes\n  decision: allow\n  command: git push origin feature"


def nothing() -> None:
    pass


def rules(path: Path) -> list[str]:
    return [rule["name"] for rule in yaml.safe_load(path.read_text())["rules"]]


def test_a_file_that_is_absent_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "conf" / "policy.yaml"
    add_rule(path, RULE, nothing)
    assert rules(path) == ["pushes"] and yaml.safe_load(path.read_text())["version"] == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["policy.yaml"]


@pytest.mark.parametrize(
    ("before", "names"),
    [
        ("", ["pushes"]),
        ("version: 1\n", ["pushes"]),
        ("version: 1\nrules:\n", ["pushes"]),
        ("version: 1\nrules: []\n", ["pushes"]),
        ("version: 1\nrules:\n  - name: a  # first\n    decision: ask\n", ["a", "pushes"]),
        ("version: 1\nrules:\n- name: a\n  decision: ask\n- name: b\n  decision: ask", ["a", "b", "pushes"]),
        ("rules:\n    - name: a\n\n    # the end\nversion: 1\nnetwork:\n  deny: [x.org]\n", ["a", "pushes"]),
    ],
)
def test_what_stands_there_stays(tmp_path: Path, before: str, names: list[str]) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(before)
    add_rule(path, RULE, nothing)
    assert rules(path) == names
    after = path.read_text()
    kept = [line for line in before.splitlines() if line.strip() and not line.startswith("rules")]
    assert [line for line in after.splitlines() if line in kept] == kept
    old: dict[str, Any] = yaml.safe_load(before) or {}
    assert {name: value for name, value in yaml.safe_load(after).items() if name in old and name != "rules"} == {
        name: value for name, value in old.items() if name != "rules"
    }


def test_twice_adds_two(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    add_rule(path, RULE, nothing)
    add_rule(path, RULE.replace("pushes", "again"), nothing)
    assert rules(path) == ["pushes", "again"]


@pytest.mark.parametrize("content", ["- a\n- b\n", "rules: [{name: a}]\n", "a: [\n", "{rules: []}\n"])
def test_what_cannot_be_added_to_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError):
        add_rule(path, RULE, nothing)
    assert path.read_text() == content


def test_a_rule_that_the_policy_does_not_take_is_taken_back(tmp_path: Path) -> None:
    def refuses() -> None:
        raise ConfigError("no such condition")

    path = tmp_path / "policy.yaml"
    with pytest.raises(ConfigError, match="no such condition"):
        add_rule(path, RULE, refuses)
    assert not path.exists()
    path.write_text("version: 1\n")
    with pytest.raises(ConfigError):
        add_rule(path, RULE, refuses)
    assert path.read_text() == "version: 1\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.yaml"
    real.write_text("version: 1\n")
    path = tmp_path / "policy.yaml"
    path.symlink_to(real)
    add_rule(path, RULE, nothing)
    assert path.is_symlink() and rules(real) == ["pushes"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"policy\.yaml"):
        add_rule(tmp_path / "file" / "policy.yaml", RULE, nothing)
