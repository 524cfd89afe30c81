"""Every way in which a server can fail: one error each, with what to do, and no text twice."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from interpreter.errors import (
    ContextExceeded,
    MalformedAnswer,
    ModelAuthRefused,
    ModelError,
    ModelUnknown,
    ModelUnreachable,
    RateLimited,
    ServerFault,
)
from interpreter.llm.http import HttpModel
from interpreter.llm.options import ModelOptions
from interpreter.llm.script import Reply, Script
from interpreter.types.messages import Piece

from .ask import ask, request, serving, text

AT_ONCE: list[tuple[str, type[ModelError], str]] = [
    ("auth", ModelAuthRefused, "key"),
    ("forbidden", ModelAuthRefused, "key"),
    ("unknown_model", ModelUnknown, "scripted"),
    ("overflow", ContextExceeded, "context"),
    ("bad_request", ModelError, "refused"),
    ("html", MalformedAnswer, "web page"),
    ("empty", MalformedAnswer, "empty answer"),
    ("redirect", MalformedAnswer, "example.invalid"),
]
LATER: list[tuple[str, type[ModelError], str]] = [
    ("garbage", MalformedAnswer, "not the protocol"),
    ("break", ServerFault, "broke off"),
    ("cut", ServerFault, "broke off"),
    ("error_in_stream", ServerFault, "EngineCore"),
]
AGAIN: list[tuple[str, type[ModelError], str]] = [
    ("rate_limited", RateLimited, "limits"),
    ("server_error", ServerFault, "500"),
    ("unreachable", ModelUnreachable, "without an answer"),
    *[case for case in LATER if case[0] != "garbage"],
]


async def fails(model: HttpModel) -> tuple[ModelError, list[Piece]]:
    """The error that asking ends with, and the pieces before it."""
    pieces: list[Piece] = []
    with pytest.raises(ModelError) as caught:
        async for piece in model.stream(request()):
            pieces.append(piece)
    return caught.value, pieces


@pytest.mark.parametrize(("fault", "kind", "word"), AT_ONCE)
def test_faults_that_a_second_try_would_not_heal(fault: Any, kind: type[ModelError], word: str) -> None:
    async def main() -> None:
        async with serving([Reply(fault=fault), "never"]) as (model, server):
            error, pieces = await fails(model)
            assert type(error) is kind
            assert word in str(error)
            assert error.hint
            assert (pieces, len(server.seen)) == ([], 1)
            assert (await ask(model))[1].text == "never"

    asyncio.run(main())


@pytest.mark.parametrize(("fault", "kind", "word"), AGAIN)
def test_faults_that_pass_are_tried_again(fault: Any, kind: type[ModelError], word: str) -> None:
    # A kept connection that breaks before anything came is tried once more without counting.
    free = 1 if fault == "unreachable" else 0

    async def main() -> None:
        async with serving([Reply(fault=fault, times=2), "healed"]) as (model, server):
            pieces, answer = await ask(model)
            assert (text(pieces), answer.retries, len(server.seen)) == ("healed", 2 - free, 3)
        async with serving([Reply(fault=fault, times=0)], max_retries=1) as (model, server):
            error, _ = await fails(model)
            assert type(error) is kind
            assert word in str(error)
            assert error.hint
            assert len(server.seen) == 2 + free

    asyncio.run(main())


@pytest.mark.parametrize(("fault", "kind", "word"), LATER)
def test_nothing_is_asked_again_once_text_was_shown(fault: Any, kind: type[ModelError], word: str) -> None:
    async def main() -> None:
        async with serving([Reply(text="one two three four", fault=fault, after=2), "never"]) as (model, server):
            error, pieces = await fails(model)
            assert type(error) is kind
            assert word in str(error)
            assert (text(pieces), len(server.seen)) == ("one two", 1)

    asyncio.run(main())


def test_a_server_that_falls_silent() -> None:
    async def main() -> None:
        async with serving([Reply(text="one two", fault="hang", after=1)], read_timeout=0.2) as (model, server):
            error, pieces = await fails(model)
            assert isinstance(error, ServerFault)
            assert "sent nothing" in str(error)
            assert text(pieces) == "one"
            assert len(server.seen) == 1
        async with serving([Reply(text="late", delay=5)], read_timeout=0.2, max_retries=0) as (model, server):
            error, _ = await fails(model)
            assert isinstance(error, ModelUnreachable)
            assert "sent nothing" in str(error)

    asyncio.run(main())


def test_how_long_a_server_asks_to_wait() -> None:
    async def main() -> None:
        short = Reply(fault="rate_limited", retry_after=0.01)
        async with serving([short, "healed"], retry_wait=60.0) as (model, _server):
            assert (await ask(model))[1].retries == 1
        async with serving([Reply(fault="rate_limited", retry_after=3600), "never"]) as (model, server):
            error, _ = await fails(model)
            assert error.retry_after == 3600
            assert len(server.seen) == 1

    asyncio.run(main())


def test_a_used_up_quota_is_not_tried_again() -> None:
    async def main() -> None:
        message = "You exceeded your current quota, please check your plan and billing details."
        async with serving([Reply(fault="rate_limited", message=message), "never"]) as (model, server):
            error, _ = await fails(model)
            assert "quota" in error.hint
            assert len(server.seen) == 1

    asyncio.run(main())


OVERFLOWS = [
    ("vllm", ""),
    ("llama.cpp", ""),
    ("hosted", ""),
    ("ollama", "prompt is too long: 5000 tokens"),
    ("vllm", "max_tokens is too large: 9000. This model's maximum context length is 4096 tokens"),
    ("hosted", "Input is too long for requested model."),
]


@pytest.mark.parametrize(("kind", "message"), OVERFLOWS)
def test_every_servers_words_for_too_long(kind: Any, message: str) -> None:
    async def main() -> None:
        script = Script(replies=(Reply(fault="overflow", message=message),), kind=kind)
        async with serving(script) as (model, _server):
            error, _ = await fails(model)
            assert type(error) is ContextExceeded

    asyncio.run(main())


def test_too_long_also_within_a_stream() -> None:
    async def main() -> None:
        message = "This model's maximum context length is 4096 tokens."
        async with serving([Reply(fault="error_in_stream", message=message)]) as (model, _server):
            error, _ = await fails(model)
            assert type(error) is ContextExceeded

    asyncio.run(main())


def test_a_script_without_a_reply_left() -> None:
    async def main() -> None:
        async with serving(["one"]) as (model, server):
            await ask(model)
            error, _ = await fails(model)
            assert "no reply for request 2" in str(error)
            assert len(server.seen) == 2

    asyncio.run(main())


def test_the_servers_words_are_short_and_harmless() -> None:
    async def main() -> None:
        message = "\x1b[31mred\x07 " + "x" * 9000
        async with serving([Reply(fault="bad_request", message=message)]) as (model, _server):
            error, _ = await fails(model)
            assert "\x1b" not in str(error)
            assert len(str(error)) < 900

    asyncio.run(main())


@contextmanager
def answering(*answers: bytes | Callable[[socket.socket], None]) -> Generator[str, None, None]:
    """A bare socket that gives each connection the next answer and closes it; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                connection.recv(65536)
                if callable(answer):
                    answer(connection)
                else:
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def first_contact(url: str, **options: Any) -> ModelError:
    async def main() -> ModelError:
        given: dict[str, Any] = {"api_base": url, "connect_timeout": 2.0, "read_timeout": 2.0, **options}
        model = HttpModel(ModelOptions(**given))
        with pytest.raises(ModelError) as caught:
            await model.connect()
        await model.close()
        return caught.value

    return asyncio.run(main())


