"""First contact with a model's server: what it is, which models it has, how large its context is."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from interpreter.errors import ModelError, ModelUnknown, ModelUnreachable
from interpreter.text.i18n import _
from interpreter.types.messages import ServerFacts

from .chunks import MOST_TOKENS, as_dict, as_list, as_text
from .faults import from_status, is_json, not_the_api, unreachable
from .names import choose_model, default_base
from .options import ModelOptions
from .plain import PlainTransport
from .transport import Target, Transport, parse_base, read_whole

PORTS = (8000, 11434, 1234, 8080)
"""Where vLLM, Ollama, LM Studio and llama.cpp listen unless told otherwise, in the order they are preferred."""
PROBE_CONNECT, PROBE_READ = 0.5, 2.0
"""Seconds that a port of this machine gets to show a model's server."""
FIRST_READ = 15.0
"""Seconds that a configured server gets for the list of its models."""
OLLAMA_WINDOW = 4096
"""Tokens that Ollama serves where nothing else was configured."""
PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
OWNERS = {
    "vllm": "vllm",
    "llamacpp": "llama.cpp",
    "library": "ollama",
    "organization_owner": "lmstudio",
    "sglang": "sglang",
    "scripted": "scripted",
}
START = """\
  vLLM       vllm serve MODEL --enable-auto-tool-choice --tool-call-parser hermes
  Ollama     OLLAMA_CONTEXT_LENGTH=32768 ollama serve
  llama.cpp  llama-server -m MODEL.gguf --jinja -c 32768
  LM Studio  lms server start"""


