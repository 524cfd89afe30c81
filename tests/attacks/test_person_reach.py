"""Where the defence of eyes and consent ends: each of these comes through, and docs/security.md says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from interpreter.cli.views import questions
from interpreter.keeper import hosts
from interpreter.llm.script import Reply
from interpreter.policy import load_policy
from interpreter.text.redact import Redactor
from interpreter.types.events import ActionFinished, ApprovalRequested
from interpreter.types.ops import Op, ResolveApproval
from interpreter.types.rules import Circumstances
from tests.bad.command import needs_walls, talk_of
from tests.session.helpers import Talk

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
SAID = " ".join(PAGE.partition("## Out of reach")[2].split())
SECRET = "sk-TESTONLY-0123456789abcdef"


@needs_walls
def test_a_file_that_approved_code_names_may_have_changed(tmp_path: Path) -> None:
    """What runs is what the file holds by then; the words of the action are what was approved."""
    script = tmp_path / "report.py"
    script.write_text("print('harmless')\n")
    ends: list[ActionFinished] = []

    def answer(event: object) -> Op | None:
        if not isinstance(event, ApprovalRequested):
            return None
        script.write_text("print('changed')\n")
        return ResolveApproval(approval=event.approval, answer="yes")

    async def story(talk: Talk) -> None:
        await talk.turn("go", on=answer)
        ends.extend(talk.of(ActionFinished))

    talk_of(story, [Reply(code="%run report.py"), "done"], tmp_path, auto_run=False, can_ask=True)
    assert "changed" in ends[0].observation.text
    assert "`%run report.py`" in SAID


def test_always_for_a_program_that_runs_the_project() -> None:
    here = Circumstances(workspace="/home/person/work", home="/home/person", mode="ask")
    rules = load_policy()
    for first, later in (("pytest -q", "pytest -p evil"), ("npm run build", "npm run build -- --evil")):
        rule, _covers = rules.narrow_rule("shell", first, rules.judge("shell", first, here))
        assert load_policy(session=(rule,)).judge("shell", later, here).covered
        assert f"`{' '.join(first.split()[:3]).removesuffix(' -q')}`" in SAID


def test_letters_of_rarer_scripts() -> None:
    assert questions.warnings_of("\u13aa\u13a2 = 1") == []
    assert "Cherokee" in SAID


SPOOFED = {
    "Cyrillic": "g\u043e\u043egle.com",
    "a soft hyphen": "goo\u00adgle.com",
    "a joiner": "goo\u200dgle.com",
    "Chinese dots": "google\u3002com",
    "full width": "\uff47oogle.com",
    "a direction": "\u202egoogle.com",
    "a line": "google.com\n.evil.example",
    "codes": "google.com\x1b[2J",
    "a user": "google.com@evil.example",
    "a slash that is none": "google.com\u2215evil.example",
    "a tab": "google.com\t.evil.example",
    "a null": "google.com\0.evil.example",
}


@pytest.mark.parametrize("host", SPOOFED.values(), ids=SPOOFED.keys())
def test_a_host_is_judged_and_shown_in_its_one_spelling(host: str) -> None:
    """What a person reads in a question of the broker is what it looks up, letter by letter."""
    rules = hosts.Rules({"allow": ["google.com"], "otherwise": "ask"})
    try:
        name = hosts.canonical(host)
    except ValueError:
        return
    assert name.isascii() and name.isprintable()
    assert rules.judge(name, 443).decision == ("allow" if name == "google.com" else "ask")
    assert name == "google.com" or name.startswith("xn--") or ".xn--" in name
    assert hosts.canonical("google.com") == "google.com", "the control: the honest name is allowed"


ENCODED = {
    "pieces": " ".join(SECRET),
    "reversed": SECRET[::-1],
    "numbers": str(list(SECRET.encode())),
    "hexadecimal in pairs": SECRET.encode().hex(" "),
}


@pytest.mark.parametrize("text", ENCODED.values(), ids=ENCODED.keys())
def test_a_secret_in_an_unusual_form_passes(text: str) -> None:
    redactor = Redactor((SECRET,))
    assert redactor.sure(text) == text
    assert SECRET not in redactor.sure(f"it is {SECRET}."), "as it is it does not pass"
    assert "reversed or printed in pieces" in " ".join(PAGE.split())
