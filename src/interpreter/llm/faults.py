"""Foreign failures as this package's errors, each a sentence with what to do: the one seam."""

from __future__ import annotations

import calendar
import re
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, cast

import msgspec

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
from interpreter.text.i18n import _

from ..text.expression import expression
from .transport import Target

LONGEST = 400
"""Characters of a server's own words that are passed on."""
DEEPEST = 20
"""Tables within tables in which a server's words are looked for."""
OVERFLOW = expression(
    r"context_length_exceeded|exceed_context_size|maximum context length|context (length|window|size)"
    r"|prompt is too long|input is too long|too many (input )?tokens|maximum model length|max_model_len"
    r"|exceeds the (limit|maximum) .{0,40}tokens|reduce the length",
    re.IGNORECASE,
)
WINDOW = expression(
    r"(?:(?:maximum|available) )?(?:context|model) (?:length|window|size)s?(?: is| of|:)?(?: only)? *\(?(\d{3,7})(?!\d)"
    r"|(?:n_ctx|max_model_len)\W{0,4}(\d{3,7})(?!\d)",
    re.IGNORECASE,
)
"""The window itself among a server's words; the other numbers there say what was asked for."""
NO_TOOLS = expression(
    r"does not support (tools|function)|tool[ _-]?choice|tool-call-parser|tools?['\"`]? (param|is not|are not|field)"
    r"|['\"`]tools['\"`]|tools?\.|function calling|jinja|chat template|template (error|render)",
    re.IGNORECASE,
)
# No part of these crosses a "<": from each of very many, nothing is looked through but what stands before the next.
TITLE = expression(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
TAG = expression(r"<[^<>]+>")
QUOTA = expression(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
NO_MODEL = expression(r"model", re.IGNORECASE)


def unreachable(target: Target, error: BaseException, seconds: float) -> ModelError:
    """No connection came about."""
    url = target.root
    found = causes(error)
    for cause in found:
        if isinstance(cause, socket.gaierror | UnicodeError):
            return ModelUnreachable(
                _("No machine is known by the name {host}.", host=target.host),
                _("Check the spelling of the address and this machine's network."),
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return ModelUnreachable(
                _("The certificate of {url} is not trusted: {reason}.", url=url, reason=cause.verify_message),
                _("Set SSL_CERT_FILE to the certificate of the authority that signed it, or correct the address."),
            )
        if isinstance(cause, ssl.SSLError):
            return ModelUnreachable(
                _("{url} does not speak TLS as expected: {reason}.", url=url, reason=cause.reason or "SSLError"),
                _("If the server has no TLS, write the address with http:// instead of https://."),
            )
        if isinstance(cause, TimeoutError):
            return ModelUnreachable(
                _("{url} did not answer within {seconds} s.", url=url, seconds=f"{seconds:g}"),
                _("Check the address, the network and the firewall."),
            )
    if any(isinstance(cause, ConnectionRefusedError) for cause in found) or "Connect call failed" in str(error):
        reason = _("connection refused")
    else:
        reason = next((c.strerror for c in found if isinstance(c, OSError) and c.strerror), str(error))
    return ModelUnreachable(
        _("Nothing answers at {url}: {reason}.", url=url, reason=reason.rstrip(".")),
        _("Start the model's server, or give the right address with --api_base."),
    )


def causes(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def silent(target: Target, seconds: float) -> ModelError:
    """Connected, and then nothing came."""
    return ModelUnreachable(
        _("{url} took the request and sent nothing for {seconds} s.", url=target.root, seconds=f"{seconds:g}"),
        _("Look at the server's log; a large model on a slow machine may need a longer read_timeout."),
    )


def not_http(target: Target, data: bytes) -> ModelError:
    """What came is no HTTP answer, or nothing came."""
    if not data:
        return ModelUnreachable(
            _("{url} closed the connection without an answer.", url=target.root),
            _("Check that a model's server listens on that port, and look at its log."),
        )
    if data[:2] in (b"\x15\x03", b"\x16\x03"):
        return MalformedAnswer(
            _("{url} speaks TLS.", url=target.root), _("Write the address with https:// instead of http://.")
        )
    return MalformedAnswer(
        _("What listens at {url} is not a web server.", url=target.root),
        _("Check the port: vLLM uses 8000, Ollama 11434, LM Studio 1234, llama.cpp 8080."),
    )


def broke_off() -> ServerFault:
    return ServerFault(
        _("The server broke off in the middle of its answer."),
        _("Look at the server's log; if it ran out of memory, use a smaller context or model. Then ask again."),
    )


def in_stream(error: Any) -> ModelError:
    """An error that came as part of a stream with status 200."""
    words = text_of(error)
    if OVERFLOW.search(words):
        return overflow(words)
    code: Any = cast(dict[str, Any], error).get("code") if isinstance(error, dict) else None
    if code == 429:
        return rate_limited(words, {})
    return ServerFault(
        _("The server failed in the middle of its answer: {reason}", reason=words),
        _("Look at the server's log, then ask again."),
    )


def overflow(words: str) -> ContextExceeded:
    error = ContextExceeded(
        _("The request is longer than the model's context window. The server says: {reason}", reason=words),
        _("Use a smaller --max_tokens, or start the server with a larger context."),
    )
    if found := WINDOW.search(words):
        error.window = int(found[1] or found[2])
    return error


def rate_limited(words: str, headers: Mapping[str, str]) -> RateLimited:
    error = RateLimited(
        _("The server limits how often it may be asked: {reason}", reason=words),
        _("Wait a moment and ask again, or use another key or model."),
        retry_after=retry_after(headers),
    )
    if QUOTA.search(words):
        error.retryable = False
        error.hint = _("Waiting does not help: the account's quota is used up.")
    return error


def refused_field(status: int, words: str) -> str:
    """Which optional field of the request made a server refuse it; empty where none did."""
    if status not in (400, 404, 405, 422, 500, 501) or OVERFLOW.search(words):
        return ""
    if "stream_options" in words:
        return "stream_options"
    if "max_completion_tokens" in words and "max_tokens" in words:
        return "max_tokens"
    if "temperature" in words:
        return "temperature"
    if "strict" in words and status in (400, 422):
        return "strict"
    return "tools" if NO_TOOLS.search(words) else ""


def from_status(status: int, headers: Mapping[str, str], body: bytes, target: Target, models: str) -> ModelError:
    """An answer whose status is not 200. `models` names what the server has, for people."""
    words = body_text(body)
    url = target.url
    if status in (401, 403):
        return ModelAuthRefused(
            _("The server {url} refused the key: {reason}", url=url, reason=words or str(status)),
            _("Give a valid key with --api_key or OPENAI_API_KEY."),
        )
    if status == 429:
        return rate_limited(words or "429", headers)
    if OVERFLOW.search(words) and status in (400, 413, 422, 500):
        return overflow(words)
    if status == 404 and is_json(body) and NO_MODEL.search(words):
        return ModelUnknown(_("The server {url} does not have this model: {reason}", url=url, reason=words), models)
    if status in (404, 405) or 300 <= status < 400:
        return elsewhere(status, headers, url)
    if status == 407:
        return ModelUnreachable(
            _("The proxy on the way to {url} wants a name and a password.", url=url),
            _("Write them into HTTPS_PROXY, or name the server in NO_PROXY."),
        )
    if status in (408, 425) or status >= 500:
        return ServerFault(
            _("The server {url} failed ({status}): {reason}", url=url, status=status, reason=words or "-"),
            _("Look at the server's log; a server that is still loading its model needs a moment."),
            retry_after=retry_after(headers),
        )
    return ModelError(
        _("The server {url} refused the request ({status}): {reason}", url=url, status=status, reason=words or "-"),
        _("Check the model's name and the settings that are sent with the request."),
    )


def elsewhere(status: int, headers: Mapping[str, str], url: str) -> MalformedAnswer:
    """The address leads to something that is not the API."""
    if place := headers.get("location", ""):
        return MalformedAnswer(
            _("The server {url} sends the request on to {place}.", url=url, place=place[:200]),
            _("Give the final address with --api_base; a login page means that a gateway stands before it."),
        )
    return MalformedAnswer(
        _("There is no chat-completions API under {url} ({status}).", url=url, status=status),
        _("Check host, port and path of --api_base; the path usually ends in /v1."),
    )


def not_the_api(body: bytes, target: Target) -> MalformedAnswer:
    """Status 200, and a body that is not the protocol."""
    words = body_text(body)
    if not body.strip():
        sentence = _("The server {url} sent an empty answer.", url=target.url)
    elif b"<html" in body[:2000].lower() or body.lstrip()[:1] == b"<":
        sentence = _("{url} answers with a web page ({title}), not with a model's API.", url=target.url, title=words)
    else:
        sentence = _("The server {url} sent what is not the protocol: {reason}", url=target.url, reason=words)
    return MalformedAnswer(sentence, _("Check host, port and path of --api_base; the path usually ends in /v1."))


def is_json(body: bytes) -> bool:
    return body.lstrip()[:1] in (b"{", b"[")


def body_text(body: bytes) -> str:
    """What a body says, in few words."""
    if is_json(body):
        try:
            return text_of(msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    text = body.decode("utf-8", "replace")
    if found := TITLE.search(text):
        text = found[1]
    return short(TAG.sub(" ", text[: LONGEST * 100]))


def text_of(value: Any, depth: int = 0) -> str:
    """The message within an error body of any of the usual shapes."""
    if depth == DEEPEST:
        return ""
    if isinstance(value, dict):
        table = cast(dict[str, Any], value)
        for key in ("error", "message", "detail", "msg"):
            if table.get(key):
                words = text_of(table[key], depth + 1)
                code = table.get("code") or table.get("type")
                known = isinstance(code, str) and code in ("context_length_exceeded", "exceed_context_size_error")
                return f"{words} ({code})" if known else words
    if isinstance(value, list) and value:
        return text_of(cast(list[Any], value)[0], depth + 1)
    return short(value if isinstance(value, str) else in_json(value))


def in_json(value: Any) -> str:
    """Empty for what is nested more deeply than can be written."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return ""


def short(text: str) -> str:
    """One line of at most LONGEST characters without control codes."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: LONGEST * 4]).split())
    return line if len(line) <= LONGEST else line[:LONGEST] + " ..."


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait."""
    if (ms := headers.get("retry-after-ms", "")).replace(".", "", 1).isdecimal():
        return float(ms) / 1000
    value = headers.get("retry-after", "").strip()
    if value.replace(".", "", 1).isdecimal():
        return float(value)
    try:
        then = time.strptime(value, "%a, %d %b %Y %H:%M:%S GMT")
    except ValueError:
        return None
    return max(0.0, calendar.timegm(then) - time.time())
