"""The listener as an attacker meets it: forged, replayed, altered, from elsewhere, oversize, slow, hostile code."""

from __future__ import annotations

import asyncio
import html
import socket
import time

import msgspec
import pytest

from interpreter.store import Store, default_home
from interpreter.store.link_options import LinkOptions
from interpreter.store.links import Link, digest_of, link_key, opened, sign
from interpreter.types.events import ActionProposed, ApprovalRequested
from interpreter.types.tooling import TOOL, call_code

from .parked import CODE, Browser, Home, served

MARKS = ("alert(1)", "ap_0001", "s_0001")
"""What belongs to the question, and is told to nobody without a link."""


def test_nothing_is_told_and_nothing_is_answered_without_a_link(home: Home) -> None:
    session, approval = home.park()
    good = home.link(approval)
    key = link_key(home.path)
    other = good.replace("s_0001", "s_0002")
    forged = sign(b"x" * 64, link_of(good))
    unbound = sign(key, msgspec.structs.replace(link_of(good), session="s_9999"))

    async def story(browser: Browser) -> None:
        mark = await browser.mark(good)
        for token in (
            "",
            "x",
            good[:-1],
            good + "A",
            other,
            forged,
            good + "/",
            good + "?a=1",
            "../" + good,
            "%2e" + good,
        ):
            status, page = await browser.get(token)
            assert status == 404 and not any(word in page for word in MARKS), token
            status, _page = await browser.post(token, {"form": mark, "answer": "yes"})
            assert status == 404, token
        for path in ("/", "/a", "/favicon.ico", "/robots.txt", "/approvals", "/a/" + good + "/../x"):
            assert (await browser.ask("GET", path))[0] == 404
        assert (await browser.get(unbound))[0] == 409, "signed, but for a session that has no such question"
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            assert (await browser.ask(method, f"/a/{good}"))[0] == 405

    served(story)
    assert home.answers(session) == []


def link_of(token: str) -> Link:
    found = opened(link_key(default_home()), token, 0)
    assert isinstance(found, Link)
    return found


def test_looking_answers_nothing_however_often(home: Home) -> None:
    session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        for method in ("GET", "HEAD", "GET"):
            status, page = await browser.ask(method, f"/a/{token}")
            assert status == 200 and ("alert(1)" in page) == (method == "GET")
        for path in (f"/a/{token}?answer=yes", f"/a/{token}?form=x&answer=yes"):
            assert (await browser.ask("GET", path))[0] == 404

    served(story)
    assert home.answers(session) == []


def test_a_link_answers_once_also_at_the_same_moment_and_after_a_restart(home: Home) -> None:
    session, approval = home.park()
    tokens = [home.link(approval, to="team"), home.link(approval, to="mail")]

    async def story(browser: Browser) -> None:
        marks = [await browser.mark(token) for token in tokens]
        pairs = list(zip(tokens, marks, strict=True)) * 4
        answers = ["yes", "no"] * 4
        found = await asyncio.gather(
            *(browser.post(token, {"form": mark, "answer": answer})
              for (token, mark), answer in zip(pairs, answers, strict=True))
        )  # fmt: skip
        assert sorted(status for status, _page in found) == [200, *[410] * 7]
        assert all("This link has been used." in page for status, page in found if status == 410)

    served(story)
    (given,) = home.answers(session)

    async def later(browser: Browser) -> None:
        for token in tokens:
            status, page = await browser.get(token)
            assert status == 410 and "This link has been used." in page and given.answer in page
            assert not any(word in page for word in ("alert(1)", session))

    served(later)
    assert home.answers(session) == [given]
    assert given.channel == "link" and given.by in ("link to team", "link to mail")


def test_a_link_that_has_expired_says_so(home: Home) -> None:
    session, approval = home.park()
    token = home.link(approval, LinkOptions(url="http://127.0.0.1", lifetime=-5))
    _late, second = home.park(deadline=time.time() - 1)
    key = link_key(home.path)
    with Store.open(home.path) as store:
        asked = next(one for one in store.questions() if one.request.approval == second)
    late = sign(key, msgspec.structs.replace(
        link_of(home.link(approval)), session=asked.session, approval=second,
        digest=link_digest(home, second), until=int(time.time()) + 60))  # fmt: skip

    async def story(browser: Browser) -> None:
        mark = await browser.mark(home.link(approval))
        for token_, word in ((token, "This link has expired."), (late, "The deadline of this question has passed")):
            assert word in (await browser.get(token_))[1]
            status, page = await browser.post(token_, {"form": mark, "answer": "yes"})
            assert status == 410 and word in page

    served(story)
    assert home.answers(session) == [] and home.answers(_late) == []


