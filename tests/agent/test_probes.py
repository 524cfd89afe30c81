"""The twelve micro-tasks against real servers that play a good model, a bad one, and one without tools."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from interpreter.agent.probes import ProbeResult, ServerReport
from interpreter.agent.probes.advice import advise, reasoning_parser, tool_parser
from interpreter.agent.probes.measure import probe_server
from interpreter.agent.probes.tasks import MEAN, TASKS, TRICKY, WIPE
from interpreter.app.trial import try_model
from interpreter.errors import ModelAuthRefused, ModelUnreachable
from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions
from interpreter.llm.script import Reply, Script, ScriptCall, ScriptUsage
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.types.messages import ServerFacts

NAMES = [task.name for task in TASKS]
TWO = (
    ScriptCall(arguments={"language": "shell", "code": "echo one"}),
    ScriptCall(arguments={"language": "python", "code": "print(2)"}),
)
TWO_FENCES = "```bash\necho one\n```\n```python\nprint(2)\n```\n"
PAGE = '<tool_call>{"name": "read_output", "arguments": {"id": "out1", "offset": 9000}}</tool_call>'
CACHED = Reply(text="Gladly.", usage=ScriptUsage(prompt=900, cached=768, completion=3))


def good(*, native: bool) -> list[Reply | str]:
    """What a good model says to each task, and to the two requests that show the cache."""
    return [
        *([Reply(code="print(17 + 25)"), Reply(code="echo ok", language="shell")] if native else []),
        Reply(code="for n in range(1, 4):\n    print(n)\n"),
        '{"language": "python", "code": "print(7)"}',
        Reply(code="print(df['Unit_Price'].mean())"),
        Reply(calls=TWO) if native else TWO_FENCES,
        Reply(code='print("你好，世界")'),
        Reply(code=TRICKY),
        Reply(calls=(ScriptCall(name="read_output", arguments={"id": "out1", "offset": 9000}),)) if native else PAGE,
        "The number is 42.",
        Reply(code="du -sh *", language="shell"),
        Reply(reasoning="Armstrong.", text="In 1969."),
        "In 1969.",
        CACHED,
    ]


def probe(script: Script, **options: Any) -> tuple[ServerReport, list[ProbeResult], ScriptedServer]:
    told: list[ProbeResult] = []
    with ScriptedServer(script) as server:
        given: dict[str, Any] = {"api_base": server.url, "retry_wait": 0.0, **options}
        report = asyncio.run(try_model(ModelOptions(**given), told.append))
    return report, told, server


def whys(report: ServerReport) -> dict[str, str]:
    return {result.name: result.why for result in report.results}


def test_twelve_tasks_with_names_of_their_own() -> None:
    assert len(set(NAMES)) == 12


def test_a_good_model() -> None:
    report, told, server = probe(Script(replies=tuple(good(native=True)), kind="vllm"))
    assert [result.name for result in report.results] == NAMES
    assert all(result.ok for result in report.results), whys(report)
    assert told == list(report.results)
    ways = [result.way for result in report.results]
    assert ways == ["native"] * 2 + ["fence", "json"] + ["native"] * 5 + ["text", "native", "text"]
    assert report.usable
    assert (report.tools, report.refusal) == ("taken", "")
    assert report.usage_reported and (report.cached, report.prompt) == (768, 900)
    assert report.facts.context_window == 32768
    assert report.first_token is not None and report.rate is not None and report.rate_counted
    assert report.advice == ()
    # Every request is bounded, and tools are offered where calls are wanted.
    bodies: list[dict[str, Any]] = [seen.body for seen in server.seen]
    assert all(0 < body["max_tokens"] <= 2048 for body in bodies)
    assert ["tools" in body for body in bodies[:4]] == [True, True, False, False]


def test_a_server_that_refuses_tools() -> None:
    report, _told, server = probe(Script(replies=tuple(good(native=False)), refuse=("tools",), kind="vllm"))
    assert report.tools == "refused"
    assert "--enable-auto-tool-choice" in report.refusal
    bad = {result.name for result in report.results if not result.ok}
    assert bad == {"native_call", "strict_arguments"}, whys(report)
    assert "takes no tools" in whys(report)["native_call"]
    assert {r.way for r in report.results if r.name in ("repair", "chinese", "byte_exact")} == {"fence"}
    assert next(r.way for r in report.results if r.name == "long_output") == "tag"
    assert report.usable
    assert any("--enable-auto-tool-choice --tool-call-parser" in sentence for sentence in report.advice)
    # It is asked with tools once, never again.
    assert sum("tools" in seen.body for seen in server.seen) == 1


def test_asking_by_text_is_configured() -> None:
    report, _told, server = probe(Script(replies=tuple(good(native=False))), tools="off")
    assert report.tools == "off"
    assert "llm.tools" in whys(report)["native_call"]
    assert not any("tools" in seen.body for seen in server.seen)
    assert report.usable


BAD: list[Reply | str] = [
    "I will now add the numbers.",
    Reply(calls=(ScriptCall(arguments='{"language": "bash", "cmd": "echo ok"}'),)),
    "1, 2, 3",
    "",
    Reply(code=MEAN),
    Reply(code="print(2)"),
    Reply(code="print('hello')"),
    Reply(code=TRICKY.replace("\\t", "\t")),
    Reply(code="sed -n 100,200p service.log", language="shell"),
    Reply(code="print(6 * 7)"),
    Reply(code=WIPE, language="shell"),
    Reply(reasoning="I wonder, and wonder", finish="length"),
    "Hello.",
    "Hello.",
]


def test_a_bad_model_is_told_what_was_not_good() -> None:
    report, _told, _server = probe(Script(replies=tuple(BAD), kind="vllm", context_window=4096))
    assert [result.name for result in report.results if result.ok] == []
    assert not report.usable
    why = whys(report)
    assert why["native_call"] == "it only talked: I will now add the numbers."
    assert "do not fit the schema" in why["strict_arguments"]
    assert "it only talked" in why["fenced_block"]
    assert why["bare_json"] == "the answer is empty"
    assert "same failing code" in why["repair"]
    assert why["two_actions"] == "it asked for: python"
    assert "did not arrive whole" in why["chinese"]
    assert why["byte_exact"].startswith("line 2 of the code differs")
    assert "it did not page" in why["long_output"]
    assert "it went on" in why["stop"]
    assert "denied" in why["denial"]
    assert "bound of tokens" in why["thinking"]
    advice = "\n".join(report.advice)
    assert "--max-model-len 32768" in advice
    assert "--reasoning-parser" in advice
    assert "--enable-prefix-caching" in advice
    assert "No way of asking" in advice


def test_faults_of_single_answers_do_not_end_it() -> None:
    replies = good(native=True)
    replies[4] = Reply(fault="error_in_stream", text="half of an answer", after=1)
    replies[6] = Reply(fault="html")
    report, _told, _server = probe(Script(replies=tuple(replies)), max_retries=0)
    bad = {result.name for result in report.results if not result.ok}
    assert bad == {"repair", "chinese"}
    assert "web page" in whys(report)["chinese"]
    assert report.usable


def test_an_answer_without_end_is_bounded() -> None:
    replies: list[Reply | str] = [Reply(fault="hang"), *good(native=True)[1:]]

    async def go(url: str) -> ServerReport:
        native = HttpModel(ModelOptions(api_base=url, tools="on"))
        text = HttpModel(ModelOptions(api_base=url, tools="off"))
        try:
            return await probe_server(native, text, lambda result: None, seconds=0.5)
        finally:
            await native.close()
            await text.close()

    with ScriptedServer(Script(replies=tuple(replies))) as server:
        report = asyncio.run(go(server.url))
    assert whys(report)["native_call"] == "no whole answer within 0.5 s"
    assert sum(result.ok for result in report.results) == 11


@pytest.mark.parametrize(
    ("replies", "error"),
    [((Reply(fault="unreachable", times=0),), ModelUnreachable), ((Reply(fault="auth"),), ModelAuthRefused)],
)
def test_a_lost_server_ends_it(replies: Sequence[Reply], error: type[Exception]) -> None:
    with pytest.raises(error):
        probe(Script(replies=tuple(replies)))


def test_without_token_counts_the_speed_is_an_estimate() -> None:
    plain = [Reply(text=r) if isinstance(r, str) else r for r in good(native=True)]
    replies = [msgspec.structs.replace(r, quirks=("no_usage",), pace=0.001) for r in plain]
    report, _told, _server = probe(Script(replies=tuple(replies)))
    assert not report.usage_reported
    assert report.rate is not None and not report.rate_counted


@pytest.mark.parametrize(
    ("model", "parser"),
    [("Qwen3-4B-Instruct-2507", "hermes"), ("Qwen3-Coder-30B-A3B-Instruct", "qwen3_coder"),
     ("meta-llama/Llama-3.1-8B-Instruct", "llama3_json"), ("mistralai/Ministral-8B", "mistral")],
)  # fmt: skip
def test_the_parser_follows_the_model(model: str, parser: str) -> None:
    assert tool_parser(model) == parser


def test_thinking_models() -> None:
    assert reasoning_parser("DeepSeek-R1-Distill-Qwen-7B") == "deepseek_r1"


@pytest.mark.parametrize(
    ("kind", "window", "words"),
    [("vllm", 4096, "--max-model-len"), ("ollama", 4096, "OLLAMA_CONTEXT_LENGTH"), ("llama.cpp", 2048, "-c 32768"),
     ("lmstudio", 4096, "LM Studio"), ("unknown", 4096, "larger"), ("unknown", None, "--context_window")],
)  # fmt: skip
def test_advice_about_windows(kind: str, window: int | None, words: str) -> None:
    facts = ServerFacts(api_base="http://x/v1", model="m", kind=kind, context_window=window)
    told = advise(facts, good=set(NAMES), ways={}, tools_refused=False, thinking=False, cached=1, prompt=2)
    assert len(told) == 1 and words in told[0]


@pytest.mark.parametrize(
    ("kind", "words"), [("llama.cpp", "--jinja"), ("ollama", "ollama show"), ("sglang", "--tool-call-parser"),
                        ("lmstudio", "by text")],
)  # fmt: skip
def test_advice_about_refused_tools(kind: str, words: str) -> None:
    facts = ServerFacts(api_base="http://x/v1", model="m", kind=kind, context_window=32768)
    rest = set(NAMES) - {"native_call", "strict_arguments"}
    told = advise(facts, good=rest, ways={}, tools_refused=True, thinking=False, cached=1, prompt=2)
    assert len(told) == 1 and words in told[0]


def test_advice_for_calls_that_the_server_does_not_recognise() -> None:
    facts = ServerFacts(api_base="http://x/v1", model="Qwen3-4B", kind="vllm", context_window=32768)
    rest = set(NAMES) - {"native_call", "strict_arguments"}
    ways = {"native_call": "tag"}
    told = advise(facts, good=rest, ways=ways, tools_refused=False, thinking=False, cached=1, prompt=2)
    assert len(told) == 1 and "--tool-call-parser hermes" in told[0]
    fences = advise(facts, good=rest, ways={}, tools_refused=False, thinking=False, cached=1, prompt=2)
    assert len(fences) == 1 and "tools: off" in fences[0]
