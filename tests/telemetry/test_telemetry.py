"""Real sessions, a real collector: spans after the conventions; nothing without an endpoint; never a reason to fail."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from interpreter.app import open_session
from interpreter.config.settings import TelemetryOptions
from interpreter.llm.scripted import Reply, ScriptedModel
from interpreter.telemetry.spans import MOST, SEEN, Spans, beginning
from interpreter.types.events import NoteAdded, TurnStarted
from tests.session.helpers import Talk, settings
from tests.telemetry.collector import Collector, values

SECRET = "zx81-very-secret-1"
REPLIES: list[Reply | str] = [
    Reply(text="First.", code=f"print('{SECRET}'[:4], 6 * 7)"),
    Reply(code="rm -rf /", language="shell"),
    Reply(code="1/0"),
    "It is 42.",
]


def told(tmp_path: Path, endpoint: str, *, content: bool = False, replies: list[Reply | str] = REPLIES) -> Talk:
    """One task of a session that tells a collector."""

    async def whole() -> Talk:
        chosen = msgspec.structs.replace(settings(), telemetry=TelemetryOptions(endpoint=endpoint, content=content))
        session = await open_session(chosen, workspace=tmp_path, client=ScriptedModel(list(replies)))
        talk = Talk(session, ScriptedModel([]))
        await talk.turn(f"count with {SECRET}")
        await session.close()
        return talk

    return asyncio.run(asyncio.wait_for(whole(), 60))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", SECRET)


def test_spans_and_measurements_of_a_run(tmp_path: Path) -> None:
    with Collector() as collector:
        talk = told(tmp_path, collector.url)
    (agent,) = collector.named("invoke_agent")
    assert agent.name == "invoke_agent reinterpreter" and agent.kind == 1 and not agent.parent_span_id
    facts = values(agent.attributes)
    assert facts["gen_ai.operation.name"] == "invoke_agent" and facts["gen_ai.conversation.id"] == talk.session.id
    assert (facts["interpreter.exit_code"], facts["interpreter.steps"]) == (0, 4) and "error.type" not in facts
    chats = collector.named("chat")
    assert [chat.name for chat in chats] == ["chat scripted"] * 4
    for chat in chats:
        assert chat.kind == 3 and (chat.parent_span_id, chat.trace_id) == (agent.span_id, agent.trace_id)
        assert agent.start_time_unix_nano <= chat.start_time_unix_nano <= chat.end_time_unix_nano
    first = values(chats[0].attributes)
    assert first["gen_ai.operation.name"] == "chat" and first["gen_ai.provider.name"] == "openai"
    assert first["gen_ai.request.model"] == first["gen_ai.response.model"] == "scripted"
    assert first["gen_ai.response.finish_reasons"] == ["tool_calls"] and first["gen_ai.usage.input_tokens"] > 0
    tools = [values(span.attributes) for span in collector.named("execute_tool execute")]
    assert [tool["interpreter.action.status"] for tool in tools] == ["ok", "denied", "error"]
    assert [tool.get("error.type") for tool in tools] == [None, "denied", "error"]
    assert [tool["interpreter.language"] for tool in tools] == ["python", "shell", "python"]
    assert collector.resource["service.name"] == "reinterpreter" and collector.resource["service.version"]
    points = collector.metrics["gen_ai.client.token.usage"]
    assert {values(point.attributes)["gen_ai.token.type"] for point in points} == {"input", "output"}
    assert sum(point.count for point in points) == 8 and list(points[0].explicit_bounds)[:3] == [1, 4, 16]
    assert sum(point.count for point in collector.metrics["gen_ai.client.operation.duration"]) == 4
    assert sum(point.count for point in collector.metrics["gen_ai.execute_tool.duration"]) == 2
    assert sum(point.count for point in collector.metrics["gen_ai.invoke_agent.duration"]) == 1
    for word in (b"6 * 7", b"count with", b"It is 42", SECRET.encode()):
        assert word not in collector.raw


def test_content_is_sent_where_it_is_asked_for_and_without_secrets(tmp_path: Path) -> None:
    with Collector() as collector:
        told(tmp_path, collector.url + "/", content=True)
    facts = values(collector.named("invoke_agent")[0].attributes)
    asked: list[dict[str, Any]] = json.loads(facts["gen_ai.input.messages"])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": "count with [redacted]"}]}]
    chat = json.loads(values(collector.named("chat")[0].attributes)["gen_ai.output.messages"])
    assert [part["type"] for part in chat[0]["parts"]] == ["text", "tool_call"]
    tool = values(collector.named("execute_tool")[0].attributes)
    assert "6 * 7" in tool["gen_ai.tool.call.arguments"] and "42" in tool["gen_ai.tool.call.result"]
    assert SECRET.encode() not in collector.raw


@pytest.mark.parametrize("before", ["x" * (MOST - 9) + " ", "x" * (SEEN - 9) + " ", "{0} " * 328, ""])
@pytest.mark.parametrize("after", ["", " " + "y" * 2 * SEEN])
def test_no_half_of_a_secret_is_sent_where_a_content_is_cut(before: str, after: str) -> None:
    """328 secrets take up nearly all that is looked at, and then little of what is sent."""
    secret = SECRET * 4
    sent = beginning(before.format(secret) + secret + after, (secret,))
    assert len(sent) <= MOST and SECRET[:4] not in sent
    if not before.startswith("{0}"):
        assert sent == (before + "[redacted]" + after)[:MOST]


@pytest.mark.parametrize("collector", [{"status": 500}, {"status": 404}, {"delay": 30.0}, None])
def test_a_collector_that_fails_costs_a_moment_and_nothing_else(
    tmp_path: Path, collector: dict[str, Any] | None, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    if collector is None:
        talk = told(tmp_path, "http://127.0.0.1:1", replies=["Done."])
    else:
        with Collector(**collector) as made:
            talk = told(tmp_path, made.url, replies=["Done."])
            took = time.monotonic() - began
        assert took < 12  # three seconds of it at most are the collector's
    assert [type(event).__name__ for event in talk.events][-1] == "TurnFinished"
    assert capfd.readouterr().err == ""


def test_nothing_is_loaded_and_nothing_is_sent_without_an_endpoint(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom interpreter.app import open_session\n"
        "from interpreter.llm.scripted import ScriptedModel\nfrom tests.session.helpers import Talk, settings\n"
        "async def main():\n"
        "    session = await open_session(settings(), workspace=Path(sys.argv[1]), client=ScriptedModel(['Done.']))\n"
        "    await Talk(session, ScriptedModel([])).turn('x')\n    await session.close()\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'interpreter.telemetry'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_variable_of_the_sdk_counts_and_its_switch_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=ops")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "night-shift")
        told(tmp_path, "", replies=["Done."])
        seen = len(collector.spans)
        monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
        told(tmp_path, "", replies=["Done."])
    assert seen == len(collector.spans) == 2 and collector.resource["service.name"] == "night-shift"
    assert all(headers.get("x-team") == "ops" for headers in collector.headers)


def test_without_the_library_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "interpreter.telemetry.otlp", None)
    talk = told(tmp_path, "http://127.0.0.1:1", replies=["Done."])
    assert any("reinterpreter[otel]" in note.text and not note.to_model for note in talk.of(NoteAdded))


def test_a_mistake_in_it_ends_it_and_nothing_else() -> None:
    class Broken:
        def begin(self, *_words: Any) -> Any:
            raise ZeroDivisionError

        def measure(self, *_words: Any) -> None:
            raise ZeroDivisionError

    broken: Any = Broken()
    spans = Spans(broken, "s", "1", (), content=False)
    spans.apply(TurnStarted(turn="t", text="x"))
    assert spans.broken.startswith("ZeroDivisionError")
    spans.apply(TurnStarted(turn="t", text="x"))
