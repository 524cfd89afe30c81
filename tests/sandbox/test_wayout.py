"""What a session's way out refuses to begin with, and what it never shows."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from interpreter.errors import UsageError
from interpreter.sandbox.wayout import WayOut, placeholder, secret, trusted
from interpreter.types.rules import Credential, NetworkRules
from interpreter.types.walls import Profile


@pytest.mark.parametrize("word", ["http://x.example", "a b", "@nobody", "*x.example", "x.example:0", "127.1"])
def test_a_rule_that_names_no_hosts_is_told(tmp_path: Path, word: str) -> None:
    for rules in (NetworkRules(allow=(word,)), NetworkRules(deny=(word,))):
        with pytest.raises(UsageError, match="names no hosts"):
            WayOut(rules, tmp_path, {})


@pytest.mark.parametrize(
    ("value", "source"),
    [("", "env:T"), ("short", "env:T"), ("with a space", "env:T"), ("zeilen\numbruch", "env:T"),
     ("schlüssel-lang", "env:T"),
     ("x" * 9000, "env:T"), ("", "file:/nowhere/at/all")],
)  # fmt: skip
def test_a_credential_that_cannot_be_used_is_told_without_its_value(value: str, source: str) -> None:
    with pytest.raises(UsageError) as told:
        secret(Credential(variable="TOKEN", host="h.example", source=source), {"T": value})
    assert "TOKEN" in str(told.value) and (not value or value not in str(told.value))


def test_a_placeholder_is_as_long_as_the_value_and_never_the_same(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("value-from-a-file\n")
    told = secret(Credential(variable="T", host="h.example", source=f"file:{file}"), {})
    assert told["value"] == "value-from-a-file" and len(told["placeholder"]) == len(told["value"])
    for length in (8, 31, 32, 40, 200):
        assert len({placeholder(length) for _ in range(20)}) == 20
        assert {len(placeholder(length))} == {length}


def test_what_programs_get(tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="the package cryptography is not installed")
    rules = NetworkRules(credentials=(Credential(variable="T", host="h.example", source="env:REAL"),))
    way = WayOut(rules, tmp_path / "way", {"REAL": "the-real-value-of-it"})
    values, readable = way.inside(Profile(environment={"NODE_OPTIONS": "--trace-warnings"}))
    assert readable == (str(tmp_path / "way"),) and values["T"] != "the-real-value-of-it"
    assert values["NODE_OPTIONS"].endswith("node_proxy.cjs --trace-warnings")
    assert {values[name] for name in ("SSL_CERT_FILE", "PIP_CERT", "GIT_SSL_CAINFO")} == {
        str(tmp_path / "way/bundle.pem")
    }
    told = way.broker()
    assert told["credentials"][0]["value"] == "the-real-value-of-it"
    seen = "".join(path.read_text(errors="replace") for path in (tmp_path / "way").iterdir())
    assert (
        "PRIVATE KEY" not in seen and "the-real-value-of-it" not in seen and "PRIVATE KEY" in told["authority"]["key"]
    )
    again, _paths = way.inside(Profile())
    assert again["SSL_CERT_FILE"] == values["SSL_CERT_FILE"], "one authority for all programs of a session"


def test_a_path_with_spaces_stays_one_word_for_node(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    folder = tmp_path / 'a "b" \\ c'
    values, _paths = WayOut(NetworkRules(), folder, {}).inside(Profile())
    env = {"PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:1", **values}
    done = subprocess.run([node, "-p", "1 + 1"], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "2\n", done.stderr


def test_the_persons_own_authorities_come_first(tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text("x")
    assert trusted({"SSL_CERT_FILE": str(own)}) == str(own)
    assert trusted({"SSL_CERT_FILE": str(tmp_path / "gone")}) != str(tmp_path / "gone")
    assert trusted({})
