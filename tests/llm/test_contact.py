"""First contact: addresses, names of models, context windows, keys, discovery."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from interpreter.errors import ModelAuthRefused, ModelUnknown, ModelUnreachable, ServerFault, UsageError
from interpreter.llm import contact
from interpreter.llm.contact import request_headers
from interpreter.llm.http import HttpModel
from interpreter.llm.names import choose_model, default_base
from interpreter.llm.options import ModelOptions
from interpreter.llm.script import Script
from interpreter.llm.scripted_server import ScriptedServer
from interpreter.llm.transport import Target, parse_base
from interpreter.types.messages import ServerFacts

from .ask import ask, serving

ADDRESSES = [
    ("http://localhost:8000/v1", Target("http", "localhost", 8000, "/v1")),
    ("http://localhost:8000/v1/", Target("http", "localhost", 8000, "/v1")),
    ("localhost:8000", Target("http", "localhost", 8000, "")),
    ("HTTPS://Example.com/api/", Target("https", "Example.com", 443, "/api")),
    ("http://[::1]:8000/v1", Target("http", "::1", 8000, "/v1")),
    ("http://user:pw@host/v1?x=1", Target("http", "host", 80, "/v1")),
]


@pytest.mark.parametrize(("written", "target"), ADDRESSES)
def test_addresses(written: str, target: Target) -> None:
    assert parse_base(written) == target


@pytest.mark.parametrize(
    "written", ["", "ftp://host/v1", "http://", "http://host:port/v1", "http://host:99999/v1", "http:///v1"]
)
def test_what_is_no_address(written: str) -> None:
    with pytest.raises(UsageError, match="address"):
        parse_base(written)


NEAR = ["localhost", "127.0.0.1", "127.1.2.3", "::1"]


@pytest.mark.parametrize(("host", "local"), [*((h, True) for h in NEAR), ("10.0.0.1", False), ("example.com", False)])
def test_which_servers_are_local(host: str, local: bool) -> None:
    assert Target("http", host, 1, "").local == local


def contact_with(script: Script, **options: Any) -> ServerFacts:
    async def main() -> ServerFacts:
        async with serving(script, **options) as (model, _server):
            facts = await model.connect()
            assert await model.connect() is facts
            return facts

    return asyncio.run(main())


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/v1/models"])
def test_the_address_with_and_without_its_path(tail: str) -> None:
    async def main() -> None:
        with ScriptedServer(Script(replies=("ok",))) as server:
            model = HttpModel(ModelOptions(api_base=server.url.removesuffix("/v1") + tail))
            facts = await model.connect()
            assert facts.api_base == server.url
            assert (await ask(model))[1].text == "ok"
            await model.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["scripted", "vllm", "llama.cpp", "ollama", "lmstudio"])
def test_what_each_server_is_and_how_large_its_window(kind: Any) -> None:
    facts = contact_with(Script(kind=kind, model="some-model", context_window=12345))
    assert (facts.kind, facts.model, facts.context_window) == (kind, "some-model", 12345)
    assert facts.models == ("some-model",)
    assert not facts.found


def test_the_persons_window_wins() -> None:
    assert contact_with(Script(kind="vllm", context_window=4096), context_window=2048).context_window == 2048


def test_ollamas_small_window_is_told() -> None:
    facts = contact_with(Script(kind="ollama", context_window=4096))
    assert facts.context_window == 4096
    assert "OLLAMA_CONTEXT_LENGTH" in facts.notes[0]
    assert "4096" in facts.notes[0]
    facts = contact_with(Script(kind="ollama", context_window=None))
    assert facts.context_window == 4096
    assert contact_with(Script(kind="ollama", context_window=32768)).notes == ()
    assert contact_with(Script(kind="ollama", context_window=4096), context_window=4096).notes == ()
    facts = contact_with(Script(kind="ollama", context_window=8192), context_window=32768)
    assert "8192" in facts.notes[0]


def test_a_window_larger_than_the_servers_is_told() -> None:
    facts = contact_with(Script(kind="vllm", context_window=4096), context_window=8192)
    assert facts.context_window == 8192
    assert "4096" in facts.notes[0]
    assert contact_with(Script(kind="vllm", context_window=None), context_window=8192).notes == ()


NAMES = [
    ("Qwen3-4B", ("Qwen3-4B",), "vllm", "Qwen3-4B"),
    ("openai/Qwen3-4B", ("Qwen3-4B",), "vllm", "Qwen3-4B"),
    ("openai/Qwen3-4B", ("openai/Qwen3-4B",), "vllm", "openai/Qwen3-4B"),
    ("hosted_vllm/Qwen3-4B", ("Qwen3-4B",), "vllm", "Qwen3-4B"),
    ("Qwen3-4B", ("Qwen/Qwen3-4B",), "vllm", "Qwen/Qwen3-4B"),
    ("qwen3-4b", ("/models/Qwen3-4B",), "vllm", "/models/Qwen3-4B"),
    ("ollama/qwen3", ("qwen3:latest", "other"), "ollama", "qwen3:latest"),
    ("ollama_chat/qwen3:4b", ("qwen3:4b",), "ollama", "qwen3:4b"),
    ("lm_studio/x", ("x", "y"), "lmstudio", "x"),
    ("anything", ("loaded.gguf",), "llama.cpp", "anything"),
    ("openai/gpt-x", ("a", "b"), "hosted", "gpt-x"),
    ("openai/", ("a",), "hosted", "openai/"),
    (None, ("only",), "vllm", "only"),
    (None, ("nomic-embed-text", "qwen3:4b"), "ollama", "qwen3:4b"),
]


@pytest.mark.parametrize(("wanted", "there", "kind", "name"), NAMES)
def test_names_of_models(wanted: str | None, there: tuple[str, ...], kind: str, name: str) -> None:
    assert choose_model(wanted, there, kind, "http://x/v1", listed=True) == name


UNKNOWN = [
    ("nope", ("a", "b"), "a, b"),
    (None, ("a", "b"), "a, b"),
    (None, (), "ollama pull"),
    ("nope", (), "ollama pull nope"),
    ("b", ("x/b", "y/b"), "x/b, y/b"),
    ("z", tuple(f"m{n}" for n in range(40)), "(+28)"),
]


@pytest.mark.parametrize(("wanted", "there", "word"), UNKNOWN)
def test_unknown_models_name_those_there_are(wanted: str | None, there: tuple[str, ...], word: str) -> None:
    with pytest.raises(ModelUnknown) as caught:
        choose_model(wanted, there, "ollama", "http://x/v1", listed=True)
    assert word in str(caught.value)


def test_an_unknown_model_over_http() -> None:
    with pytest.raises(ModelUnknown, match="one, two"):
        contact_with(Script(models=("one", "two")), model="three")


def test_prefixes_imply_an_address() -> None:
    assert default_base("ollama/qwen3") == default_base("ollama_chat/x") == "http://localhost:11434/v1"
    assert default_base("openai/x") is default_base(None) is None


def test_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    hosted, near = parse_base("https://api.example/v1"), parse_base("http://localhost:8000/v1")
    given = ModelOptions(api_key="given\n")
    assert request_headers(hosted, ModelOptions(), found=False)["Authorization"] == "Bearer from-environment"
    assert "Authorization" not in request_headers(near, ModelOptions(), found=False)
    assert "Authorization" not in request_headers(parse_base("http://10.0.0.9/v1"), ModelOptions(), found=False)
    assert "Authorization" not in request_headers(hosted, ModelOptions(api_key=""), found=False)
    for target, found in ((hosted, False), (near, False), (near, True)):
        assert request_headers(target, given, found)["Authorization"] == "Bearer given"


def test_a_key_is_asked_for_and_taken() -> None:
    script = Script(replies=("ok",), api_key="right")
    with pytest.raises(ModelAuthRefused, match="--api_key"):
        contact_with(script)
    with pytest.raises(ModelAuthRefused):
        contact_with(script, api_key="wrong")

    async def main() -> None:
        async with serving(script, api_key="right") as (model, server):
            assert (await ask(model))[1].text == "ok"
            assert "authorization" not in server.seen[0].headers

    asyncio.run(main())


def discovered(monkeypatch: pytest.MonkeyPatch, *urls: str, **options: Any) -> ServerFacts:
    ports = tuple(parse_base(url).port for url in urls)
    monkeypatch.setattr(contact, "PORTS", ports)

    async def main() -> ServerFacts:
        model = HttpModel(ModelOptions(**options))
        try:
            return await model.connect()
        finally:
            await model.close()

    return asyncio.run(main())


def test_discovery_takes_the_first_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        ScriptedServer(Script()) as gone,
        ScriptedServer(Script(model="a")) as a,
        ScriptedServer(Script(model="b")) as b,
    ):
        closed = gone.url
        gone.close()
        facts = discovered(monkeypatch, closed, b.url, a.url)
        assert facts.found
        assert (facts.model, facts.api_base) == ("b", b.url)
        assert b.url in facts.notes[0]


def test_discovery_leaves_out_what_is_no_model_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(Script(api_key="secret")) as locked, ScriptedServer(Script(model="b")) as b:
        assert discovered(monkeypatch, locked.url, b.url).model == "b"


def test_nothing_to_discover(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(Script()) as gone:
        closed = gone.url
    with pytest.raises(ModelUnreachable) as caught:
        discovered(monkeypatch, closed)
    for program in ("vllm serve", "ollama serve", "llama-server", "lms server start", "--api_base"):
        assert program in caught.value.hint


class BrokenList(BaseHTTPRequestHandler):
    """`transformers serve` with a cache that it cannot read: the list fails, answers would come."""

    def do_GET(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "21")
        self.end_headers()
        self.wfile.write(b"Internal Server Error")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives
        return None


@pytest.fixture
def broken_list() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BrokenList) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def first_contact(options: ModelOptions) -> ServerFacts:
    async def main() -> ServerFacts:
        model = HttpModel(options)
        try:
            return await model.connect()
        finally:
            await model.close()

    return asyncio.run(main())


def test_a_list_of_models_that_fails_is_no_obstacle_where_the_model_is_named(broken_list: str) -> None:
    facts = first_contact(ModelOptions(api_base=broken_list, model="Qwen/Qwen3-4B"))
    assert (facts.model, facts.models, facts.context_window) == ("Qwen/Qwen3-4B", (), None)


def test_a_list_of_models_that_fails_is_told_where_no_model_is_named(broken_list: str) -> None:
    with pytest.raises(ServerFault, match="Internal Server Error"):
        first_contact(ModelOptions(api_base=broken_list))
