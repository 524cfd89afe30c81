"""The corpus: command lines with the verdicts of the built-in rules."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from interpreter.policy import Policy, load_policy
from interpreter.types.rules import Circumstances, Decision

CORPUS = Path(__file__).parent / "corpus"


@lru_cache(1)
def policy() -> Policy:
    return load_policy(check=False)


def groups(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load((CORPUS / f"{name}.yaml").read_text(encoding="utf-8"))


def lines(group: dict[str, Any]) -> list[str]:
    return [*group["lines"].splitlines(), *group.get("texts", ())]


def verdict(code: str, *, walled: bool) -> Decision:
    return (
        policy().judge("shell", code, Circumstances(walled=walled, workspace="/work/project", home="/home/me")).decision
    )


@pytest.mark.parametrize("group", groups("dangerous"), ids=lambda group: group["about"])
def test_a_dangerous_line_gets_its_verdict(group: dict[str, Any]) -> None:
    found = {line: (verdict(line, walled=True), verdict(line, walled=False)) for line in lines(group)}
    expected = (group["inside"], group["outside"])
    assert {line: got for line, got in found.items() if got != expected} == {}


@pytest.mark.parametrize("walled", [True, False], ids=["inside", "outside"])
def test_everyday_lines_are_hardly_ever_asked_about(walled: bool) -> None:
    found = {line: verdict(line, walled=walled) for group in groups("everyday") for line in lines(group)}
    assert [line for line, got in found.items() if got == "deny"] == []
    asked = [line for line, got in found.items() if got == "ask"]
    assert len(asked) <= 0.05 * len(found), asked


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len({line for group in groups("dangerous") for line in lines(group)}) >= 300
    assert len({line for group in groups("everyday") for line in lines(group)}) >= 300