class Contact:
    """A server that answered: the way to it, and its list of models."""

    def __init__(self, target: Target, transport: Transport, headers: Mapping[str, str], connecting: float) -> None:
        self.target = target
        self.transport = transport
        self.headers = headers
        self._connecting = connecting
        """Seconds that a connection may take."""
        self.cards: list[dict[str, Any]] = []
        self.listed = False
        """False where the server gives no list of its models."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(card["id"] for card in self.cards)

    @property
    def kind(self) -> str:
        for card in self.cards:
            if kind := OWNERS.get(as_text(card.get("owned_by")).lower()):
                return kind
        return "hosted" if self.target.scheme == "https" and not self.target.local else "unknown"

    async def get(self, path: str, wait: float, body: bytes | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body, all of them within `wait` seconds. Raises ModelError."""
        try:
            # `wait` alone bounds each silence: a byte now and then would hold the start up for ever.
            async with asyncio.timeout(self._connecting + wait):
                exchange = await self.transport.send("POST" if body else "GET", path, self.headers, body, wait)
                return exchange.status, exchange.headers, await read_whole(exchange)
        except TimeoutError as error:
            raise unreachable(self.target, error, wait) from error

    async def json(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        """A side door of a known server; empty where it is closed."""
        try:
            status, _headers, data = await self.get(path, PROBE_READ, body)
            return as_dict(msgspec.json.decode(data)) if status == 200 else {}
        except (ModelError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}

    async def list_models(self, wait: float, *, named: bool = False) -> None:
        """Read the list of models. Raises ModelError; a server without a list is none.

        Args:
            named: the person named a model; then a server whose list is broken may do (`transformers serve` gives 500).
        """
        status, headers, data = await self.get(f"{self.target.path}/models", wait)
        if status == 500 and named:
            return
        if status in (404, 405, 501):
            tried = self.target
            self.target = tried._replace(path=f"{tried.path}/v1") if not tried.path.endswith("/v1") else tried
            if self.target != tried:
                await self.list_models(wait, named=named)
                return
            if not is_json(data):
                raise from_status(status, headers, data, self.target, "")
            return
        if status != 200:
            raise from_status(status, headers, data, self.target, "")
        try:
            table = as_dict(msgspec.json.decode(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise not_the_api(data, self.target) from None
        if "data" not in table and "models" not in table:
            raise not_the_api(data, self.target)
        cards = [as_dict(item) for item in as_list(table.get("data"))]
        self.cards = [card for card in cards if as_text(card.get("id"))]
        self.listed = True


def open_transport(target: Target, options: ModelOptions) -> Transport:
    """The cheapest way that reaches the server."""
    proxied = not target.local and any(
        os.environ.get(n) for n in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    )
    if target.scheme != "https" and not proxied:
        return PlainTransport(target, options.connect_timeout, options.read_timeout)
    # httpx costs 25 ms and 4 MB, and a server on this machine never needs it.
    secure = importlib.import_module(".secure", __package__)
    return secure.SecureTransport(target, options.connect_timeout, options.read_timeout)


def request_headers(target: Target, options: ModelOptions, found: bool) -> dict[str, str]:
    """The headers of every request. A key from the environment goes only to an https server elsewhere."""
    key = options.api_key
    if key is None and not found and target.scheme == "https" and not target.local:
        key = os.environ.get("OPENAI_API_KEY")
    headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "interpreter"}
    if key:
        headers["Authorization"] = f"Bearer {key.strip()}"
    return {**headers, **options.headers}


async def make_contact(options: ModelOptions) -> tuple[Contact, ServerFacts]:
    """Find the server and learn what it is. Raises ModelError; the transport is closed when it does."""
    base = options.api_base or default_base(options.model)
    contact = await reach(base, options) if base else await discover(options)
    try:
        return contact, await learn(contact, options, found=not base)
    except BaseException:
        await contact.transport.close()
        raise


async def reach(base: str, options: ModelOptions) -> Contact:
    """The configured server."""
    target = parse_base(base)
    for tail in ("/chat/completions", "/completions", "/models"):
        target = target._replace(path=target.path.removesuffix(tail))
    if not target.path:
        target = target._replace(path="/v1")
    headers = request_headers(target, options, found=False)
    contact = Contact(target, open_transport(target, options), headers, options.connect_timeout)
    try:
        await contact.list_models(min(FIRST_READ, options.read_timeout), named=bool(options.model))
    except BaseException:
        await contact.transport.close()
        raise
    return contact


async def discover(options: ModelOptions) -> Contact:
    """The first of the usual local ports behind which a model's server answers, all asked at once."""
    tried = await asyncio.gather(*(probe(port, options) for port in PORTS))
    answered = [contact for contact in tried if contact is not None]
    chosen = next((c for c in answered if c.cards), None) or next(iter(answered), None)
    for contact in answered:
        if contact is not chosen:
            await contact.transport.close()
    if chosen is None:
        raise ModelUnreachable(
            _("No model server answers on this machine (ports {ports}).", ports=", ".join(map(str, PORTS))),
            _("Start one of these, or name a server with --api_base URL:\n{lines}", lines=START),
        )
    return chosen


async def probe(port: int, options: ModelOptions) -> Contact | None:
    target = Target("http", "127.0.0.1", port, "/v1")
    transport = PlainTransport(target, PROBE_CONNECT, options.read_timeout)
    contact = Contact(target, transport, request_headers(target, options, found=True), PROBE_CONNECT)
    try:
        await contact.list_models(PROBE_READ)
        if contact.listed:
            return contact
    except ModelError:
        pass
    await transport.close()
    return None


async def learn(contact: Contact, options: ModelOptions, found: bool) -> ServerFacts:
    """The model that will be asked, and the window in which it is served."""
    kind, url = contact.kind, contact.target.url
    if not contact.listed and not options.model:
        raise ModelUnknown(
            _("The server {url} does not say which models it has.", url=url), _("Name one with --model NAME.")
        )
    model = choose_model(options.model, contact.names, kind, url, listed=contact.listed)
    served = await window_of(contact, kind, model)
    notes: list[str] = []
    if found:
        notes.append(_("Found {kind} at {url}, model {model}.", kind=kind, url=url, model=model))
    notes += window_notes(kind, served, options.context_window)
    window = options.context_window or served or (OLLAMA_WINDOW if kind == "ollama" else None)
    return ServerFacts(
        api_base=url,
        model=model,
        kind=kind,
        context_window=window,
        models=contact.names,
        found=found,
        notes=tuple(notes),
    )


def window_notes(kind: str, served: int | None, wanted: int | None) -> list[str]:
    """What the person should know about the server's window."""
    known = served or (OLLAMA_WINDOW if kind == "ollama" else None)
    if kind == "ollama" and known and known < (wanted or OLLAMA_WINDOW + 1):
        return [
            _(
                "Ollama serves this model with a context of {n} tokens and silently cuts what is longer. "
                "For more, start it with OLLAMA_CONTEXT_LENGTH=32768, or set num_ctx in the model.",
                n=known,
            )
        ]
    if known and wanted and wanted > known:
        return [
            _(
                "The server serves this model with a context of {n} tokens; the context_window of {wanted} is more.",
                n=known,
                wanted=wanted,
            )
        ]
    return []


async def window_of(contact: Contact, kind: str, model: str) -> int | None:
    """Tokens of context in which the server serves the model; None where it does not say."""
    card = next((c for c in contact.cards if c.get("id") == model), as_dict(None))
    for key in ("max_model_len", "context_length", "context_window", "max_context_length"):
        if tokens := positive(card.get(key)):
            return tokens
    if kind == "llama.cpp":
        props = await contact.json("/props")
        settings = as_dict(props.get("default_generation_settings"))
        return positive(settings.get("n_ctx")) or positive(as_dict(card.get("meta")).get("n_ctx"))
    if kind == "ollama":
        return await ollama_window(contact, model)
    if kind == "lmstudio":
        for item in as_list((await contact.json("/api/v0/models")).get("data")):
            if (found := as_dict(item)).get("id") == model:
                return positive(found.get("loaded_context_length")) or positive(found.get("max_context_length"))
    return None


async def ollama_window(contact: Contact, model: str) -> int | None:
    """The window of a running model, else the one that its file asks for."""
    for item in as_list((await contact.json("/api/ps")).get("models")):
        running = as_dict(item)
        tokens = positive(running.get("context_length"))
        if tokens and model in (running.get("name"), running.get("model")):
            return tokens
    shown = await contact.json("/api/show", msgspec.json.encode({"model": model}))
    words = as_text(shown.get("parameters")).split()
    for name, value in itertools.pairwise(words):
        if name == "num_ctx" and value.isdecimal() and len(value) <= 12:
            return int(value)
    return None


def positive(value: Any) -> int | None:
    """A count of tokens; what is beyond MOST_TOKENS is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < MOST_TOKENS else None