def link_digest(home: Home, approval: str) -> str:
    with Store.open(home.path) as store:
        asked = next(one for one in store.questions() if one.request.approval == approval)
        events = [stored.event for stored in store.visit(asked.session).events()]
    action = next(event.action for event in events if isinstance(event, ActionProposed))
    return digest_of(asked.request, action)


def test_what_is_asked_is_what_the_link_was_made_for(home: Home) -> None:
    """The same question with other words or other code: the link fits no more."""
    session, approval = home.park()
    token = home.link(approval)
    with Store.open(home.path) as store:
        log = store.visit(session)
        old = next(one.event for one in log.events() if isinstance(one.event, ApprovalRequested))
        log.append_now(msgspec.structs.replace(old, subject="0" * 64))
    changed, second = home.park("import os", sha256="0" * 64)  # a log in which the code was changed after its hash

    async def story(browser: Browser) -> None:
        status, page = await browser.get(token)
        assert status == 409 and "not what this link was made for" in page and "alert(1)" not in page
        other = home.link(second)
        mark = await browser.mark(other)
        status, page = await browser.post(other, {"form": mark, "answer": "yes"})
        assert status == 409 and "not the code that was asked about" in page

    served(story)
    assert home.answers(session) == [] and home.answers(changed) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "application/json"},
        {"Content_Type": ""},
    ],
)
def test_a_form_of_another_site_is_refused(home: Home, headers: dict[str, str]) -> None:
    session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        fields = {"form": await browser.mark(token), "answer": "yes"}
        assert (await browser.post(token, fields, **headers))[0] == 403

    served(story)
    assert home.answers(session) == []


def test_only_the_form_of_this_very_page_counts(home: Home) -> None:
    session, approval = home.park()
    _other, second = home.park("other")
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        mark, foreign = await browser.mark(token), await browser.mark(home.link(second))
        for fields in ({"answer": "yes"}, {"form": foreign, "answer": "yes"}, {"form": "1.x", "answer": "yes"},
                       {"form": mark, "answer": "yes", "code": "rm"}):  # fmt: skip
            assert (await browser.post(token, fields))[0] == 403, fields
        for body in (b"form=a&form=b&answer=yes", b"answer=yes&answer=no", b"&" * 200, b"\xff\xfe", b"%ff=%fe"):
            assert (await browser.post(token, body))[0] == 403, body
        for answer in ("", "always", "edit", "session", "cancelled", "YES", "yes\n"):
            assert (await browser.post(token, {"form": mark, "answer": answer}))[0] == 400, answer
        assert home.answers(session) == []
        fields = {"form": mark, "answer": "no", "words": "w" * 9_000, "name": "a\r\nb\u202e" + "n" * 90}
        assert (await browser.post(token, fields, Origin=f"http://{browser.host}", Sec_Fetch_Site="same-origin"))[
            0
        ] == 200

    served(story)
    (given,) = home.answers(session)
    assert given.answer == "no" and len(given.reason) == 4_000
    assert given.by.startswith("link to team: a b") and len(given.by) <= 80 and given.by.isprintable()


def test_a_name_that_was_bent_to_this_machine_reaches_nothing(home: Home) -> None:
    session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        mark = await browser.mark(token)
        port = browser.port
        near = (f"127.0.0.1.evil.example:{port}", "127.0.0.1:1", "localhost", f"x@127.0.0.1:{port}")
        for host in (f"evil.example:{port}", "evil.example", *near):
            status, page = await browser.get(token, Host=host)
            assert status == 421 and not any(word in page for word in MARKS), host
            assert (await browser.post(token, {"form": mark, "answer": "yes"}, Host=host))[0] == 421
        assert (await browser.ask("GET", f"/a/{token}", Host=""))[0] == 421
        for host in (f"localhost:{port}", f"LOCALHOST:{port}", "answers.example.com"):
            assert (await browser.get(token, Host=host))[0] == 200, host
        origin = {"Host": browser.host, "Origin": "https://answers.example.com"}
        assert (await browser.post(token, {"form": mark, "answer": "yes"}, **origin))[0] == 200

        assert (await browser.ask("GET", f"/below/a/{token}"))[0] == 410, "a proxy may leave its own part of the path"

    served(story, url="https://answers.example.com/below")
    assert len(home.answers(session)) == 1


