"""Python and JavaScript: what does harm is seen, what people write every day is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from interpreter.policy import load_policy
from interpreter.types.rules import Circumstances

WALLED = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto")
BARE = Circumstances(workspace="/home/me/work", home="/home/me", mode="auto", walled=False)
MOST_ASKED = 0.05


def corpus(language: str) -> dict[str, list[Any]]:
    path = Path(__file__).parent / "corpus" / f"{language}.yaml"
    return cast("dict[str, list[Any]]", yaml.safe_load(path.read_text(encoding="utf-8")))


CASES = [
    pytest.param(language, case, id=f"{language}: {case['code'][:60]!r}")
    for language in ("python", "javascript")
    for case in corpus(language)["dangerous"]
]


@pytest.mark.parametrize(("language", "case"), CASES)
def test_harm_is_seen(language: str, case: dict[str, str]) -> None:
    policy = load_policy()
    inside = policy.judge(language, case["code"], WALLED)
    outside = policy.judge(language, case["code"], BARE)
    assert (inside.decision, outside.decision) == (case["inside"], case["outside"])


@pytest.mark.parametrize(("language", "least"), [("python", 60), ("javascript", 20)])
def test_everyday_code_is_left_alone(language: str, least: int) -> None:
    policy = load_policy()
    everyday: list[str] = corpus(language)["everyday"]
    assert len(everyday) >= least
    verdicts = {code: policy.judge(language, code, WALLED) for code in everyday}
    assert not [code for code, verdict in verdicts.items() if verdict.decision == "deny"]
    asked = [
        (code, verdict.reasons, verdict.unknown) for code, verdict in verdicts.items() if verdict.decision == "ask"
    ]
    assert len(asked) <= MOST_ASKED * len(everyday), asked
