"""What somebody else wrote gives a build server no orders, and JSON means the same afterwards."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interpreter.text.commands import build_server, harmless, harmless_json

MARKS = [
    "::", ":", "##[", "##vso[", "##", "[", "add-mask", "\n", "\r", " ", "\t", "\u3000", "\xa0", "\x1b[0K", "12", "x",
    "section_start:", "section_end:", "::set-output name=a::b", "\u2028", "\x0b",
]  # fmt: skip


def orders(text: str) -> list[str]:
    """The lines that a runner would obey: as GitHub's own reader finds them, and the marks of the others."""
    found: list[str] = []
    for line in re.split(r"\r\n|\r|\n", text):
        bare = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)
        if line.strip().startswith("::") or bare.strip().startswith("::"):
            found.append(line)
        if re.search(r"##[A-Za-z]*\[", line) or re.search(r"section_(start|end):\s*\d", line):
            found.append(line)
    return found


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
@example(":\x1b[0K::")  # where colours are taken out first, the colons meet
def test_no_order_is_left(text: str) -> None:
    assert orders(harmless(text)) == []


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
def test_json_means_the_same(text: str) -> None:
    line = harmless_json(json.dumps({"text": text, "n": 1}, ensure_ascii=False).encode())
    assert json.loads(line) == {"text": text, "n": 1}
    assert orders(line.decode()) == []


def test_ordinary_text_stays() -> None:
    text = "std::vector a[1:2] http://x # comment\nclass A::B\n### [link](x)\n"
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("environ", "server"),
    [
        ({}, ""),
        ({"GITHUB_ACTIONS": "true", "CI": "true"}, "github"),
        ({"GITLAB_CI": "true", "CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "http://j/"}, "jenkins"),
        ({"TF_BUILD": "True"}, "ci"),
        ({"CI": "true"}, "ci"),
        ({"CI": "false"}, ""),
    ],
)
def test_the_platform_says_what_it_is(environ: dict[str, str], server: str) -> None:
    assert build_server(environ) == server