SHUT = (
    "default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "cache-control: no-store",
    "referrer-policy: same-origin", "x-content-type-options: nosniff", "x-frame-options: deny",
)  # fmt: skip


def test_hostile_code_stays_text_and_every_page_is_shut(home: Home) -> None:
    hostile = CODE + "\n</pre><img src=x onerror=alert(2)>'\"&amp;\u202egnp.\x1b[2J\x00"
    _session, approval = home.park(hostile)
    second, long = home.park("x = 1  # " + "y" * 200_000)
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        status, page = await browser.get(token)
        assert status == 200 and "<script" not in page and "<img" not in page and "\x1b" not in page
        assert "alert(1)" in html.unescape(page) and "<U+202E>" in html.unescape(page)
        for path in (f"/a/{token}", "/", f"/a/{token}x"):
            top = (await browser.ask("GET", path))[1].partition("\n\n")[0].lower()
            for line in SHUT:
                assert line in top, line
            assert "access-control" not in top and "unsafe" not in top and "set-cookie" not in top
        status, page = await browser.get(home.link(long))
        assert status == 200 and 'value="yes"' not in page and 'value="no"' in page, "what is not seen is not approved"
        fields = {"form": await browser.mark(home.link(long)), "answer": "yes"}
        status, page = await browser.post(home.link(long), fields)
        assert status == 409 and f"interpreter approvals show {long}" in page, "and not by a form of one's own either"
        assert home.answers(second) == []
        assert (await browser.post(home.link(long), {**fields, "answer": "no"}))[0] == 200

    served(story)


