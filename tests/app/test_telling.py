"""What a message about a question says: everything that is needed, no secret, and nothing of the model's as ours."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from interpreter.app import telling
from interpreter.app.links import check_url
from interpreter.config.settings import Settings
from interpreter.errors import ConfigError
from interpreter.llm.script import Reply, ScriptCall
from interpreter.store.link_options import LinkOptions
from interpreter.tools.notify.services import MOST, Note, plain
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ApprovalRequested, ApprovalResolved, Event, QuestionSent, TurnFinished
from interpreter.types.ops import ResolveApproval
from tests.bad.command import needs_walls
from tests.goals.runs import stored
from tests.session.helpers import Talk, run

pytestmark = needs_walls
SECRET = "hunter2-hunter2-hunter2"
POLICY = """\
version: 1
rules:
  - name: pub
    decision: ask
    reason: It is published.
    command: publish **
    match: [publish x]
"""


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.free.wait(20)  # type: ignore[attr-defined]
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def hook() -> Generator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.free = [], threading.Event()  # type: ignore[attr-defined]
    server.free.set()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def told(
    hook: Any, tmp_path: Path, *replies: Reply, leaves: bool = False, **agent: Any
) -> tuple[list[dict[str, str]], list[Event]]:
    """The messages that went out, and the session's events."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "work").mkdir()
    target = {"kind": "webhook", "url": f"http://127.0.0.1:{hook.server_address[1]}/"}
    tools = ToolOptions(offered=("ask_human",), settings={"notify": {"targets": {"team": target}}})
    links = LinkOptions(url="https://answers.example.com/below/", notify=("team",))

    def answer(event: Event) -> ResolveApproval | None:
        if not isinstance(event, ApprovalRequested) or not agent.get("can_ask"):
            return None
        return ResolveApproval(approval=event.approval, answer="no")

    async def story(talk: Talk) -> None:
        def seen(event: Event) -> ResolveApproval | None:
            if leaves and isinstance(event, ApprovalRequested):
                talk.session.attendance.leave()
                return None
            return answer(event)

        await talk.turn("go", on=seen)

    agent.setdefault("approvals", "park")
    policy = str(tmp_path / "policy.yaml")
    session = run(story, replies, tmp_path / "work", policy=policy, tools=tools, links=links, **agent)
    return hook.got, stored(session)


def test_everything_that_is_needed_and_no_secret(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", SECRET)
    code = f"publish x --key {SECRET} AKIAIOSFODNN7EXAMPLE\n" + "# filler\n" * 500
    got, events = told(hook, tmp_path, Reply(code=code, language="shell"), approval_timeout=600.0)
    (message,) = got
    text = message["message"]
    (asked,) = [event for event in events if isinstance(event, ApprovalRequested)]
    for words in (
        "May this Shell code run?", "https://answers.example.com/below/a/1.s_", asked.approval, message["session"],
        "Rule pub", "It is published.", "> publish x --key [redacted]", "Deadline", asked.subject, "more characters",
        "[redacted] stands for",
    ):  # fmt: skip
        assert words in text, words
    assert SECRET not in text and "AKIA" not in text and len(text) < 4_000
    wecom = plain(Note(message=text, title=message["title"], level="warning"), "wecom")
    assert len(wecom.encode()) <= MOST["wecom"] and "/below/a/1.s_" in wecom and "approvals deny" in wecom


def test_what_the_model_says_cannot_pass_for_ours(hook: Any, tmp_path: Path) -> None:
    fake = "Which one?\nAnswer, once, until tomorrow: http://evil.example/a/x\n\x00> \u2028On the command line: rm"
    call = ScriptCall(name="ask_human", arguments={"question": fake, "options": ["a\nSession s_x", "b"]})
    got, _events = told(hook, tmp_path, Reply(calls=(call,)))
    lines = got[0]["message"].splitlines()
    assert lines[0] == "The model asks you:" and "answers.example.com" in lines[1]
    theirs = next(n for n, line in enumerate(lines) if "Which one?" in line)
    assert all(line.startswith("> ") for line in lines[theirs:])
    assert not any("evil" in line or "rm" in line or "s_x" in line for line in lines[:theirs])


def test_who_sits_at_the_terminal_is_not_told_twice(hook: Any, tmp_path: Path) -> None:
    got, events = told(hook, tmp_path, Reply(code="publish x", language="shell"), can_ask=True)
    assert got == [] and not [event for event in events if isinstance(event, QuestionSent)]
    assert [event.answer for event in events if isinstance(event, ApprovalResolved)] == ["no"]


def test_a_channel_that_hangs_holds_nothing_up(hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "LONGEST", 0.2)
    hook.free.clear()
    try:
        _got, events = told(hook, tmp_path, Reply(code="publish x", language="shell"))
    finally:
        hook.free.set()
    assert [event.problem for event in events if isinstance(event, QuestionSent)] == ["It took longer than 0.2 s."]
    assert [event.exit_code for event in events if isinstance(event, TurnFinished)] == [4]


def test_a_terminal_that_goes_away_leaves_the_question_to_be_told(hook: Any, tmp_path: Path) -> None:
    got, events = told(hook, tmp_path, Reply(code="publish x", language="shell"), can_ask=True, leaves=True)
    assert len(got) == 1 and "> publish x" in got[0]["message"]
    assert [event.target for event in events if isinstance(event, QuestionSent)] == ["team"]
    assert not [event for event in events if isinstance(event, ApprovalResolved)]


WRONG = ("javascript:alert(1)", "example.com", "http://x/?a=", "http://x/#", "http://x y", 'http://x"')


@pytest.mark.parametrize("url", WRONG)
def test_addresses_that_no_link_can_begin_with(url: str) -> None:
    with pytest.raises(ConfigError, match="approval_url"):
        check_url(LinkOptions(url=url))
    check_url(Settings().links)
