"""The client against llama.cpp's `llama-server`, where it is installed."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from interpreter.errors import ContextExceeded
from interpreter.llm.http import HttpModel
from interpreter.types.messages import ReasoningPiece, TextPiece, ToolCall

from .asking import TOOLS, ask, fits, request, run, said
from .command import interpret, last_object
from .running import MODEL, Server, free_port, program, running

pytestmark = [pytest.mark.servers, pytest.mark.timeout(200)]

WINDOW = 4096
SCHEMAS = {tool.name: tool.parameters for tool in TOOLS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    llama = program("llama-server")
    weights = MODEL / "tiny.gguf"
    if not weights.exists():
        pytest.skip("the tiny model is not prepared; `make test-servers` makes it")
    port = free_port()
    command = [
        llama, "-m", str(weights), "--jinja", "-c", str(WINDOW), "-np", "1", "--host", "127.0.0.1", "--port", str(port),
        "-t", "2", "--alias", "tiny",
    ]  # fmt: skip
    with running(command, port, Path(tmp_path_factory.mktemp("llama")) / "llama.log", {}) as started:
        yield started


def test_first_contact(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        facts = await model.connect()
        assert (facts.kind, facts.context_window) == ("llama.cpp", WINDOW)

    run(work, server.url)


def test_many_answers_in_a_row(server: Server) -> None:
    """The server closes the kept-alive connection behind a stream; the client must not stumble over it."""

    async def work(model: HttpModel) -> None:
        for n in range(30):
            pieces, answer = await ask(model, request(said("user", f"Count {n}."), tools=(), max_tokens=4))
            live = "".join(p.text for p in pieces if isinstance(p, TextPiece | ReasoningPiece))
            assert live == answer.reasoning + answer.text
            assert answer.usage.prompt > 0
            assert answer.retries == 0

    run(work, server.url)


def test_a_required_call_fits_its_schema(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        asked = request(said("user", "Show the files."), tool_choice="required", max_tokens=300)
        _pieces, answer = await ask(model, asked)
        for call in answer.calls:
            if answer.finish != "length":
                assert fits(call.arguments, SCHEMAS[call.name]), call
        assert answer.calls or answer.finish == "length"

    run(work, server.url)


def test_a_history_with_calls_is_served_from_the_cache(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        messages = [said("user", "A table lies in data.csv. " * 8)]
        previous = 0
        for n in range(4):
            _pieces, answer = await ask(model, request(*messages, max_tokens=4))
            if n:
                # The last token is always computed anew; template and tokenizer may join at the border.
                assert answer.usage.cached >= previous - 16, (n, answer.usage, previous)
            previous = answer.usage.prompt
            call = ToolCall(id=f"call_{n}", name="execute", arguments=f'{{"language": "python", "code": "print({n})"}}')
            messages += [said("assistant", "", calls=(call,)), said("tool", f"{n} row\n" * 30, call_id=call.id)]

    run(work, server.url)


def test_overflow(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        with pytest.raises(ContextExceeded):
            await ask(model, request(said("user", "word and word, " * WINDOW)))
        _pieces, answer = await ask(model, request(said("user", "Short."), max_tokens=4))
        assert answer.usage.completion > 0

    run(work, server.url)


def test_leaving_frees_the_server(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        stream = model.stream(request(said("user", "Go on."), tools=(), max_tokens=3000, temperature=2.0))
        async for _piece in stream:
            break
        await stream.aclose()
        async with asyncio.timeout(30):
            _pieces, answer = await ask(model, request(said("user", "Now?"), tools=(), max_tokens=4))
        assert answer.usage.completion > 0

    run(work, server.url)


def test_doctor(server: Server, tmp_path: Path) -> None:
    done = interpret(tmp_path, "doctor", "--model", "--json", "--api_base", server.url, "--max_tokens", "100")
    assert done.returncode in (0, 1), done.stderr
    told = last_object(done.stdout)
    assert len(told["results"]) == 12
    assert told["facts"]["kind"] == "llama.cpp"