def test_a_question_of_the_model_shows_no_secret(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", secret := "q9Zx7Lm2Vt5Kp8Rw3Yn6")
    monkeypatch.setenv("BANK_API_KEY", "73194028561740295")
    asked = {"question": f"Is {secret} right?", "options": [secret, "no"]}
    _session, words = home.park(call_code("ask_human", asked), language=TOOL)
    _session, number = home.park(call_code("ask_human", {"question": 73194028561740295}), language=TOOL)

    async def story(browser: Browser) -> None:
        status, page = await browser.get(home.link(words))
        assert status == 200 and "Is [redacted] right?" in page and "<li>no</li>" in page and secret not in page
        status, page = await browser.get(home.link(number))
        assert status == 200 and "[redacted]" in page and "73194028561740295" not in page

    served(story)


def test_it_ends_without_a_word_where_a_connection_is_open(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    home.park()
    held: list[socket.socket] = []

    async def story(browser: Browser) -> None:
        held.append(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", browser.port)))
        await browser.get("x")  # answered after the first one was taken

    served(story)
    held[0].close()
    assert [record.getMessage() for record in caplog.records] == []


def test_what_is_no_plain_request_is_refused(home: Home) -> None:
    session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        host = f"Host: {browser.host}\r\n"
        mark = await browser.mark(token)
        body = f"form={mark}&answer=yes"
        post = f"POST /a/{token} HTTP/1.1\r\n{host}Content-Type: application/x-www-form-urlencoded\r\n"
        for data, status in (
            (f"GET /a/{token} HTTP/1.1\r\n{host}X: {'x' * 20_000}\r\n\r\n", 431),
            (f"GET /{'a' * 20_000} HTTP/1.1\r\n{host}\r\n", 431),
            (f"GET /a/{token} HTTP/1.1\r\n{host}" + "A: b\r\n" * 100 + "\r\n", 400),
            (f"GET /a/{token}\r\n\r\n", 400),
            (f"get /a/{token} HTTP/1.1\r\n{host}\r\n", 400),
            (f"GET http://{browser.host}/a/{token} HTTP/1.1\r\n{host}\r\n", 400),
            (f"GET /a/{token} HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n", 400),
            (f"GET /a/{token} HTTP/1.1\r\nHost : {browser.host}\r\n\r\n", 400),
            (f"GET /a/{token} HTTP/1.1\r\n{host} folded\r\n\r\n", 400),
            (f"{post}Content-Length: 9999999\r\n\r\n", 413),
            (f"{post}Content-Length: 99999999999999999999\r\n\r\n", 413),
            (f"{post}Content-Length: -1\r\n\r\n", 400),
            (f"{post}Content-Length: +5\r\n\r\n", 400),
            (f"{post}Content-Length: {len(body)}\r\nContent-Length: 3\r\n\r\n{body}", 400),
            (f"{post}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
            (f"{post}Transfer-Encoding: chunked\r\nContent-Length: {len(body)}\r\n\r\n{body}", 411),
            (f"{post}\r\n{body}", 400),
        ):
            answer = await browser.raw(data.encode())
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (data[:80], answer[:80])
        # A second request behind the first is never looked at.
        first = f"GET / HTTP/1.1\r\n{host}\r\n"
        answer = await browser.raw(f"{first}{post}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert answer.count(b"HTTP/1.1") == 1

    served(story)
    assert home.answers(session) == []


@pytest.mark.timeout(30)
def test_no_header_takes_long_to_be_refused(home: Home) -> None:
    """An attack: 8 kB of spaces for which one expression went back and tried again for a quarter of an hour."""
    home.park()

    async def story(browser: Browser) -> None:
        head = f"GET / HTTP/1.1\r\nHost: \t {browser.host} \t\r\n"
        for spaces in (" " * 8_000, " \t" * 4_000, " x" * 4_000):
            assert (await browser.raw(f"{head}X:{spaces}\x01\r\n\r\n".encode())).startswith(b"HTTP/1.1 400 ")
            assert (await browser.raw(f"{head}X:{spaces}\r\n\r\n".encode())).startswith(b"HTTP/1.1 404 ")

    served(story)


def test_slow_and_many_clients_hold_nobody_up(home: Home) -> None:
    session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        slow = [await asyncio.open_connection("127.0.0.1", browser.port) for _n in range(5)]
        for _reader, writer in slow[:3]:
            writer.write(b"GET /a/")
        for _reader, writer in slow[3:]:
            writer.write(f"POST /a/{token} HTTP/1.1\r\nHost: {browser.host}\r\nContent-Length: 50\r\n\r\nform".encode())
        assert (await browser.get(token))[0] == 200, "others are answered meanwhile"
        more = [await asyncio.open_connection("127.0.0.1", browser.port) for _n in range(20)]
        assert (await browser.raw(b"")).startswith(b"HTTP/1.1 503 "), "and there are only so many at once"
        for reader, writer in (*slow, *more):
            assert await reader.read() in (b"", REFUSED), "each is let go in its time"
            writer.close()
        assert (await browser.get(token))[0] == 200

    served(story, seconds=1.0, most=12)
    assert home.answers(session) == []


REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_a_browser_that_goes_away_has_answered_once_or_not_at_all(home: Home) -> None:
    session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        body = f"form={await browser.mark(token)}&answer=yes"
        _reader, writer = await asyncio.open_connection("127.0.0.1", browser.port)
        writer.write(
            f"POST /a/{token} HTTP/1.1\r\nHost: {browser.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        writer.transport.abort()
        for _round in range(400):
            if (await browser.get(token))[0] != 200:
                break
            await asyncio.sleep(0.02)

    served(story)
    assert len(home.answers(session)) <= 1


def test_languages(home: Home) -> None:
    _session, approval = home.park()
    token = home.link(approval)

    async def story(browser: Browser) -> None:
        for header, lang in (
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"), ("en-GB, zh;q=0.4", "en"), ("de, fr", "en"), ("zh;q=x", "en"),
            ("zh;q=0, en;q=0.1", "en"), ("zh;q=nan", "en"), ("de, zh-TW;q=0.5", "zh-CN"),
        ):  # fmt: skip
            assert f'lang="{lang}"' in (await browser.get(token, Accept_Language=header))[1], header

    served(story)

    async def fixed(browser: Browser) -> None:
        assert 'lang="zh-CN"' in (await browser.get(token, Accept_Language="en"))[1]

    served(fixed, lang="zh_CN")
