"""The client against `transformers serve`, the sloppiest of the common servers."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from interpreter.errors import MalformedAnswer, ServerFault
from interpreter.llm.http import HttpModel
from interpreter.types.messages import TextPiece

from .asking import ask, request, run, said
from .running import CACHE, MODEL, Server, free_port, has_tiny_model, running

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

PROGRAM = CACHE / "vllm" / "bin" / "transformers"
NAME = str(MODEL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    if not PROGRAM.exists() or not has_tiny_model():
        pytest.skip("`transformers serve` is not prepared; `make test-servers` installs it")
    folder = Path(tmp_path_factory.mktemp("transformers"))
    (folder / "hub").mkdir()
    port = free_port()
    command = [str(PROGRAM), "serve", NAME, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environ = {"HF_HUB_CACHE": str(folder / "hub"), "OMP_NUM_THREADS": "2", "DO_NOT_TRACK": "1"}
    with running(command, port, folder / "serve.log", environ) as started:
        yield started


def test_a_server_that_lists_no_model_takes_the_name_it_is_given(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        facts = await model.connect()
        assert facts.model == NAME
        assert facts.context_window is None

    run(work, server.url, model=NAME)


def test_streaming(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        pieces, answer = await ask(model, request(said("user", "Count."), tools=(), max_tokens=12))
        assert "".join(p.text for p in pieces if isinstance(p, TextPiece)) == answer.text
        assert answer.finish in ("stop", "length")

    run(work, server.url, model=NAME)


def test_tools_are_answered_or_refused_with_a_sentence(server: Server) -> None:
    """Its own parser swallows what is no call, or writes an error that is not even JSON into the stream."""

    async def work(model: HttpModel) -> None:
        for text in ("Run sum(1)", "Tell a story."):
            try:
                _pieces, answer = await ask(model, request(said("user", text), max_tokens=64))
                assert answer.text or answer.calls or answer.usage.completion
            except (ServerFault, MalformedAnswer) as error:
                assert error.message
                assert error.hint
        _pieces, answer = await ask(model, request(said("user", "Still there?"), tools=(), max_tokens=8))
        assert answer.finish in ("stop", "length")

    run(work, server.url, model=NAME)


def test_asking_by_text(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        assert model.by_text
        _pieces, answer = await ask(model, request(said("user", "Run sum(1)"), max_tokens=48))
        assert answer.text
        assert not answer.calls

    run(work, server.url, model=NAME, tools="off")


def test_leaving_frees_the_server(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        stream = model.stream(request(said("user", "Go on."), tools=(), max_tokens=4000))
        async for _piece in stream:
            break
        await stream.aclose()
        async with asyncio.timeout(60):
            _pieces, answer = await ask(model, request(said("user", "Now?"), tools=(), max_tokens=4))
        assert answer.finish in ("stop", "length")

    run(work, server.url, model=NAME)
