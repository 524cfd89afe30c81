"""Messages to people: each service by a faithful server on loopback, with its failures."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from interpreter.errors import ToolError
from interpreter.tools.builtin.notifying import notify
from interpreter.tools.context import ToolContext
from interpreter.tools.notify import deliver
from interpreter.tools.notify.targets import find_target
from interpreter.tools.web import GuardedWeb
from tests.keeper.brokerage import certificates

from .mailserver import posting

SECRET = "SEC0123456789abcdef"
Answer = Callable[[dict[str, Any], str], tuple[int, dict[str, str], str]]


class Service:
    """A server that answers as one of the services does."""

    def __init__(self, answer: Answer) -> None:
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.got.append((self.path, dict(self.headers), body))
                status, headers, text = answer(body, self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - what it says is not looked at
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def serving(answer: Answer) -> Generator[Service]:
    service = Service(answer)
    threading.Thread(target=service.server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield service
    finally:
        service.server.shutdown()
        service.server.server_close()


async def nobody(host: str, port: int, method: str) -> tuple[bool, str]:
    raise AssertionError("a configured address is not asked about")


def say(targets: dict[str, Any], message: str = "done", **more: Any) -> str:
    web = GuardedWeb(None, nobody, lambda attempt: None)
    ctx = ToolContext(settings={"targets": targets}, http=web, session="s_1")
    return asyncio.run(notify(ctx, message, **more))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliver, "PAUSES", (0.01, 0.01))


def slack(body: dict[str, Any], _path: str) -> tuple[int, dict[str, str], str]:
    text = body.get("text")
    if not isinstance(text, str) or not text:
        return 400, {}, "no_text"
    return (400, {}, "invalid_payload") if "<!" in text else (200, {}, "ok")


def test_slack() -> None:
    with serving(slack) as service:
        targets = {"ops": {"kind": "slack", "url": f"{service.url}/services/T0/B0/KEY"}}
        assert say(targets, "a < b & <!channel>", title="Release", level="error") == "Sent to ops."
    path, headers, body = service.got[0]
    assert path == "/services/T0/B0/KEY" and headers["Content-Type"].startswith("application/json")
    assert body["text"] == "🔴 Release\na &lt; b &amp; &lt;!channel&gt;"


def test_a_webhook_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "t-0123456789")
    with serving(lambda body, path: (204, {}, "")) as service:
        hook = {"kind": "webhook", "url": service.url, "headers": {"Authorization": "env:HOOK_TOKEN"}}
        assert say({"hook": hook}, "done", title="t", level="warning") == "Sent to hook."
    _path, headers, body = service.got[0]
    assert headers["Authorization"] == "t-0123456789" and abs(body.pop("time") - time.time()) < 60
    assert body == {"title": "t", "message": "done", "level": "warning", "session": "s_1"}


def wecom(body: dict[str, Any], path: str) -> tuple[int, dict[str, str], str]:
    if parse_qs(urlsplit(path).query).get("key") != ["KEY-0001"]:
        return 200, {}, '{"errcode":93000,"errmsg":"invalid webhook url, hint: [1]"}'
    size = len(body["text"]["content"].encode())
    fits = body["msgtype"] == "text" and size <= 2048
    return 200, {}, '{"errcode":0,"errmsg":"ok"}' if fits else '{"errcode":40058,"errmsg":"content size out of limit"}'


def test_wecom() -> None:
    with serving(wecom) as service:
        targets = {"w": {"kind": "wecom", "url": f"{service.url}/cgi-bin/webhook/send?key=KEY-0001"}}
        assert say(targets, "部署完成" * 500, title="发布") == "Sent to w."
        assert "bytes cut" in service.got[0][2]["text"]["content"]
        with pytest.raises(ToolError, match="code 93000: invalid webhook url") as caught:
            say({"w": {"kind": "wecom", "url": f"{service.url}/cgi-bin/webhook/send?key=KEY-9999"}})
    assert "KEY-9999" not in str(caught.value) and len(service.got) == 2


def dingtalk(body: dict[str, Any], path: str) -> tuple[int, dict[str, str], str]:
    query = parse_qs(urlsplit(path).query)
    stamp = query.get("timestamp", ["0"])[0]
    wanted = base64.b64encode(
        hmac.new(SECRET.encode(), f"{stamp}\n{SECRET}".encode(), hashlib.sha256).digest()
    ).decode()
    if abs(int(stamp) / 1000 - time.time()) > 3600 or query.get("sign") != [wanted]:
        return 200, {}, '{"errcode":310000,"errmsg":"sign not match"}'
    return 200, {}, '{"errcode":0,"errmsg":"ok"}'


def test_dingtalk_with_its_signature(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    with serving(dingtalk) as service:
        target = {
            "kind": "dingtalk",
            "url": f"{service.url}/robot/send?access_token=T",
            "secret": f"file:{tmp_path}/key",
        }
        assert say({"d": target}, "好了") == "Sent to d."
        assert service.got[0][2]["text"] == {"content": "好了"} and service.got[0][2]["at"] == {"isAtAll": False}
        with pytest.raises(ToolError, match="code 310000: sign not match"):
            say({"d": target | {"secret": "SEC-of-another"}})


def feishu(body: dict[str, Any], _path: str) -> tuple[int, dict[str, str], str]:
    stamp = str(body.get("timestamp"))
    digest = hmac.new(f"{stamp}\n{SECRET}".encode(), digestmod=hashlib.sha256).digest()
    if body.get("sign") != base64.b64encode(digest).decode():
        return 200, {}, '{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}'
    ((part,),) = body["content"]["post"]["zh_cn"]["content"]
    assert part["tag"] == "text"
    return 200, {}, '{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}'


def test_feishu_with_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_SECRET", SECRET)
    with serving(feishu) as service:
        target = {"kind": "feishu", "url": f"{service.url}/open-apis/bot/v2/hook/x", "secret": "env:LARK_SECRET"}
        assert say({"f": target}, '<at user_id="all"></at> done', title="t") == "Sent to f."
        with pytest.raises(ToolError, match="code 19021"):
            say({"f": target | {"secret": "other"}})


def test_what_is_busy_is_tried_again_and_what_refuses_is_not() -> None:
    answers: list[tuple[int, dict[str, str], str]]
    answers = [(503, {}, "x"), (429, {"Retry-After": "0"}, "x"), (200, {}, "ok")]
    turns = iter(answers)
    with serving(lambda body, path: next(turns)) as service:
        assert say({"s": {"kind": "slack", "url": service.url}}) == "Sent to s. (attempt 3)"
    with serving(lambda body, path: (500, {}, "broken")) as service:
        with pytest.raises(ToolError, match="after 3 attempts: it answered 500"):
            say({"s": {"kind": "slack", "url": service.url}})
        assert len(service.got) == 3
    with serving(lambda body, path: (200, {}, '{"errcode":45009,"errmsg":"api freq out of limit"}')) as service:
        with pytest.raises(ToolError, match="after 3 attempts: it refused, code 45009"):
            say({"w": {"kind": "wecom", "url": service.url}})
    with serving(lambda body, path: (200, {}, "<html>" + "x" * 200_000)) as service:
        with pytest.raises(ToolError, match="something else than its JSON"):
            say({"w": {"kind": "feishu", "url": service.url}})
        assert len(service.got) == 1
    with serving(lambda body, path: (302, {"Location": "http://127.0.0.1:1/"}, "")) as service:
        with pytest.raises(ToolError, match="it answered 302"):
            say({"h": {"kind": "webhook", "url": service.url}})
    with pytest.raises(ToolError, match="after 3 attempts") as caught:
        say({"s": {"kind": "slack", "url": "http://127.0.0.1:9/services/KEY"}})
    assert "KEY" not in str(caught.value)


def test_secrets_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "tok-0123456789abcdef")
    with serving(slack) as service:
        say({"s": {"kind": "slack", "url": service.url}}, "it used tok-0123456789abcdef and ghp_" + "a1B2" * 9)
    assert service.got[0][2]["text"] == "it used [redacted] and [redacted]"


@pytest.mark.parametrize(
    ("targets", "name", "problem"),
    [
        ({}, "", "Targets: none"),
        (
            {"a": {"kind": "slack", "url": "x"}, "b": {"kind": "slack", "url": "x"}},
            "",
            "Say which target. Targets: a, b",
        ),
        ({"a": {"kind": "slack", "url": "x"}}, "z", "no target 'z'"),
        ({"a": "x"}, "", "it needs kind"),
        ({"a": {"kind": "fax"}}, "", "kind is one of slack"),
        ({"a": {"kind": "slack"}}, "", "url is missing"),
        ({"a": {"kind": "slack", "url": "x", "token": 1}}, "", "token is not known"),
        ({"a": {"kind": "slack", "url": "env:NOT_THERE_AT_ALL"}}, "", "NOT_THERE_AT_ALL is not set"),
        ({"a": {"kind": "slack", "url": "file:/nowhere"}}, "", "/nowhere cannot be read"),
    ],
)
def test_a_wrong_configuration_is_told(targets: dict[str, Any], name: str, problem: str) -> None:
    with pytest.raises(ToolError, match=problem):
        find_target({"targets": targets}, name)
    two = {"a": {"kind": "slack", "url": "x"}, "b": {"kind": "slack", "url": "y"}}
    assert find_target({"targets": two, "default": "b"}, "").text("url") == "y"


def test_e_mail() -> None:
    with posting() as (server, target):
        said = say(
            {"mail": target}, "部署完成。\n.\nSecond line", title="Release\r\nBcc: evil@example.com", level="warning"
        )
        assert said == "Sent to mail."
    sender, to, letter = server.letters[0]
    assert "bot@example.com" in sender and len(to) == 2 and server.login == "\0bot\0pass-0123456"
    head = letter.partition("\r\n\r\n")[0]
    assert (
        "\nBcc:" not in head and "Auto-Submitted: auto-generated" in head and "To: a@example.com, b@example.com" in head
    )


def test_e_mail_that_is_refused() -> None:
    with posting("RCPT") as (server, target):
        with pytest.raises(ToolError, match=r"Not sent to mail: .*550") as caught:
            say({"mail": target})
        assert "pass-0123456" not in str(caught.value) and server.letters == []
    with posting("MAIL") as (_server, target):
        with pytest.raises(ToolError, match="after 3 attempts: it answered 451"):
            say({"mail": target})
        with pytest.raises(ToolError, match="not sent without tls"):
            say({"mail": target | {"host": "mail.example.com"}})
        with pytest.raises(ToolError, match="after 3 attempts"):
            say({"mail": target | {"port": 9}})
        with pytest.raises(ToolError, match="STARTTLS"):
            say({"mail": target | {"tls": "starttls"}})


@pytest.mark.parametrize("tls", ["starttls", "ssl"])
def test_e_mail_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str) -> None:
    """By STARTTLS, and with TLS from the beginning: the password goes out only under a certificate that holds."""
    made = certificates(tmp_path)
    with posting(chain=made.make("localhost"), at_once=tls == "ssl") as (server, target):
        mail = target | {"host": "localhost", "tls": tls}
        monkeypatch.setenv("SSL_CERT_FILE", str(made.root))
        assert say({"mail": mail}, "Rolled back.", title="shop") == "Sent to mail."
        assert server.login == "\0bot\0pass-0123456" and "Rolled back." in server.letters[0][2]
        assert server.encrypted == ["AUTH", "MAIL", "RCPT", "RCPT", "DATA", "QUIT"]
        # What is said in the clear behind the answer to STARTTLS is never taken for the server's word.
        assert ("250-INJECTED" in server.said_plainly) is (tls == "starttls")
        server.login = ""
        with pytest.raises(ToolError, match="CERTIFICATE_VERIFY_FAILED"):
            say({"mail": mail | {"host": "127.0.0.1"}})
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(ToolError, match="CERTIFICATE_VERIFY_FAILED"):
            say({"mail": mail})
        assert server.login == "" and len(server.letters) == 1
