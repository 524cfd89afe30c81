"""A second vLLM, that takes no tools: asking by text, thinking content, and last of all its worker is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from interpreter.errors import ModelError, ModelUnreachable, ServerFault, ToolsRefused
from interpreter.llm.http import HttpModel
from interpreter.types.messages import ReasoningPiece, TextPiece, ToolCall

from .asking import ask, request, run, said
from .command import interpret
from .running import Server, free_port, vllm

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]

THINK = {"chat_template_kwargs": {"enable_thinking": True}}
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    log = Path(tmp_path_factory.mktemp("vllm")) / "vllm.log"
    with vllm(log, free_port(), "--reasoning-parser", "qwen3") as started:
        yield started


def test_a_server_without_a_parser_of_calls_is_asked_by_text(server: Server) -> None:
    """vLLM refuses tools that it was not started for; the person does not notice."""

    async def work(model: HttpModel) -> None:
        assert not model.by_text
        call = ToolCall(id="call_1", name="execute", arguments='{"language": "python", "code": "print(1)"}')
        history = (said("user", "Go."), said("assistant", "", calls=(call,)), said("tool", "1", call_id=call.id))
        _pieces, answer = await ask(model, request(*history, max_tokens=24))
        assert model.by_text
        assert answer.text
        _pieces, following = await ask(model, request(*history, said("user", "And?"), max_tokens=4))
        assert following.usage.cached >= (answer.usage.prompt - 8) // 32 * 32

    run(work, server.url, extra_body=NO_THINKING)


def test_insisting_on_tools_is_refused_with_what_to_do(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        with pytest.raises(ToolsRefused) as caught:
            await ask(model, request(said("user", "Go."), max_tokens=4))
        assert "--enable-auto-tool-choice" in caught.value.message

    run(work, server.url, tools="on")


def test_doctor_says_with_which_flags_it_takes_tools(server: Server, tmp_path: Path) -> None:
    done = interpret(tmp_path, "doctor", "--model", "--api_base", server.url, "--max_tokens", "64")
    assert done.returncode in (0, 1), done.stderr
    assert "--enable-auto-tool-choice --tool-call-parser" in done.stdout.partition("What to change")[2]


def test_thinking_is_apart_from_the_answer(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        pieces, answer = await ask(model, request(said("user", "Run sum(1)"), max_tokens=64))
        assert answer.reasoning
        assert "".join(p.text for p in pieces if isinstance(p, ReasoningPiece)) == answer.reasoning
        assert "".join(p.text for p in pieces if isinstance(p, TextPiece)) == answer.text
        assert "think>" not in answer.reasoning + answer.text

    run(work, server.url, extra_body=THINK)


def test_thinking_that_is_never_closed_leaves_the_text_empty(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        _pieces, answer = await ask(model, request(said("user", "Run sum(1)"), max_tokens=2))
        assert answer.reasoning
        assert (answer.text, answer.calls, answer.finish) == ("", (), "length")

    run(work, server.url, extra_body=THINK)


def test_thinking_can_be_turned_off(server: Server) -> None:
    async def work(model: HttpModel) -> None:
        _pieces, answer = await ask(model, request(said("user", "Count."), tools=(), max_tokens=16))
        assert not answer.reasoning
        assert answer.text

    run(work, server.url, extra_body=NO_THINKING)


def test_thinking_is_not_sent_back(server: Server) -> None:
    """An earlier answer costs its visible words alone."""

    async def work(model: HttpModel) -> None:
        first = [said("user", "Run sum(1)")]
        _pieces, answer = await ask(model, request(*first, max_tokens=64))
        assert answer.reasoning
        again = [*first, said("assistant", "ok"), said("user", "And?")]
        _pieces, following = await ask(model, request(*again, max_tokens=4))
        assert following.usage.prompt - answer.usage.prompt < 40

    run(work, server.url, extra_body=THINK)


def test_a_worker_that_is_killed_in_mid_stream(server: Server) -> None:
    """The last test: nothing is left of the server after it."""
    workers = server.workers()
    assert workers, server.tail()

    async def work(model: HttpModel) -> None:
        shown = 0
        with pytest.raises(ServerFault) as caught:
            asked = request(said("user", "Go on."), tools=(), max_tokens=7000, temperature=2.0)
            async for _piece in model.stream(asked):
                shown += 1
                if shown == 3:
                    for pid in workers:
                        os.kill(pid, signal.SIGKILL)
        assert shown >= 3
        assert caught.value.hint
        await no_answer(model)
        await asyncio.to_thread(server.process.wait, 60)
        with pytest.raises(ModelUnreachable, match="Nothing answers"):
            await ask(model, request(said("user", "Again?"), max_tokens=4))

    run(work, server.url, extra_body=NO_THINKING)


async def no_answer(model: HttpModel) -> None:
    """The next question is refused with a sentence as well, while the rest of the server goes down."""
    with pytest.raises(ModelError) as caught:
        await ask(model, request(said("user", "Still there?"), max_tokens=4))
    assert caught.value.message
    assert caught.value.exit_code == 6
