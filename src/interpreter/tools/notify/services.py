"""What each service wants to be sent, and what its answer means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, cast
from urllib.parse import quote_plus

import msgspec

from ...types.base import Value
from ..context import WebAnswer
from .targets import Target

Level = Literal["info", "warning", "error"]
SIGNS: dict[str, str] = {"info": "", "warning": "⚠️ ", "error": "🔴 "}
MOST: dict[str, int] = {"slack": 3800, "wecom": 2000, "dingtalk": 18000, "feishu": 18000, "webhook": 64000}
"""Bytes of one message that a service takes whole."""
BUSY: dict[str, tuple[int, ...]] = {"wecom": (45009,), "dingtalk": (130101,), "feishu": (11232, 9499)}
"""Their own words for `too many at once`: to be tried again."""


class Note(Value):
    message: str
    title: str = ""
    level: Level = "info"
    session: str = ""


class Request(NamedTuple):
    url: str
    headers: dict[str, str]
    body: bytes


class Outcome(NamedTuple):
    problem: str = ""
    """Empty: the service took it."""
    again: bool = False
    """Whether it may take it later."""
    wait: float = 0.0
    """Seconds that it asks for."""


def request_for(target: Target, note: Note, now: float | None = None) -> Request:
    """The request that carries the message. `now`: Unix seconds, for signatures."""
    build = BUILDERS[target.kind]
    url, headers, value = build(target, note, time.time() if now is None else now)
    return Request(url, {"Content-Type": "application/json; charset=utf-8", **headers}, msgspec.json.encode(value))


def plain(note: Note, kind: str) -> str:
    """Title and message as one text, within what the service takes."""
    head = f"{SIGNS[note.level]}{note.title}".strip()
    return shortened(f"{head}\n{note.message}" if head else note.message, MOST[kind])


def shortened(text: str, most: int) -> str:
    data = text.encode()
    if len(data) <= most:
        return text
    return data[: most - 40].decode("utf-8", "ignore") + f"\n[... {len(data) - most + 40} bytes cut]"


def slack(target: Target, note: Note, _now: float) -> tuple[str, dict[str, str], Any]:
    # Escaped, so that no word of a message calls a whole channel.
    text = plain(note, "slack").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return target.text("url"), {}, {"text": text, "link_names": False}


def webhook(target: Target, note: Note, now: float) -> tuple[str, dict[str, str], Any]:
    headers = {str(key): str(value) for key, value in cast("dict[Any, Any]", target.fields.get("headers", {})).items()}
    message = shortened(note.message, MOST["webhook"])
    value = {"title": note.title, "message": message, "level": note.level, "session": note.session, "time": int(now)}
    return target.text("url"), headers, value


def wecom(target: Target, note: Note, _now: float) -> tuple[str, dict[str, str], Any]:
    return target.text("url"), {}, {"msgtype": "text", "text": {"content": plain(note, "wecom")}}


def dingtalk(target: Target, note: Note, now: float) -> tuple[str, dict[str, str], Any]:
    url, secret = target.text("url"), target.text("secret")
    if secret:
        stamp = str(round(now * 1000))
        digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        joint = "&" if "?" in url else "?"
        url += f"{joint}timestamp={stamp}&sign={quote_plus(base64.b64encode(digest).decode())}"
    return url, {}, {"msgtype": "text", "text": {"content": plain(note, "dingtalk")}, "at": {"isAtAll": False}}


def feishu(target: Target, note: Note, now: float) -> tuple[str, dict[str, str], Any]:
    # As a post, in whose texts nothing is read as a mention.
    body = shortened(note.message, MOST["feishu"])
    post = {"title": f"{SIGNS[note.level]}{note.title}".strip(), "content": [[{"tag": "text", "text": body}]]}
    value: dict[str, Any] = {"msg_type": "post", "content": {"post": {"zh_cn": post}}}
    if secret := target.text("secret"):
        stamp = str(int(now))
        # What is signed is empty: the stamp and the secret together are the key.
        digest = hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
        value |= {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}
    return target.text("url"), {}, value


BUILDERS: dict[str, Callable[[Target, Note, float], tuple[str, dict[str, str], Any]]] = {
    "slack": slack, "webhook": webhook, "wecom": wecom, "dingtalk": dingtalk, "feishu": feishu,
}  # fmt: skip


def outcome_of(kind: str, answer: WebAnswer) -> Outcome:
    """What the service's answer means."""
    words = " ".join(answer.body[:300].decode("utf-8", "replace").split())
    if answer.status == 429 or answer.status >= 500:
        return Outcome(f"it answered {answer.status}", True, waits(answer))
    if not 200 <= answer.status < 300:
        return Outcome(f"it answered {answer.status}: {words}")
    if kind in ("slack", "webhook"):
        return Outcome() if kind == "webhook" or words == "ok" else Outcome(f"it answered: {words}")
    try:
        said: Any = msgspec.json.decode(answer.body)
        code = next((said[name] for name in ("errcode", "code", "StatusCode") if name in said), None)
        text = str(said.get("errmsg") or said.get("msg") or said.get("StatusMessage") or "")[:300]
    except (msgspec.DecodeError, TypeError, AttributeError):
        return Outcome(f"it answered something else than its JSON: {words}")
    if code == 0:
        return Outcome()
    return Outcome(f"it refused, code {code}: {text}", code in BUSY.get(kind, ()))


def waits(answer: WebAnswer) -> float:
    found = next((value for name, value in answer.headers if name.lower() == "retry-after"), "")
    return float(found) if found.isdigit() else 0.0
