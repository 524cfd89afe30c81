"""The client against a real vLLM on the CPU. No test depends on what the tiny model says."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from interpreter.errors import ContextExceeded, ModelUnknown
from interpreter.llm.contact import PORTS
from interpreter.llm.http import HttpModel
from interpreter.sandbox import report
from interpreter.types.events import ActionFinished, ActionProposed, ModelAnswered, ModelAsked, TurnFinished
from interpreter.types.messages import Answer, CallPiece, TextPiece, ToolCall

from .asking import TOOLS, ask, client, fits, request, run, said
from .command import events_of, interpret, last_object
from .running import WINDOW, Server, block_size, free_port, is_free, vllm

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

SCHEMAS = {tool.name: tool.parameters for tool in TOOLS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    log = Path(tmp_path_factory.mktemp("vllm")) / "vllm.log"
    port = PORTS[0] if all(map(is_free, PORTS)) else free_port()
    with vllm(log, port, "--enable-auto-tool-choice", "--tool-call-parser", "hermes") as started:
        yield started


def test_first_contact(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        facts = await model.connect()
        assert (facts.kind, facts.model, facts.models) == ("vllm", "tiny", ("tiny",))
        assert facts.context_window == WINDOW

    run(work, server.url)
    run(work, server.root, model="hosted_vllm/tiny")


def test_it_is_found_on_its_usual_port(server: Server) -> None:
    if server.port != PORTS[0]:
        pytest.skip("another program listens on one of the usual ports")

    async def work(model: HttpModel) -> None:
        facts = await model.connect()
        assert facts.found
        assert (facts.api_base, facts.model) == (server.url, "tiny")

    run(work, None)


def test_streaming(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        pieces, answer = await ask(model, request(said("user", "Count."), tools=(), max_tokens=12))
        shown = [p.text for p in pieces if isinstance(p, TextPiece)]
        assert len(shown) == len(pieces)
        assert "".join(shown) == answer.text
        assert 0 < answer.usage.completion <= 12
        assert answer.usage.prompt > 100
        assert 0 < answer.first_token <= answer.duration
        assert answer.finish in ("stop", "length")

    run(work, server.url)


def test_a_required_call_fits_its_schema(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        asked = request(said("user", "Show the files."), tool_choice="required", max_tokens=400)
        pieces, answer = await ask(model, asked)
        assert answer.calls
        for n, call in enumerate(answer.calls):
            live = "".join(p.arguments for p in pieces if isinstance(p, CallPiece) and p.index == n)
            assert live == call.arguments
            if answer.finish != "length":
                assert fits(call.arguments, SCHEMAS[call.name]), call

    run(work, server.url)


def test_strict_calls_that_the_model_chooses_fit_their_schema(server: Server) -> None:
    """Hot sampling makes the model stray; the server has to hold it to the schema because the client sends `strict`."""

    async def work(model: HttpModel) -> None:
        seen = 0
        for n in range(10):
            # A beginning like the tiny model's own lessons, so that it opens calls.
            asked = request(said("user", f"Run sum({n})"), temperature=0.7, max_tokens=256)
            _pieces, answer = await ask(model, msgspec.structs.replace(asked, messages=asked.messages[-1:]))
            for call in answer.calls:
                if answer.finish != "length":
                    assert fits(call.arguments, SCHEMAS[call.name]), call
                    seen += 1
        assert seen, "the model opened no call at all"
        assert not model.by_text

    run(work, server.url)


def test_a_history_with_calls_is_taken(server: Server) -> None:
    call = ToolCall(id="call_1", name="execute", arguments='{"language": "python", "code": "print(\\"中\\")"}')
    broken = ToolCall(id="call_2", name="execute", arguments='{"language": "pyth')

    async def work(model: HttpModel) -> None:
        asked = request(
            said("user", "Go."),
            said("assistant", "", calls=(call, broken)),
            said("tool", "中", call_id="call_1"),
            said("tool", "The arguments are not valid JSON.", call_id="call_2"),
            max_tokens=8,
        )
        _pieces, answer = await ask(model, asked)
        assert answer.usage.prompt > 0
        assert not model.by_text

    run(work, server.url)


def test_structured_output(server: Server) -> None:
    schema = {
        "type": "object",
        "properties": {"verdict": {"type": "string", "enum": ["good", "bad"]}},
        "required": ["verdict"],
        "additionalProperties": False,
    }

    async def work(model: HttpModel) -> None:
        for heat in (0.0, 1.5):
            asked = request(said("user", "Judge."), tools=(), response_schema=schema, temperature=heat, max_tokens=400)
            _pieces, answer = await ask(model, asked)
            if answer.finish == "length":
                # White space is the one freedom that a JSON grammar leaves without end.
                assert answer.text.strip().startswith("{")
            else:
                assert msgspec.json.decode(answer.text)["verdict"] in ("good", "bad")

    run(work, server.url)


def test_leaving_stops_the_generation(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        stream = model.stream(request(said("user", "Go on for ever."), tools=(), max_tokens=7000, temperature=2.0))
        async for _piece in stream:
            break
        await stream.aclose()
        for _again in range(100):
            if server.metric("vllm:num_requests_running") == 0:
                break
            await asyncio.sleep(0.1)
        assert server.metric("vllm:num_requests_running") == 0

    before = server.metric("vllm:generation_tokens_total")
    run(work, server.url)
    assert server.metric("vllm:generation_tokens_total") - before < 6000


def test_every_full_block_of_the_previous_prompt_is_cached(server: Server) -> None:
    """The prompt of a growing conversation never changes behind itself, as the server itself counts it."""
    block = block_size(server)

    async def work(model: HttpModel) -> None:
        messages = [said("user", "A table of prices lies in data.csv. " * 8)]
        previous = 0
        for n in range(6):
            _pieces, answer = await ask(model, request(*messages, max_tokens=24))
            if n:
                assert answer.usage.cached >= previous // block * block, (n, answer.usage, previous)
            previous = answer.usage.prompt
            call = ToolCall(
                id=f"call_{n}", name="execute", arguments=f'{{"language": "python", "code": "print({n}, \\"行\\")"}}'
            )
            messages.append(said("assistant", f"Step {n}.", calls=(call,)))
            messages.append(said("tool", f"{n} 行\n" * 60, call_id=call.id))
        assert previous > 4 * block

    run(work, server.url)


def test_overflow(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        with pytest.raises(ContextExceeded) as caught:
            await ask(model, request(said("user", "word and word, " * WINDOW)))
        assert str(WINDOW) in caught.value.message
        _pieces, answer = await ask(model, request(said("user", "Short."), max_tokens=4))
        assert answer.usage.completion > 0

    run(work, server.url)


def test_an_unknown_model_is_answered_with_those_there_are(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        with pytest.raises(ModelUnknown) as caught:
            await model.connect()
        assert "Qwen3-400B" in caught.value.message
        assert "tiny" in caught.value.hint

    run(work, server.url, model="Qwen3-400B")


def test_two_questions_at_once(server: Server) -> None:
    async def go() -> None:
        async with client(server.url) as one, client(server.url) as two:
            answers = await asyncio.gather(
                ask(one, request(said("user", "One."), max_tokens=8)),
                ask(two, request(said("user", "Two."), max_tokens=8)),
            )
            assert all(isinstance(answer, Answer) and answer.usage.prompt for _pieces, answer in answers)

    asyncio.run(go())


@pytest.mark.skipif(not any(found.works for found in report()), reason="no sandbox works on this machine")
def test_a_run_of_the_command(server: Server, tmp_path: Path) -> None:
    """Whatever the tiny model says: a documented exit code, a whole log, and every request's usage in it."""
    words = ("-y", "--api_base", server.url, "--model", "tiny", "--max_steps", "4", "--max_tokens", "200")
    done = interpret(tmp_path, *words, "--output", "json", "Run sum(1)")
    assert "Traceback" not in done.stderr
    result = last_object(done.stdout)
    assert done.returncode == result["exit_code"]
    assert done.returncode in (0, 1, 5), done.stderr
    events = events_of(tmp_path)
    asked = [event for event in events if isinstance(event, ModelAsked)]
    answered = [event for event in events if isinstance(event, ModelAnswered)]
    assert 1 <= len(asked) == len(answered) <= 4
    assert all(event.usage.prompt > 400 and event.usage.completion > 0 for event in answered)
    assert any(event.usage.cached for event in answered), "the system prompt was asked before"
    proposed = [event.action.id for event in events if isinstance(event, ActionProposed)]
    assert sorted(proposed) == sorted(event.action for event in events if isinstance(event, ActionFinished))
    (finished,) = [event for event in events if isinstance(event, TurnFinished)]
    assert finished.exit_code == done.returncode
    assert finished.usage.prompt == sum(event.usage.prompt for event in answered)


def test_doctor_tells_true_numbers(server: Server, tmp_path: Path) -> None:
    done = interpret(tmp_path, "doctor", "--model", "--json", "--api_base", server.url, "--max_tokens", "200")
    assert done.returncode in (0, 1), done.stderr
    told = last_object(done.stdout)
    assert len(told["results"]) == 12
    assert told["facts"]["context_window"] == WINDOW
    assert told["facts"]["kind"] == "vllm"
    assert told["usage_reported"]
    assert told.get("tools", "taken") == "taken"
    block = block_size(server)
    assert told["prompt"] - 2 * block - 64 <= told["cached"] <= told["prompt"]
    assert 0 < told["first_token"] < 60
    assert 1 < told["rate"] < 100_000