def page(body: bytes, kind: str = "text/html", status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


WRONG_SERVERS = [
    (page(b"<html><title>Router login</title></html>"), MalformedAnswer, "Router login"),
    (page(b""), MalformedAnswer, "empty"),
    (page(b"hello", "text/plain"), MalformedAnswer, "hello"),
    (page(b"[1, 2]", "application/json"), MalformedAnswer, "protocol"),
    (page(b"nope", "text/plain", "404 Not Found"), MalformedAnswer, "no chat-completions API"),
    (page(b"no", "text/plain", "401 Unauthorized"), ModelAuthRefused, "key"),
    (page(b"{}", "application/json", "503 Service Unavailable"), ServerFault, "503"),
    (page(b"", "text/html", "302 Found\r\nLocation: https://sso.example/login"), MalformedAnswer, "sso.example"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", MalformedAnswer, "not a web server"),
    (b"-ERR wrong number of arguments\r\n", MalformedAnswer, "not a web server"),
    (b"\x15\x03\x01\x00\x02\x02\x46", MalformedAnswer, "TLS"),
    (b"HTTP/1.1 what\r\n\r\n", MalformedAnswer, "not a web server"),
    (b"", ModelUnreachable, "without an answer"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ServerFault, "broke off"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", ServerFault, "broke off"),
    (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx", MalformedAnswer, "compressed"),
]


@pytest.mark.parametrize(("answer", "kind", "word"), WRONG_SERVERS)
def test_what_is_no_model_server(answer: bytes, kind: type[ModelError], word: str) -> None:
    with answering(answer, answer) as url:
        error = first_contact(f"{url}/v1")
        assert type(error) is kind
        assert word in str(error)
        assert error.hint


def test_nothing_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = first_contact(f"http://127.0.0.1:{port}/v1")
    assert type(error) is ModelUnreachable
    assert "Nothing answers" in error.message
    error = first_contact(f"https://127.0.0.1:{port}/v1")
    assert type(error) is ModelUnreachable
    assert "Nothing answers" in error.message


def test_no_such_name() -> None:
    error = first_contact("http://no-such-host.invalid/v1")
    assert type(error) is ModelUnreachable
    assert "no-such-host.invalid" in error.message


def test_tls_where_there_is_none() -> None:
    with answering(page(b"x")) as url:
        error = first_contact(url.replace("http:", "https:"))
        assert type(error) is ModelUnreachable
        assert "http://" in error.hint


def test_a_server_that_says_nothing() -> None:
    def nothing(connection: socket.socket) -> None:
        connection.recv(1)

    with answering(nothing) as url:
        error = first_contact(url, read_timeout=0.2)
        assert type(error) is ModelUnreachable
        assert "sent nothing" in error.message


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    error = first_contact("http://models.invalid/v1")
    assert type(error) is ModelUnreachable


def test_a_kept_connection_that_the_server_closed_is_no_error() -> None:
    """llama.cpp closes the connection behind a stream without saying so."""
    card = page(b'{"data": [{"id": "m", "owned_by": "llamacpp", "max_model_len": 100}]}', "application/json")
    chunk = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    stream += b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk)

    async def main(url: str) -> None:
        model = HttpModel(ModelOptions(api_base=url, read_timeout=20.0, max_retries=0))
        await model.connect()
        for _n in range(5):
            assert (await ask(model))[1].text == "hi"
        await model.close()

    with answering(card, *[stream] * 5) as url:
        asyncio.run(main(url))
